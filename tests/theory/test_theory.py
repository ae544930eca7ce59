"""Spectra and lemmas: synthetic flows with known exponents, runs that must respect the lemmas."""

import warnings

import numpy as np
import pytest
from scipy.special import zeta

import rfdiff
from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.loss.quadratic import QuadraticLoss
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.lemmas import (
    Check,
    convergence_check,
    feature_sampling_errors,
    growth_check,
    tail_check,
)
from rfdiff.theory.power_laws.exponents import fit_power_law
from rfdiff.theory.spectrum import gap_onset, spectrum
from rfdiff.training.gradient_flow import GradientFlow
from rfdiff.training.infinite_width_kernel import infinite_width_by_kernel

TAU = np.logspace(0, 9, 28)


def power_flow(alpha, beta, m=400):
    """λ_k = k^−α and energies k^−β, in the basis of a random reflection."""
    k = np.arange(1.0, m + 1)
    normal = np.random.default_rng(0).standard_normal(m)
    rotation = np.eye(m) - 2.0 * np.outer(normal, normal) / (normal @ normal)
    eigenvalues, drive = k**-alpha, np.sqrt(k**-beta * k**-alpha)
    gram = (rotation * eigenvalues) @ rotation.T
    loss = QuadraticLoss(0.5 * (gram + gram.T), (rotation @ drive)[None], float((k**-beta).sum()))
    return GradientFlow(loss)


@pytest.fixture(scope="module")
def known():
    return power_flow(2.0, 2.5, m=1000)


class TestSpectrum:
    def test_known_exponents(self, known):
        modes = spectrum(known, window=(5, 30))
        assert modes.decay.exponent == pytest.approx(-2.0, abs=1e-6)
        # A thousand modes are not infinitely many: of the tail at k = 30, 0.5 % is missing.
        assert modes.energy_decay.exponent == pytest.approx(-1.5, abs=2e-3)
        assert modes.loss_exponent == pytest.approx(-0.75, abs=1e-3)
        assert np.allclose(modes.emergence_times[:5], 0.5 * np.arange(1, 6) ** 2.0, rtol=1e-9)

    def test_tails_are_hurwitz_sums(self, known):
        """Σ_{j=k}^{1000} j^{−2.5} in closed form, through the same fit."""
        k = np.unique(np.geomspace(5, 30, 24).astype(int))
        fit = fit_power_law(k - 0.5, zeta(2.5, k) - zeta(2.5, 1001), window=(4, 30))
        found = spectrum(known, window=(5, 30)).energy_decay
        assert found.exponent == pytest.approx(fit.exponent, abs=1e-8)

    def test_predicted_shape_of_the_loss(self, known):
        """The curve mode by mode is the flow's; its slope is the predicted one."""
        modes = spectrum(known, window=(5, 30))
        tau = np.logspace(1, 3, 21)
        excess = known.loss(tau) - known.loss(np.inf)
        assert np.allclose(modes.excess_loss(tau), excess, rtol=1e-6)
        slope = np.polyfit(np.log(tau), np.log(excess), 1)[0]
        assert slope == pytest.approx(modes.loss_exponent, abs=5e-3)

    def test_a_mode_emerges_at_its_time(self):
        flow = power_flow(2.0, 2.5, m=20)
        modes = spectrum(flow)
        learned = np.abs(flow.modes(modes.emergence_times)[:, 0, ::-1])
        final = np.abs(flow.modes(np.inf)[0, ::-1])
        assert np.allclose(np.diag(learned) / final, 1.0 - np.exp(-1.0), rtol=1e-6)

    @pytest.mark.parametrize(
        ("choices", "message"),
        [({"theta0": "gaussian", "m": 32}, "theta0 = 0"), ({"m": 4}, "at least 6 modes, got")],
    )
    def test_bad_input(self, choices, message):
        with pytest.raises(ArgumentError, match=message):
            spectrum(rfdiff.train_exact(1.0, n=20, **choices).flow)

    def test_narrow_windows(self):
        with pytest.raises(ArgumentError, match="at least 3 modes"):
            spectrum(power_flow(2.0, 2.5, m=20), window=(3, 4))


class TestGapOnset:
    @pytest.fixture(scope="class")
    @classmethod
    def onsets(cls):
        found = []
        for n in (10, 1000):
            run = rfdiff.train_exact(1.0, n=n, m=64)
            found.append(gap_onset(run.flow, run.problem.quadratic(run.target), TAU))
        return found

    def test_more_data_begin_to_overfit_later(self, onsets):
        few, many = onsets
        assert few.gap < many.gap
        assert few.population < many.population
        assert np.isfinite(few.modes).any()

    def test_gap_in_one_mode(self):
        """θ̂ → 1 passes the population's 0.5 at e^{−2τ} = 0.5."""
        sample, population = (QuadraticLoss(np.eye(1), np.array([[c]]), 2.0) for c in (1.0, 0.5))
        grid = np.linspace(0.01, 2.0, 200)
        onset = gap_onset(GradientFlow(sample), population, grid)
        assert onset.modes[0] == pytest.approx(0.5 * np.log(2.0), abs=0.01)
        assert onset.population == pytest.approx(0.5 * np.log(2.0), abs=0.01)

    def test_the_population_never_turns_against_itself(self):
        run = rfdiff.train_exact(1.0, m=32, population=True)
        onset = gap_onset(run.flow, run.quadratic, TAU)
        assert onset.gap == np.inf and np.isinf(onset.modes).all()

    def test_short_grids(self):
        flow = power_flow(2.0, 2.0, m=8)
        with pytest.raises(ArgumentError, match="at least 3 training times"):
            gap_onset(flow, flow.quadratic, [1.0, 2.0])


