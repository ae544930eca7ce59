"""Rounding of training: against permuted features, perturbed matrices and 40 digits."""

import mpmath
import numpy as np
import pytest

import rfdiff
from rfdiff.loss.quadratic import QuadraticLoss
from rfdiff.model.features import RandomFeatures
from rfdiff.training.gradient_flow import GradientFlow
from rfdiff.training.rounding import FlowRounding, FlowRoundingAt

TAU = np.array([0.0, 1.0, 1e2, 1e4, 1e6, 1e8, np.inf])


def permuted(run, seed):
    """Return the same training with its features in another order."""
    f = run.features
    order = np.random.default_rng(seed).permutation(f.width)
    features = RandomFeatures(
        f.W[order], f.U[order], f.embedding, f.activation, f.preconditioner, f.law
    )
    return rfdiff.train_exact(
        run.tau, n=run.n, seed=run.seed, features=features, theta0=run.problem.theta0[:, order]
    )


class TestPermutingFeatures:
    """The order of features is nothing but rounding."""

    @pytest.mark.parametrize(
        "setting",
        [{"n": 30, "m": 64}, {"n": 1000, "m": 128}, {"n": 30, "m": 32, "theta0": "gaussian"}],
    )
    def test_changes_results_within_their_errors(self, setting):
        run = rfdiff.train_exact(TAU, **setting)
        kl, loss, bound = run.kl(), run.loss("population"), run.bound().integral
        changes = []
        for seed in range(3):
            other = permuted(run, seed)
            changes.append(np.abs(other.kl().value - kl.value))
            assert (changes[-1] <= kl.error).all()
            assert (np.abs(other.loss("population").value - loss.value) <= loss.error).all()
            assert (np.abs(other.bound().integral.value - bound.value) <= bound.error).all()
        # Late errors are rounding, and say something.
        late = np.max(changes, axis=0)[TAU >= 1e4]
        assert (kl.error[TAU >= 1e4] <= 300.0 * late).all()

    def test_changes_a_hard_case_within_its_error(self):
        """Far modes, a constant VP and 16 features that all but agree, at late times."""
        hard = {
            "tau": [1e6, 1e9, 1e12], "m": 16, "features": "torch", "precondition": True,
            "target": rfdiff.GaussianMixture([0.9, 0.1], [-15.0, 15.0], 1.0),
            "sde": rfdiff.VPSDE(1.0, 1.0), "population": True,
        }  # fmt: skip
        run = rfdiff.train_exact(**hard)
        f, kl = run.features, run.kl()
        assert kl.error[-1] > 1e-4  # where 1e-9 was stated
        for seed in range(5):
            order = np.random.default_rng(seed).permutation(16)
            features = RandomFeatures(
                f.W[order], f.U[order], f.embedding, f.activation, f.preconditioner, f.law
            )
            other = rfdiff.train_exact(**hard | {"features": features, "precondition": False})
            assert (np.abs(other.kl().value - kl.value) <= kl.error).all()

    def test_changes_densities_within_their_errors(self):
        run = rfdiff.train_exact(TAU, n=30, m=64)
        x = np.linspace(-6.0, 6.0, 41)
        learned, other = run.learned_density(), permuted(run, 0).learned_density()
        change = np.abs(learned.log_density(x) - other.log_density(x))
        assert (change <= learned.log_density_error(x)).all()


def by_mpmath(gram, cross, tau):
    """Return θ(τ) from 0 in 40 digits."""
    with mpmath.workdps(40):
        values, vectors = mpmath.eigsy(mpmath.matrix(gram.tolist()))
        drive = vectors.T * mpmath.matrix(cross.tolist())
        moved = [-mpmath.expm1(-2 * v * tau) / v * c for v, c in zip(values, drive, strict=True)]
        return np.array([float(v) for v in vectors * mpmath.matrix(moved)])


