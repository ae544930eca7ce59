"""G and C in d dimensions against one dimension, quadrature and sampling."""

import numpy as np
import pytest

from reference.pairs import product_mean
from reference.paper import SDE
from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VPSDE
from rfdiff.diffusion.time_rules import TimeRule
from rfdiff.loss.hermite_series import assembly
from rfdiff.loss.hermite_series.assembly import series_moments
from rfdiff.loss.hermite_series.coefficients import FeatureCoefficients
from rfdiff.loss.hermite_series.orders import plan
from rfdiff.loss.hermite_series.rows import Times
from rfdiff.loss.noise_expectation import denoising_quadratic
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.activations import ACTIVATIONS
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.marginal_scaling import MarginalScaling
from rfdiff.support.errors import AccuracyWarning


def vectors(d, m, activation="relu", seed=0, sde=SDE, law="l1"):
    """Features with a constant one, a duplicate, an opposite and a nearly parallel direction."""
    drawn = draw_features(
        law, m, LogSigmaEmbedding(sde), seed=seed, dimension=d, activation=activation
    )
    w, u = drawn.W.copy(), drawn.U.copy()
    w[0], w[1], u[1], w[3] = 0.0, w[2], u[2], -w[4]
    w[5] = 2.0 * w[6] + 1e-6 * np.random.default_rng(seed).normal(size=d)
    return RandomFeatures(w, u, drawn.embedding, activation)


def three(d, seed=0):
    """A mixture with a point mass among its components."""
    return GaussianMixture(
        [0.3, 0.3, 0.4], np.random.default_rng(seed).normal(size=(3, d)), [0.5, 0.0, 0.3]
    )


def times_of(objective, d):
    return Times(objective.sde, objective.rule.nodes, objective.node_weights(d))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_in_one_dimension_it_is_what_the_line_gives(activation):
    sde = VPSDE()
    features = vectors(1, 16, activation, sde=sde)
    objective = DenoisingObjective.graded(sde, n_times=5)
    expected = denoising_quadratic(three(1), objective, features)
    found = series_moments(three(1), times_of(objective, 1), features, None, 1e-8)
    size = np.abs(expected.gram).max()
    assert found.error <= 1e-8 * size
    assert np.abs(found.gram - expected.gram).max() <= found.error + expected.error + 1e-14 * size
    np.testing.assert_allclose(found.cross, expected.cross, rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_chosen_pairs_agree_with_quadrature(d):
    features, law = vectors(d, 40), three(d)
    objective = DenoisingObjective.graded(SDE, n_times=2)
    loss = denoising_quadratic(law, objective, features)
    assert 0.0 < loss.error <= 1e-9 * loss.gram.max()
    for i, j in [(0, 7), (1, 2), (3, 4), (5, 6), (8, 9), (10, 8), (11, 3), (12, 12), (13, 20)]:
        expected = product_mean(features, law, objective, i, j)
        assert abs(loss.gram[i, j] - expected) <= loss.error + 1e-13 * loss.gram.max()
    assert (loss.gram == loss.gram.T).all()
    assert np.linalg.eigvalsh(loss.gram).min() > -40 * loss.error


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("skip", ["none", "gaussian"])
def test_every_entry_agrees_with_sampling(activation, skip):
    d, t = 4, 0.4
    scaled = vectors(d, 10, activation, sde=VPSDE())
    law = three(d)
    features = RandomFeatures(
        scaled.W, scaled.U, scaled.embedding, activation,
        scaling=MarginalScaling(VPSDE(), 0.8, output=True),
    )  # fmt: skip
    affine = AffineSkip.gaussian(law, VPSDE()) if skip == "gaussian" else None
    objective = at(t)
    loss = denoising_quadratic(law, objective, features, affine)
    lam = float(objective.node_weights(d)[0])
    rng, r, std = np.random.default_rng(3), float(VPSDE().scale(t)), float(VPSDE().std(t))
    z = rng.standard_normal((200_000, d))
    x = r * law.sample(len(z), rng) + std * z
    target = -z / std - (0.0 if affine is None else affine(x, t))
    h = features(x, t)
    for exact, left, right in (
        (loss.gram, h, h),
        (loss.cross, target, h),
        (np.array([[loss.constant]]), np.linalg.norm(target, axis=1, keepdims=True), None),
    ):
        right = left if right is None else right
        mean = left.T @ right / len(z)
        square = np.square(left).T @ np.square(right) / len(z)
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0) / len(z))
        z_scores = np.abs(lam * mean - exact) / (lam * deviation + 1e-12)
        assert z_scores.max() < 4.5
        assert np.sqrt(np.mean(z_scores**2)) < 1.6


