"""Linear SDEs: closed forms against adaptive quadrature and against each other."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from rfdiff.diffusion.sde import SDES, VESDE, VPSDE, LinearSDE, SubVPSDE, evaluation_time
from rfdiff.support.errors import ArgumentError

PROCESSES = [
    VESDE(),
    VESDE(2.0, T=3.0),
    VPSDE(),
    VPSDE(2.0, 2.0, T=2.0),
    SubVPSDE(),
    LinearSDE(lambda t: np.cos(3 * t) - 0.5, lambda t: 1 + t * t, T=2.0),
]


@pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
@pytest.mark.parametrize("share", [1e-3, 0.1, 1.0])
def test_scale_and_std_solve_the_moment_equations(sde, share):
    """r = exp ∫f and σ² = r² ∫ g²/r², the inner integral by scipy's quad too."""
    t = share * sde.T

    def log_scale(s):
        return quad(lambda v: float(sde.drift(v)), 0, s, epsabs=1e-13)[0]

    ratio = quad(
        lambda s: float(sde.diffusion_squared(s)) * np.exp(-2 * log_scale(s)),
        0,
        t,
        epsabs=0,
        epsrel=1e-11,
    )[0]
    assert float(sde.scale(t)) == pytest.approx(np.exp(log_scale(t)), rel=1e-12)
    assert float(sde.std(t)) == pytest.approx(np.exp(log_scale(t)) * np.sqrt(ratio), rel=1e-10)


@pytest.mark.parametrize(
    ("sde", "prior"), [(VESDE(25.0, 0.9), None), (VPSDE(), 1.0), (SubVPSDE(), 1.0)]
)
def test_linear_sde_agrees_with_the_closed_forms(sde, prior):
    general = LinearSDE(
        sde.drift, lambda t: np.sqrt(sde.diffusion_squared(t)), T=sde.T, prior=prior
    )
    t = np.concatenate([[0.0, 1e-4, 1e-3], np.linspace(0.01, sde.T, 57)])
    np.testing.assert_allclose(general.scale(t), sde.scale(t), rtol=1e-12)
    np.testing.assert_allclose(general.std(t), sde.std(t), rtol=1e-9, atol=1e-14)
    assert general.prior_std == pytest.approx(sde.prior_std, rel=1e-12)
    assert general.quadrature_error < 1e-9


def test_linear_sde_says_how_well_it_was_integrated():
    rough = LinearSDE(lambda t: 0.0, lambda t: np.sqrt(1 + np.abs(np.sin(200 * t))))
    truth = 1 + (2 * 63 + 1 - np.cos(200 - 63 * np.pi)) / 200  # 63 half periods and a part
    assert abs(float(rough.std(1.0)) ** 2 - truth) < rough.quadrature_error < 1.0
    assert rough.quadrature_error > 1e-8


@pytest.mark.parametrize("t", [1e-12, 1e-7, 1e-3, 1.0])
def test_small_times_keep_their_relative_accuracy(t):
    with mpmath.workdps(40):
        log_sigma = mpmath.log(25)
        ve = mpmath.sqrt(mpmath.expm1(2 * log_sigma * t) / (2 * log_sigma))
        b = mpmath.mpf("0.1") * t + mpmath.mpf("9.95") * mpmath.mpf(t) ** 2
        variance = -mpmath.expm1(-b)
    assert float(VESDE().std(t)) == pytest.approx(float(ve), rel=1e-13)
    assert float(VPSDE().std(t)) == pytest.approx(float(mpmath.sqrt(variance)), rel=1e-13)
    assert float(SubVPSDE().std(t)) == pytest.approx(float(variance), rel=1e-13)


@pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
def test_functions_of_time_keep_its_shape(sde):
    for t in (0.5, np.full(3, 0.5), np.full((2, 2), 0.5)):
        for f in (sde.drift, sde.diffusion_squared, sde.scale, sde.std):
            assert f(t).shape == np.shape(t)
    assert float(sde.scale(0.0)) == 1.0 and float(sde.std(0.0)) == 0.0
    assert sde.prior_std > 0


@pytest.mark.parametrize("sde", PROCESSES, ids=lambda sde: type(sde).__name__)
def test_time_of_std_inverts_std(sde):
    t = 0.3 * sde.T
    assert sde.time_of_std(float(sde.std(t))) == pytest.approx(t, rel=1e-9)
    assert sde.time_of_std(1e-9, t_min=0.1) == 0.1
    assert sde.time_of_std(1e9) == sde.T


def test_names():
    assert {"ve": VESDE, "vp": VPSDE, "subvp": SubVPSDE} == SDES
    assert evaluation_time(VESDE(), 0.065, 1e-3) == 0.065


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: VESDE(1.0), "sigma must be greater than 1, got 1"),
        (lambda: VESDE(-25.0), "sigma must be greater than 1, got -25"),
        (lambda: VESDE(np.nan), "sigma must be finite, got nan"),
        (lambda: VESDE("large"), "sigma must be a real number, got 'large'"),
        (lambda: VESDE(25.0, T=0.0), "T must be positive, got 0"),
        (lambda: VPSDE(beta_min=0.0), "beta_min must be positive, got 0"),
        (lambda: SubVPSDE(beta_max=-1.0), "beta_max must be positive, got -1"),
        (lambda: VPSDE(T=np.inf), "T must be finite, got inf"),
        (lambda: LinearSDE(lambda t: t, lambda t: t, T=-1.0), "T must be positive, got -1"),
        (lambda: LinearSDE(lambda t: t, lambda t: t, prior=0.0), "prior must be positive"),
        (
            lambda: LinearSDE(lambda t: t, lambda t: np.where(t > 0.5, np.nan, 1.0)),
            r"g must be finite on \[0, T\], it is not at t = 0.515625",
        ),
        (lambda: VESDE().time_of_std(0.0), "std must be positive, got 0"),
        (lambda: evaluation_time(VESDE(), 1.5, 1e-3), "t must be between 0.001 and 1, got 1.5"),
        (lambda: evaluation_time(VESDE(), 1e-4, 1e-3), "t must be between 0.001 and 1, got 0.0001"),
        (lambda: evaluation_time(VESDE(), np.nan, 1e-3), "t must be finite, got nan"),
    ],
)
def test_bad_processes(make, fault):
    with pytest.raises(ArgumentError, match=fault):
        make()
