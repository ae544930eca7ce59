"""When curves cross a level, and τ_mem: known curves, repeated experiments."""

import numpy as np
import pytest

from rfdiff.numerics.binomial import binomial_share
from rfdiff.runs.studies.memorisation_time import memorisation_time
from rfdiff.runs.studies.onset import middle_of_bracket, onset


def test_onset_at_the_ends_and_between():
    tau = np.array([0.0, 1.0, 10.0, np.inf])
    curves = [[-1, -1, 1, 2], [-1, 2, 2, 2], [-1, -1, -1, 1], [3, -1, -1, -1]]
    np.testing.assert_allclose(onset(tau, curves), [np.sqrt(10.0), 1.0, np.inf, 0.0])
    assert middle_of_bracket(tau, np.array(curves[1]), 1.1) is None
    assert middle_of_bracket(tau, np.array(curves[2]), 1.1) is None
    assert middle_of_bracket(tau, np.array(curves[3]), 1.1) is None
    assert middle_of_bracket(tau, np.array(curves[0]), 1.1) == pytest.approx(np.sqrt(10.0))


def share(tau):
    """0.1 at first, 0.9 at last, half-way at τ = 1000."""
    return 0.1 + 0.8 / (1.0 + 1e3 / tau)


def found(seed, n=300):
    """Paths with uniform numbers of their own copy where the share exceeds these."""
    own = np.random.default_rng(seed).uniform(size=n)
    tau = np.logspace(0, 6, 7)

    def copies(times):
        return own < share(times)[:, None]

    return memorisation_time(tau, copies(tau), copies, fresh=(40, 300), seed=seed), copies


def test_memorisation_time_is_where_the_limits_part():
    estimate, copies = found(0)
    dense = np.logspace(0, 6, 60_001)
    counts = copies(dense).sum(1)
    limits = binomial_share(counts, 300)
    level = max(limits.high[0], float(binomial_share(40, 300).high))
    first = dense[(limits.low > level).argmax()]
    assert abs(np.log(float(estimate) / first)) < np.log(1.1)
    assert estimate.low < first < estimate.high


def test_interval_is_the_spread_of_repeated_experiments():
    """Nominally 95 % of intervals hold the median onset; fewer than 50 of 60 has odds of 1e-4."""
    estimates = [found(seed)[0] for seed in range(60)]
    median = np.median([float(e) for e in estimates])
    assert sum(e.low <= median <= e.high for e in estimates) >= 50
    assert sum(e.low <= 4.0 * median <= e.high for e in estimates) <= 12


def test_never_and_from_the_start():
    tau, n = np.array([1.0, 10.0]), 200
    flat = np.arange(n) < 20

    def never(times):
        return np.tile(flat, (len(times), 1))

    estimate = memorisation_time(tau, never(tau), never, fresh=(20, n), seed=0)
    assert np.isinf(estimate.value) and np.isinf(estimate.high)
