"""The command line: what it prints and writes."""

import json
import subprocess
import sys

import numpy as np
import pytest

import rfdiff
from rfdiff.cli import COMMANDS, main
from rfdiff.cli.output import check_folder, plain
from rfdiff.data.kde_baseline import kde_nll
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.embeddings import EMBEDDINGS
from rfdiff.model.feature_laws import FEATURE_LAWS

SMALL = ["train", "--n", "40", "--m", "16", "--n-times", "16", "--tau", "1e0:1e8:9log"]
PNG = b"\x89PNG"


def run(capsys, *arguments):
    """Return (status, stdout, stderr) of a command."""
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def run_json(capsys, *arguments):
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))


def test_table(capsys):
    status, out, err = run(capsys, *SMALL)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert "n: 40" in out and "m: 16" in out and "N(-3, 1²)" in out
    heading = next(i for i, line in enumerate(lines) if line.lstrip().startswith("tau"))
    assert lines[heading].split() == ["tau", "train", "loss", "population", "loss", "gap", "KL",
                                      "±", "error"]  # fmt: skip
    rows = [[float(cell) for cell in line.split()] for line in lines[heading + 1 : heading + 10]]
    flow = rfdiff.train_exact(np.logspace(0, 8, 9), n=40, m=16, n_times=16)
    np.testing.assert_allclose([row[0] for row in rows], flow.tau)
    np.testing.assert_allclose([row[4] for row in rows], flow.kl().value, atol=1e-5)
    np.testing.assert_allclose([row[1] for row in rows], flow.loss(), rtol=1e-5)
    np.testing.assert_allclose([row[2] for row in rows], flow.loss("population"), rtol=1e-5)
    best = flow.early_stopping()
    assert f"best KL: {float(best.value):.5f} at tau = {best.tau:.3e}" in out


def test_json_is_the_python_result(capsys):
    result = run_json(capsys, *SMALL[:-1], "0,1e3,inf", "--certify", "--against", "pt")
    flow = rfdiff.train_exact([0.0, 1e3, np.inf], n=40, m=16, n_times=16)
    kl = flow.kl(against="pt", certify=True)
    assert result["tau"] == [0.0, 1e3, "inf"]
    np.testing.assert_array_equal(result["kl"]["value"], kl.value)
    np.testing.assert_array_equal(result["kl"]["error"], kl.error)
    np.testing.assert_array_equal(result["loss"]["population"], flow.loss("population"))
    assert result["early_stopping"]["kl"]["at"] in ("interior", "start", "end")
    assert result["files"] == [] and result["settings"]["n"] == 40


def test_every_option_reaches_train_exact(capsys):
    result = run_json(
        capsys, *SMALL, "--mu", "2", "--weights", "0.3,0.7", "--std", "0.5", "--sde", "vp",
        "--beta-min", "0.2", "--beta-max", "10", "--T", "0.9", "--features", "gaussian",
        "--embedding", "affine", "--precondition", "--weighting",
        "likelihood", "--t-min", "0.01", "--noise-samples", "2", "--seed", "3",
        "--eval-time", "0.1", "--domain", "-6,6",
    )  # fmt: skip
    flow = rfdiff.train_exact(
        np.logspace(0, 8, 9), target=rfdiff.bimodal(2.0, (0.3, 0.7), 0.5), n=40, m=16,
        sde=rfdiff.VPSDE(0.2, 10.0, 0.9), features="gaussian", embedding="affine",
        precondition=True, weighting="likelihood", t_min=0.01, n_times=16,
        noise_samples=2, seed=3,
    )  # fmt: skip
    np.testing.assert_array_equal(result["loss"]["train"], flow.loss())
    np.testing.assert_array_equal(result["kl"]["value"], flow.kl(t=0.1, domain=(-6, 6)).value)


@pytest.mark.parametrize(
    ("options", "target"),
    [
        (["--target", "raised-cosine", "--half-width", "2"], rfdiff.raised_cosine(0.0, 2.0)),
        (["--target", "smooth-bump", "--centre", "-1"], rfdiff.smooth_bump(-1.0)),
        (
            ["--target", "beta", "--shape", "2,4", "--support", "-1,3"],
            rfdiff.beta(2.0, 4.0, (-1.0, 3.0)),
        ),
    ],
)
def test_targets(capsys, options, target):
    result = run_json(capsys, *SMALL, *options)
    flow = rfdiff.train_exact(np.logspace(0, 8, 9), target=target, n=40, m=16, n_times=16)
    np.testing.assert_array_equal(result["kl"]["value"], flow.kl().value)


def test_population_training(capsys):
    arguments = ["train", "--m", "16", "--n-times", "16", "--tau", "1e4", "--population"]
    result = run_json(capsys, *arguments)
    assert list(result["loss"]) == ["train"] and result["settings"]["n"] == "population"
    status, out, _ = run(capsys, *arguments)
    assert status == 0 and "gap" not in out


def test_data_file_with_held_out_points(capsys):
    options = ["train", "--data", "old_faithful", "--column", "eruptions", "--m", "16",
               "--n-times", "16", "--tau", "1e0:1e8:9log", "--held-out", "0.25"]  # fmt: skip
    status, out, _ = run(capsys, *options)
    assert status == 0
    data = rfdiff.load_data("old_faithful", "eruptions")
    flow = rfdiff.train_exact(np.logspace(0, 8, 9), data=data, held_out=0.25, m=16, n_times=16)
    baseline = kde_nll(flow.data, flow.problem.held_out)
    assert f"gaussian_kde on the same split: test NLL {baseline:.5f}" in out
    assert "old_faithful, column eruptions" in out and "held out: 68" in out
    result = run_json(capsys, *options)
    np.testing.assert_array_equal(result["nll"]["test"]["value"], flow.nll().value)
    np.testing.assert_array_equal(result["nll"]["train"]["value"], flow.nll(on="train").value)
    assert result["gaussian_kde_nll"] == baseline
    assert result["early_stopping"]["nll"]["value"] == float(flow.early_stopping().value)


