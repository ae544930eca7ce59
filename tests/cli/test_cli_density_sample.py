"""`rfdiff density` and `rfdiff sample`: what they print and write, and what they refuse."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

import rfdiff
from rfdiff.cli import main
from rfdiff.diffusion.time_grids import time_grid
from rfdiff.plotting.samples import plot_histogram, plot_paths

SMALL = ("--n", "40", "--m", "16", "--n-times", "16")
PNG = b"\x89PNG"


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def flow(tau):
    return rfdiff.train_exact(tau, n=40, m=16, n_times=16)


class TestDensity:
    def test_csv_is_the_python_result(self, capsys):
        status, out, err = run(
            capsys, "density", *SMALL, "--tau", "1e2,inf", "--x", "-1:2:4lin",
            "--method", "reverse-sde",
        )  # fmt: skip
        assert (status, err) == (0, "")
        lines = out.splitlines()
        assert lines[0] == "method,tau,x,density"
        rows = [line.split(",") for line in lines[1:]]
        assert {row[0] for row in rows} == {"reverse-sde"}
        expected = flow([1e2, np.inf]).density([-1.0, 0.0, 1.0, 2.0], method="reverse-sde")
        assert [float(row[3]) for row in rows] == expected.ravel().tolist()
        assert [float(row[1]) for row in rows] == [1e2] * 4 + [np.inf] * 4

    def test_all_definitions_as_json(self, capsys):
        status, out, _ = run(
            capsys, "density", *SMALL, "--tau", "1e3", "--method", "all",
            "--eval-time", "0.2", "--json",
        )  # fmt: skip
        result = json.loads(out)
        assert status == 0 and result["t"] == 0.2 and len(result["x"]) == 401
        assert list(result["methods"]) == ["score-integral", "probability-flow", "reverse-sde"]
        for method, values in result["methods"].items():
            kl = flow([1e3]).kl(method=method, t=0.2)
            assert values["kl"] == {"value": kl.value.tolist(), "error": kl.error.tolist()}
            assert 0.9 < values["mass"]["value"][0] <= 1.001

    def test_default_is_the_best_training_time(self, capsys):
        _, out, _ = run(capsys, "density", *SMALL, "--x", "0")
        best = flow(None).early_stopping()
        assert float(out.splitlines()[1].split(",")[1]) == pytest.approx(best.tau, rel=1e-12)

    def test_files_and_summary(self, capsys, tmp_path):
        status, out, err = run(
            capsys, "density", *SMALL, "--tau", "1e2,1e4", "--method", "reverse-sde",
            "--out", tmp_path,
        )  # fmt: skip
        assert status == 0 and out.splitlines()[0] == "t: 0.065"
        assert "tau      mass  log p error" in out.splitlines()[3]
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "densities.csv", "densities.npz", "density.png",
        ]  # fmt: skip
        assert len(err.splitlines()) == 3
        with np.load(tmp_path / "densities.npz") as arrays:
            assert arrays["reverse_sde"].shape == (2, 401)
            expected = flow([1e2, 1e4]).density(arrays["x"], method="reverse-sde")
            assert np.array_equal(arrays["reverse_sde"], expected)
        table = np.genfromtxt(tmp_path / "densities.csv", delimiter=",", names=True)
        assert np.array_equal(table["density"], expected.ravel())
        assert (tmp_path / "density.png").read_bytes()[:4] == PNG

    def test_divergences(self, capsys, tmp_path):
        """All kinds, laws on the line compared on the line, as the run's own method does."""
        arguments = ("density", *SMALL, "--tau", "1e2,1e4", "--method", "reverse-sde")
        _, out, _ = run(capsys, *arguments, "--divergence", "all", "--json")
        found = json.loads(out)["methods"]["reverse-sde"]
        for kind in ("reverse-kl", "total-variation", "wasserstein-2", "fisher"):
            expected = flow([1e2, 1e4]).divergence(kind, method="reverse-sde")
            assert found[kind] == {
                "value": expected.value.tolist(), "error": expected.error.tolist(),
            }  # fmt: skip
        _, out, _ = run(
            capsys, *arguments, "--divergence", "fisher,wasserstein-1", "--out", tmp_path,
            "--quiet",
        )  # fmt: skip
        assert out.splitlines()[-3].split() == ["tau", "fisher", "±", "wasserstein-1", "±"]

    def test_divergences_need_a_known_law(self, capsys):
        status, out, err = run(
            capsys, "density", "--data", "galaxies", "--m", "16", "--n-times", "16",
            "--tau", "1e3", "--divergence", "fisher",
        )  # fmt: skip
        assert status == 2 and out == "" and "divergence needs a known law" in err

    def test_saved_run(self, capsys, tmp_path):
        flow([1e3]).save(tmp_path / "run.npz")
        arguments = ("density", "--tau", "1e3", "--x", "0.5", "--method", "reverse-sde")
        loaded = run(capsys, *arguments, "--load", tmp_path / "run.npz")
        assert loaded[0] == 0 and loaded == run(capsys, *arguments, *SMALL)
        status, _, err = run(capsys, *arguments, "--load", tmp_path / "run.npz", "--m", "16")
        assert status == 2 and err.endswith("m is a matter of training: it cannot be with --load\n")

    def test_data_of_unknown_law(self, capsys, tmp_path):
        status, out, _ = run(
            capsys, "density", "--data", "galaxies", "--m", "16", "--n-times", "16", "--tau", "1e3",
            "--method", "reverse-sde", "--out", tmp_path,
        )  # fmt: skip
        assert status == 0 and "KL" not in out
        table = np.genfromtxt(tmp_path / "densities.csv", delimiter=",", names=True)
        assert np.trapezoid(table["density"], table["x"]) == pytest.approx(1.0, abs=0.05)


