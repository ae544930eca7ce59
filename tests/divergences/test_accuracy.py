"""Numbers whose errors leave little of them come with one warning; small errors with none."""

import warnings

import numpy as np
import pytest

import rfdiff
from reference.finer_densities import random_case
from rfdiff.divergences.accuracy import warn_of_large_errors
from rfdiff.divergences.by_name import DIVERGENCES
from rfdiff.support.errors import AccuracyWarning
from rfdiff.support.estimate import Estimate


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in found]


def messages(value, error, scale=0.0):
    found = Estimate(value, error)
    return caught(lambda: warn_of_large_errors("distance", found, lambda: scale, "lower t"))


def test_one_warning_names_quantity_training_times_estimate_and_knob():
    (message,) = messages([1.0, 2.0, 3.0, np.inf], [0.2, 6.0, 0.1, 0.0])
    assert message == (
        "the distance is not known at 2 of 4 training time(s), the worst is 2 ± 6 of index (1,); "
        "lower t"
    )


@pytest.mark.parametrize(
    ("value", "error", "scale"),
    [(1.0, 0.09, 0.0), (-1.0, 0.09, 0.0), (np.inf, 0.0, 0.0), (0.0, 0.09, 1.0), (0.0, 0.0, 0.0)],
)
def test_small_errors_are_silent(value, error, scale):
    assert not messages(value, error, scale)


@pytest.mark.parametrize("error", [0.11, np.inf, np.nan])
def test_large_errors_are_not(error):
    assert len(messages(0.2, error, 1.0)) == 1


@pytest.fixture(scope="module")
def wild():
    """Three points learned to the end by 128 features: outer slopes that throw mass to 4e5."""
    run = rfdiff.train_exact(1e9, n=3, m=128, seed=2)
    learned = run.learned_density(method="reverse-sde")
    return run, learned.on(learned.support)


@pytest.mark.parametrize(
    ("kind", "title", "most"),
    [
        ("reverse-kl", "reverse KL divergence", 1.0),
        ("wasserstein-2", "Wasserstein distance W₂", 50),
    ],
)
def test_far_tails_of_the_reverse_sde_warn(wild, kind, title, most):
    """They were 2.1 ± 900 and 2.4 ± 200 without a word."""
    run, learned = wild
    with pytest.warns(AccuracyWarning, match=f"the {title} of the reverse-sde density is not"):
        found = DIVERGENCES[kind](run.target, learned)
    assert 0.1 * found.value < found.error < most


@pytest.mark.parametrize("kind", ["jensen-shannon", "total-variation", "wasserstein-1", "kl"])
def test_what_is_known_of_the_same_density_does_not(wild, kind):
    run, learned = wild
    assert not caught(lambda: DIVERGENCES[kind](run.target, learned))


@pytest.fixture(scope="module")
def uncontainable():
    """Nine points at N(0, 1): a mass of 5e-7 passes 1e4, the end of the widest grid."""
    case = random_case(11)
    wider = case.density("reverse-sde", domain=(-40.0, 40.0), tolerance=5e-3).on(np.inf)
    return case.law, case.density("reverse-sde"), wider


@pytest.mark.parametrize("kind", ["reverse-kl", "wasserstein-1", "wasserstein-2"])
def test_mass_that_leaves_every_grid_is_in_the_errors(uncontainable, kind):
    """Grids twice as wide said 168 where this said W₂ = 3.6 ± 3.3, and 6e5 for 240 ± 690."""
    law, learned, wider = uncontainable
    title = DIVERGENCES[kind].title
    with pytest.warns(AccuracyWarning, match=f"{title}.* leaves the widest grid; take a smaller"):
        found = DIVERGENCES[kind](law, learned)
    with pytest.warns(AccuracyWarning):
        other = DIVERGENCES[kind](law, wider)
    assert 0.01 * found.value < abs(found.value - other.value) < found.error


@pytest.mark.parametrize("kind", ["jensen-shannon", "total-variation", "kl"])
def test_what_does_not_depend_on_where_it_went_is_known(uncontainable, kind):
    law, learned, wider = uncontainable
    found, other = (DIVERGENCES[kind](law, each) for each in (learned, wider))
    assert abs(found.value - other.value) <= found.error + other.error
    assert found.error < 0.01 * found.value


def test_mass_of_wild_flows_is_known():
    """It was 1 ± 0.2: peaks that floats do not resolve have the mass that is transported."""
    run = rfdiff.train_exact(1e9, n=3, m=128, seed=2)
    mass = run.learned_density(method="probability-flow").on(np.inf).mass
    assert abs(mass.value - 1.0) <= mass.error < 1e-3
