"""The table of arguments, and everything made from it: signature, registries, options, axes."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

from rfdiff import train_exact
from rfdiff.cli import main
from rfdiff.diffusion.sde import SDES
from rfdiff.diffusion.targets import TARGETS
from rfdiff.loss.objective import WEIGHTINGS
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import EMBEDDINGS
from rfdiff.model.feature_laws import FEATURE_LAWS
from rfdiff.support.arguments import ARGUMENTS, belonging, check_given, own_arguments
from rfdiff.support.errors import ArgumentError
from rfdiff.support.ranges import parse_numbers
from rfdiff.support.registry import make
from rfdiff.sweeps import AXES

SIGNATURE = inspect.signature(train_exact)
OWN = {argument.name: argument for argument in own_arguments()}


class TestTrainExact:
    def test_its_signature_has_the_names_and_defaults_of_the_table(self):
        spelled = {name: p.default for name, p in SIGNATURE.parameters.items()}
        assert spelled == {name: argument.default for name, argument in OWN.items()}
        kinds = [p.kind for p in SIGNATURE.parameters.values()]
        assert kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD] + [
            inspect.Parameter.KEYWORD_ONLY
        ] * (len(OWN) - 1)

    def test_every_argument_is_typed_and_documented(self):
        args = train_exact.__doc__.partition("Args:")[2].partition("Returns:")[0]
        assert set(re.findall(r"^        (\w+): ", args, re.MULTILINE)) == set(OWN)
        annotations = [p.annotation for p in SIGNATURE.parameters.values()]
        assert inspect.Parameter.empty not in annotations
        assert SIGNATURE.return_annotation.__name__ == "TrainedFlow"

    def test_calls_that_do_not_fit_the_signature_name_the_function(self):
        with pytest.raises(TypeError, match=r"train_exact\(\) got an unexpected .* 'taus'"):
            train_exact(taus=1.0)
        with pytest.raises(TypeError, match=r"train_exact\(\) too many positional arguments"):
            train_exact(1.0, 100)

    def test_what_stands_for_none_is_what_it_trains(self):
        """n = 1000, bimodal, VE and the usual times: as the table tells people."""
        run, usual = train_exact(m=4, n_times=4), parse_numbers("tau", ARGUMENTS["tau"].usual)
        assert len(run.data) == ARGUMENTS["n"].usual
        assert run.sde == make(SDES, {}) and repr(run.target) == repr(make(TARGETS, {}))
        np.testing.assert_allclose(run.tau, usual, rtol=1e-14)

    @pytest.mark.parametrize("name", ["precondition", "population", "standardise"])
    def test_flags_are_true_or_false(self, name):
        with pytest.raises(ArgumentError, match=f"{name} must be true or false, got 'no'"):
            train_exact(**{name: "no"})


class TestNames:
    @pytest.mark.parametrize(
        "registry", [TARGETS, SDES, FEATURE_LAWS, EMBEDDINGS, ACTIVATIONS, WEIGHTINGS],
        ids=lambda registry: registry.argument,
    )  # fmt: skip
    def test_choices_are_the_names_of_the_registry(self, registry):
        assert ARGUMENTS[registry.argument].choices == tuple(registry)

    @pytest.mark.parametrize("registry", [TARGETS, SDES], ids=lambda registry: registry.argument)
    def test_what_belongs_to_a_name_is_what_it_is_made_of(self, registry):
        for name, maker in registry.items():
            own = {
                a.name for a in ARGUMENTS.values() if a.of and a.of.argument == registry.argument
            }
            mine = {parameter for parameter in own if ARGUMENTS[parameter].of.owns(name)}
            assert mine == set(inspect.signature(maker).parameters)

    @pytest.mark.parametrize("registry", [TARGETS, SDES], ids=lambda registry: registry.argument)
    def test_defaults_are_those_of_the_table(self, registry):
        for name, maker in registry.items():
            own = [a for a in ARGUMENTS.values() if a.of and a.of.argument == registry.argument]
            mine = {a.name: a.default for a in own if a.of.owns(name) and a.default is not None}
            assert repr(maker(**mine)) == repr(maker())

    def test_a_beta_law_lies_on_its_support_or_about_zero(self):
        wide = make(TARGETS, {"target": "beta", "half_width": 2.0})
        assert wide == make(TARGETS, {"target": "beta", "support": (-2.0, 2.0)})
        with pytest.raises(ArgumentError, match=r"give one, got .* and 2"):
            make(TARGETS, {"target": "beta", "support": (0.0, 1.0), "half_width": 2.0})

    def test_values_of_another_name_are_refused(self):
        assert belonging("target", {"sigma": 2.0, "mu": None}) == ("bimodal", {})
        with pytest.raises(ArgumentError, match="beta_min belongs to sde vp or subvp, not to ve"):
            belonging("sde", {"beta_min": 0.2})
        with pytest.raises(ArgumentError, match=r"sde must be one of .* \(did you mean 'subvp'"):
            make(SDES, {"sde": "sub-vp"})


class TestChecks:
    def test_values_come_back_as_plain_types(self):
        given = check_given(m=np.int64(3), T=1, population=np.True_, n=None, features="torch")
        assert given == {"m": 3, "T": 1.0, "population": True, "n": None, "features": "torch"}
        assert [type(value) for value in given.values()] == [int, float, bool, type(None), str]

    def test_defaults_pass_their_own_checks(self):
        for argument in ARGUMENTS.values():
            assert argument.checked(argument.default) == argument.default
        for axis in AXES.values():
            assert axis.check(axis.default) == axis.default

    def test_objects_are_left_to_the_rooms_that_know_them(self):
        activation, features = object(), object()
        given = check_given(activation=activation, features=features, sde="ve")
        assert given == {"activation": activation, "features": features, "sde": "ve"}


def options(capsys, *command):
    assert main([*command, "--help"]) == 0
    return set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))


class TestShells:
    def test_every_argument_is_an_option_of_training(self, capsys):
        expected = {a.option for a in ARGUMENTS.values() if a.group} | {"--tau", "--no-standardise"}
        assert expected - {"--standardise"} <= options(capsys, "train")

    def test_every_axis_is_an_option_of_sweeps(self, capsys):
        assert {a.option for a in ARGUMENTS.values() if a.axis} <= options(capsys, "sweep", "run")


# A program in which the table holds one argument more, as if a line had been added to it.
WITH_ONE_MORE = """
import sys
from types import MappingProxyType
from rfdiff.support import arguments
from rfdiff.support.argument import Argument
from rfdiff.support.validation import positive