class TestDeviation:
    def test_is_that_of_perturbed_matrices(self):
        """Entries that err by ε√(G_ii G_jj), a billion times larger, move θ as predicted."""
        rng = np.random.default_rng(3)
        factor = rng.standard_normal((8, 8)) * np.logspace(0, -3, 8)
        gram, cross = factor @ factor.T, rng.standard_normal((1, 8)) @ factor.T
        loss = QuadraticLoss(gram, cross, 1.0)
        rounding, size = FlowRounding(GradientFlow(loss)), 1e-9
        u = rng.standard_normal((1, 1, 8))
        for tau in (1.0, 1e3, 1e6):
            exact = by_mpmath(gram, cross[0], tau)
            moves = []
            for _ in range(200):
                noise = (
                    size * rng.standard_normal((8, 8)) * np.sqrt(np.outer(*2 * [gram.diagonal()]))
                )
                noise = np.tril(noise) + np.tril(noise, -1).T
                moves.append(
                    GradientFlow(QuadraticLoss(gram + noise, cross, 1.0)).theta(tau) - exact
                )
            measured = np.std([float(move[0] @ u[0, 0]) for move in moves])
            predicted = float(rounding.deviation(np.array([tau]), u)[0]) * size * 2.0**53
            assert 0.5 < predicted / measured < 20.0

    def test_theta_lies_within_its_error(self):
        run = rfdiff.train_exact(TAU[1:-1], n=20, m=12)
        error = FlowRoundingAt(FlowRounding(run.flow), run.tau)
        unit = np.eye(12)[:, None, None, :]
        errors = error.of(lambda k: np.broadcast_to(unit, (12, len(k), 1, 12)))
        for k, tau in enumerate(run.tau):
            exact = by_mpmath(run.quadratic.gram, run.quadratic.cross[0], float(tau))
            assert (np.abs(run.theta()[k, 0] - exact) <= errors[:, k] + 1e-15).all()

    def test_is_nothing_at_the_start(self):
        flow = rfdiff.train_exact(0.0, n=20, m=8).flow
        error = FlowRoundingAt(FlowRounding(flow), np.zeros(1))
        assert error.of(lambda k: np.ones((1, 1, 8))) == 0.0

    def test_one_time_equals_many(self):
        run = rfdiff.train_exact(TAU, n=20, m=8)
        every = run.loss().error
        alone = [float(run.loss("train", tau).error) for tau in TAU]
        np.testing.assert_allclose(every, alone, rtol=1e-9)


def test_quadrature_of_smooth_activations_arrives():
    """Panels too coarse for modes at ±5000: the KL moves, and its error says so."""
    target = rfdiff.bimodal(5000.0)
    run = rfdiff.train_exact([1e2, 1e6], target=target, n=10, m=8, activation="swish", n_times=8)
    assert run.quadratic.error > 0.0
    assert (run.kl().error > 1e-6).all()


@pytest.mark.parametrize("d", [2, 8])
def test_orders_left_out_of_a_series_are_covered(d):
    """θ(τ) of a rough series against that of a fine one, by what stands beside the rough one."""
    sde, rng = rfdiff.VPSDE(), np.random.default_rng(d)
    features = rfdiff.draw_features("l1", 40, rfdiff.LogSigmaEmbedding(sde), seed=d, dimension=d)
    law = rfdiff.GaussianMixture.from_points(rng.normal(size=(20, d)))
    objective = rfdiff.DenoisingObjective.graded(sde, n_times=2)
    fine, rough = (
        GradientFlow(rfdiff.denoising_quadratic(law, objective, features, accuracy=accuracy))
        for accuracy in (1e-11, 1e-6)
    )
    tau = np.array([1e1, 1e3, 1e5])
    change = rough.theta(tau) - fine.theta(tau)
    gradients = rng.normal(size=(5, *change.shape))
    missed = np.abs((change * gradients).sum((-2, -1)))
    error = FlowRounding(rough).of_quadrature(tau, gradients)
    assert (missed <= error).all()
    assert (error.max(axis=0) <= 1e3 * missed.max(axis=0)).all()
