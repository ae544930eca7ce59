"""Axes, grids, recipes and identities: what is run, and what it is called."""

import numpy as np
import pytest

from rfdiff.diffusion.sde import SubVPSDE
from rfdiff.runs.train_exact import train_exact
from rfdiff.support.errors import ArgumentError, DataFileError
from rfdiff.sweeps import AXES, OBSERVABLES, Grid, Recipe, canonical_json, point_id
from rfdiff.sweeps.measuring.observables import MEASURES
from rfdiff.sweeps.points.identity import NAMED_ALWAYS
from rfdiff.sweeps.points.problem import check_points, training_arguments
from rfdiff.sweeps.points.schedule import cost, in_order, parse_shard, shard_of
from rfdiff.sweeps.points.sweep_file import SweepFile, read_toml


def test_golden_identities():
    """Ids are part of the file format: these were printed once and never change."""
    default, other = Grid.of({}).points[0], Grid.of({"n": 30, "m": 64, "sde": "vp"}).points[0]
    named = {name: v for name, v in other.items() if name in NAMED_ALWAYS and v is not None}
    assert canonical_json(named) == (
        '{"T":1.0,"activation":"relu","beta_max":20.0,"beta_min":0.1,"embedding":"log-sigma",'
        '"features":"l1","m":64,"mu":3.0,"n":30,"n_times":128,"population":false,'
        '"precondition":false,"sde":"vp","seed":0,"std":1.0,"t_min":0.001,"target":"bimodal",'
        '"weighting":"variance","weights":0.5}'
    )
    assert point_id(default) == "8ead8a3bc47456c92fc4eb215a78c77883cf76ad61b423367420477d9ad8d089"
    assert point_id(other) == "a2797c6ae84e6e77f8b4fc4ba29856aea389692f5195bb8398050e69bcd70dbd"
    assert (
        Grid.of({"n": "10,100", "seeds": 3}).id
        == "849fa7bef5c3d8bda9ca8c1719e1b1e342e478c00118e72658aa734877a99e52"
    )


# python -c "from rfdiff.sweeps import Grid; print(Grid.of(AXES, ZIPPED).id[:16])", at version 0.1.0
GRIDS = [
    ({"sde": "subvp", "beta_min": 0.2, "beta-max": "10,15", "T": 0.9}, [], "e24ac0131d996e75"),
    ({"population": [True, False], "n": [10, 20, 30]}, [], "ca6b5bce00a223d6"),
    (
        {"target": "raised-cosine,smooth-bump", "half-width": "1,2.5", "n": 50},
        [],
        "113dcac2ff90caef",
    ),
    ({"target": "bimodal,beta"}, [], "4329c2e9173756aa"),
    ({"weights": "0.1,0.3", "mu": "-1:3:5lin", "std": 0.5}, [], "fb7ab96962331c77"),
    ({"features": "l1,gaussian,torch"}, [], "088d2eb9fc98c335"),
    ({"embedding": "log-sigma,fourier,affine"}, [], "fa5557042effddb7"),
    ({"activation": "relu,swish,erf,tanh", "n_times": "2,16"}, [], "3800561c917c833a"),
    ({"weighting": "variance,inverse-norm,likelihood"}, [], "8583a82b0b8b0d47"),
    ({"noise-samples": [None, 1, 2]}, [], "b56424a43669bb86"),
    ({"precondition": "true,no"}, [], "6afbd5b3f198857a"),
    ({"seed": "1152921504606846977"}, [], "bee43909581b78f6"),
    ({"n": "1e1:1e4:7log"}, [], "407e6238defeac00"),
    ({"mu": -0.0}, [], "66fa0db2c657b321"),
    ({"n": "10,20,40", "m": "5,10,20", "seeds": 2}, [["n", "m"]], "03d5c29c2f35e437"),
]


@pytest.mark.parametrize(("axes", "zipped", "identity"), GRIDS)
def test_golden_grids(axes, zipped, identity):
    """Every axis, written in every way."""
    assert Grid.of(axes, zipped).id.startswith(identity)


