"""Finite width, finite samples and SGD approach their limits at the rates of theory."""

import numpy as np
import pytest

import rfdiff
from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VESDE
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import draw_features
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.convergence import sample_errors, sgd_distances, width_errors
from rfdiff.theory.power_laws.exponents import fit_power_law
from rfdiff.training.infinite_width_features import infinite_width_by_features

LAW, SDE = bimodal(3.0), VESDE()
EMBEDDING = LogSigmaEmbedding(SDE)
OBJECTIVE = DenoisingObjective.graded(SDE, n_times=32)


def infinite_width(m, features="l1"):
    return infinite_width_by_features(LAW, OBJECTIVE, EMBEDDING, features=features, m=m)


@pytest.mark.parametrize("features", ["gaussian", "l1"])
def test_rms_score_approaches_the_limit_as_m_to_minus_one_half(features):
    widths = [32, 64, 128, 256, 512]
    errors = width_errors(infinite_width(1024, features), widths, 1e3, seeds=8)
    assert abs(fit_power_law(widths, errors).exponent + 0.5) < 0.1


def test_width_errors_are_those_of_separate_trainings():
    """The Gram of the first m of M features, rescaled, against a model of m features of its own."""
    limit = infinite_width(256)
    errors = width_errors(limit, [16, 64], 1e3, seeds=2, seed=5)
    alone = width_errors(limit, [16], 1e3, seeds=1, seed=6)
    assert errors[1, 0] == pytest.approx(alone[0, 0], rel=1e-9)
    assert errors[0, 0] != errors[1, 0]


def test_sampling_error_vanishes_at_first_order_in_n():
    """I₁ ~ n^{−1}: means over sixteen samples, in four groups since one alone may be negative."""
    sizes = [100, 200, 400, 800, 1600]
    features = draw_features("l1", 64, EMBEDDING, seed=0)
    errors = sample_errors(LAW, OBJECTIVE.refined, features, sizes, 1e6, seeds=16)
    # The errors of 64 time nodes, from three levels of them, are a tenth of I₁ at the most.
    assert (errors.error < 0.1 * errors.value.mean(axis=0)).all()
    groups = errors.value.reshape(4, 4, len(sizes)).mean(axis=1)
    assert abs(fit_power_law(sizes, groups, window=(100, 1600)).exponent + 1.0) < 0.2


def test_sampling_error_is_the_decompositions():
    run = rfdiff.train_exact(1e6, n=80, m=32)
    terms = run.decomposition(wide=64)
    alone = sample_errors(LAW, run.problem.objective, run.features, [40, 80], 1e6, seeds=1)
    assert terms.scale * alone.value[0, 1] == pytest.approx(float(terms.sample), rel=1e-9)


class TestSGD:
    @pytest.fixture(scope="class")
    @classmethod
    def run(cls):
        return rfdiff.train_exact(1.0, n=20, m=16)

    @pytest.fixture(scope="class")
    @classmethod
    def batches(cls, run):
        return run.problem.batches(32, shuffle=False)

    @pytest.mark.parametrize("decreasing", [False, True])
    def test_distance_to_the_flow_is_first_order(self, run, batches, decreasing):
        rates = [0.0005, 0.001, 0.002, 0.004]
        squares = sgd_distances(
            run.flow, batches, rates, 2.0, decreasing=decreasing, repetitions=64
        )
        groups = squares.reshape(8, 8, len(rates)).mean(axis=1)
        assert abs(fit_power_law(rates, groups, window=(0.0005, 0.004)).exponent - 1.0) < 0.1

    def test_a_decreasing_rate_ends_nearer(self, run, batches):
        """The scatter is that of the last, small steps: at τ of several emergence times."""
        even, falling = (
            sgd_distances(run.flow, batches, [0.004], 4.0, decreasing=choice, repetitions=64)
            for choice in (False, True)
        )
        assert falling.mean() < 0.9 * even.mean()

    @pytest.mark.parametrize("rates", [[0.0], [-1.0], [np.nan]])
    def test_rates(self, run, batches, rates):
        with pytest.raises(ArgumentError, match="rates must be"):
            sgd_distances(run.flow, batches, rates, 1.0)


@pytest.mark.parametrize("widths", [[64, 32], [0, 8], [1.5], [[8, 16]], []])
def test_widths(widths):
    with pytest.raises(ArgumentError, match="widths must be increasing positive integers"):
        width_errors(infinite_width(16), widths, 1e3)
