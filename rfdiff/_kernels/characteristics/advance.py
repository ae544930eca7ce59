"""Kernel of probability-flow characteristics of a 1-D ReLU score, kinks located exactly.

Between kinks the ODE is linear, dx/dt = f x − ½g² (γ x + β)/(c√m), with γ = Σ θ_j w_j and
β = Σ θ_j b_j(t) over the active features, and is solved by its exponential. A step follows that
solution to the first kink met by the path (both move), switches the feature, and goes on from
there, so nothing is smoothed across a kink. Kinks, biases, f and ½g²/(c√m) are parabolas in time
within a step: third order.

For step i, features sorted by kink at its start (an empty step of negative length runs backwards):

    order     (n, m)      the feature at each place
    jump      (n, m)      |w_j|
    bias      (n, m, 3)   b_j, or −b_j where w_j < 0: the jump of β in passing the kink rightwards,
                          at the start, middle and end of the step
    kinks     (n, m, 3)   κ_j at those three times; sorted at the first
    ahead     (n, m)      least end position of this and all kinks to the right
    behind    (n, m)      largest end position of this and all kinks to the left
    drift     (n, 3)      h f
    gain      (n, 3)      ½ h g²/(c(t) √m)
    left_slope (k,), left_bias (k, n, 3)   γ and β left of every kink, for each of thetas (k, m)
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange

from .parabolas import parabola, parabola_integral, parabola_root, parabola_slope

# Below this |∫a| Simpson's rule integrates the exponential of a step to 10⁻⁶ of a force.
_SLIGHT = 0.3
# A kink is met once what its time is wrong by turns the log slope by less than this.
_MET, _MOST_TRIES = 1e-5, 60


@njit(cache=True)
def _place(x, kinks, k):
    """Number of sorted kinks (m, 3) whose start lies below x, walking from a guess k."""
    while k < len(kinks) and kinks[k, 0] < x:
        k += 1
    while k > 0 and kinks[k - 1, 0] >= x:
        k -= 1
    return k


@njit(cache=True)
def _fill_pieces(theta, order, jump, bias, left_slope, left_bias, slope, intercept):
    """Fill γ (m + 1,) and β (m + 1, 3) of every interval by prefix sums."""
    s, b0, b1, b2 = left_slope, left_bias[0], left_bias[1], left_bias[2]
    for k in range(len(order) + 1):
        slope[k] = s
        intercept[k, 0], intercept[k, 1], intercept[k, 2] = b0, b1, b2
        if k < len(order):
            weight = theta[order[k]]
            s += weight * jump[k]
            b0 += weight * bias[k, 0]
            b1 += weight * bias[k, 1]
            b2 += weight * bias[k, 2]


@njit(cache=True)
def _gap_root(y, middle, end, u, k0, km, k1):
    """Time in [0, 1] of the rest of the step at which the path meets the kink."""
    if u == 0.0:
        return parabola_root(y - k0, middle - km, end - k1)
    start = y - parabola(k0, km, k1, u)
    halfway = middle - parabola(k0, km, k1, 0.5 * (1.0 + u))
    # The path may already be a rounding error past a kink that meets it together with another.
    start = min(start, 0.0) if end > k1 else max(start, 0.0)
    return parabola_root(start, halfway, end - k1)


@njit(cache=True)
def _first_kink(y, middle, end, u, place, kinks, ahead, behind, switched, n_switched):
    """Return the place of the first kink met, its time, and +1 if passed rightwards, else −1.

    Candidates are the kinks that end on the other side of the path; each switches once a step.
    """
    best, first, sign = 2.0, -1, 1
    for direction in (1, -1):
        k = place if direction > 0 else place - 1
        while 0 <= k < len(kinks):
            if (ahead[k] >= end) if direction > 0 else (behind[k] < end):
                break
            if (kinks[k, 2] < end) == (direction > 0):
                fresh = True
                for i in range(n_switched):
                    if switched[i] == k:
                        fresh = False
                if fresh:
                    when = _gap_root(y, middle, end, u, kinks[k, 0], kinks[k, 1], kinks[k, 2])
                    if when < best:
                        best, first, sign = when, k, direction
            k += direction
    return first, best, sign


@njit(cache=True)
def _linear_step(y, whole, late, force_0, force_m, force_1):
    """Solve dy/du = a(u) y + b(u), given ∫a over the step and its second half, and forces h·b.

    The slope of the map is e^{∫a} to rounding, so that places and log slopes agree. The integral
    of e^{∫a} b is Simpson's, or for large ∫a that of a parabola beside the exponential: exact for
    constant a and b.
    """
    growth = math.exp(whole)
    if abs(whole) < _SLIGHT:
        return growth * (y + force_0 / 6.0) + (4.0 * math.exp(late) * force_m + force_1) / 6.0
    middle = math.exp(late - 0.5 * whole) * force_m
    phi_1 = (growth - 1.0) / whole
    phi_2 = (phi_1 - 1.0) / whole
    phi_3 = (phi_2 - 0.5) / whole
    linear = 4.0 * middle - 3.0 * force_0 - force_1
    square = force_0 - 2.0 * middle + force_1
    return growth * y + force_0 * phi_1 + linear * phi_2 + 4.0 * square * phi_3


@njit(cache=True, inline="always")
def _velocity(y, u, s, f, g, b):
    """dy/du at y and u where the score's slope is s; f, g and b are parabolas of u."""
    gain = parabola(g[0], g[1], g[2], u)
    return (parabola(f[0], f[1], f[2], u) - gain * s) * y - gain * parabola(b[0], b[1], b[2], u)


