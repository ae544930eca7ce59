"""The assembled quadratic against adaptive quadrature, brute force and its own invariances."""

import numpy as np
import pytest
from scipy.integrate import quad, quad_vec

from reference.paper import SDE
from reference.quadrature import gram_and_cross
from rfdiff.diffusion.mixtures import GaussianMixture, bimodal
from rfdiff.diffusion.sde import VESDE, VPSDE, SubVPSDE
from rfdiff.diffusion.targets import raised_cosine
from rfdiff.diffusion.time_rules import TimeRule, graded_time_rule
from rfdiff.loss import atoms
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import AffineEmbedding, FourierEmbedding, LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.support.errors import ArgumentError


def one(t):
    return np.ones_like(t)


def at(t, sde=SDE, weighting="variance"):
    """Return the objective of one time."""
    return DenoisingObjective(sde, TimeRule(np.array([t]), np.ones(1), t, t), weighting)


def random_law(rng, kind):
    if kind == "mixture":
        weights = rng.dirichlet(np.ones(3))
        return GaussianMixture(weights, rng.normal(0, 3, 3), rng.uniform(0.0, 2.0, 3))
    if kind == "single point":
        return GaussianMixture.from_points([rng.normal()])
    return GaussianMixture.from_points(np.repeat(rng.normal(0, 2, 2), 3))


@pytest.mark.parametrize("kind", ["mixture", "single point", "repeated points"])
@pytest.mark.parametrize("t", [1e-6, 1e-3, 0.065, 0.5, 1.0])
def test_closed_form_agrees_with_adaptive_quadrature(kind, t):
    rng = np.random.default_rng(int(1e6 * t) + len(kind))
    law = random_law(rng, kind)
    features = draw_features("l1", 8, LogSigmaEmbedding(SDE), seed=int(100 * t))
    W, U = features.W.copy(), features.U.copy()
    W[0] = 0.0  # a constant feature
    U[1] = 40.0  # a kink far outside the data
    U[2] = -40.0 * np.sign(W[2])  # and one on the other side
    features = RandomFeatures(W, U, features.embedding)
    loss = denoising_quadratic(law, at(t, SDE, one), features)
    gram, cross = gram_and_cross(law, SDE, features, t)
    assert np.abs(loss.gram - gram).max() <= 1e-12 * np.abs(gram).max()
    assert np.abs(loss.cross[0] - cross).max() <= 1e-12 * np.abs(cross).max()
    # Entry by entry too, on the scale that Cauchy–Schwarz sets, where quadrature can tell.
    norms = np.sqrt(np.diag(gram))
    seen = norms > 1e-5 * norms.max()
    pairs = np.outer(norms[seen], norms[seen])
    difference = np.abs(loss.gram - gram)[np.ix_(seen, seen)]
    assert (difference <= 1e-12 * pairs + 3e-16 * np.abs(gram).max()).all()


@pytest.mark.parametrize("sigma, t", [(25.0, 1e-12), (1.0001, 1e-6), (1e6, 1.0)])
def test_very_small_and_very_large_noise(sigma, t):
    sde = VESDE(sigma)
    law = GaussianMixture.from_points([-2.0, 0.5, 3.0])
    features = draw_features("gaussian", 6, AffineEmbedding(), seed=3)
    loss = denoising_quadratic(law, at(t, sde, one), features)
    gram, cross = gram_and_cross(law, sde, features, t)
    np.testing.assert_allclose(loss.gram, gram, rtol=0, atol=1e-12 * np.abs(gram).max())
    np.testing.assert_allclose(loss.cross[0], cross, rtol=0, atol=1e-12 * np.abs(cross).max())


