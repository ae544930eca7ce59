"""G = E_t λ E[h hᵀ], C = E_t λ E[(−z/σ_t) hᵀ] and c₀ entry by entry, in high precision.

ReLU: the closed forms of one dimension, by moments E[xᵏ; x > κ] of every component. Smooth
activations: the trapezoidal rule in x, which converges exponentially for analytic functions.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb, arb_mat

from .arithmetic import FAR, ONE, ROOT_PI, ZERO, exact, upper_tail
from .mixtures import Mixture
from .process import Features, Process
from .rules import Rule


@dataclass
class Quadratic:
    """L(θ) = θGθᵀ − 2θCᵀ + c₀."""

    gram: arb_mat
    cross: list[arb]
    constant: arb

    def __call__(self, theta: list[arb]) -> arb:
        """Return L(θ)."""
        row = arb_mat(1, len(theta), theta)
        square = (row * self.gram * row.transpose())[0, 0]
        return (
            square
            - 2 * sum((a * b for a, b in zip(theta, self.cross, strict=True)), ZERO)
            + (self.constant)
        )


def assemble(
    law: Mixture, features: Features, process: Process, weighting: Callable[[arb], arb], rule: Rule
) -> Quadratic:
    """Return the denoising loss on the nodes of a time rule."""
    m = features.m
    at_node = _relu_node if features.activation == "relu" else _smooth_node
    gram, cross, constant = arb_mat(m, m), [ZERO] * m, ZERO
    for t, omega in rule:
        variance, gain = process.variance(t), features.gain(t)
        weight = omega * weighting(t)
        constant += weight / variance
        means, stds = law.diffused(process.scale(t), variance)
        second, slopes = at_node(features, features.biases(t), law.weights, means, stds)
        gram = (gram + second * (weight * gain * gain)).mid()
        cross = [
            (c - weight * gain * w * p).mid()
            for c, w, p in zip(cross, features.w, slopes, strict=True)
        ]
    return Quadratic(gram, cross, constant.mid())


def assemble_draws(
    points: list[arb],
    noise: list[list[arb]],
    features: Features,
    process: Process,
    weighting: Callable[[arb], arb],
    rule: Rule,
) -> Quadratic:
    """Return the loss of fixed noise draws z (n, k)."""
    m, n_draws = features.m, len(points) * len(noise[0])
    pairs = [(x, z) for x, draws in zip(points, noise, strict=True) for z in draws]
    gram, cross, constant = arb_mat(m, m), arb_mat(1, m), ZERO
    targets = arb_mat(1, n_draws, [-z for _, z in pairs])
    mean_square = sum((z * z for _, z in pairs), ZERO) / n_draws
    for t, omega in rule:
        variance, gain, scale = process.variance(t), features.gain(t), process.scale(t)
        std, biases = variance.sqrt(), features.biases(t)
        weight = omega * weighting(t)
        rows = []
        for x, z in pairs:
            at = scale * x + std * z
            rows.append([_positive(w * at + b) for w, b in zip(features.w, biases, strict=True)])
        values = arb_mat(rows)
        gram = (gram + values.transpose() * values * (weight * gain * gain / n_draws)).mid()
        cross = (cross + targets * values * (weight * gain / (std * n_draws))).mid()
        constant += weight / variance * mean_square
    return Quadratic(gram, cross.entries(), constant.mid())


def _positive(z: arb) -> arb:
    return z if z.mid() > 0 else ZERO


Tails = tuple[arb, arb, arb]


def _upper_moments(
    kink: arb, weights: list[arb], means: list[arb], stds: list[arb],
    places: list[tuple[float, float]], beyond: list[Tails],
) -> Tails:  # fmt: skip
    """Return E[xᵏ; x > κ], k = 0, 1, 2; components far to the right count whole."""
    at = float(kink.mid())
    zero = one = two = ZERO
    k = len(means) - 1
    while k >= 0 and places[k][0] - at > FAR * places[k][1]:
        k -= 1
    if k + 1 < len(means):
        zero, one, two = beyond[k + 1]
    while k >= 0:
        centre, width = places[k]
        if at - centre <= FAR * width:
            mean, std = means[k], stds[k]
            tail, density = upper_tail((kink - mean) / std)
            spread = std * density
            zero += weights[k] * tail
            one += weights[k] * (mean * tail + spread)
            two += weights[k] * ((mean * mean + std * std) * tail + (mean + kink) * spread)
        elif centre + FAR * places[-1][1] < at and places[0][1] == places[-1][1]:
            break
        k -= 1
    return zero.mid(), one.mid(), two.mid()


def _suffixes(weights: list[arb], means: list[arb], stds: list[arb]) -> list[Tails]:
    """Return the moments of the components from each one on to the right."""
    zero = one = two = ZERO
    out = []
    for q, mean, std in zip(weights[::-1], means[::-1], stds[::-1], strict=True):
        zero, one = zero + q, one + q * mean
        two += q * (mean * mean + std * std)
        out.append((zero.mid(), one.mid(), two.mid()))
    return out[::-1]


def _relu_node(
    features: Features, biases: list[arb], weights: list[arb], means: list[arb], stds: list[arb]
) -> tuple[arb_mat, list[arb]]:
    """Return E[φ_i φ_j] and P(feature j active)."""
    places = [(float(a.mid()), float(s.mid())) for a, s in zip(means, stds, strict=True)]
    beyond = _suffixes(weights, means, stds)
    m, w, b = features.m, features.w, biases
    signs = [1 if x > 0 else -1 if x < 0 else 0 for x in w]
    kinks, upper, active = [ZERO] * m, [(ZERO, ZERO, ZERO)] * m, [ZERO] * m
    for j in range(m):
        if signs[j]:
            kinks[j] = (-b[j] / w[j]).mid()
            upper[j] = _upper_moments(kinks[j], weights, means, stds, places, beyond)
            active[j] = upper[j][0] if signs[j] > 0 else ONE - upper[j][0]
    whole = beyond[0]
    gram = arb_mat(m, m)
    for i in range(m):
        for j in range(i + 1):
            moments = _both_active(signs, kinks, upper, whole, b, i, j)
            if moments is not None:
                zero, one, two = moments
                value = w[i] * w[j] * two + (w[i] * b[j] + w[j] * b[i]) * one + b[i] * b[j] * zero
                gram[i, j] = gram[j, i] = value.mid()
    return gram, active


def _both_active(
    signs: list[int], kinks: list[arb], upper: list[Tails], whole: Tails, b: list[arb],
    i: int, j: int,
) -> Tails | None:  # fmt: skip
    """Return E[xᵏ; both features active], None where they never are."""
    for k in (i, j):
        if signs[k] == 0 and not b[k] > 0:
            return None
    if signs[i] == 0 or signs[j] == 0:
        k = j if signs[i] == 0 else i
        if signs[k] == 0:
            return whole
        return upper[k] if signs[k] > 0 else _minus(whole, upper[k])
    if signs[i] == signs[j]:
        inner = i if (kinks[i] > kinks[j]) == (signs[i] > 0) else j
        return upper[inner] if signs[i] > 0 else _minus(whole, upper[inner])
    right, left = (i, j) if signs[i] > 0 else (j, i)
    return _minus(upper[right], upper[left]) if kinks[right] < kinks[left] else None


def _minus(a: Tails, b: Tails) -> Tails:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


# The trapezoidal rule: its step is a share of the narrowest width and of the activation's scale,
# its reach so many widths; both leave errors near 10⁻²⁸.
_SHARE, _SCALE, _REACH = 0.52, 0.30, 11.5


def value(name: str, z: arb) -> arb:
    """Return act(z)."""
    if name == "swish":
        return ZERO if float(z.mid()) < -400.0 else z / (1 + (-z).exp())
    return z.tanh() if name == "tanh" else z.erf()


def value_and_slope(name: str, z: arb) -> tuple[arb, arb]:
    """Return act(z) and act′(z)."""
    if name == "swish":
        if float(z.mid()) < -400.0:
            return ZERO, ZERO
        gate = 1 / (1 + (-z).exp())
        return z * gate, gate * (1 + z * (1 - gate))
    if name == "tanh":
        tanh = z.tanh()
        return tanh, 1 - tanh * tanh
    return z.erf(), 2 * (-z * z).exp() / ROOT_PI


def _smooth_node(
    features: Features, biases: list[arb], weights: list[arb], means: list[arb], stds: list[arb]
) -> tuple[arb_mat, list[arb]]:
    """Return E[φ_i φ_j] and E[act′_j]."""
    steepest = max(abs(float(x)) for x in features.w) or 1.0
    narrowest = min(float(s.mid()) for s in stds)
    # tanh has its poles at ±iπ/2, erf grows like e^{y²} off the axis.
    scale = _SCALE / steepest * (1.0 if features.activation == "swish" else 0.5)
    step = exact(min(_SHARE * narrowest, scale))
    density: dict[int, arb] = {}
    for q, mean, std in zip(weights, means, stds, strict=True):
        first = int(float(((mean - _REACH * std) / step).mid())) - 1
        last = int(float(((mean + _REACH * std) / step).mid())) + 1
        norm = q * step / (std * (2 * arb.pi()).sqrt())
        for k in range(first, last + 1):
            zeta = (k * step - mean) / std
            density[k] = density.get(k, ZERO) + norm * (-zeta * zeta / 2).exp()
    rows, weighted, slopes = [], [], [ZERO] * features.m
    for k, mass in density.items():
        x = k * step
        pairs = [
            value_and_slope(features.activation, w * x + b)
            for w, b in zip(features.w, biases, strict=True)
        ]
        rows.append([act for act, _ in pairs])
        weighted.append([act * mass for act, _ in pairs])
        slopes = [s + slope * mass for s, (_, slope) in zip(slopes, pairs, strict=True)]
    return arb_mat(weighted).transpose() * arb_mat(rows), slopes
