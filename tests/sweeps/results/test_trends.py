"""From tables to trends, fits and pictures."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from reference.sweep_points import made
from rfdiff.plotting.style import new_figure
from rfdiff.plotting.sweeps import finish, plot_family, plot_heat, plot_trend
from rfdiff.support.errors import ArgumentError
from rfdiff.sweeps.results.trends import (
    Trend,
    at_the_ends,
    curve_trends,
    heat,
    lowest,
    theorem,
    through_middle,
    trends,
)
from rfdiff.theory.rates import RateFunction


def test_trends_keep_seeds_apart(table):
    with pytest.raises(ArgumentError, match=r"m varies too \(8, 16, …\): .*--where m=…"):
        trends(table, "n", "top")
    low, high = trends(table, "n", "top", group="m")
    assert (low.label, high.label) == ("m = 8", "m = 16")
    assert low.x.tolist() == [2, 4, 8] and low.y.shape == (3, 3)
    for i, n in enumerate((2, 4, 8)):
        expected = table.where(n=n, m=16).column("top")
        np.testing.assert_array_equal(high.y[:, i], expected)
    (only,) = trends(table.where(m=8), "n", "top")
    np.testing.assert_array_equal(only.y, low.y)
    np.testing.assert_array_equal(only.quantiles([0.5])[0], np.median(low.y, axis=0))
    with pytest.raises(ArgumentError, match="where is no number"):
        trends(table.where(m=8), "n", "where")
    with pytest.raises(ArgumentError, match="half_width does not apply"):
        trends(table, "half_width", "top")


def test_fits_find_a_known_law():
    """Seeds shift the law and add noise; a seed with a hole in it is left out of the fit."""
    rng = np.random.default_rng(0)

    def scalars(point):
        value = (1 + point["seed"]) * point["n"] ** 0.4 * np.exp(0.02 * rng.standard_normal())
        hole = point["seed"] == 9 and point["n"] == 100
        at = "end" if point["seed"] == 3 and point["n"] == 10 else "interior"
        return {} if hole else {"tau_es": value, "tau_es_at": at}

    law = made({"n": "10,30,100,300,1000", "seeds": 10}, scalars)
    (trend,) = trends(law, "n", "tau_es")
    fit = trend.fit()
    assert np.isnan(trend.y).sum() == 1 and fit.n_seeds == 9 and fit.holds
    assert fit.interval[0] < 0.4 < fit.interval[1] and abs(fit.exponent - 0.4) < 0.02
    at, line = through_middle(trend, 0.2)
    assert line[-1] / line[0] == pytest.approx((at[-1] / at[0]) ** 0.2)
    assert np.log(line).mean() == pytest.approx(np.log(trend.quantiles([0.5])[0]).mean())
    assert at_the_ends(law, "tau_es") == 1 and at_the_ends(law, "kl_best") == 0


def test_fits_know_where_flat_minima_leave_the_times_open():
    """Interval ends are cut at the range of τ, and are the time itself where none is recorded."""

    def scalars(point):
        time = 10.0 * point["n"] ** 0.5 * np.exp(0.01 * (-1) ** point["seed"])
        last = point["n"] == 1000
        ends = {"tau_es_low": 0.0, "tau_es_high": np.inf} if last else {}
        return {"tau_es": time, **ends, "kl_best": 1.0 / time}

    law = made({"n": "10,100,1000", "seeds": 6}, scalars)
    (trend,) = trends(law, "n", "tau_es")
    low, high = trend.within
    np.testing.assert_array_equal([low[:, :2], high[:, :2]], [trend.y[:, :2]] * 2)
    assert (low[:, 2] == law.tau[0]).all() and (high[:, 2] == law.tau[-1]).all()
    sharp, flat = Trend(trend.x, trend.y).fit().interval, trend.fit().interval
    # Over two decades the slope moves by half of what the last time does in log₁₀, per decade.
    moved = np.log10([law.tau[0], law.tau[-1]]) - np.log10(trend.y[:, 2]).mean()
    assert flat == pytest.approx(np.add(sharp, moved / 2.0))
    (least,) = trends(law, "n", "kl_best")
    np.testing.assert_array_equal(least.within, [least.y] * 2)


def test_no_law_through_names_few_points_or_zeros():
    for axes, value in [
        ({"features": ["l1", "gaussian", "torch"], "seeds": 2}, 1.0),
        ({"n": [10, 20], "seeds": 2}, 1.0),
        ({"n": [10, 20, 30], "seeds": 2}, 0.0),
        ({"mu": [-1.0, 1.0, 2.0], "seeds": 2}, 1.0),
        ({"n": [10, 20, 30], "seeds": 2}, np.inf),
    ]:
        axis = next(iter(axes))
        (trend,) = trends(made(axes, lambda point, value=value: {"y": value}), axis, "y")
        assert trend.fit() is None


def test_theorem_1_is_computed_at_the_points_of_the_sweep():
    def scalars(point):
        return {"tau_es": 1.0, "kl_best": 1.0}

    rate = RateFunction([1.0], [1.0], 1.0, 0.0, 0.0)
    n = np.array([10.0, 20.0, 40.0])
    fixed = made({"n": [10, 20, 40], "m": 50}, scalars)
    together = made({"n": [10, 20, 40], "m": [10, 20, 40]}, scalars, [["n", "m"]])
    crossed = made({"n": [10, 20, 40], "m": [10, 20, 40]}, scalars)
    for table, x, group, at_n, at_m in [
        (fixed, "n", None, n, 50.0),
        (together, "n", None, n, n),
        (crossed, "n", "m", n, 10.0),
        (crossed, "m", "n", 10.0, n),
    ]:
        times, least = (theorem(table, x, y, group) for y in ("tau_es", "kl_best"))
        assert times.x == (10.0, 20.0, 40.0)
        assert np.allclose(times.values, np.broadcast_to(rate.best_time(at_n, at_m), 3), rtol=1e-3)
        assert np.allclose(least.values, rate.best(at_n, at_m), rtol=1e-4)
    ends, line = through_middle(trends(together, "n", "tau_es")[0], theorem(
        together, "n", "tau_es", None))  # fmt: skip
    assert ends.tolist() == [10.0, 20.0, 40.0] and np.log(line).mean() == pytest.approx(0.0)
    assert theorem(fixed, "mu", "kl_best", None) is None
    assert theorem(fixed, "n", "kl_end", None) is None
    assert len(trends(together, "n", "tau_es")[0].x) == 3


def test_heat_maps():
    crossed = made(
        {"n": [10, 20, 40], "m": [8, 16], "seeds": 3},
        lambda p: {"y": p["n"] * p["m"] + p["seed"]},
    )
    x, y, z = heat(crossed, "n", "m", "y")
    assert (x.tolist(), y.tolist()) == ([10, 20, 40], [8, 16])
    np.testing.assert_array_equal(z, np.outer([8, 16], [10, 20, 40]) + 1.0)
    with pytest.raises(ArgumentError, match="two different axes"):
        heat(crossed, "n", "n", "y")


def test_curves_and_their_lowest_points(table):
    with pytest.raises(ArgumentError, match="m varies too"):
        curve_trends(table, "kl", "n")
    found = curve_trends(table.where(m=8), "kl", "n")
    assert [trend.label for trend in found] == ["n = 2", "n = 4", "n = 8"]
    assert found[0].y.shape == (3, 9)
    tau = np.array([1.0, 2.0, 3.0])
    assert lowest(tau, np.array([2.0, 1.0, 3.0])) == (2.0, 1.0)
    assert lowest(tau, np.array([1.0, 2.0, 3.0])) is None
    assert lowest(tau, np.array([1.0, np.nan, 3.0])) is None


def test_pictures_show_what_they_are_given():
    """Lines, bands, scales and legends, read back from the axes."""
    x, middle = np.array([10, 100, 1000]), np.array([1.0, 2.0, 4.0])
    _, (ax,) = new_figure()
    plot_trend(
        ax, x, middle, middle / 2, middle * 2, label="median",
        fit=([10, 1000], [1.0, 4.0], "fitted"), predicted=([10, 1000], [1.0, 3.0], "predicted"),
    )  # fmt: skip
    finish(ax, "n", "tau", x, middle, law=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["median", "fitted", "predicted"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.stack([x, middle], 1))

    _, (ax,) = new_figure()
    names = np.array(["gaussian", "l1"])
    plot_trend(ax, names, [1.0, 2.0], [0.5, 1.0], [2.0, 3.0])
    finish(ax, "features", "KL", names, [1.0, 2.0])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["gaussian", "l1"]
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_legend()) == ("linear", "linear", None)

    _, (ax,) = new_figure()
    tau = np.array([0.0, 1.0, 10.0, np.inf])
    curve = np.array([3.0, 2.0, 1.0, 4.0])
    plot_family(ax, tau, [(curve, curve, curve)] * 2, ["a", "b"], marks=[None, (1.0, 2.0)])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1.0, 10.0])
    assert len(ax.lines) == 3

    figure, (ax,) = new_figure()
    z = np.array([[0.1, 1.0], [np.nan, 30.0]])
    plot_heat(ax, np.array([1, 2]), np.array([0.5, 1.5]), z, label="KL")
    assert isinstance(figure, Figure) and len(figure.axes) == 2
    assert [text.get_text() for text in ax.texts] == ["0.1", "1", "30"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0.5", "1.5"]