def test_the_axes_of_old_identities_stay():
    """An axis that leaves the table, or one that becomes part of every name, renames all points."""
    assert set(AXES) >= NAMED_ALWAYS and len(NAMED_ALWAYS) == 22


def test_identity_ignores_order_and_meaningless_axes():
    point = Grid.of({"n": 30}).points[0]
    assert point_id(dict(reversed(point.items()))) == point_id(point)
    assert point_id({**point, "noise_samples": None}) == point_id(point)
    assert point_id({**point, "mu": -0.0}) == point_id({**point, "mu": 0.0})
    assert point_id({**point, "mu": 3.0000000000000004}) != point_id(point)


@pytest.mark.parametrize(
    "odd",
    [np.float64(1.0), np.int64(1), np.bool_(True), np.str_("a"), float("nan"), float("inf"),
     (1, 2), {1, 2}, b"bytes", 1j, {1: "integer key"}, [np.float32(1)], object()],
)  # fmt: skip
def test_odd_types_are_refused(odd):
    with pytest.raises(ArgumentError, match="must be None, bool, int, a finite float"):
        canonical_json({"value": odd})


def test_every_observable_is_measured():
    assert set(MEASURES) == set(OBSERVABLES)


def test_values_as_text_lists_and_arrays_are_the_same():
    expected = Grid.of({"n": [10, 100, 1000], "mu": [1.0, 2.0, 3.0]})
    assert Grid.of({"n": "1e1:1e3:3log", "mu": "1:3:3lin"}).id == expected.id
    assert Grid.of({"n": np.array([10, 100, 1000]), "mu": np.arange(1, 4)}).id == expected.id
    assert Grid.of({"n": "1000,10,100,10", "mu": (3, 2, 1)}).id == expected.id
    assert Grid.of({"seeds": 3}).id == Grid.of({"seed": range(3)}).id
    assert Grid.of({"seeds": "3,4"}).id == Grid.of({"seed": [4, 3]}).id
    assert Grid.of({"noise-samples": "none,5"}).id == Grid.of({"noise_samples": [None, 5]}).id
    assert Grid.of({"population": "true"}).points[0]["population"] is True
    # A seed keeps digits that a double would lose.
    assert Grid.of({"seed": str(2**60 + 1)}).points[0]["seed"] == 2**60 + 1


def test_every_axis_reaches_the_training():
    """A value of each axis gives another problem than the default does."""
    other = {
        "target": "beta", "mu": 2.0, "weights": 0.3, "std": 0.5, "half_width": 2.0,
        "population": True, "n": 7, "m": 9, "sde": "vp", "sigma": 20.0, "beta_min": 0.2,
        "beta_max": 15.0, "T": 0.9, "features": "torch", "embedding": "affine",
        "activation": "tanh", "precondition": True, "weighting": "likelihood", "t_min": 2e-3,
        "n_times": 10, "noise_samples": 3, "seed": 1, "d": 2, "times": 0.1, "scaling": "input",
        "skip": "gaussian",
    }  # fmt: skip
    assert set(other) == set(AXES)
    needs = {
        "half_width": {"target": "beta"}, "beta_min": {"sde": "vp"}, "beta_max": {"sde": "vp"},
        "scaling": {"d": 2}, "skip": {"d": 2},
    }  # fmt: skip
    for name, value in other.items():
        base = {"n": 8, "m": 8, "n_times": 8, **needs.get(name, {})}
        changed = {**base, name: value}
        for meaningless in {"population": ["n"], "times": ["n_times"]}.get(name, []):
            del changed[meaningless]
        assert _fingerprint(changed) != _fingerprint(base), name


def _fingerprint(chosen):
    run = train_exact([1e3], **training_arguments(Grid.of(chosen).points[0]))
    return run.flow.quadratic.gram.tobytes(), run.theta().tobytes()


