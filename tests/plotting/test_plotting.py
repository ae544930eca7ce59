"""Figures draw the arrays they are given, and leave matplotlib as they found it."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from rfdiff.plotting.curves import plot_densities, plot_gap, plot_kl, plot_losses, plot_nll
from rfdiff.plotting.style import new_figure, save_figure, sequence

TAU = np.concatenate([[0.0], np.logspace(0, 6, 25), [np.inf]])
KL = np.concatenate([[1.0], 0.1 + 1 / np.logspace(0, 6, 25), [2.0]])


@pytest.fixture
def ax():
    _, axes = new_figure()
    return axes[0]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_kl_curve(ax):
    assert plot_kl(ax, TAU, KL, 0.01 * KL, best=(1e6, 0.1)) is ax
    curve, infinite, best_line, best = ax.lines
    np.testing.assert_array_equal(curve.get_xdata(), TAU[1:-1])
    np.testing.assert_array_equal(curve.get_ydata(), KL[1:-1])
    assert infinite.get_ydata()[0] == 2.0
    assert best_line.get_xdata()[0] == 1e6
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (1e6, 0.1)
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert legend(ax)[1].endswith("τ = ∞") and "1e+06, KL = 0.1" in legend(ax)[2]


def test_kl_that_is_not_finite_is_left_out(ax):
    plot_kl(ax, [1.0, 10.0, 100.0], [np.inf, 0.5, np.nan], best=(np.inf, 0.2))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [np.nan, 0.5, np.nan])
    assert "inf, KL = 0.2" in legend(ax)[-1]


def test_losses_and_gap():
    _, (top, bottom) = new_figure(2, 1)
    train, population = 1 / np.log(2 + TAU[1:-1]), 1.1 / np.log(2 + TAU[1:-1])
    plot_losses(top, TAU[1:-1], train, population=population, held_out=2 * population)
    assert legend(top) == ["training set", "population", "held out"]
    np.testing.assert_array_equal(top.lines[1].get_ydata(), population)
    plot_gap(bottom, TAU[1:-1], train, population)
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), population - train)
    assert "population − training set" in legend(bottom)


def test_nll_with_its_baseline(ax):
    plot_nll(ax, TAU, KL, held_out=KL + 1, best=(1e3, 1.0), baseline=0.7)
    assert "kernel density estimate" in legend(ax)
    assert ax.lines[-1].get_ydata()[0] == 0.7


def test_densities_over_target_and_data(ax):
    x = np.linspace(-3, 3, 50)
    rows = np.stack([np.exp(-x * x), np.exp(-2 * x * x)])
    plot_densities(ax, x, rows, ["early", "late"], target=rows[0], points=np.linspace(-1, 1, 30))
    assert legend(ax) == ["target", "training data", "early", "late"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), rows[1])
    assert ax.get_xlim() == (-3, 3) and ax.get_ylim()[0] == 0


def test_curves_out_of_order_are_joined_in_order(ax):
    plot_losses(ax, [100.0, 1.0, 10.0], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1.0, 2.0, 3.0])


def test_sequence_runs_from_light_to_dark():
    assert sequence(3) == ["#9ECAE1", "#537DA6", "#08306B"]
    assert sequence(1) == ["#08306B"]


def test_files_do_not_depend_on_when_they_are_written(tmp_path):
    files = []
    for name in ("a.png", "b.png"):
        figure, axes = new_figure(1, 2)
        plot_kl(axes[0], TAU, KL)
        files.append(save_figure(figure, tmp_path / name).read_bytes())
    assert files[0] == files[1] and files[0].startswith(b"\x89PNG")


def test_matplotlib_s_state_is_left_alone():
    before = dict(matplotlib.rcParams)
    _, axes = new_figure()
    plot_kl(axes[0], TAU, KL)
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, rfdiff.plotting.curves as c; from rfdiff.plotting.style import new_figure;"
        "c.plot_kl(new_figure()[1][0], [1.0, 2.0], [1.0, 2.0]);"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
