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
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..densities.probability_flow.characteristics import RectifiedCharacteristics
from ..densities.probability_flow.density import ProbabilityFlowDensity
from ..densities.probability_flow.kink_contacts import kink_contacts
from ..diffusion.law_on_domain import Reference, adaptive_panels
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.time_grids import time_grid
from ..model.score import is_piecewise_linear
from ..numerics.panels import Panels
from ..support.errors import AccuracyWarning, ArgumentError
from ..support.validation import FloatArray

# Steps tried first and last when the density does not fix their number.
_FIRST_STEPS, _MOST_STEPS = 256, 8192
# Shares of the tolerance for the steps and for the panels.
_STEPS_SHARE, _PANELS_SHARE = 0.5, 0.05
_ROUNDING = 1e-14
# Points laid over so many widths of the prior, and of what it becomes, at so many times.
_SPREAD, _WIDTHS, _STAGES = 65, 8.0, 4


@dataclass(frozen=True, eq=False)
class FlowSlope:
    """∂ₓ log p̂ of the probability flow of a one-dimensional ReLU score.

    Args:
        learned: the probability flow.

    Raises:
        ArgumentError: another score.

    >>> from rfdiff.model.embeddings import AffineEmbedding
    >>> from rfdiff.model.features import RandomFeatures
    >>> from rfdiff.model.score import RandomFeatureScore
    >>> from rfdiff.diffusion.sde import VESDE
    >>> features = RandomFeatures([1.0, -1.0], [[0.0, 1.0], [1.0, 0.0]], AffineEmbedding())
    >>> still = ProbabilityFlowDensity(RandomFeatureScore(features, [[0.0, 0.0]]), VESDE(), 0.5)
    >>> slope = FlowSlope(still)(0, np.array(2.0), 8)  # p̂ = π
    >>> bool(abs(slope + 2.0 / VESDE().prior_std ** 2) < 1e-15)
    True
    """

    learned: ProbabilityFlowDensity

    def __call__(self, row: int, x: FloatArray, n_steps: int) -> FloatArray:
        """Return it for one training time, a flat index, at points x of any shape."""
        learned = self.learned
        times = time_grid("log", learned.sde, learned.t, n_steps)[::-1]
        carried = self.flow.carry(np.full(x.size, row), x.ravel(), times, bend=True)
        assert carried.bend is not None  # this flow is cut at its kinks
        slope = learned.start_law.score(carried.x) * np.exp(carried.log_jacobian) + carried.bend
        return np.asarray(slope).reshape(x.shape)

    @cached_property
    def flow(self) -> RectifiedCharacteristics:
        """The characteristics."""
        score = self.learned.score
        if not is_piecewise_linear(score):
            raise ArgumentError("score must be one of ReLU features in one dimension")
        return RectifiedCharacteristics(score, self.learned.sde)

    def edges(self, row: int, law_edges: FloatArray, n_steps: int) -> FloatArray:
        """Return edges of panels that resolve a law and the flow, ∂ₓ log p̂ jumping between them.

        Where paths spread, all that they meet later is squeezed into a small part of x: images of
        points that are equally spaced at several times lie close there.
        """
        learned = self.learned
        ends = np.array([learned.t, learned.sde.T])
        at_start, at_end = self.flow.score.features.kinks(ends)
        times = time_grid("log", learned.sde, learned.t, n_steps)
        points = np.append(learned.start_law.domain(_WIDTHS), at_end[np.isfinite(at_end)])
        for stage in np.array_split(np.arange(n_steps), min(_STAGES, n_steps)):
            points = np.append(points, np.linspace(points[0], points[1], _SPREAD))
            part = times[stage[0] : stage[-1] + 2]
            points = self.flow.carry(np.full(len(points), row), points, part).x
        edges = np.unique(np.concatenate([law_edges, at_start, points]))
        return edges[(edges >= law_edges[0]) & (edges <= law_edges[-1])]


def flow_fisher(
    law: GaussianMixture, learned: ProbabilityFlowDensity
) -> tuple[FloatArray, FloatArray]:
    """Return ∫ p (∂ₓ log p − ∂ₓ log p̂)² over the domain, and its error, (n_rows,) each.

    +∞ where a characteristic that begins inside the domain touches a kink. Elsewhere the error is
    that of the panels, and what half the steps change.
    """
    reference, slope = Reference(law, learned.domain), FlowSlope(learned)
    contacts = kink_contacts(slope.flow.score, learned.sde, learned.t)
    value, error = np.zeros((2, int(np.prod(learned.shape))))
    value[contacts.rows[contacts.inside(learned.domain)]] = np.inf
    missed = 0
    for row in np.flatnonzero(np.isfinite(value)):
        value[row], error[row], good = _finite(reference, slope, int(row))
        missed += not good
    if missed:
        warnings.warn(
            f"the Fisher divergence of the probability flow: estimated error {error.max():.1e}, "
            f"steps are too few at {missed} training time(s); raise n_steps or tolerance",
            AccuracyWarning,
            stacklevel=4,
        )
    return value, error


def _finite(reference: Reference, slope: FlowSlope, row: int) -> tuple[float, float, bool]:
    """Return the divergence of one training time, its error, and whether that is small enough."""
    fixed = slope.learned.n_steps
    n = fixed or _FIRST_STEPS
    while True:
        value, error, step_error, scale = _in_steps(reference, slope, row, n)
        good = step_error <= _STEPS_SHARE * scale
        if good or fixed is not None or 2 * n > _MOST_STEPS:
            return value, error + step_error + _ROUNDING * value, good
        n *= 2


def _in_steps(
    reference: Reference, slope: FlowSlope, row: int, n_steps: int
) -> tuple[float, float, float, float]:
    """Return the divergence in so many steps, the errors of panels and of steps, what is allowed.

    The tolerance of the density is a share here: of the divergence, or of the law's information.
    """

    def density(x: FloatArray) -> FloatArray:
        return np.exp(reference.log_density(x))

    def gap(x: FloatArray, n: int) -> FloatArray:
        return np.asarray(reference.law.score(x) - slope(row, x, n))

    def integrand(x: FloatArray) -> FloatArray:
        return (density(x) * gap(x, n_steps) ** 2)[None]

    edges = slope.edges(row, reference.edges, n_steps)
    panels = Panels.between(edges)
    information = density(panels.x) * reference.law.score(panels.x) ** 2
    rough = density(panels.x) * gap(panels.x, n_steps) ** 2
    size = max(panels.integrals(values).sum() for values in (information, rough))
    scale = float(slope.learned.tolerance * size)
    edges, integral = adaptive_panels(integrand, edges, _PANELS_SHARE * scale)
    panels = Panels.between(edges)
    fine, coarse = gap(panels.x, n_steps), gap(panels.x, n_steps // 2)
    change = np.abs(fine - coarse) * (np.abs(fine) + np.abs(coarse))
    step_error = panels.integrals(density(panels.x) * change).sum()
    return float(integral.value[0]), float(integral.error[0]), float(step_error), scale