@pytest.mark.parametrize("sde", [VPSDE(), SubVPSDE(), VESDE(5.0, 2.0)])
@pytest.mark.parametrize("embedding", ["fourier", "affine"])
def test_every_process_and_embedding_over_the_whole_rule(sde, embedding):
    chosen = FourierEmbedding.draw(1) if embedding == "fourier" else AffineEmbedding()
    features = draw_features("torch", 5, chosen, seed=2, preconditioner=sde)
    law = GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.5, 0.0])
    rule = graded_time_rule(1e-2, sde.T, 5)
    loss = denoising_quadratic(law, DenoisingObjective(sde, rule, "likelihood"), features)
    lam = rule.weights * sde.diffusion_squared(rule.nodes)
    parts = [gram_and_cross(law, sde, features, t) for t in rule.nodes]
    gram = sum(weight * part[0] for weight, part in zip(lam, parts, strict=True))
    cross = sum(weight * part[1] for weight, part in zip(lam, parts, strict=True))
    np.testing.assert_allclose(loss.gram, gram, rtol=0, atol=1e-12 * np.abs(gram).max())
    np.testing.assert_allclose(loss.cross[0], cross, rtol=0, atol=1e-12 * np.abs(cross).max())
    assert loss.constant == pytest.approx(lam @ sde.std(rule.nodes) ** -2.0, rel=1e-14)


def test_loss_is_the_expected_squared_error():
    # The definition itself, by nested adaptive quadrature over z for one datum and one time.
    features = draw_features("l1", 4, LogSigmaEmbedding(SDE), seed=5)
    theta = np.random.default_rng(0).normal(size=(1, 4))
    x0, t = 1.3, 0.2
    loss = denoising_quadratic(GaussianMixture.from_points([x0]), at(t), features)
    std = float(SDE.std(t))

    def squared_error(z):
        s = float(theta[0] @ features(x0 + std * z, t))
        return (s + z / std) ** 2 * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)

    kinks = (-features.biases(t) / features.W[:, 0] - x0) / std
    value, _ = quad(
        squared_error, -12, 12, points=np.sort(kinks[np.abs(kinks) < 12]), epsabs=1e-13, limit=200
    )
    assert float(loss(theta)) == pytest.approx(std**2 * value, rel=1e-12)


def test_many_points_are_reduced_without_a_trace():
    """The quadratic of 4000 points is the mean of those of 100 sets too small to be reduced."""
    data = bimodal().sample(4000, np.random.default_rng(7))
    features = draw_features("l1", 40, LogSigmaEmbedding(SDE), seed=1)
    objective = DenoisingObjective.graded(SDE, n_times=32)

    def assemble(points):
        return denoising_quadratic(GaussianMixture.from_points(points), objective, features)

    def fewest_atoms(points):
        law = GaussianMixture.from_points(points)
        table = atoms.gaussian_atoms(law, SDE, objective.rule.nodes)
        return (table.stop - table.start).min()

    parts = np.array_split(data, 100)
    assert fewest_atoms(data) < 100 and fewest_atoms(parts[0]) == 40
    reduced, plain = assemble(data), [assemble(part) for part in parts]
    for name in ("gram", "cross"):
        expected = np.mean([getattr(part, name) for part in plain], axis=0)
        assert np.abs(getattr(reduced, name) - expected).max() <= 1e-14 * np.abs(expected).max()


@pytest.mark.parametrize("law", [bimodal(), GaussianMixture.from_points([-1.0, 0.2, 2.0])])
def test_crowded_kinks_share_sums_without_a_trace(law):
    # 600 kinks are carried from box centres by Taylor series, 6 are summed one by one.
    objective = DenoisingObjective.graded(SDE, n_times=24)
    many, few = (
        denoising_quadratic(law, objective, draw_features("l1", m, LogSigmaEmbedding(SDE), seed=4))
        for m in (600, 6)
    )
    np.testing.assert_allclose(600 * many.gram[:6, :6], 6 * few.gram, rtol=1e-13)
    np.testing.assert_allclose(np.sqrt(600) * many.cross[:, :6], np.sqrt(6) * few.cross, rtol=1e-13)


