"""θ(τ) of dθ/dτ = −2(θG − C) from G and C in high precision, without an eigendecomposition.

With E(h) = e^{−2Gh} and v(h) = ∫₀ʰ 2C e^{−2Gs} ds doubling the time is E(2h) = E(h)² and
v(2h) = v(h) + v(h)E(h). Each doubling of an E next to the identity loses a bit, of which there are
plenty. τ = ∞ is C G⁺ on the eigenvalues above the stated rank tolerance m ε λ_max, by Newton's
iteration for the sign of G − tolerance.
"""

from math import ceil, log2

from flint import arb, arb_mat

from .arithmetic import exact, row

_TERMS = 48
_SIGN_ITERATIONS = 400
_POWER_ITERATIONS = 60


def theta_at(gram: arb_mat, cross: list[arb], theta0: list[arb], tau: float) -> list[arb]:
    """Return θ(τ)."""
    if tau == 0.0:
        return list(theta0)
    if tau == float("inf"):
        return _limit(gram, cross, theta0)
    m = gram.nrows()
    time = exact(tau)
    norm = float((2 * time * _row_norm(gram)).mid())
    doublings = max(0, ceil(log2(norm)) + 2) if norm > 0 else 0
    h = time / arb(2) ** doublings
    step = gram * (-2 * h)
    identity = _identity(m)
    kept, driven = identity, identity
    # Horner's scheme of Σ A^k/k! and Σ A^k/(k + 1)!.
    for k in range(_TERMS, 0, -1):
        kept = (identity + step * kept * (arb(1) / k)).mid()
        driven = (identity + step * driven * (arb(1) / (k + 1))).mid()
    v = (row(cross) * driven * (2 * h)).mid()
    for _ in range(doublings):
        v = (v + v * kept).mid()
        kept = (kept * kept).mid()
    return (v + row(theta0) * kept).mid().entries()


def _limit(gram: arb_mat, cross: list[arb], theta0: list[arb]) -> list[arb]:
    """Return θ₀ P_null + C G⁺."""
    m = gram.nrows()
    identity, largest = _identity(m), largest_eigenvalue(gram)
    tolerance = m * arb(2) ** -52 * largest
    sign = (gram - identity * tolerance) * (1 / largest)
    for _ in range(_SIGN_ITERATIONS):
        newer = ((sign + sign.mid().inv()) * (arb(1) / 2)).mid()
        change = max(float(abs(x).mid()) for x in (newer - sign).entries())
        sign = newer
        if change < 1e-50:
            break
    learned = ((sign + identity) * (arb(1) / 2)).mid()
    null = identity - learned
    inverse = (learned * gram + null).mid().inv()
    return (row(theta0) * null + row(cross) * learned * inverse).mid().entries()


def largest_eigenvalue(gram: arb_mat) -> arb:
    """Return λ_max by squaring the normalised matrix: its trace's root converges at once."""
    power, log_scale, weight = gram, arb(0), arb(1)
    for _ in range(_POWER_ITERATIONS):
        size = power.trace().mid()
        power = (power * (1 / size)).mid()
        log_scale += weight * size.log()
        power, weight = (power * power).mid(), weight / 2
    return (log_scale + weight * power.trace().mid().log()).exp().mid()


def _row_norm(gram: arb_mat) -> arb:
    return max((sum((abs(x) for x in r), arb(0)).mid() for r in gram.tolist()), key=float)


def _identity(m: int) -> arb_mat:
    return arb_mat([[int(i == j) for j in range(m)] for i in range(m)])
