"""Predicted beside measured: one row for each claim of the theorems.

Theorems 1 and 2 are upper bounds: a measured KL that falls faster than its bound does not
contradict it, so a verdict says which side of the prediction the interval lies on. Disagreement
is a finding, not a failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..support.validation import one_of, real
from .exponents import PowerLaw

KINDS = ("rate", "upper-bound")


@dataclass(frozen=True)
class Verdict:
    """A predicted exponent beside a fitted one.

    Attributes:
        quantity: what the exponent belongs to, such as "τ_es against n".
        predicted: the theory's exponent.
        fit: the measured power law.
        kind: "rate" (the quantity itself is predicted) or "upper-bound" (only an upper bound is).
    """

    quantity: str
    predicted: float
    fit: PowerLaw
    kind: str = "rate"

    def __post_init__(self) -> None:
        real("predicted", self.predicted)
        one_of("kind", self.kind, KINDS)

    @property
    def consistent(self) -> bool:
        """Whether the prediction lies in the interval, or the bound is respected."""
        return self.outcome in ("consistent", "below the bound")

    @property
    def outcome(self) -> str:
        """One phrase: consistent, below or above the bound, larger, smaller, or no power law."""
        low, high = self.fit.interval
        if not self.fit.holds:
            return "no power law"
        if low <= self.predicted <= high:
            return "consistent"
        if self.kind == "upper-bound":
            return "below the bound" if high < self.predicted else "above the bound"
        return "larger than predicted" if low > self.predicted else "smaller than predicted"

    def row(self) -> dict[str, str | float | bool]:
        """Return plain values for a table, a CSV or JSON."""
        return {
            "quantity": self.quantity,
            "predicted": self.predicted,
            "measured": self.fit.exponent,
            "low": self.fit.interval[0],
            "high": self.fit.interval[1],
            "level": self.fit.level,
            "from": self.fit.window[0],
            "to": self.fit.window[1],
            "points": self.fit.n_points,
            "seeds": self.fit.n_seeds,
            "r_squared": self.fit.r_squared,
            "p_straight": self.fit.p_straight,
            "verdict": self.outcome,
            "reason": self.fit.reason,
        }


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a Markdown table.

    >>> from rfdiff.theory.exponents import fit_power_law
    >>> x = [10.0, 100.0, 1000.0]
    >>> fit = fit_power_law(x, [2.0, 0.2, 0.02])
    >>> print(verdict_table([Verdict("KL against n", -0.4, fit, "upper-bound")]).splitlines()[2])
    | KL against n | ≤ −0.4 | −1.00 | [−1.00, −1.00] | 10 … 1000 | 1.00 | below the bound |
    """
    lines = [
        "| quantity | predicted | measured | 95% interval | window | R² | verdict |".replace(
            "95%", f"{verdicts[0].fit.level:.0%}" if verdicts else "95%"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        fit = verdict.fit
        bound = "≤ " if verdict.kind == "upper-bound" else ""
        lines.append(
            f"| {verdict.quantity} | {bound}{signed(verdict.predicted, '.3g')} | "
            f"{signed(fit.exponent, '.2f')} | [{signed(fit.interval[0], '.2f')}, "
            f"{signed(fit.interval[1], '.2f')}] | {fit.window[0]:g} … {fit.window[1]:g} | "
            f"{fit.r_squared:.2f} | {verdict.outcome} |"
        )
    return "\n".join(lines)


def signed(value: float, pattern: str) -> str:
    """Format a number with a true minus sign.

    >>> signed(-0.4, ".2f")
    '−0.40'
    """
    return format(value, pattern).replace("-", "−")