class TestSample:
    def test_csv_is_the_python_result(self, capsys):
        status, out, err = run(
            capsys, "sample", *SMALL, "--tau", "1e2,1e4", "--paths", 5,
            "--scheme", "euler-maruyama", "--n-steps", 30, "--grid", "edm",
            "--first", 7, "--eval-time", 0.1,
        )  # fmt: skip
        assert (status, err) == (0, "")
        lines = out.splitlines()
        assert lines[0] == "tau=100,tau=10000"
        samples = np.array([line.split(",") for line in lines[1:]], dtype=float).T
        expected = flow([1e2, 1e4]).sample(
            5, t=0.1, scheme="euler-maruyama", n_steps=30, grid="edm", first=7
        )
        assert np.array_equal(samples, expected)

    def test_files_summary_and_trajectories(self, capsys, tmp_path):
        status, out, err = run(
            capsys, "sample", *SMALL, "--tau", "1e4", "--paths", 400, "--n-steps", 40,
            "--trajectories", "--out", tmp_path,
        )  # fmt: skip
        assert status == 0 and "400 samples  scheme: heun  steps: 40  t: 0.065" in out
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "histogram.png", "samples.csv", "samples.npy", "trajectories.npz", "trajectories.png",
        ]  # fmt: skip
        assert len(err.splitlines()) == 5
        samples = np.load(tmp_path / "samples.npy")
        assert np.array_equal(samples, flow([1e4]).sample(400, n_steps=40))
        written = np.loadtxt(tmp_path / "samples.csv", skiprows=1)
        assert np.array_equal(written, samples[0])
        with np.load(tmp_path / "trajectories.npz") as arrays:
            assert arrays["paths"].shape == (1, 41, 400)
            assert np.array_equal(arrays["paths"][:, -1], samples)
            sde = flow([1e4]).sde
            assert np.array_equal(arrays["times"], time_grid("log", sde, 0.065, 40))
        for name in ("histogram.png", "trajectories.png"):
            assert (tmp_path / name).read_bytes()[:4] == PNG

    def test_transport_from_the_law(self, capsys):
        """W₁ with its interval; data of unknown law have none."""
        arguments = ("sample", "--m", 16, "--n-times", 16, "--tau", "1e4", "--n-steps", 40)
        found = json.loads(run(capsys, *arguments, "--n", 40, "--paths", 3000, "--json")[1])
        w1 = {key: values[0] for key, values in found["wasserstein-1"].items()}
        truth = float(flow(1e4).divergence("wasserstein-1", method="reverse-sde"))
        assert w1["low"] <= truth <= w1["high"] and w1["low"] <= w1["value"]
        unknown = run(capsys, *arguments, "--data", "galaxies", "--paths", 50, "--json")[1]
        assert "wasserstein-1" not in json.loads(unknown)

    def test_the_distance_judges_the_right_density(self, capsys):
        """False-alarm rate 1e-3; too few steps must show (the negative control)."""
        common = ("sample", *SMALL, "--tau", "1e4", "--paths", 20_000, "--json")
        good = json.loads(run(capsys, *common)[1])["density"]
        rough = ("--scheme", "euler-maruyama", "--n-steps", 8)
        bad = json.loads(run(capsys, *common, *rough)[1])["density"]
        assert good["method"] == bad["method"] == "reverse-sde"
        assert good["p_value"][0] > 1e-3 > bad["p_value"][0]
        ode = ("--scheme", "probability-flow", "--paths", 2000, "--tau", "1e2")
        flow_ = json.loads(run(capsys, *common, *ode)[1])["density"]
        assert flow_["method"] == "probability-flow" and flow_["p_value"][0] > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "--paths", "0"), "paths must be at least 1, got 0"),
        (("sample", "--paths", "many"), "must be an integer, got 'many'"),
        (("sample", "--scheme", "milstein"), "scheme must be one of"),
        (("sample", "--grid", "cosine"), "grid must be one of"),
        (("sample", "--n-steps", "0"), "n_steps must be at least 1"),
        (("sample", "--first", "-1"), "first must be at least 0"),
        (("sample", "--eval-time", "2"), "t must be between"),
        (("density", "--method", "magic"), "method must be one of"),
        (("density", "--divergence", "hellinger"), "divergence must be one of 'reverse-kl'"),
        (("density", "--eval-time", "0"), "t must be between"),
        (("density", "--domain", "3,1"), "domain must"),
        (("density", "--x", "nan"), "x must"),
        (("density", "--load", "nowhere.npz"), "nowhere.npz"),
        (("sample", "--load", "nowhere.npz", "--n", "3"), "n is a matter of training"),
    ],
)
def test_mistakes_are_one_line_before_any_training(capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("rfdiff.runs.train_exact.make_problem", None)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err and len(err.splitlines()) == 1


def test_out_of_range_domain_of_a_learned_density(capsys):
    status, _, err = run(
        capsys, "density", *SMALL, "--tau", "1e4", "--method", "reverse-sde", "--domain", "90,95"
    )
    assert status == 2 and "domain must hold at least" in err and len(err.splitlines()) == 1


class TestPlots:
    def axes(self):
        return Figure().subplots()

    def test_histogram_has_the_mass_of_what_is_inside(self):
        x = np.linspace(-3, 3, 61)
        samples = np.append(np.random.default_rng(0).standard_normal(990), np.full(10, 50.0))
        ax = plot_histogram(self.axes(), samples, x, np.exp(-x * x / 2), target=0 * x)
        heights, edges, _ = ax.patches[0].get_data()
        inside = np.mean(np.abs(samples) <= 3)
        assert (heights * np.diff(edges)).sum() == pytest.approx(inside, abs=1e-12)
        outside = len(samples) - round(inside * len(samples))
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert labels == [f"1,000 samples, {outside} outside", "learned density", "target"]

    @pytest.mark.parametrize("samples", [[0.5], [7.0], np.full(50, 0.1)])
    def test_histogram_of_few_or_equal_samples(self, samples):
        x = np.linspace(-1, 1, 5)
        assert plot_histogram(self.axes(), samples, x, np.ones(5)).patches

    def test_paths_run_to_the_right_over_the_density(self):
        times, paths = np.array([1.0, 0.5, 0.1]), np.array([[3.0, -2.0], [2.0, 0.0], [1.0, 1.0]])
        x, density = np.linspace(-4, 4, 9), np.ones((2, 9))
        ax = plot_paths(self.axes(), times, paths, density_times=times[1:], x=x, density=density)
        assert ax.get_xlim() == (1.0, 0.1) and ax.get_ylim() == (-4.0, 4.0)
        assert len(ax.lines) == 2 and np.array_equal(ax.lines[1].get_ydata(), paths[:, 1])
        assert len(plot_paths(self.axes(), times, paths).lines) == 2