dummy = Argument("dummy", "number", "how much of nothing", 1.0, check=positive)
arguments.ARGUMENTS = MappingProxyType({**arguments.ARGUMENTS, "dummy": dummy})
from rfdiff.cli import main
from rfdiff.sweeps import AXES, Grid, point_id
from rfdiff.sweeps.points.axes import read_point
from rfdiff.sweeps.points.identity import canonical_json
"""


def with_one_more(code):
    done = subprocess.run(
        [sys.executable, "-c", WITH_ONE_MORE + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestOneMore:
    """An argument added to the table appears in all three places, and old points stay."""

    def test_as_an_option_and_an_axis(self):
        text = with_one_more("main(['train', '--help']); main(['sweep', 'run', '--help'])")
        assert re.search(r"--dummy DUMMY +how much of nothing \(default: 1\)", text)
        assert re.search(r"--dummy VALUES +how much of nothing \(default: 1\)", text)

    def test_as_a_check(self):
        text = with_one_more(
            "try: arguments.check_given(dummy=-1.0)\nexcept ValueError as error: print(error)\n"
            "try: Grid.of({'dummy': '0,1'})\nexcept ValueError as error: print(error)"
        )
        assert text == "dummy must be positive, got -1\ndummy must be positive, got 0\n"

    def test_points_without_it_keep_their_identity(self):
        """A point of an older store is the point in which the argument is as by default."""
        new = with_one_more(
            "old = {k: v for k, v in Grid.of({}).points[0].items() if k != 'dummy'}\n"
            "ids = [point_id(p) for p in Grid.of({'dummy': '1,2'}).points]\n"
            "print(*ids, read_point(canonical_json(old))['dummy'])"
        ).split()
        assert new[0] == "8ead8a3bc47456c92fc4eb215a78c77883cf76ad61b423367420477d9ad8d089"
        assert new[1] != new[0] and new[2] == "1.0"


def test_the_table_and_help_import_nothing_that_trains(capsys):
    code = (
        "import sys; from rfdiff.cli import main; import rfdiff.support.arguments;"
        "codes = [main([*command, '--help']) for command in "
        "([], ['train'], ['density'], ['sample'], ['theory'], ['sweep', 'run'])];"
        "heavy = {'scipy', 'numba', 'matplotlib'} & set(sys.modules);"
        "sys.exit(' '.join(heavy) or max(codes))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
