"""What is recorded at a point is what a user would compute by hand."""

import warnings

import numpy as np
import pytest

from reference.sweep_points import REAL, grid
from rfdiff.diffusion.mixtures import bimodal
from rfdiff.diffusion.sde import VPSDE
from rfdiff.runs.train_exact import train_exact
from rfdiff.support.errors import AccuracyWarning
from rfdiff.sweeps import OBSERVABLES, Grid, Recipe
from rfdiff.sweeps.measuring import sharing
from rfdiff.sweeps.measuring.evaluate import evaluate_point
from rfdiff.sweeps.running.limits import one_thread
from rfdiff.theory.decomposition import InfiniteWidthLoss


def test_a_point_does_not_depend_on_its_neighbours(real):
    """The population that points share, and warm caches, change no bit."""
    ids, ordered, _, curves = real[1]
    for i in np.random.default_rng(1).permutation(len(ids))[:6]:
        with one_thread():
            alone = evaluate_point(dict(ordered[i]), REAL)
        assert {name: curve.tobytes() for name, curve in alone.curves.items()} == curves[i]


def test_a_point_is_what_train_exact_gives():
    """Curves and early stopping are those of the run that a user would make by hand."""
    point = Grid.of({"n": 40, "m": 32, "mu": 2.0, "sde": "vp", "seed": 3}).points[0]
    recipe = Recipe.of("1e0:1e8:17log", "kl,loss_train,loss_population,tau_es,spectrum", t=0.1)
    result = evaluate_point(point, recipe)
    run = train_exact(recipe.times, target=bimodal(2.0), sde=VPSDE(), n=40, m=32, seed=3)
    best = run.early_stopping(t=0.1)
    kl = run.kl(t=0.1)
    np.testing.assert_allclose(result.curves["kl"], kl.value, rtol=1e-12)
    np.testing.assert_array_less(result.curves["kl_error"], 1e-6)
    np.testing.assert_allclose(result.curves["loss_train"], run.loss("train"), rtol=1e-12)
    np.testing.assert_allclose(result.curves["loss_population"], run.loss("population"), rtol=1e-9)
    assert result.scalars["tau_es"] == pytest.approx(best.tau, rel=1e-6)
    assert result.scalars["kl_best"] == pytest.approx(float(best.value), rel=1e-9)
    assert result.scalars["kl_end"] == result.curves["kl"][-1]
    assert result.scalars["tau_es_at"] == best.at
    ends = [result.scalars[f"tau_es_{end}"] for end in ("low", "high")]
    assert ends == pytest.approx([best.low, best.high], rel=1e-2)
    assert ends[0] <= result.scalars["tau_es"] <= ends[1]
    assert result.scalars["gram_trace"] == pytest.approx(np.trace(run.quadratic.gram), rel=1e-9)
    assert 1 <= result.scalars["gram_participation"] <= result.scalars["gram_rank"] <= 32
    assert set(result.timings) == {"train", *recipe.observables}


def test_bound_terms_are_those_of_the_run(monkeypatch):
    """Bound and decomposition as by hand, and the points share one model of infinite width."""
    monkeypatch.setattr(sharing, "WIDE", 128)
    built, build = [], InfiniteWidthLoss.build

    def counted(*arguments, **choices):
        built.append(1)
        return build(*arguments, **choices)

    monkeypatch.setattr(InfiniteWidthLoss, "build", counted)
    recipe = Recipe.of("1e2:1e8:4log", "bound,decomposition", t=0.1)
    for point in Grid.of({"n": [20, 40], "m": 16, "n_times": 32, "seeds": 2}).points:
        result = evaluate_point(point, recipe)
        curves, scalars = result.curves, result.scalars
        total = curves["bound_integral"] + scalars["bound_prior"]
        np.testing.assert_allclose(total, curves["bound"], rtol=1e-9)
        parts = curves["bound_sample"] + curves["bound_infinite"] + curves["bound_width"]
        np.testing.assert_allclose(parts, curves["bound_integral"], rtol=1e-9)
    assert built == [1]
    run = train_exact(recipe.times, n=40, m=16, n_times=32, seed=1)
    terms, bound = run.decomposition(t=0.1, wide=128), run.bound(t=0.1)
    np.testing.assert_allclose(curves["bound"], bound.total.value, rtol=1e-9)
    np.testing.assert_allclose(curves["bound_error"], bound.total.error, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(curves["bound_infinite"], terms.infinite.value, rtol=1e-9)
    np.testing.assert_allclose(curves["bound_width"], terms.width.value, rtol=1e-9)
    assert scalars["approximation_finite"] == pytest.approx(float(terms.finite_error), rel=1e-6)


def test_every_observable_can_be_recorded(monkeypatch):
    """KL by its three definitions is that of the run, and every curve stands beside its error."""
    monkeypatch.setattr(sharing, "WIDE", 64)
    recipe = Recipe.of("1e2:1e6:3log", OBSERVABLES, against="pt")
    result = evaluate_point(Grid.of({"n": 20, "m": 8, "n_times": 16}).points[0], recipe)
    run = train_exact(recipe.times, n=20, m=8, n_times=16)
    for name, method in {"kl_flow": "probability-flow", "kl_sde": "reverse-sde"}.items():
        expected = run.kl(method=method, against="pt")
        np.testing.assert_allclose(result.curves[name], expected.value, rtol=1e-9)
        np.testing.assert_allclose(result.curves[f"{name}_error"], expected.error, rtol=1e-6)
    slack = result.curves["kl_sde_error"] + result.curves["bound_error"]
    assert (result.curves["kl_sde"] <= result.curves["bound"] + slack).all()
    curves = set(result.curves) - {"loss_train", "loss_population"}
    assert all(f"{name.removesuffix('_error')}_error" in curves for name in curves)
    assert all(np.isfinite(curve).all() for curve in result.curves.values())
    assert {"tau_es", "tau_es_flow", "tau_es_sde", "tau_es_population"} <= set(result.scalars)


def test_missed_tolerances_are_recorded(monkeypatch):
    def warning(taken):
        warnings.warn("kl misses by 1e-3: raise n_times", AccuracyWarning, stacklevel=2)
        return {}, {}

    monkeypatch.setattr("rfdiff.sweeps.measuring.evaluate.MEASURES", {"kl": warning})
    result = evaluate_point(grid([3]).points[0], Recipe.of("1,10", "kl"))
    assert result.scalars == {"warnings": "kl misses by 1e-3: raise n_times"}