def test_meaningless_axes_do_not_multiply_points():
    both = Grid.of({"sde": ["ve", "vp"], "sigma": [10.0, 25.0]})
    assert len(both) == 3
    assert len(Grid.of({"population": [True, False], "n": [10, 20, 30]})) == 4
    with pytest.raises(ArgumentError, match="sigma does not apply to any point"):
        len(Grid.of({"sde": "vp", "sigma": "10,25"}))


def test_zipped_axes_advance_together():
    zipped = Grid.of({"n": "10,20,40", "m": "5,10,20", "seeds": 2}, [["n", "m"]])
    assert {(p["n"], p["m"]) for p in zipped.points} == {(10, 5), (20, 10), (40, 20)}
    assert len(zipped) == 6


def test_objects_of_a_point():
    point = Grid.of({"weights": 0.3, "mu": 2.0, "sde": "subvp", "T": 0.5}).points[0]
    arguments = training_arguments(point)
    assert arguments["target"].weights.tolist() == [0.3, 0.7]
    assert arguments["target"].means.ravel().tolist() == [-2.0, 2.0]
    assert arguments["sde"] == SubVPSDE(T=0.5)
    compact = training_arguments(Grid.of({"target": "beta", "half_width": 2.0}).points[0])
    assert compact["target"].support == (-2.0, 2.0)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"nn": 1}, "unknown axis 'nn' .did you mean 'n'?."),
        ({"sgima": 1}, "did you mean 'sigma'"),
        ({"feature": "l1"}, "did you mean 'features'"),
        ({"features": "l2"}, "did you mean 'l1'"),
        ({"target": "bimodel"}, "did you mean 'bimodal'"),
        ({"n": "100:10:3log"}, "START < STOP"),
        ({"n": "1:10:1log"}, "at least 2 points"),
        ({"mu": "0:10:3log"}, "positive start"),
        ({"n": ""}, "empty item"),
        ({"n": "10,,20"}, "empty item"),
        ({"n": []}, "must not be empty"),
        ({"n": 0}, "at least 1"),
        ({"n": 1.5}, "must be an integer"),
        ({"n": "1.5"}, "must be an integer"),
        ({"n": "inf"}, "must be an integer"),
        ({"n": "many"}, "must be a number"),
        ({"mu": "nan"}, "must be finite"),
        ({"mu": True}, "must be a real number"),
        ({"sigma": -1}, "must be greater than 1"),
        ({"sigma": "0.5"}, "must be greater than 1"),
        ({"weights": 1.0}, "between 0 and 1"),
        ({"population": "maybe"}, "true or false"),
        ({"seed": -1}, "non-negative"),
        ({"seeds": 0}, "at least 1"),
        ({"seed": 1, "seeds": 2}, "given twice"),
    ],
)
def test_bad_axes(chosen, message):
    with pytest.raises(ArgumentError, match=message):
        len(Grid.of(chosen))


@pytest.mark.parametrize(
    ("zipped", "message"),
    [
        ([["n"]], "at least two axes"),
        ([["n", "mu"]], "not among the axes"),
        ([["n", "m"]], "n has 2, m has 3"),
        ([["n", "q"]], "unknown axis"),
        ([["n", "seed"], ["seed", "n"]], "once"),
    ],
)
def test_bad_zips(zipped, message):
    with pytest.raises(ArgumentError, match=message):
        Grid.of({"n": [1, 2], "m": [1, 2, 3], "seeds": 2}, zipped)


def test_values_that_do_not_go_together_are_refused_before_the_run():
    with pytest.raises(ArgumentError, match="t_min must be below T"):
        check_points(Grid.of({"t_min": [1e-3, 0.5], "T": [1.0, 0.4]}).points)


