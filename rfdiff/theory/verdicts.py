"""Computed beside measured: one line for each claim of the theorems.

Theorems 1 and 2 are upper bounds with free constants and floors, so no slope measured on a finite
window confirms or contradicts them. A verdict says on which side of the computed slope the
measured interval lies, and whether a power law holds at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..support.errors import ArgumentError
from .power_laws.exponents import ENOUGH_POWER, PowerLaw
from .predictions import Prediction

CAVEAT = (
    "The theorems are upper bounds with free constants and floors: they constrain no slope on a "
    "finite window, and a slope that differs from the computed one contradicts nothing."
)


@dataclass(frozen=True)
class Verdict:
    """A theorem's function beside a fitted power law, at the same points.

    Attributes:
        quantity: what the slope belongs to, such as "τ_es against n".
        prediction: the theorem's function, minimised over τ at the points of the fit.
        fit: the measured power law.
    """

    quantity: str
    prediction: Prediction
    fit: PowerLaw

    def __post_init__(self) -> None:
        x = self.prediction.x
        if (x[0], x[-1]) != self.fit.window or len(x) != self.fit.n_points:
            raise ArgumentError(
                f"prediction must be at the {self.fit.n_points} points of the fit, "
                f"{self.fit.window[0]:g} … {self.fit.window[1]:g}, got {len(x)} points, "
                f"{x[0]:g} … {x[-1]:g}"
            )

    @property
    def outcome(self) -> str:
        """One phrase: as computed, larger or smaller than computed, no power law, not decided."""
        low, high = self.fit.interval
        if not self.fit.holds:
            return "no power law"
        if not self.fit.decided:
            return f"not decided: power below {ENOUGH_POWER:.0%}"
        if low <= self.prediction.exponent <= high:
            return "as computed"
        return "larger than computed" if low > self.prediction.exponent else "smaller than computed"

    def row(self) -> dict[str, str | float | bool | list[float] | None]:
        """Return plain values for a table, a CSV or JSON."""
        fit, prediction = self.fit, self.prediction
        return {
            "quantity": self.quantity,
            "computed": prediction.exponent,
            "constants": prediction.constants,
            "computed_local": list(prediction.local),
            "paper_summary": prediction.summary,
            "measured": fit.exponent,
            "low": fit.interval[0],
            "high": fit.interval[1],
            "level": fit.level,
            "measured_local": list(fit.local),
            "measured_local_errors": list(fit.local_errors),
            "from": fit.window[0],
            "to": fit.window[1],
            "points": fit.n_points,
            "seeds": fit.n_seeds,
            "r_squared": fit.r_squared,
            "p_straight": fit.p_straight,
            "power": fit.power,
            "slope_change": fit.slope_change,
            "verdict": self.outcome,
            "reason": fit.reason,
        }


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a Markdown table, under it what they do not say.

    >>> from rfdiff.theory.power_laws.exponents import fit_power_law
    >>> x = (10.0, 100.0, 1000.0)
    >>> fit = fit_power_law(x, [[2.0, 0.2, 0.02], [1.0, 0.1, 0.01]])
    >>> said = Prediction(x, (1.0, 0.4, 0.2), "unit", -0.4)
    >>> print(verdict_table([Verdict("KL against n", said, fit)]).splitlines()[2][:64])
    | KL against n | −0.35 | −0.4 | −1.00 | [−1.00, −1.00] | 10 … 10
    """
    level = f"{verdicts[0].fit.level:.0%}" if verdicts else "95%"
    lines = [
        f"| quantity | computed | paper's summary | measured | {level} interval | range | "
        "p straight | power | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        fit, said = verdict.fit, verdict.prediction
        low, high = (signed(end, ".2f") for end in fit.interval)
        cells = [
            verdict.quantity,
            signed(said.exponent, ".2f"),
            "" if said.summary is None else signed(said.summary, ".3g"),
            signed(fit.exponent, ".2f"),
            f"[{low}, {high}]",
            f"{fit.window[0]:g} … {fit.window[1]:g}",
            f"{fit.p_straight:.2g}" if fit.p_straight < 0.01 else f"{fit.p_straight:.2f}",
            f"{fit.power:.2f}",
            verdict.outcome,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", CAVEAT])


def local_slope_table(verdicts: Sequence[Verdict]) -> str:
    """Return computed and measured local slopes, between neighbouring points, as Markdown.

    Measured ones are means over seeds with their standard errors.

    >>> from rfdiff.theory.power_laws.exponents import fit_power_law
    >>> x = (10.0, 100.0, 1000.0)
    >>> fit = fit_power_law(x, [[2.0, 0.2, 0.02], [1.0, 0.1, 0.01]])
    >>> said = Prediction(x, (1.0, 0.4, 0.2), "unit", -0.4)
    >>> print(local_slope_table([Verdict("KL against n", said, fit)]).splitlines()[2])
    | KL against n | −0.40 −0.30 (unit constants) | −1.00 ± 0.00, −1.00 ± 0.00 |
    """
    lines = ["| quantity | local slopes, computed | local slopes, measured |", "|---|---|---|"]
    for verdict in verdicts:
        fit, said = verdict.fit, verdict.prediction
        computed = " ".join(signed(slope, ".2f") for slope in said.local)
        measured = ", ".join(
            f"{signed(slope, '.2f')} ± {error:.2f}"
            for slope, error in zip(fit.local, fit.local_errors, strict=True)
        )
        lines.append(
            f"| {verdict.quantity} | {computed} ({said.constants} constants) | {measured} |"
        )
    return "\n".join(lines)


def signed(value: float, pattern: str) -> str:
    """Format a number with a true minus sign.

    >>> signed(-0.4, ".2f")
    '−0.40'
    """
    return format(value, pattern).replace("-", "−")