@njit(cache=True)
def _linear_part(y, u, v, s, f, g, b):
    """Solve the linear ODE of score slope s from u to v."""
    middle, part = 0.5 * (u + v), v - u
    drift, gain = parabola_integral(f[0], f[1], f[2], v), parabola_integral(g[0], g[1], g[2], v)
    whole = drift - parabola_integral(f[0], f[1], f[2], u)
    whole -= s * (gain - parabola_integral(g[0], g[1], g[2], u))
    late = drift - parabola_integral(f[0], f[1], f[2], middle)
    late -= s * (gain - parabola_integral(g[0], g[1], g[2], middle))
    return _linear_step(
        y, whole, late,
        -part * parabola(g[0], g[1], g[2], u) * parabola(b[0], b[1], b[2], u),
        -part * parabola(g[0], g[1], g[2], middle) * parabola(b[0], b[1], b[2], middle),
        -part * parabola(g[0], g[1], g[2], v) * parabola(b[0], b[1], b[2], v),
    )  # fmt: skip


@njit(cache=True)
def _meet(y, u, met, k0, km, k1, sign, turn, s, f, g, b):
    """Return when and where the linear solution from y at u meets a kink, tried first at `met`.

    Newton's method between times known to be too early and too late. The parabola that gave `met`
    is far off where the solution grows by more than e before the step ends, however soon the kink
    is met; and steps that end at the same time share that error: comparing them does not show it.
    The path passes the kink, at k0, km and k1 at the start, middle and end of the step, rightwards
    if sign is +1; the score's slope s then turns by `turn`; f, g and b are parabolas of u.
    """
    early, late = u, 1.0
    for _ in range(_MOST_TRIES):
        at = _linear_part(y, u, met, s, f, g, b)
        beyond = at - parabola(k0, km, k1, met)
        if sign * beyond > 0.0:
            late = met
        else:
            early = met
        closing = _velocity(at, met, s, f, g, b) - parabola_slope(k0, km, k1, met)
        wrong, guess = late - early, early
        if abs(beyond) < abs(closing) * wrong:
            wrong, guess = abs(beyond / closing), met - beyond / closing
        if wrong * abs(turn) * parabola(g[0], g[1], g[2], met) <= _MET:
            break
        met = guess if early < guess < late else 0.5 * (early + late)
    return met, at


