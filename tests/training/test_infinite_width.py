"""Infinite width: kernels by Monte Carlo, two routes to one limit, and finite m at m^{−1/2}."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from reference.paper import LAW, SDE
from rfdiff.diffusion.sde import VPSDE
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.loss.score_matching import score_norm
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.feature_laws import limit_kernel
from rfdiff.model.features import draw_features
from rfdiff.model.infinite_width.limit_kernels import ArcCosineKernel, ArcSineKernel
from rfdiff.model.infinite_width.quasi_random_features import quasi_random_features
from rfdiff.numerics.halvings import Halvings
from rfdiff.runs.train_exact import train_exact
from rfdiff.support.errors import ArgumentError
from rfdiff.theory.infinite_width_kl import infinite_width_kl
from rfdiff.training.gradient_flow import GradientFlow
from rfdiff.training.infinite_width_features import WideFlow, infinite_width_by_features
from rfdiff.training.infinite_width_kernel import infinite_width_by_kernel

EMBEDDING = LogSigmaEmbedding(SDE)
OBJECTIVE = DenoisingObjective.graded(SDE, n_times=16)


def points(rng, k):
    return rng.standard_normal((k, 3)) * np.array([3.0, 1.0, 2.0])


class TestKernels:
    @pytest.mark.parametrize(
        ("kernel", "act"), [(ArcCosineKernel(), "relu"), (ArcSineKernel(), "erf")]
    )
    def test_against_quadrature_in_polar_angle(self, kernel, act):
        """In the plane of z and z', v is N(0, I/3): E over a direction and a radius."""
        rng = np.random.default_rng(0)
        for z, other in zip(points(rng, 3), points(rng, 3), strict=True):
            a, b = np.linalg.norm(z) / np.sqrt(3.0), np.linalg.norm(other) / np.sqrt(3.0)
            cosine = float(z @ other) / (3.0 * a * b)
            c, s = b * cosine, b * np.sqrt(1.0 - cosine**2)
            if act == "relu":
                # E[r²] = 2 and the direction is uniform.
                value, _ = quad(
                    lambda u, a=a, c=c, s=s: (
                        2.0
                        * max(a * np.cos(u), 0.0)
                        * max(c * np.cos(u) + s * np.sin(u), 0.0)
                        / (2.0 * np.pi)
                    ),
                    -np.pi,
                    np.pi,
                    points=[-np.pi / 2, np.pi / 2, np.arccos(cosine) - np.pi / 2],
                    epsabs=1e-12,
                )
            else:
                value = float(
                    mpmath.quad(
                        lambda x, a=a, c=c, s=s: (
                            mpmath.npdf(x)
                            * mpmath.erf(a * x)
                            * mpmath.erf(c * x / mpmath.sqrt(1 + 2 * s * s))
                        ),
                        [-9, -3, 0, 3, 9],
                    )
                )
            assert kernel(z[None], other[None])[0, 0] == pytest.approx(value, rel=1e-8)

    @pytest.mark.parametrize("kernel", [ArcCosineKernel(), ArcSineKernel()])
    def test_derivative_is_the_slope(self, kernel):
        rng = np.random.default_rng(1)
        z, other, step = points(rng, 5), points(rng, 7), np.array([1e-5, 0.0, 0.0])
        slope = (kernel(z + step, other) - kernel(z - step, other)) / 2e-5
        assert np.allclose(kernel.derivative(z, other), slope, atol=1e-8)

    def test_aligned_and_zero_vectors(self):
        z = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        values = ArcCosineKernel()(z, 2.0 * z)
        assert values[0, 0] == pytest.approx(14.0 / 3.0, rel=1e-14)
        assert (values[1] == 0).all()

    @pytest.mark.parametrize(
        ("features", "activation"), [("l1", "relu"), ("torch", "relu"), ("gaussian", "tanh")]
    )
    def test_laws_without_a_kernel_are_refused(self, features, activation):
        with pytest.raises(ArgumentError, match="have no closed-form kernel"):
            limit_kernel(features, activation)
        with pytest.raises(ArgumentError, match="have no closed-form kernel"):
            infinite_width_by_kernel(
                LAW, OBJECTIVE, EMBEDDING, features=features, activation=activation
            )

    def test_unknown_names(self):
        with pytest.raises(ArgumentError, match="features must be one of"):
            limit_kernel("cauchy")


@pytest.fixture(scope="module")
def limit():
    return infinite_width_by_kernel(LAW, OBJECTIVE, EMBEDDING, n_panels=8)