def test_data_without_held_out_points_and_raw_units(capsys, tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("\n".join(map(str, np.linspace(-2, 5, 20))))
    options = ["train", "--data", path, "--m", "16", "--n-times", "16", "--tau", "1e3"]
    raw = run_json(capsys, *options, "--no-standardise")
    flow = rfdiff.train_exact(1e3, data=np.linspace(-2, 5, 20), m=16, n_times=16, standardise=False)
    assert raw["nll"]["train"]["value"] == [float(flow.nll(on="train").value)]
    assert "test" not in raw["nll"] and "gaussian_kde_nll" not in raw
    assert raw["nll"] != run_json(capsys, *options)["nll"]


def test_data_of_a_known_law_have_both_curves(capsys, tmp_path):
    np.save(tmp_path / "d.npy", rfdiff.bimodal(3.0).sample(60, np.random.default_rng(0)))
    result = run_json(capsys, "train", "--data", tmp_path / "d.npy", "--mu", "3", "--held-out",
                      "0.5", "--m", "16", "--n-times", "16", "--tau", "1e3")  # fmt: skip
    assert list(result["loss"]) == ["train", "population", "test"]
    assert "kl" in result and set(result["nll"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("options", "figures"),
    [
        ([], {"kl.png", "losses.png", "densities.png"}),
        (["--data", "galaxies", "--held-out", "0.2", "--domain", "0,50000"],
         {"nll.png", "losses.png", "densities.png"}),
    ],
)  # fmt: skip
def test_files(capsys, tmp_path, options, figures):
    out = tmp_path / "a" / "b"
    status, _, err = run(capsys, *SMALL, *options, "--out", out)
    assert status == 0
    written = {path.name for path in out.iterdir()}
    assert written == figures | {"run.npz", "curves.npz", "results.json"}
    assert all(f"wrote {out / name}" in err for name in written)
    assert all((out / name).read_bytes().startswith(PNG) for name in figures)
    with np.load(out / "curves.npz") as file:
        curves = dict(file)
    assert curves["density"].shape == (len(curves["density_tau"]), len(curves["x"]))
    flow = rfdiff.load(out / "run.npz")
    np.testing.assert_array_equal(curves["tau"], flow.tau)
    np.testing.assert_array_equal(curves["train_loss"], flow.loss())
    json.loads((out / "results.json").read_text())


def test_the_same_command_writes_the_same_bytes(capsys, tmp_path):
    files = []
    for folder in ("a", "b"):
        status, _, err = run(capsys, *SMALL, "--out", tmp_path / folder, "--quiet")
        assert (status, err) == (0, "")
        files.append({p.name: p.read_bytes() for p in (tmp_path / folder).iterdir()})
    assert files[0] == files[1]


def test_infinite_divergence_is_printed(capsys):
    status, out, _ = run(capsys, *SMALL, "--domain", "inf")
    assert status == 0
    result = run_json(capsys, *SMALL, "--domain", "inf")
    flow = rfdiff.train_exact(np.logspace(0, 8, 9), n=40, m=16, n_times=16)
    values = flow.kl(domain=np.inf).value
    assert result["kl"]["value"] == plain(values)
    assert ("inf" in out) == bool(np.isinf(values).any())


def test_help_lists_every_command_and_name(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0 and all(command in out for command in COMMANDS)
    _, out, _ = run(capsys, "train", "--help")
    for name in (*FEATURE_LAWS, *EMBEDDINGS, *ACTIVATIONS):
        assert name in out
    assert run(capsys, "--version")[1] == f"rfdiff {rfdiff.__version__}\n"


def test_cite(capsys):
    status, out, _ = run(capsys, "cite")
    assert status == 0 and out.count("@") == 2 and "2311.01797" in out
    assert rfdiff.__version__ in out


def test_both_front_doors_are_the_same():
    module = subprocess.run(
        [sys.executable, "-m", "rfdiff", "cite"], capture_output=True, text=True, check=True
    )
    script = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[1:] = ['cite']; from importlib.metadata "
         "import entry_points as e; sys.exit(next(iter(e(group='console_scripts', name='rfdiff')))"
         ".load()())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert module.stdout == script.stdout != ""


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m rfdiff cite | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_accuracy_warnings_are_one_line_on_stderr(capsys, monkeypatch):
    import warnings

    from rfdiff.cli import cite

    def warn(args):
        warnings.warn("KL missed its\ntolerance", rfdiff.AccuracyWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(cite, "run", warn)
    assert run(capsys, "cite") == (0, "", "rfdiff: AccuracyWarning: KL missed its tolerance\n")


def test_plain_numbers():
    value = {"a": np.array([1.0, np.inf, -np.inf, np.nan]), 1: (np.int64(2), np.True_, "x")}
    assert plain(value) == {"a": [1.0, "inf", "-inf", None], "1": [2, True, "x"]}


def test_a_folder_is_not_made_before_there_is_a_result(tmp_path):
    assert check_folder(None) is None
    assert check_folder(str(tmp_path / "x" / "y")) == tmp_path / "x" / "y"
    assert list(tmp_path.iterdir()) == []
