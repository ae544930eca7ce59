"""The Fisher divergence of a law from the probability flow of a ReLU score.

log p̂(x) = log π(X) + ℓ(x), ℓ the integral of ∂ₓv along the characteristic from x at t to X at T.
Its slope needs no differences: a kink met at the speed g relative to it adds −½g² δγ J/|g| to ∂ₓℓ,
δγ the jump of ∂ₓs there and J = ∂x(met)/∂x. Where no characteristic touches a kink, that is a
bounded function with jumps, at the kinks at t and where X is a kink at T, and corners.

Where one does, at x₀, the divergence is +∞. The neighbours at a distance δ on one side spend a time
T(δ) beyond the kink and those on the other side none, so ℓ has a term ½g² δγ T. The relative speed
is Lipschitz, hence T ≥ c√δ; if ∫₀^ε T'² were finite, T(ε)² ≤ ε ∫₀^ε T'² would be o(ε).
"""

import warnings

import numpy as np

from ..errors import AccuracyWarning
from ..mixtures import GaussianMixture
from ..panels import Panels
from ..potential import kinks
from ..reference import Reference, adaptive_panels
from ..time_grids import time_grid
from ..validation import FloatArray
from .characteristics import RectifiedCharacteristics
from .kink_contacts import kink_contacts
from .probability_flow import ProbabilityFlowDensity

# Steps tried first and last when the density does not fix their number.
_FIRST_STEPS, _MOST_STEPS = 256, 8192
# Shares of the tolerance for the steps and for the panels.
_STEPS_SHARE, _PANELS_SHARE = 0.5, 0.05
_ROUNDING = 1e-14


def flow_fisher(
    law: GaussianMixture, learned: ProbabilityFlowDensity
) -> tuple[FloatArray, FloatArray]:
    """Return ∫ p (∂ₓ log p − ∂ₓ log p̂)² over the domain, and its error, (n_rows,) each.

    +∞ where a characteristic that begins inside the domain touches a kink. Elsewhere the error is
    that of the panels, and what half the steps change.
    """
    reference = Reference(law, learned.domain)
    contacts = kink_contacts(learned.score, learned.sde, learned.t)
    value, error = np.zeros((2, int(np.prod(learned.shape))))
    value[contacts.rows[contacts.inside(learned.domain)]] = np.inf
    missed = 0
    for row in np.flatnonzero(np.isfinite(value)):
        value[row], error[row], good = _finite(reference, learned, int(row))
        missed += not good
    if missed:
        warnings.warn(
            f"the Fisher divergence of the probability flow: its steps are not fine enough at "
            f"{missed} training time(s); raise n_steps or tolerance",
            AccuracyWarning,
            stacklevel=4,
        )
    return value, error


def flow_slope(
    learned: ProbabilityFlowDensity, row: int, x: FloatArray, n_steps: int
) -> FloatArray:
    """Return ∂ₓ log p̂ of one training time, a flat index, at points x of any shape.

    Args:
        learned: the probability flow of a one-dimensional ReLU score.
        row: the training time.
        x: points.
        n_steps: number of steps from t to T.

    >>> from rfdiff.features import AffineEmbedding, RandomFeatures
    >>> from rfdiff.score import RandomFeatureScore
    >>> from rfdiff.sde import VESDE
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 1.0], [1.0, 0.0]], AffineEmbedding())
    >>> still = ProbabilityFlowDensity(RandomFeatureScore(features, [[0.0, 0.0]]), VESDE(), 0.5)
    >>> slope = flow_slope(still, 0, np.array(2.0), 8)  # p̂ = π
    >>> bool(abs(slope + 2.0 / VESDE().prior_std ** 2) < 1e-15)
    True
    """
    assert learned.prior is not None  # set on construction
    flow = RectifiedCharacteristics(learned.score, learned.sde)
    times = time_grid("log", learned.sde, learned.t, n_steps)[::-1]
    carried = flow.carry(np.full(x.size, row), x.ravel(), times)
    assert carried.bend is not None  # kinks are what this flow is cut at
    slope = learned.prior.score(carried.x) * np.exp(carried.log_jacobian) + carried.bend
    return slope.reshape(x.shape)


def _finite(
    reference: Reference, learned: ProbabilityFlowDensity, row: int
) -> tuple[float, float, bool]:
    """Return the divergence of one training time, its error, and whether that is small enough."""

    def gap(x: FloatArray, n_steps: int) -> FloatArray:
        own = np.asarray(reference.law.score(x))
        return own - flow_slope(learned, row, x, n_steps)

    n = learned.n_steps or _FIRST_STEPS
    while True:
        edges = _edges(reference, learned, row, n)
        panels = Panels.between(edges)
        p = np.exp(reference.log_density(panels.x))
        information = panels.integrals(p * reference.law.score(panels.x) ** 2).sum()
        rough = panels.integrals(p * gap(panels.x, n) ** 2).sum()
        scale = learned.tolerance * max(rough, information)
        edges, integral = adaptive_panels(
            lambda x, n=n: (np.exp(reference.log_density(x)) * gap(x, n) ** 2)[None],
            edges, _PANELS_SHARE * scale,
        )  # fmt: skip
        panels = Panels.between(edges)
        fine, coarse = gap(panels.x, n), gap(panels.x, n // 2)
        change = np.abs(fine - coarse) * (np.abs(fine) + np.abs(coarse))
        step_error = panels.integrals(np.exp(reference.log_density(panels.x)) * change).sum()
        good = bool(step_error <= _STEPS_SHARE * scale)
        if good or learned.n_steps is not None or 2 * n > _MOST_STEPS:
            value = float(integral.value[0])
            return value, float(integral.error[0] + step_error + _ROUNDING * value), good
        n *= 2


def _edges(
    reference: Reference, learned: ProbabilityFlowDensity, row: int, n_steps: int
) -> FloatArray:
    """Return edges that resolve the law, and where ∂ₓ log p̂ jumps between them."""
    at_start, at_end = kinks(learned.score.features, np.array([learned.t, learned.sde.T]))
    at_end = at_end[np.isfinite(at_end)]
    flow = RectifiedCharacteristics(learned.score, learned.sde)
    times = time_grid("log", learned.sde, learned.t, n_steps)
    images = flow.carry(np.full(len(at_end), row), at_end, times).x
    edges = np.unique(np.concatenate([reference.edges, at_start, images]))
    low, high = reference.edges[[0, -1]]
    return edges[(edges >= low) & (edges <= high)]