class TestKernelFlow:
    def test_starts_at_the_score_norm_and_falls(self, limit):
        loss = limit.loss(np.array([0.0, 1e2, 1e4, 1e6]))
        assert loss.value[0] == pytest.approx(limit.flows.fine.score_norm, rel=1e-12)
        assert (np.diff(loss.value) < 0).all()

    def test_loss_is_the_loss_of_its_score(self, limit):
        """The eigenbasis against scores at the nodes, squared and summed, to rounding."""
        nodes = limit.flows.fine.nodes
        weights = nodes.weights * SDE.std(nodes.t) ** 2
        # What the nodes miss of E‖∇log p‖² the loss counts as not learned.
        unseen = limit.flows.fine.score_norm - weights @ nodes.score**2
        assert 0.0 <= unseen < 1e-6 * limit.flows.fine.score_norm
        for tau in (1e2, 1e5):
            direct = weights @ (limit.flows.fine.at_nodes(tau) - nodes.score) ** 2
            assert limit.flows.fine.loss(tau) == pytest.approx(direct + unseen, rel=1e-12)

    @pytest.mark.parametrize("tau", [1e2, 1e4, 1e6])
    def test_score_passes_through_its_nodes(self, limit, tau):
        """The flow knows √ω s to rounding; s itself has lost what 1/√ω multiplies."""
        nodes = limit.flows.fine.nodes
        root = np.sqrt(nodes.weights) * SDE.std(nodes.t)
        at, score = limit.flows.fine.at_nodes(tau), np.empty(len(nodes))
        for t in np.unique(nodes.t):
            score[nodes.t == t] = limit.flows.fine.score(nodes.x[nodes.t == t], float(t), tau)
        off = np.abs(score - at)
        assert (root * off).max() < 2e-8 * np.abs(root * at).max()
        assert off[np.abs(nodes.x) < 6.0].max() < 5e-6

    def test_divergence_is_the_slope(self, limit):
        x, h = np.array([-2.0, 0.3, 4.0]), 1e-5
        slope = limit.flows.fine.score(x + h, 0.2, 1e4) - limit.flows.fine.score(x - h, 0.2, 1e4)
        assert np.allclose(limit.flows.fine.divergence(x, 0.2, 1e4), slope / (2 * h), atol=1e-6)

    def test_two_routes_agree_within_their_errors(self):
        """Function space on nodes against a wide model of quasi-Monte Carlo features."""
        tau, x = np.array([1e2, 1e4]), np.linspace(-6, 6, 41)
        kernel = infinite_width_by_kernel(LAW, OBJECTIVE, EMBEDDING, n_panels=8)
        wide = infinite_width_by_features(LAW, OBJECTIVE, EMBEDDING, features="gaussian", m=1024)
        a, b = kernel.score(x, 0.2, tau), wide.score(x, 0.2, tau)
        size = np.abs(a.value).max()
        assert np.abs(a.value - b.value).max() < 5e-3 * size
        assert (np.abs(a.value - b.value) <= a.error + b.error).all()
        a, b = kernel.loss(tau), wide.loss(tau)
        assert (np.abs(a.value - b.value) <= a.error + b.error).all()

    def test_arrays_equal_loops(self, limit):
        tau = np.array([[0.0, 1e3], [1e5, 1e7]])
        loop = [[float(limit.flows.fine.loss(one)) for one in row] for row in tau]
        assert np.allclose(limit.flows.fine.loss(tau), loop, rtol=1e-13)

    @pytest.mark.parametrize(
        ("name", "n_times", "n_panels"), [("n_times", 7, 8), ("n_panels", 8, 7)]
    )
    def test_odd_sizes(self, name, n_times, n_panels):
        with pytest.raises(ArgumentError, match=f"{name} must be a multiple of 4, got 7"):
            infinite_width_by_kernel(
                LAW, OBJECTIVE.with_times(n_times), EMBEDDING, n_panels=n_panels
            )


