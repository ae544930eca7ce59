"""Are G, C and c₀ in d dimensions within their stated errors? Random cases, brute force.

Every case draws a law, a process, features and perhaps a skip in d = 1, 2, 3, 8 or 64 dimensions;
among the features are constant, repeated, opposite and nearly parallel ones, and arguments from −8
to 8 standard deviations. Chosen entries of G stand beside integrals over two normals, all entries
of G and C and c₀ beside sampling. One line a case; the exit status says whether any was missed.

    python scripts/checks/check_vectors.py [--cases 100] [--draws 1000000]
"""

import argparse
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rfdiff.diffusion.mixtures import GaussianMixture
from rfdiff.diffusion.sde import VESDE, VPSDE
from rfdiff.diffusion.time_rules import TimeRule
from rfdiff.loss.hermite_series.assembly import series_moments
from rfdiff.loss.hermite_series.cross import skip_constant
from rfdiff.loss.hermite_series.rows import Times
from rfdiff.loss.objective import DenoisingObjective
from rfdiff.model.affine_skip import AffineSkip
from rfdiff.model.embeddings import LogSigmaEmbedding
from rfdiff.model.features import RandomFeatures, draw_features
from rfdiff.model.marginal_scaling import MarginalScaling
from rfdiff.support.errors import AccuracyWarning

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from reference.pairs import product_mean

DIMENSIONS = (1, 2, 3, 8, 64)
ACTIVATIONS = ("relu", "relu", "relu", "erf", "tanh", "swish", "identity")
WIDTH, CHUNK = 24, 50_000
# Standard deviations of a sample mean that all entries of a case stay within, and how many draws
# must have seen an entry at all, or its sample mean is far from normal.
LARGEST_Z, FEWEST = 5.5, 1000


@dataclass(frozen=True)
class Case:
    """One random problem at one or two times."""

    name: str
    law: GaussianMixture
    objective: DenoisingObjective
    features: RandomFeatures
    skip: AffineSkip | None
    accuracy: float


def random_case(seed: int) -> Case:
    """Draw a case; its dimension and activation go round, so that all meet."""
    rng = np.random.default_rng(seed)
    d, activation = DIMENSIONS[seed % 5], ACTIVATIONS[seed % 7]
    sde = (VESDE(), VPSDE())[int(rng.integers(2))]
    t = np.sort(rng.uniform(0.01, 1.0, rng.integers(1, 3)))
    rule = TimeRule(t, np.full(len(t), 1.0 / len(t)), float(t[0]), float(t[-1]))
    weighting = ("variance", "likelihood")[int(rng.integers(2))]
    law = random_law(rng, d)
    features = random_features(rng, d, activation, sde, law, float(t[0]))
    skip = AffineSkip.gaussian(law, sde) if rng.random() < 0.5 else None
    accuracy = 10.0 ** rng.uniform(-11.0, -4.0)
    name = f"d = {d:2d} {activation:8s} {'skip' if skip else '    '} accuracy {accuracy:.0e}"
    objective = DenoisingObjective(sde, rule, weighting)
    return Case(name, law, objective, features, skip, accuracy)


def random_law(rng: np.random.Generator, d: int) -> GaussianMixture:
    """Draw a mixture with a point mass among its components, or repeated points."""
    if rng.random() < 0.5:
        stds = np.append(rng.uniform(0.1, 1.5, 2), 0.0)
        return GaussianMixture(rng.dirichlet(np.ones(3)), rng.normal(0, 1.5, (3, d)), stds)
    return GaussianMixture.from_points(np.repeat(rng.normal(0, 1.5, (2, d)), [1, 2], axis=0))


def random_features(
    rng: np.random.Generator,
    d: int,
    activation: str,
    sde: VESDE | VPSDE,
    law: GaussianMixture,
    t: float,
) -> RandomFeatures:
    """Draw features, some of them in special positions."""
    drawn = draw_features(
        "gaussian", WIDTH, LogSigmaEmbedding(sde), seed=int(rng.integers(1 << 30)), dimension=d
    )
    w, u = drawn.W.copy(), drawn.U.copy()
    w[0], w[1], u[1], w[3] = 0.0, w[2], u[2], -w[4]
    # Correlations of ±(1 − 1e-9) and ±(1 − 1e-4).
    for i, j, gap in ((5, 6, 1e-9), (7, 8, 1e-4)):
        off = rng.normal(size=d)
        off -= (off @ w[j]) / (w[j] @ w[j]) * w[j]
        if d > 1:
            off *= np.sqrt(2.0 * gap) * np.linalg.norm(w[j]) / np.linalg.norm(off)
        w[i] = rng.choice([-2.0, 1.0]) * (w[j] + (off if d > 1 else 0.0))
    # Arguments of −8 to 8 standard deviations at the first time and component.
    embedded = drawn.embedding(t)
    width = np.hypot(sde.scale(t) * law.stds[0], sde.std(t))
    for k, alpha in enumerate((-8.0, -7.9, -4.0, 4.0, 8.0)):
        j = 9 + k
        wanted = alpha * width * np.linalg.norm(w[j]) - sde.scale(t) * (w[j] @ law.means[0])
        u[j] = wanted * embedded / (embedded @ embedded)
    w[10] = w[9] * 1.01
    scaling = MarginalScaling(sde, 1.5, True) if d > 1 and rng.random() < 0.5 else None
    return RandomFeatures(w, u, drawn.embedding, activation, scaling=scaling)