def test_recipes():
    recipe = Recipe.of("1,10,inf", "kl, tau-es", t=0.1)
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(ArgumentError, match="observables of points with d = 2 must be among loss_"):
        recipe.check(Grid.of({"d": [1, 2]}).points)
    Recipe.of(1.0, "loss_population,spectrum,bound").check(Grid.of({"d": 2}).points)
    assert recipe.times.tolist() == [1.0, 10.0, np.inf]
    assert recipe.difference(recipe) == ""
    assert recipe.difference(Recipe.of("1,10", "kl,tau_es", t=0.1)).startswith("tau: 3 times")
    assert "observables" in recipe.difference(Recipe.of("1,10,inf", "kl", t=0.1))
    for bad, message in [
        ({"tau": "10,1"}, "increasing"),
        ({"tau": "-1,1"}, "at least 0"),
        ({"observables": "kll"}, "did you mean 'kl'"),
        ({"observables": "loss_pop"}, "did you mean 'loss_population'"),
        ({"observables": []}, "must not be empty"),
        ({"against": "p1"}, "must be one of"),
        ({"t": 0.0}, "must be positive"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            Recipe.of(**bad)


def test_toml_files(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(
        '[[grid]]\nzip = [["n", "m"]]\naxes = {n = [10, 20], m = [5, 10]}\n'
        '[[grid]]\naxes = {n = "10:1000:3log", seeds = 2}\n'
        '[recipe]\ntau = "1e0:1e4:5log"\nobservables = ["kl"]\n'
    )
    file = read_toml(path)
    grid = Grid.of_blocks(file.blocks)
    assert len(grid) == 2 + 6
    assert Recipe.of(**file.recipe) == Recipe.of("1e0:1e4:5log", "kl")
    changed = Grid.of_blocks(file.override({"seeds": "5"}).blocks)
    assert len(changed) == 2 * 5 + 3 * 5
    assert len(Grid.of_blocks(SweepFile().override({"n": "1,2"}).blocks)) == 2


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("axes = ", DataFileError, "not a TOML file"),
        ("[axis]\nn = 1\n", ArgumentError, "unknown key 'axis'"),
        ("axes = 3\n", ArgumentError, "axes must be a table"),
        ("[grid]\nn = 1\n", ArgumentError, r"\[\[grid\]\]"),
        ("[axes]\nn = 1\n[recipe]\ntimes = 3\n", ArgumentError, "unknown key 'times'"),
        ('zip = ["n", "m"]\n[axes]\nn = 1\n', ArgumentError, "list of lists"),
        ("[axes]\nnn = 1\n", ArgumentError, "did you mean 'n'"),
    ],
)
def test_bad_toml_files(tmp_path, text, error, message):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        Grid.of_blocks(read_toml(path).blocks)
    with pytest.raises(DataFileError, match="cannot be read"):
        read_toml(tmp_path / "missing.toml")


def test_order_keeps_shared_features_together_and_dear_ones_first():
    points = Grid.of({"n": [10, 100], "m": [8, 64], "seeds": 3}).points
    ordered = in_order(points)
    assert sorted(map(point_id, ordered)) == sorted(map(point_id, points))
    assert [point["m"] for point in ordered] == [64] * 6 + [8] * 6
    pairs = [(ordered[i], ordered[i + 1]) for i in range(0, 12, 2)]
    assert all(a["seed"] == b["seed"] and a["m"] == b["m"] for a, b in pairs)
    assert cost(points[-1]) > cost(points[0])


def test_shards_are_a_fair_partition():
    points = Grid.of({"n": [10, 100], "m": [8, 16, 64, 512], "seeds": 5}).points
    shards = [shard_of(points, i, 3) for i in (1, 2, 3)]
    assert sorted(point_id(p) for shard in shards for p in shard) == sorted(map(point_id, points))
    work = [sum(map(cost, shard)) for shard in shards]
    assert max(work) < 1.5 * min(work)
    assert parse_shard("3/3") == (3, 3)
    for bad in ("0/3", "4/3", "3", "a/b", "1/0", "-1/3"):
        with pytest.raises(ArgumentError, match="shard must be i/N"):
            parse_shard(bad)
