"""The rate functions of Theorems 1 and 2: their minimiser, their exponents, fitted constants."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from rfdiff.support.errors import ArgumentError
from rfdiff.theory.predictions import SUMMARY
from rfdiff.theory.rates import RateFunction, fit_rate

RATE = RateFunction([1e-3], [2e-3], 0.5, 3.0, 0.01)


@pytest.mark.parametrize(("n", "m"), [(1e1, 1e1), (1e3, 1e2), (1e2, 1e6), (1e8, 1e3)])
def test_best_time_is_the_minimiser(n, m):
    found = minimize_scalar(
        lambda log_tau: float(RATE(np.exp(log_tau), n, m)), bounds=(-5, 30), method="bounded"
    )
    assert float(RATE.best_time(n, m)) == pytest.approx(np.exp(found.x), rel=1e-3)
    assert float(RATE.best(n, m)) <= found.fun * (1.0 + 1e-12)


def test_stationary_to_rounding():
    tau = RATE.best_time(1e3, 1e2)
    residual = 4 * 1e-3 * tau**5 / 1e5 + 3 * 2e-3 * tau**4 / 1e4 - 0.5
    assert abs(float(residual)) < 1e-13


def test_exponents_of_theorem_1():
    """With m ~ n: τ_es ~ n^{2/5}, and the bound above its floor ~ n^{−2/5}."""
    rate = RateFunction([1.0], [1.0], 1.0, 0.0, 0.0)
    n = np.logspace(8, 14, 7)
    slope = np.diff(np.log(rate.best_time(n, n))) / np.diff(np.log(n))
    assert np.allclose(slope[-2:], SUMMARY["tau_es(n)"], atol=1e-2)
    slope = np.diff(np.log(rate.best(n, n))) / np.diff(np.log(n))
    assert np.allclose(slope[-2:], SUMMARY["kl(n)"], atol=1e-2)


def test_degenerate_constants():
    assert RateFunction([0.0], [0.0], 1.0, 1.0, 0.0).best_time(10.0, 10.0) == np.inf
    assert RateFunction([1.0], [1.0], 0.0, 1.0, 0.0).best_time(10.0, 10.0) == 0.0
    with pytest.raises(ArgumentError, match="no interior minimum"):
        RateFunction([0.0], [0.0], 1.0, 1.0, 0.0).best(10.0, 10.0)


def test_fit_recovers_theorem_2():
    truth = RateFunction([0.0, 1e-3, 2e-3], [1e-3, 0.0, 1e-3], 0.5, 0.1, 0.02, width_power=2)
    tau, n, m, mu = np.meshgrid(np.logspace(0, 4, 12), [1e2, 1e3], [1e2, 1e3], [1.0, 3.0, 9.0])
    fit = fit_rate(tau, n, m, truth(tau, n, m, mu), mu=mu)
    assert fit.worst_ratio == pytest.approx(1.0, abs=1e-6)
    assert fit.rate.optimisation == pytest.approx(0.5, rel=1e-5)
    assert fit.rate.width == pytest.approx(0.1, rel=1e-4)


def test_misfit_is_reported():
    tau, n = np.meshgrid(np.logspace(0, 3, 10), [1e2, 1e3])
    fit = fit_rate(tau, n, n, tau**0.5)
    assert fit.log_misfit > 0.2 and fit.worst_ratio > 1.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RATE(0.0, 10, 10), "tau must be positive"),
        (lambda: RATE(1.0, -1, 10), "n must be positive"),
        (lambda: RATE.best_time(10, 0.0), "m must be positive"),
        (lambda: RATE(np.ones(2), np.ones(3), 1.0), "must broadcast together"),
        (lambda: RateFunction([-1.0], [1.0], 1.0, 1.0, 0.0), "sample must be non-negative"),
        (lambda: RateFunction([1.0], [1.0], -1.0, 1.0, 0.0), "optimisation must be non-negative"),
        (lambda: fit_rate([1.0, 2.0], 10, 10, [1.0, 2.0]), "values must number at least 5"),
        (lambda: fit_rate(np.arange(1, 9), 10, 10, np.zeros(8)), "values must be positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