def sampled(case: Case, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return means of all products of (target, h), stacked, and their standard errors.

    Those of products that were hardly ever other than zero are infinite; what one draw in all of
    them may add stands in each, since a saturated feature shows its variance to few draws.
    """
    total = variance = seen = 0.0
    sde, d, chunk = case.objective.sde, case.law.dimension, min(CHUNK, draws)
    times = zip(case.objective.rule.nodes, case.objective.node_weights(d), strict=True)
    for t, weight in times:
        r, std = float(sde.scale(t)), float(sde.std(t))
        first = second = top = 0.0
        for _ in range(draws // chunk):
            z = rng.standard_normal((chunk, d))
            x = r * case.law.sample(chunk, rng) + std * z
            target = -z / std - (0.0 if case.skip is None else case.skip(x, float(t)))
            h = case.features(x[:, 0] if d == 1 else x, float(t))
            both = np.hstack([target, h, np.linalg.norm(target, axis=1, keepdims=True)])
            first = first + both.T @ both
            second = second + np.square(both).T @ np.square(both)
            top = np.maximum(top, np.abs(both).max(axis=0))
            active = (both != 0.0).astype(float)
            seen = seen + active.T @ active
        count = draws // chunk * chunk
        mean = first / count
        total = total + weight * mean
        square = np.maximum(second / count - mean**2, 0.0) / count
        variance = variance + weight**2 * (square + np.square(np.outer(top, top) / count))
    return np.asarray(total), np.where(seen < FEWEST, np.inf, np.sqrt(variance))


def check(case: Case, draws: int, seed: int) -> bool:
    """Print a case; return whether all of it is within its errors."""
    rng = np.random.default_rng([seed, 1])
    d, m = case.law.dimension, case.features.width
    weights = case.objective.node_weights(d)
    times = Times(case.objective.sde, case.objective.rule.nodes, weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccuracyWarning)
        found = series_moments(case.law, times, case.features, case.skip, case.accuracy)
    constant = case.objective.constant(d)
    if case.skip is not None:
        constant += skip_constant(case.law, times, case.skip)
    size = float(found.gram.max())
    special = [(0, 7), (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (9, 13), (11, 12), (13, 14)]
    pairs = special + [tuple(rng.integers(0, m, 2)) for _ in range(8)]
    gaps = [
        abs(product_mean(case.features, case.law, case.objective, i, j) - found.gram[i, j])
        for i, j in pairs
    ]
    mean, deviation = sampled(case, draws, rng)
    value = np.zeros_like(mean)
    value[d : d + m, d : d + m] = found.gram
    value[:d, d : d + m], value[-1, -1] = found.cross, constant
    seen = (value != 0.0) & np.isfinite(deviation)
    z = np.abs(mean - value)[seen] / (deviation[seen] + found.error + 1e-13 * size)
    promised = bool(caught) or found.error <= case.accuracy * size
    good = max(gaps) <= found.error + 2e-13 * size and z.max() < LARGEST_Z and promised
    print(
        f"{'ok ' if good else 'BAD'} {seed:3d} {case.name}: stated {found.error / size:.1e}, "
        f"true {max(gaps) / size:.1e} of the largest entry; largest z of {z.size} {z.max():.1f}"
        f"{', with a warning' if caught else ''}",
        flush=True,
    )
    return good


def main() -> int:
    """Check random cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--draws", type=int, default=1_000_000)
    chosen = parser.parse_args()
    good = sum(check(random_case(seed), chosen.draws, seed) for seed in range(chosen.cases))
    print(f"{good} of {chosen.cases} cases within their stated errors")
    return int(good < chosen.cases)


if __name__ == "__main__":
    sys.exit(main())
