"""A run keeps what it has solved: asking twice solves once, and memory stays bounded."""

import numpy as np
import pytest

import rfdiff
from rfdiff.densities.learned_density import METHODS
from rfdiff.model.score import ExactScore
from rfdiff.runs import densities
from rfdiff.runs.solved import Solved, array_bytes


class Counting:
    """Count solves by key."""

    def __init__(self, size=1):
        self.solved, self.size = [], size

    def get(self, solved, key):
        def solve():
            self.solved.append(key)
            return np.zeros(self.size)

        return solved.get(key, solve)


class TestSolved:
    def test_solves_what_is_not_kept(self):
        counting, solved = Counting(), Solved(most=2)
        first = counting.get(solved, "a")
        assert counting.get(solved, "a") is first
        counting.get(solved, "b")
        counting.get(solved, "a")  # more recent than b again
        counting.get(solved, "c")
        assert counting.get(solved, "a") is first
        assert counting.solved == ["a", "b", "c"]
        counting.get(solved, "b")
        assert counting.solved == ["a", "b", "c", "b"]
        assert len(solved) == 2

    def test_lets_go_of_the_oldest_where_memory_does_not_suffice(self):
        counting, solved = Counting(size=100), Solved(most=8, most_bytes=2 * 800)
        for key in "abcd":
            counting.get(solved, key)
        # Two fit beside the one being solved.
        assert len(solved) == 3
        counting.get(solved, "b")
        assert counting.solved == list("abcd")

    def test_the_last_stays_whatever_its_size_until_the_next(self):
        counting, solved = Counting(size=1000), Solved(most_bytes=10)
        counting.get(solved, "a")
        counting.get(solved, "a")
        counting.get(solved, "b")
        assert counting.solved == ["a", "b"] and len(solved) == 1

    def test_a_failure_keeps_nothing(self):
        solved = Solved()
        with pytest.raises(ZeroDivisionError):
            solved.get("a", lambda: 1 / 0)
        assert len(solved) == 0


def test_array_bytes_counts_each_array_once():
    x = np.zeros((10, 3))
    law = rfdiff.GaussianMixture(np.ones(4) / 4, np.zeros(4), 1.0)
    score = ExactScore(law, rfdiff.VESDE())
    size = law.weights.nbytes + law.means.nbytes + law.stds.nbytes
    assert array_bytes([score, {"again": law}, x[2:], x.T, (x,), np.sin, None]) == size + x.nbytes
    counted = set()
    assert array_bytes(x, counted) == x.nbytes and array_bytes(x[1], counted) == 0


@pytest.fixture
def solves(monkeypatch):
    """Return the list of (method, t, domain) that are solved."""
    made, solve = [], densities.learned_density

    def counting(method, score, sde, t, domain):
        made.append((method, t, domain))
        return solve(method, score, sde, t, domain)

    monkeypatch.setattr(densities, "learned_density", counting)
    return made


class TestARunKeepsItsDensities:
    @pytest.mark.parametrize("method", METHODS)
    def test_kl_then_wasserstein_then_the_density_solve_once(self, solves, method):
        run = rfdiff.train_exact([1e2, 1e4], n=30, m=16)
        choices = {"method": method, "domain": (-9.0, 9.0)}
        kl = run.kl(**choices)
        distance = run.divergence("wasserstein-1", **choices)
        density = run.density([0.0, 3.0], **choices)
        assert len(solves) == 1
        # The same numbers as from a run that has solved nothing yet.
        fresh = [rfdiff.train_exact([1e2, 1e4], n=30, m=16) for _ in range(3)]
        assert np.array_equal(kl.value, fresh[0].kl(**choices).value)
        other = fresh[1].divergence("wasserstein-1", **choices)
        assert np.array_equal(distance.value, other.value)
        assert np.array_equal(density, fresh[2].density([0.0, 3.0], **choices))

    def test_other_settings_are_solved_for_themselves(self, solves):
        run = rfdiff.train_exact([1e2, 1e4], n=30, m=16)
        settings = [
            {},
            {"tau": [1e2]},
            {"tau": 1e2},
            {"tau": [[1e2, 1e4]]},
            {"t": 0.2},
            {"domain": (-9.0, 9.0)},
            {"method": "reverse-sde"},
        ]
        for choices in settings:
            run.learned_density(**choices)
        assert len(solves) == len(settings)
        # Spelled out, the defaults are the same settings.
        run.learned_density(run.tau, t=run.default_time, domain=run.default_domain())
        assert len(solves) == len(settings)

    @pytest.mark.parametrize("method", METHODS)
    def test_defaults_are_the_same_settings_whatever_is_asked(self, solves, method):
        run = rfdiff.train_exact([1e2, 1e4], n=30, m=16)
        for kind in ("kl", "reverse-kl", "wasserstein-2"):
            run.divergence(kind, method=method)
        run.kl(method=method)
        run.log_density(0.0, method=method)
        assert len(solves) == 1

    def test_what_is_solved_on_data_is_in_their_units(self, solves):
        run = rfdiff.train_exact(1e3, data=[50.0, 60.0, 95.0, 70.0], m=8)
        assert run.learned_density() is run.learned_density(domain=run.default_domain())
        run.nll(on="train")
        assert len(solves) == 1 and run.learned_density().domain == run.default_domain()

    def test_a_refined_run_keeps_its_own(self, solves):
        run = rfdiff.train_exact([1e2, 1e4], n=30, m=16, n_times=8)
        run.kl(certify=True)
        run.kl(certify=True)
        assert len(solves) == 3  # the run, its refinement, and the refinement of that