class TestLemmas:
    @pytest.mark.parametrize("sde", [VESDE(), VPSDE(), SubVPSDE()])
    @pytest.mark.parametrize("law", [bimodal(3.0), bimodal(15.0), raised_cosine()])
    def test_tails(self, law, sde):
        check = tail_check(law, sde)
        assert check.holds and (check.measured >= 0).all() and 0 < check.worst_ratio < 1

    def test_tails_by_simulation(self):
        law, sde, delta = bimodal(3.0), VESDE(), 0.3
        rng = np.random.default_rng(0)
        start = law.sample(200_000, rng)[:, 0]
        end = start + float(sde.std(1.0)) * rng.standard_normal(len(start))
        constant = max(1.0, float(sde.std(1.0)))
        outside = np.abs(end) > constant * (np.abs(start) + np.sqrt(np.log(1.0 / delta**2)))
        check = tail_check(law, sde, [delta])
        spread = np.sqrt(check.measured[0] / len(start))
        assert abs(outside.mean() - check.measured[0]) < 4.5 * spread

    @pytest.mark.parametrize(("n", "theta0"), [(10, None), (300, None), (100, "gaussian")])
    def test_convergence_and_growth(self, n, theta0):
        flow = rfdiff.train_exact(1.0, n=n, m=64, theta0=theta0).flow
        for check in (convergence_check(flow, TAU), growth_check(flow, TAU)):
            assert check.holds
            # Not by being empty: the bound is within two orders of what is measured somewhere.
            assert 0.01 < check.worst_ratio <= 1.0 + 1e-9

    @pytest.mark.parametrize("tau", [1e305, 1e308, np.finfo(float).max])
    def test_lemmas_at_the_end_of_the_floats(self, tau):
        """4λτ is no float there; both checks have their limits, and raise no warning."""
        flow = rfdiff.train_exact(1.0, n=10, m=64, precondition=True).flow
        assert flow.eigenvalues[-1] > 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fall, growth = convergence_check(flow, [tau]), growth_check(flow, [tau])
            excess = spectrum(flow).excess_loss([tau, np.inf])
        assert fall.holds and growth.holds and fall.measured == excess[0] == excess[1] == 0.0
        # All that can fall has fallen, but for null modes, which hold nothing.
        assert growth.bound == pytest.approx(np.sqrt(tau) * np.sqrt(flow.modes.excess.sum()))

    def test_checks_can_fail(self):
        one = np.ones(3)
        assert not Check("Lemma 4", "τ", one, one, 0.99 * one).holds
        assert Check("Lemma 4", "τ", one, one, 0.99 * one).worst_ratio > 1.0

    def test_bound_of_lemma_4_is_the_best_ridge_value(self):
        flow = rfdiff.train_exact(1.0, n=50, m=24).flow
        tau, loss = 1e3, flow.quadratic
        ridge = np.linalg.solve(loss.gram + np.eye(24) / (2.0 * tau), loss.cross[0])[None]
        value = float(loss(ridge)) + float((ridge**2).sum()) / (2.0 * tau)
        check = convergence_check(flow, [tau])
        assert check.bound[0] == pytest.approx(value - float(flow.loss(np.inf)), rel=1e-6)

    def test_feature_sampling_is_first_order_in_m(self):
        sde = VESDE()
        objective = DenoisingObjective.graded(sde, n_times=8)
        limit = infinite_width_by_kernel(
            bimodal(3.0), objective, LogSigmaEmbedding(sde), n_panels=4
        )
        widths = np.array([64, 128, 256, 512, 1024])
        errors = feature_sampling_errors(limit, 1e3, widths, seeds=24)
        fit = fit_power_law(widths, errors.reshape(6, 4, -1).mean(axis=1), window=(64, 1024))
        assert abs(fit.exponent + 1.0) < 0.15

    def test_feature_sampling_grows_at_most_as_mu_squared(self):
        sde, mean = VESDE(), []
        objective = DenoisingObjective.graded(sde, n_times=8)
        for mu in (2.0, 4.0, 8.0):
            limit = infinite_width_by_kernel(
                bimodal(mu), objective, LogSigmaEmbedding(sde), n_panels=4
            )
            errors = feature_sampling_errors(limit, 1e3, [256], seeds=24)
            mean.append(errors.mean())
        slopes = np.diff(np.log(mean)) / np.log(2.0)
        assert (slopes < 2.0).all() and mean[2] > mean[0]

    @pytest.mark.parametrize("tau", [[0.0, 1.0], [np.inf], 1.0, [-1.0]])
    def test_times(self, tau):
        with pytest.raises(ArgumentError, match="tau must be"):
            growth_check(power_flow(2.0, 2.0, m=8), tau)

    @pytest.mark.parametrize("delta", [[0.0], [1.0], [-0.1], [np.nan]])
    def test_delta(self, delta):
        with pytest.raises(ArgumentError, match="delta must be"):
            tail_check(bimodal(), VESDE(), delta)