@pytest.mark.parametrize("activation", ["swish", "erf", "tanh"])
def test_smooth_activations_agree_with_quadrature_and_know_their_error(activation):
    law = GaussianMixture([0.4, 0.6], [-1.0, 1.5], [0.3, 0.0])
    features = draw_features("gaussian", 5, LogSigmaEmbedding(SDE), seed=8, activation=activation)
    t = 0.1
    loss = denoising_quadratic(law, at(t, SDE, one), features)
    marginal = law.diffuse(1.0, float(SDE.std(t)))
    low, high = marginal.domain(12)

    def integrand(x):
        h, slope = features(x, t), features.derivative(x, t) * features.W[:, 0]
        return float(marginal.density(x)) * np.concatenate([np.outer(h, h).ravel(), -slope])

    value, _ = quad_vec(integrand, low, high, epsabs=1e-14, epsrel=1e-13)
    np.testing.assert_allclose(loss.gram.ravel(), value[:25], rtol=0, atol=1e-12)
    np.testing.assert_allclose(loss.cross[0], value[25:], rtol=0, atol=1e-12)
    assert 0 < loss.error < 1e-8


def test_same_bits_for_any_number_of_threads(on_one_thread):
    data = bimodal().sample(300, np.random.default_rng(1))
    features = draw_features("l1", 150, LogSigmaEmbedding(SDE), seed=1)
    law, objective = GaussianMixture.from_points(data), DenoisingObjective.graded(SDE, n_times=16)

    def assemble():
        return denoising_quadratic(law, objective, features)

    default, serial = assemble(), on_one_thread(assemble)
    assert default.gram.tobytes() == serial.gram.tobytes()
    assert default.cross.tobytes() == serial.cross.tobytes()


def test_gram_is_symmetric_and_positive():
    features = draw_features("l1", 64, LogSigmaEmbedding(SDE), seed=6)
    objective = DenoisingObjective.graded(SDE, n_times=32)
    loss = denoising_quadratic(raised_cosine(), objective, features)
    assert (loss.gram == loss.gram.T).all()
    eigenvalues = np.linalg.eigvalsh(loss.gram)
    assert eigenvalues.min() > -1e-14 * eigenvalues.max()


def test_empirical_loss_tends_to_the_populations():
    features = draw_features("l1", 30, LogSigmaEmbedding(SDE), seed=6)
    objective = DenoisingObjective.graded(SDE, n_times=32)
    truth = denoising_quadratic(bimodal(), objective, features).gram
    sizes = np.array([100, 1000, 10_000])
    errors = []
    for n in sizes:
        samples = [bimodal().sample(n, np.random.default_rng(seed)) for seed in range(12)]
        gaps = [
            denoising_quadratic(GaussianMixture.from_points(x), objective, features).gram - truth
            for x in samples
        ]
        errors.append(np.sqrt(np.mean([np.sum(gap**2) for gap in gaps])))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    # 12 samples: the slope's standard error is about 0.06; fixed seeds, so no false alarm.
    assert slope == pytest.approx(-0.5, abs=0.15)


def test_refusals():
    features = draw_features("l1", 4, AffineEmbedding(), seed=0, dimension=2)
    flat = GaussianMixture([1.0], [[0.0, 0.0]], 1.0)
    with pytest.raises(ArgumentError, match="features of dimension 2 do not fit a law of dim"):
        denoising_quadratic(bimodal(), at(0.1), features)
    line = AffineSkip.gaussian(bimodal(), SDE)
    with pytest.raises(ArgumentError, match="skip of dimension 1 does not fit a law of dimension"):
        denoising_quadratic(flat, at(0.1), features, line)
    with pytest.raises(ArgumentError, match=r"accuracy must be between 1e-12 and 0.01, got 0"):
        denoising_quadratic(flat, at(0.1), features, accuracy=0.0)
