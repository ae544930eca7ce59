"""Divergences of the probability flow from its distribution function alone.

Paths do not cross on the line, so P̂(X ≤ x) = Φ(X_T/prior std) exactly, X_T where the path from x
ends: the mass of a cell is that of a normal law between two transported ends, and no log density is
integrated. Sums over cells approach KL, JS and TV from below. Cells are cut in the middle at t and
in the middle at T until a cut changes nothing: peaks of p̂ at t are wide at T, and gaps at T wide at
t. Paths follow dy/d ln v = −vσ s, y = x/r, by the classical Runge–Kutta method.
"""

import numpy as np
from flint import arb
from scipy.special import log_ndtr, logsumexp, ndtr, xlogy

from .arithmetic import double_gauss_legendre
from .comparison import Known
from .laws import Density
from .model import Truth
from .transported import Clock

_STEPS, _ROUNDS, _MOST, _ENOUGH = 2400, 24, 12_000, 3e-7
_REACH = 9.0


def flow_divergences(
    kinds: list[str], truth: Truth, theta: list[arb], t: float, law: Density
) -> dict[str, Known]:
    """Return divergences of the probability flow."""
    std = float(truth.process.prior_std.mid())
    clock = Clock(truth, t, 2 * _STEPS, theta)
    x, end, fixed_at_t = _resolved(kinds, clock, law, std)
    # Half the steps say what the steps err by; every other end what the cells do.
    rough = Clock(truth, t, _STEPS, theta)
    other_x, other_end = x.copy(), end.copy()
    other_end[fixed_at_t] = transported(rough, x[fixed_at_t])
    other_x[~fixed_at_t] = transported(rough, end[~fixed_at_t], back=True)
    other = _in_order(other_x, other_end, fixed_at_t)[:2]
    out = {}
    for kind in kinds:
        fine, half, coarse = (
            float(cells(kind, law, *ends, std).sum())
            for ends in ((x, end), other, (x[::2], end[::2]))
        )
        out[kind] = Known(fine + (fine - coarse) / 3.0, abs(fine - half) + abs(fine - coarse))
    return out


def transported(clock: Clock, x: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Return where paths from x at t end at T, or from x at T at t."""
    ks = range(len(clock.v) - 1, 0, -2) if back else range(0, len(clock.v) - 1, 2)
    sign = -1 if back else 1
    y = x / clock.r[ks[0]]
    h = sign * (clock.log_v[2] - clock.log_v[0])

    def rate(at: np.ndarray, k: int) -> np.ndarray:
        return -clock.v[k] * clock.std[k] * clock.score(clock.r[k] * at, k)

    for k in ks:
        middle, last = k + sign, k + 2 * sign
        a = rate(y, k)
        b = rate(y + 0.5 * h * a, middle)
        c = rate(y + 0.5 * h * b, middle)
        d = rate(y + h * c, last)
        y = y + h / 6.0 * (a + 2 * b + 2 * c + d)
    return clock.r[last] * y


def _resolved(
    kinds: list[str], clock: Clock, law: Density, std: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ends of cells at t and at T, ascending, and which were chosen at t."""
    x, end, fixed = np.empty(0), np.empty(0), np.empty(0, dtype=bool)
    at_t, at_T = law.edges, std * np.linspace(-_REACH, _REACH, 145)
    while len(at_t):
        x = np.concatenate([x, at_t, transported(clock, at_T, back=True)])
        end = np.concatenate([end, transported(clock, at_t), at_T])
        fixed = np.concatenate([fixed, np.ones(len(at_t), bool), np.zeros(len(at_T), bool)])
        x, end, fixed = _in_order(x, end, fixed)
        if len(x) > _MOST:
            break
        # What leaving a point out would change; where it counts, both cells beside it are cut.
        change = sum(_change(kind, law, x, end, std) for kind in kinds)
        if change.sum() < _ENOUGH:
            break
        counts = np.concatenate([[False], change > 0.1 * change.sum() / len(x), [False]])
        cut = counts[1:] | counts[:-1]
        at_t, at_T = (0.5 * (z[1:] + z[:-1])[cut] for z in (x, end))
    return x, end, fixed


def _in_order(x: np.ndarray, end: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, ...]:
    """Sort by both; leave out what rounding turns around or does not tell from its neighbour."""
    order = np.lexsort((end, x))
    x, end, fixed = x[order], end[order], fixed[order]
    highest = np.maximum.accumulate(np.concatenate([[-np.inf], end[:-1]]))
    kept = end - highest > 1e-12 * np.abs(end)
    return x[kept], end[kept], fixed[kept]


def _change(kind: str, law: Density, x: np.ndarray, end: np.ndarray, std: float) -> np.ndarray:
    pairs = cells(kind, law, x, end, std)
    out = np.zeros(len(x) - 2)
    for first in (0, 1):
        merged = cells(kind, law, x[first::2], end[first::2], std)
        halves = pairs[first : first + 2 * len(merged)].reshape(-1, 2).sum(1)
        out[first::2] = np.abs(merged - halves)[: len(out[first::2])]
    return out


def cells(kind: str, law: Density, x: np.ndarray, end: np.ndarray, std: float) -> np.ndarray:
    """Return what every cell adds to a divergence."""
    p, log_q = law.mass(x[:-1], x[1:]), _log_normal_mass(end / std)
    q = np.exp(log_q)
    if kind == "kl":
        return np.where(p > 0, xlogy(p, p) - p * log_q, 0.0)
    if kind == "total-variation":
        return 0.5 * np.abs(p - q)
    if kind == "jensen-shannon":
        return 0.5 * (xlogy(p, p) + xlogy(q, q) - xlogy(p + q, 0.5 * (p + q)))
    first = law.mass(-np.inf, x[:1]) - ndtr(end[:1] / std)
    gap = np.concatenate([first, first + np.cumsum(p - q)])
    a, b = gap[:-1], gap[1:]
    size = np.abs(a) + np.abs(b)
    crossed = (a * a + b * b) / np.where(size > 0, size, 1.0)
    return 0.5 * np.diff(x) * np.where(a * b < 0, crossed, size)


def _log_normal_mass(z: np.ndarray) -> np.ndarray:
    """Return log P(a < Z < b) for neighbours among ascending z, in both tails."""
    mirrored = z[:-1] > 0
    a, b = np.where(mirrored, -z[1:], z[:-1]), np.where(mirrored, -z[:-1], z[1:])
    wide = log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b)))
    u, w = double_gauss_legendre(8)
    nodes = a[:, None] + np.diff(z)[:, None] * u
    narrow = logsumexp(-0.5 * nodes**2, b=w, axis=1) + np.log(np.diff(z) / np.sqrt(2 * np.pi))
    return np.where(np.diff(z) * (1.0 + np.abs(a)) < 1.0, narrow, wide)