@njit(cache=True)
def _step_past_kinks(
    y, end, place, theta, order, jump, bias, kinks, ahead, behind, drift, gain, s, betas, switched
):
    """Follow one path through one step; return its end and the integral of its gain times γ.

    `end` is where the path would go if it met no kink.
    """
    f, g = (drift[0], drift[1], drift[2]), (gain[0], gain[1], gain[2])
    b = (betas[0], betas[1], betas[2])
    u, n_switched, used, spent = 0.0, 0, 0.0, 0.0
    while True:
        rest = 1.0 - u
        k1, k_end = rest * _velocity(y, u, s, f, g, b), rest * _velocity(end, 1.0, s, f, g, b)
        middle = 0.5 * (y + end) + 0.125 * (k1 - k_end)
        first, when, sign = _first_kink(
            y, middle, end, u, place, kinks, ahead, behind, switched, n_switched
        )
        if first < 0:
            break
        switched[n_switched] = first
        n_switched += 1
        # One linear solution up to the kink; then, perhaps to the end, another.
        weight = sign * theta[order[first]]
        turn = weight * jump[first]
        kink_0, kink_m, kink_1 = kinks[first, 0], kinks[first, 1], kinks[first, 2]
        met = u + rest * when
        u, y = _meet(y, u, met, kink_0, kink_m, kink_1, sign, turn, s, f, g, b)
        reached = parabola_integral(g[0], g[1], g[2], u)
        used += s * (reached - spent)
        spent = reached
        s += turn
        b = (
            b[0] + weight * bias[first, 0],
            b[1] + weight * bias[first, 1],
            b[2] + weight * bias[first, 2],
        )
        end = _linear_part(y, u, 1.0, s, f, g, b)
    return end, used + s * (parabola_integral(g[0], g[1], g[2], 1.0) - spent)


@njit(cache=True)
def _step_paths(
    theta, order, jump, bias, kinks, ahead, behind, drift, gain, slope, intercept, switched,
    x, log_jacobian,
):  # fmt: skip
    """Take the paths x (N,) of one θ through one step."""
    m = len(order)
    f0, fm, f1 = drift[0], drift[1], drift[2]
    g0, gm, g1 = gain[0], gain[1], gain[2]
    drift_total = parabola_integral(f0, fm, f1, 1.0)
    gain_total = parabola_integral(g0, gm, g1, 1.0)
    drift_late = drift_total - parabola_integral(f0, fm, f1, 0.5)
    gain_late = gain_total - parabola_integral(g0, gm, g1, 0.5)
    place = 0
    for q in range(len(x)):
        y = x[q]
        place = _place(y, kinks, place)
        s = slope[place]
        b0, bm, b1 = intercept[place, 0], intercept[place, 1], intercept[place, 2]
        spent = s * gain_total
        end = _linear_step(
            y, drift_total - spent, drift_late - s * gain_late, -g0 * b0, -gm * bm, -g1 * b1
        )  # fmt: skip
        if (place < m and ahead[place] < end) or (place > 0 and behind[place - 1] >= end):
            end, spent = _step_past_kinks(
                y, end, place, theta, order, jump, bias, kinks, ahead, behind, drift, gain,
                s, intercept[place], switched,
            )  # fmt: skip
        x[q] = end
        log_jacobian[q] += drift_total - spent


@njit(cache=True, parallel=True)
def _advance(
    lanes, thetas, order, jump, bias, kinks, ahead, behind, drift, gain, left_slope, left_bias,
    task_member, task_start, x, log_jacobian,
):  # fmt: skip
    """Each of the lanes takes tasks in turn: late training times, which cost more, lie together."""
    m, n_tasks = order.shape[1], len(task_member)
    for lane in prange(lanes):
        slope, intercept = np.empty(m + 1), np.empty((m + 1, 3))
        switched = np.empty(m, np.int64)
        for task in range(lane, n_tasks, lanes):
            r, here = task_member[task], slice(task_start[task], task_start[task + 1])
            for i in range(len(order)):
                _fill_pieces(
                    thetas[r], order[i], jump[i], bias[i], left_slope[r], left_bias[r, i],
                    slope, intercept,
                )  # fmt: skip
                _step_paths(
                    thetas[r], order[i], jump[i], bias[i], kinks[i], ahead[i], behind[i],
                    drift[i], gain[i], slope, intercept, switched, x[here], log_jacobian[here],
                )  # fmt: skip


def advance(
    thetas, order, jump, bias, kinks, ahead, behind, drift, gain, left_slope, left_bias,
    task_member, task_start, x, log_jacobian,
):  # fmt: skip
    """Take paths x (P,) through all steps, in place.

    Task i holds the paths task_start[i] … task_start[i + 1] − 1, sorted, all of the parameter
    thetas[task_member[i]]. `log_jacobian` (P,) gains ∫ (f − ½g² ∂ₓs) dt on each path.
    """
    _advance(
        get_num_threads(), thetas, order, jump, bias, kinks, ahead, behind, drift, gain,
        left_slope, left_bias, task_member, task_start, x, log_jacobian,
    )  # fmt: skip