def at(t):
    """Return the objective of one time."""
    return DenoisingObjective(VPSDE(), TimeRule(np.array([t]), np.ones(1), t, t))


def test_truncation_is_bounded_and_its_gap_is_of_its_size():
    features, law = vectors(3, 60), three(3)
    objective = DenoisingObjective.graded(SDE, n_times=2)
    fine, rough = (denoising_quadratic(law, objective, features, accuracy=a) for a in (1e-11, 1e-4))
    missed = rough.gram - fine.gram
    assert 0.0 < np.abs(missed).max() <= rough.error <= 1e-4 * rough.gram.max()
    gap = rough.gram - rough.coarse.gram
    assert (np.diagonal(gap) == 0.0).all()
    assert np.linalg.norm(missed, 2) <= 3.0 * np.linalg.norm(gap, 2) <= 300.0 * rough.error


def test_repeated_points_are_weights_and_many_points_come_in_blocks(monkeypatch):
    points = np.random.default_rng(1).normal(size=(40, 3))
    features, objective = vectors(3, 30), DenoisingObjective.graded(SDE, n_times=3)
    law = GaussianMixture.from_points(points)
    once = denoising_quadratic(law, objective, features, accuracy=1e-6)
    monkeypatch.setattr(assembly, "BLOCK", 64 * 30)
    twice = denoising_quadratic(
        GaussianMixture.from_points(np.repeat(points, 2, axis=0)),
        objective,
        features,
        accuracy=1e-6,
    )
    assert np.abs(once.gram - twice.gram).max() <= once.error + twice.error
    np.testing.assert_allclose(once.cross, twice.cross, rtol=0, atol=1e-14)


def test_a_skip_on_the_line_too():
    law, features = three(1), vectors(1, 12)
    objective = DenoisingObjective.graded(SDE, n_times=6)
    skip = AffineSkip.gaussian(law, SDE)
    loss, plain = (denoising_quadratic(law, objective, features, s) for s in (skip, None))
    found = series_moments(law, times_of(objective, 1), features, skip, 1e-9)
    assert np.abs(loss.gram - plain.gram).max() == 0.0
    np.testing.assert_allclose(loss.cross, found.cross, rtol=0, atol=1e-13)
    # What the best affine score of this law leaves, and no less than the score itself.
    assert 0.0 < loss.constant < plain.constant


def test_same_bits_for_any_number_of_threads(on_one_thread):
    law = GaussianMixture.from_points(np.random.default_rng(0).normal(size=(60, 5)))
    features, objective = vectors(5, 150), DenoisingObjective.graded(SDE, n_times=6)
    skip = AffineSkip.gaussian(law, SDE)

    def assemble():
        return denoising_quadratic(law, objective, features, skip)

    default, serial = assemble(), on_one_thread(assemble)
    assert default.gram.tobytes() == serial.gram.tobytes()
    assert default.cross.tobytes() == serial.cross.tobytes()


def test_a_series_that_needs_too_many_orders_says_so(monkeypatch):
    monkeypatch.setattr(assembly, "MAX_ORDER", 40)
    features = vectors(2, 10, "tanh", law="gaussian")
    objective = DenoisingObjective.graded(SDE, n_times=3)
    with pytest.warns(AccuracyWarning, match="'tanh' leaves an error of .* after 40 orders"):
        loss = denoising_quadratic(three(2), objective, features)
    assert loss.error > 1e-9 * loss.gram.max()


def test_an_outlier_does_not_loosen_the_accuracy():
    # The few components that are looked at first hold the one far point: others are not like it.
    points = np.random.default_rng(1).normal(size=(300, 3))
    points[0] *= 60.0
    features, objective = vectors(3, 30, law="gaussian"), DenoisingObjective.graded(SDE, n_times=3)
    law = GaussianMixture.from_points(points)
    loss = denoising_quadratic(law, objective, features, accuracy=1e-6)
    seen = plan(FeatureCoefficients(law, times_of(objective, 3), features), 1e-6, 100)
    assert seen.tolerance > 0.5e-6 * loss.gram.max()
    assert loss.error <= 1e-6 * loss.gram.max()


def test_the_scale_of_features_does_not_matter():
    # 2^300 leaves single precision's range, which high orders are summed in.
    features, law = vectors(8, 40), three(8)
    large = RandomFeatures(2.0**150 * features.W, 2.0**150 * features.U, features.embedding)
    objective = DenoisingObjective.graded(SDE, n_times=2)
    small, great = (
        denoising_quadratic(law, objective, f, accuracy=1e-5) for f in (features, large)
    )
    np.testing.assert_allclose(2.0**-300 * great.gram, small.gram, rtol=0, atol=1e-12)
    assert 2.0**-300 * great.error == pytest.approx(small.error, rel=1e-6)
