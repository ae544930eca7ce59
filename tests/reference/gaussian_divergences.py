"""Divergences between two normal laws in closed form."""

import numpy as np
from scipy.special import ndtr, rel_entr
from scipy.stats import norm

from .quadrature import fine_integral


def gaussian_divergences(m, s, n, d):
    """Every divergence of N(m, s²) from N(n, d²), in closed form but for Jensen–Shannon."""

    def kl(m, s, n, d):
        return np.log(d / s) + (s * s + (m - n) ** 2) / (2.0 * d * d) - 0.5

    # log p − log p̂ = a x² + b x + c changes sign where the two densities cross.
    a, b = 0.5 / d**2 - 0.5 / s**2, m / s**2 - n / d**2
    c = 0.5 * (n / d) ** 2 - 0.5 * (m / s) ** 2 + np.log(d / s)
    cuts = np.concatenate([[-np.inf], np.sort(np.roots([a, b, c]).real), [np.inf]])
    tv = 0.5 * np.abs(np.diff(ndtr((cuts - m) / s) - ndtr((cuts - n) / d))).sum()

    def js(x):
        p, q = norm.pdf(x, m, s), norm.pdf(x, n, d)
        return 0.5 * (rel_entr(p, 0.5 * (p + q)) + rel_entr(q, 0.5 * (p + q)))

    ends = min(m - 12 * s, n - 12 * d), max(m + 12 * s, n + 12 * d)
    shift, stretch = m - n, abs(s - d)
    # X − Y = shift + (s − d) Z under the monotone coupling: a folded normal variable.
    w1 = 2.0 * stretch * norm.pdf(shift / stretch) + shift * (1.0 - 2.0 * ndtr(-shift / stretch))
    slope = 1.0 / d**2 - 1.0 / s**2
    return {
        "kl": kl(m, s, n, d),
        "reverse-kl": kl(n, d, m, s),
        "jensen-shannon": fine_integral(js, *ends),
        "total-variation": tv,
        "wasserstein-1": w1,
        "wasserstein-2": np.hypot(shift, stretch),
        "fisher": (slope * s) ** 2 + (shift / d**2) ** 2,
    }
