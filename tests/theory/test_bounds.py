"""The bound of Lemma 2 against direct quadrature and against the reverse SDE's own density."""

import numpy as np
import pytest
from scipy.integrate import quad

import rfdiff
from reference.paper import T_EVAL, marginal
from rfdiff.densities.reverse_sde.density import ReverseSDEDensity
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.diffusion.time_rules import graded_time_rule
from rfdiff.divergences.kl import kl_divergence
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.bounds import kl_bound, prior_divergence

PROCESSES = [VESDE(), VPSDE(), SubVPSDE()]


def mismatch(run, t, tau):
    """E‖s − ∇log p_t‖² by the trapezoidal rule, apart from everything the bound uses."""
    law = marginal(run.target, run.sde, t)
    x = np.linspace(*law.domain(9.0), 40001)
    gap = run.learned_score(tau)(x, t) - law.score(x)
    return float(np.trapezoid(law.density(x) * gap**2, x))


class TestBoundItself:
    @pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
    def test_integral_against_the_trapezoidal_rule_in_x(self, sde):
        """The scores themselves on a fine grid, with no quadratic form."""
        run = rfdiff.train_exact(np.array([1e3, 1e8]), n=20, m=16, sde=sde)
        bound = run.bound(t=T_EVAL)
        rule = graded_time_rule(T_EVAL, sde.T, 24)
        for i, tau in enumerate(run.tau):
            values = [float(sde.diffusion_squared(t)) * mismatch(run, t, tau) for t in rule.nodes]
            direct = 0.5 * (sde.T - T_EVAL) * float(rule.weights @ values)
            assert bound.integral.value[i] == pytest.approx(direct, rel=2e-4)

    def test_error_covers_four_times_the_nodes(self):
        run = rfdiff.train_exact(np.logspace(0, 9, 10), n=100, m=128)
        coarse, fine = run.bound(n_times=32), run.bound(n_times=128)
        change = np.abs(coarse.integral.value - fine.integral.value)
        assert (change <= coarse.integral.error + fine.integral.error).all()
        assert (coarse.integral.error < 0.1 * coarse.integral.value).all()

    @pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
    def test_prior_term_against_adaptive_quadrature(self, sde):
        law = bimodal(3.0)
        last = marginal(law, sde, sde.T)
        std = float(sde.prior_std)

        def integrand(x):
            log_prior = -0.5 * (x / std) ** 2 - np.log(std * np.sqrt(2.0 * np.pi))
            return float(last.density(x) * (last.log_density(x) - log_prior))

        exact = quad(integrand, *last.domain(12.0), epsabs=1e-13, limit=400)[0]
        estimate = prior_divergence(law, sde)
        assert float(estimate) == pytest.approx(exact, abs=1e-11)

    def test_prior_term_of_a_gaussian_in_closed_form(self):
        sde, law = VPSDE(), GaussianMixture([1.0], [2.0], 0.5)
        last = marginal(law, sde, sde.T)
        mean, variance = float(last.mean[0]), float(last.variance[0])
        exact = 0.5 * (variance + mean**2 - 1.0 - np.log(variance))
        assert float(prior_divergence(law, sde)) == pytest.approx(exact, abs=1e-12)

    def test_shapes_follow_tau(self):
        run = rfdiff.train_exact(np.ones((2, 3)), n=10, m=16)
        bound = run.bound()
        assert bound.total.shape == (2, 3) and bound.prior.shape == () and bound.t == T_EVAL


class TestInequality:
    """KL(p_t‖p^{SDE}) ≤ bound, error estimates of both sides taken into account."""

    @pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
    @pytest.mark.parametrize(("n", "m"), [(10, 16), (300, 128)])
    def test_holds_along_training(self, sde, n, m):
        run = rfdiff.train_exact(np.array([1.0, 1e4, 1e9]), n=n, m=m, sde=sde)
        learned = ReverseSDEDensity(run.learned_score(), sde, T_EVAL)
        kl = kl_divergence(marginal(run.target, sde, T_EVAL), learned)
        bound = run.bound(t=T_EVAL).total
        assert (kl.value - kl.error <= bound.value + bound.error).all()
        # The comparison can fail: a quarter of the bound is below the KL at the start.
        assert kl.value[0] > 0.25 * bound.value[0]

    def test_compact_support(self):
        law, sde = raised_cosine(0.0, 3.0), VESDE()
        run = rfdiff.train_exact(np.array([1e2, 1e6]), target=law, n=100, m=64, sde=sde)
        learned = ReverseSDEDensity(run.learned_score(), sde, T_EVAL)
        kl = kl_divergence(marginal(law, sde, T_EVAL), learned)
        bound = run.bound(t=T_EVAL).total
        assert (kl.value - kl.error <= bound.value + bound.error).all()


class TestBadInput:
    def test_data_of_unknown_law(self):
        run = rfdiff.train_exact(1.0, data=np.linspace(-1, 1, 10), m=8)
        with pytest.raises(ArgumentError, match="a bound needs a law with a density"):
            run.bound()

    def test_point_masses_at_time_zero(self):
        atoms = GaussianMixture.from_points(np.array([-1.0, 1.0]))
        with pytest.raises(ArgumentError, match="point masses has no density"):
            rfdiff.theory.bounds.require_density(atoms, 0.0)

    @pytest.mark.parametrize("t", [1.0, 2.0, 1e-5, -1.0, np.nan, "soon"])
    def test_times(self, t):
        run = rfdiff.train_exact(1.0, n=10, m=8)
        with pytest.raises(ArgumentError, match="t must be"):
            run.bound(t=t)

    def test_nodes(self):
        run = rfdiff.train_exact(1.0, n=10, m=8)
        with pytest.raises(ArgumentError, match="n_times must be at least 2, got 1"):
            run.bound(n_times=1)

    def test_plane(self):
        run = rfdiff.train_exact(1.0, n=10, m=8)
        law = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
        with pytest.raises(ArgumentError, match="one-dimensional, got d = 2"):
            kl_bound(run.learned_score(), law, run.sde)
