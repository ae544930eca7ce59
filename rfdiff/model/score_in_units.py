"""A score of training seen in the data's own units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..data.units import Units
from ..support.validation import FloatArray, finite_array
from .score import Evaluator, Index, Score, fast_score


@dataclass(frozen=True, eq=False)
class ScoreInUnits:
    """s(x, t) = s_u(u, t)/scale at x = shift + scale·u: a score in the data's own units.

    Only x has a unit: t is the process's time, and the noise σ_t stays in units of training, where
    the process runs.

    Args:
        score: s_u, in units of training.
        units: of training.

    >>> from rfdiff.diffusion.mixtures import GaussianMixture
    >>> from rfdiff.diffusion.sde import VPSDE
    >>> from rfdiff.model.score import ExactScore
    >>> standard = ExactScore(GaussianMixture([1.0], [[0.0]], 1.0), VPSDE())  # N(0, 1) at all t
    >>> score = ScoreInUnits(standard, Units(70.0, 10.0))  # −(x − 70)/10²
    >>> float(score(80.0, 0.5).round(12)), float(score.divergence(80.0, 0.5).round(12))
    (-0.1, -0.01)
    """

    score: Score
    units: Units

    @property
    def dimension(self) -> int:
        """Dimension d of x."""
        return self.score.dimension

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the training times, the leading axes of every result."""
        return self.score.shape

    @property
    def is_smooth(self) -> bool:
        """Whether ∇ₓ·s is continuous in x."""
        return fast_score(self.score).is_smooth

    def select(self, k: Index) -> "ScoreInUnits":
        """Return the score of training time k, or of several."""
        return ScoreInUnits(fast_score(self.score).select(k), self.units)

    def evaluator(self, k: int) -> Evaluator:
        """Return the fast evaluation at training time k."""
        evaluate = fast_score(self.score).evaluator(k)

        def in_units(x: FloatArray, t: float) -> FloatArray:
            return self.units.score_to_own(evaluate(self.units.to_training(x), t))

        return in_units

    def __call__(self, x: ArrayLike, t: float) -> FloatArray:
        """Return s(x, t), shape (…) + x.shape, in 1/[x]."""
        return self.units.score_to_own(self.score(self._points(x), t))

    def divergence(self, x: ArrayLike, t: float) -> FloatArray:
        """Return ∇ₓ·s(x, t), shape (…) + x.shape (in d ≥ 2 without x's last axis), in 1/[x]²."""
        return self.units.score_divergence_to_own(self.score.divergence(self._points(x), t))

    def _points(self, x: ArrayLike) -> np.ndarray:
        return self.units.to_training(finite_array("x", x))


def score_in_units(score: Score, units: Units) -> Score:
    """Return a score of training in the data's own units: itself where those are training's."""
    return score if units.is_identity else ScoreInUnits(score, units)