class TestFiniteWidth:
    def test_quasi_random_features_beat_random_ones(self):
        z = np.concatenate(
            [np.linspace(-6, 6, 9)[:, None], EMBEDDING(np.linspace(0.1, 1.0, 9))], axis=1
        )
        exact = ArcCosineKernel()(z, z)

        def error(features):
            h = np.maximum(z @ np.concatenate([features.W, features.U], axis=1).T, 0.0)
            return np.abs(h @ h.T / features.width - exact).max()

        placed = error(quasi_random_features("gaussian", 1024, EMBEDDING))
        random = error(draw_features("gaussian", 1024, EMBEDDING, seed=0))
        assert placed < 0.02 * random

    @pytest.mark.parametrize("law", ["l1", "torch"])
    def test_wide_model_is_within_its_error(self, law):
        tau, sde = np.array([1e2, 1e4]), VPSDE()
        objective, embedding = DenoisingObjective.graded(sde, n_times=32), LogSigmaEmbedding(sde)
        small = infinite_width_by_features(LAW, objective, embedding, features=law, m=256).loss(tau)
        large = infinite_width_by_features(LAW, objective, embedding, features=law, m=1024).loss(
            tau
        )
        assert (np.abs(small.value - large.value) <= small.error + large.error).all()

    @pytest.mark.parametrize("shift", [1, 2])
    @pytest.mark.parametrize("law", ["l1", "torch"])
    def test_a_shifted_set_is_another_of_the_same_law(self, law, shift):
        sets = [quasi_random_features(law, 4096, EMBEDDING, shift=k) for k in (0, shift, shift)]
        rows, moved, again = (np.concatenate([f.W, f.U], axis=1) for f in sets)
        assert (moved == again).all()
        assert np.abs(moved - rows).max() > 0.1
        assert np.allclose(moved.T @ moved, rows.T @ rows, atol=4096 * 1e-2)

    def test_odd_widths_are_refused(self):
        with pytest.raises(ArgumentError, match="m must be a multiple of 4, got 7"):
            infinite_width_by_features(LAW, OBJECTIVE, EMBEDDING, m=7)


class TestErrorsOfTheWideModel:
    """Five shifts of the whole as if they were the model, and an independent truth."""

    TAU, X = np.array([1e2, 1e4, 1e5, 1e6, 1e8]), np.array([-3.0, 0.0, 1.0, 4.0])

    def predictions(self, flow):
        return np.concatenate([flow.loss(self.TAU), flow.score(self.X, 0.1, self.TAU).ravel()])

    def honest(self, law, sde, truth):
        """Return the shares of true errors within the estimates: ours, and two changes alone."""
        objective = DenoisingObjective.graded(sde, n_times=16)
        embedding, norm = LogSigmaEmbedding(sde), float(score_norm(LAW, objective))

        def wide(m, shift):
            features = quasi_random_features(law, m, embedding, shift=shift)
            flow = GradientFlow(denoising_quadratic(LAW, objective, features))
            return WideFlow(features, flow, norm)

        if truth == "kernel":
            limit = infinite_width_by_kernel(LAW, objective, embedding, features=law)
            true = self.predictions(limit.flows.fine)
        else:
            true = np.mean([self.predictions(wide(truth, shift)) for shift in (0, 999)], axis=0)
        ours, changes = [], []
        for first in range(0, 500, 100):
            flows = Halvings.build_random(lambda share, k, i=first: wide(128 // share, i + k), "m")
            found = flows.estimate(self.predictions)
            off = np.abs(found.value - true)
            ours.append(off <= found.error)
            fine, coarse, coarsest = map(
                self.predictions, (flows.fine, flows.coarse[0], flows.coarsest[0])
            )
            changes.append(off <= np.abs(fine - coarse) + 0.25 * np.abs(coarse - coarsest))
        return np.mean(ours), np.mean(changes)

    @pytest.mark.parametrize(
        ("law", "sde", "truth"),
        [("torch", VPSDE(), 1024), ("torch", SDE, 1024), ("gaussian", SDE, "kernel")],
    )
    def test_true_errors_are_within_them(self, law, sde, truth):
        ours, changes = self.honest(law, sde, truth)
        assert ours >= 0.97
        # What one shift's two changes say is not enough.
        assert changes < 0.92


class TestLimitKL:
    TAU = np.array([1e2, 1e4, 1e6])

    @pytest.fixture(scope="class")
    @classmethod
    def ideal(cls):
        objective = OBJECTIVE.refined
        limits = [infinite_width_by_features(LAW, objective, EMBEDDING, m=m) for m in (256, 1024)]
        return [infinite_width_kl(limit, LAW, cls.TAU, domain=(-10.0, 10.0)) for limit in limits]

    def test_it_is_within_its_error(self, ideal):
        small, large = ideal
        assert (np.abs(small.value - large.value) <= small.error + large.error).all()
        assert (large.error < small.error).all()

    def test_finite_width_approaches_it(self, ideal):
        """Mean distance over eight draws, 16 and 1024 features: at least half of m^{−1/2}."""
        off = np.empty((8, 2, len(self.TAU)))
        for seed in range(8):
            for k, m in enumerate((16, 1024)):
                run = train_exact(self.TAU, m=m, seed=seed, population=True, n_times=32)
                off[seed, k] = np.abs(run.kl(domain=(-10, 10)).value - ideal[1].value)
        few, many = off.mean(axis=0)
        assert (many < few / 4.0).all()
