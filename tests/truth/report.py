"""The table by quantity, and the failing cases in words that reproduce them."""

from collections import defaultdict

import numpy as np

from .checking import Number, Outcome

HONEST = 0.98
FACTOR = 3.0


def table(outcomes: list[Outcome]) -> str:
    """Return a table of Markdown: how honest the errors of each quantity are."""
    groups: dict[str, list[Number]] = defaultdict(list)
    for outcome in outcomes:
        for number in outcome.numbers:
            groups[number.quantity].append(number)
    lines = [
        "| quantity | numbers | honest | worst gap/error | beyond 3 | median error/gap |"
        " unsharp | silent |",
        "|---|---|---|---|---|---|---|---|",
    ]
    everything = [number for numbers in groups.values() for number in numbers]
    for name, numbers in [*groups.items(), ("all", everything)]:
        lines.append(_line(name, numbers))
    return "\n".join(lines)


def _line(name: str, numbers: list[Number]) -> str:
    stated = [number for number in numbers if not number.silent]
    silent = len(numbers) - len(stated)
    if not stated:
        return f"| {name} | {len(numbers)} | – | – | – | – | – | {silent} |"
    excess = np.array([number.excess for number in stated])
    generous = np.array([number.generosity for number in stated])
    median = f"{np.nanmedian(generous):.2g}" if np.isfinite(generous).any() else "–"
    unsharp = sum(number.doubt > number.error for number in stated)
    return (
        f"| {name} | {len(numbers)} | {(excess <= 1).mean():.1%} | {excess.max():.3g} | "
        f"{(excess > FACTOR).sum()} | {median} | {unsharp} | {silent} |"
    )


def passes(outcomes: list[Outcome]) -> bool:
    """Return whether errors are honest often enough, and never far too small."""
    excess = np.array([
        number.excess for outcome in outcomes for number in outcome.numbers if not number.silent
    ])  # fmt: skip
    if any(outcome.crash for outcome in outcomes):
        return False
    return bool(len(excess) and (excess <= 1).mean() >= HONEST and (excess <= FACTOR).all())


def failures(outcomes: list[Outcome]) -> str:
    """Return every dishonest case, the worst first, with its call."""
    worst = sorted(
        (outcome for outcome in outcomes if _worst(outcome) > 1), key=_worst, reverse=True
    )
    return "\n".join(describe(outcome, only_bad=True) for outcome in worst)


def describe(outcome: Outcome, *, only_bad: bool = False) -> str:
    """Return a case's call and its numbers."""
    lines = [f"--case {outcome.number} --kind '{outcome.kind}'"]
    lines += [f"    {line}" for line in outcome.call.splitlines()]
    if outcome.refusal:
        lines.append(f"    refused: {outcome.refusal}")
    if outcome.crash:
        lines.append(f"    crashed: {outcome.crash}")
    for number in outcome.numbers:
        if only_bad and number.excess <= 1:
            continue
        verdict = "BAD" if number.excess > 1 else "   " if number.silent else "ok "
        lines.append(
            f"  {verdict} {number.quantity}, τ = {number.tau:g}: {number.value:.12g} ± "
            f"{number.error:.2g}, true {number.truth:.12g} (± {number.doubt:.1g}), "
            f"gap {abs(number.value - number.truth):.2g} = {number.excess:.3g} errors"
        )
    return "\n".join(lines)


def _worst(outcome: Outcome) -> float:
    return max((number.excess for number in outcome.numbers), default=0.0)
