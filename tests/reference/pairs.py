"""E λ h_i h_j in d dimensions by integrals over two normals, component by component."""

import numpy as np
from scipy.special import ndtr

from reference.quadrature import fine_integral


def relu_mean(a, s, b, r, rho):
    """E[(a + sX)₊ (b + rY)₊], corr(X, Y) = ρ: over X by a fine rule, over Y given X closed."""
    width = r * np.sqrt((1.0 - rho) * (1.0 + rho))

    def integrand(x):
        mean = b + r * rho * x
        inner = np.maximum(mean, 0.0)
        if width > 0.0:
            z = mean / width
            inner = mean * ndtr(z) + width * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return np.maximum(a + s * x, 0.0) * inner * np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)

    corners = [-a / s] if s > 0.0 else []
    if r * rho != 0.0:
        layer, reach = -b / (r * rho), width / abs(r * rho)
        corners += [layer + k * reach for k in (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)]
    return fine_integral(integrand, -12.0, 12.0, corners)


def smooth_mean(act, a, s, b, r, rho, pole=0.5 * np.pi):
    """E[act(a + sX) act(b + rY)] by trapezoidal rules, for act analytic in |Im z| < pole."""

    def rule(steepest):
        half = int(12.0 * (9.0 + 37.0 / pole * steepest) / np.pi) + 1
        z = np.linspace(-12.0, 12.0, 2 * half + 1)
        return z, np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * 12.0 / half

    width = r * np.sqrt((1.0 - rho) * (1.0 + rho))
    (x, p), (z, q) = rule(s + r), rule(width)
    inner = act((b + r * rho * x)[:, None] + width * z) @ q
    return float(p @ (act(a + s * x) * inner))


def product_mean(features, law, objective, i, j):
    """E_t λ E h_i h_j of features under the law diffused."""
    (wi, wj), total = features.W[[i, j]], 0.0
    ni, nj = np.linalg.norm(wi), np.linalg.norm(wj)
    rho = 0.0 if ni * nj == 0.0 else float(np.clip(wi @ wj / (ni * nj), -1.0, 1.0))
    sde, d = objective.sde, features.dimension
    relu = features.activation == "relu"
    for t, weight in zip(objective.rule.nodes, objective.node_weights(d), strict=True):
        r, std, b = float(sde.scale(t)), float(sde.std(t)), features.biases(t)
        c_in, gain = float(features.input_scale(t)), float(features.output_scale(t))
        for q, mean, own in zip(law.weights, law.means, law.stds, strict=True):
            width = c_in * np.hypot(r * own, std)
            at = [c_in * r * float(w @ mean) + b[k] for w, k in ((wi, i), (wj, j))]
            pair = (at[0], width * ni, at[1], width * nj, rho)
            value = relu_mean(*pair) if relu else smooth_mean(features.act, *pair)
            total += weight * q * gain**2 * value
    return total
