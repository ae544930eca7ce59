"""How large a learning rate minibatch SGD can bear: the limit of stability in mean square.

With a = √λ h the weighted features of one sample, G = E[aaᵀ], independent batches of size B and a
constant rate η, the error of θ obeys e ← (I − 2ηH)e + noise, H the batch's mean of aaᵀ. Its second
moment Σ therefore changes by −4η(LΣ − ηQΣ),

    LΣ = (GΣ + ΣG)/2,   QΣ = E[(aᵀΣa) aaᵀ]/B + (1 − 1/B) GΣG,

two positive operators, so it stays bounded exactly for η < 1/ρ(L⁻¹Q). As B → ∞ this is 1/λ_max,
where the mean path ends being stable; small batches of heavy-tailed features end far earlier. In
the eigenbasis of G, with p_ij = √(2 − δ_ij) a_i a_j for i ≤ j, both are symmetric matrices,

    L = diag((λ_i + λ_j)/2),   Q = E[ppᵀ]/B + (1 − 1/B) diag(λ_i λ_j).
"""

import numpy as np
from scipy.linalg import eigh

from ..loss.minibatches import Minibatches
from ..support.estimate import Estimate
from ..support.threads import blas_threads
from ..support.validation import FloatArray, count

# Stiffest modes that are looked at: the limit of 16 is that of all to four digits, as eigenvalues
# fall steeply; half as many tell the error.
_MODES = 16
# Parts of the draws whose scatter is the error.
_PARTS = 8


def stability_limit(batches: Minibatches, n_samples: int = 1 << 14, seed: int = 0) -> Estimate:
    """Return the largest learning rate at which SGD's scatter stays bounded, by Monte Carlo.

    Args:
        batches: how batches are drawn. Points drawn without replacement (shuffled epochs) scatter
            a little less than the independent ones that the limit is for.
        n_samples: draws; the error is two standard errors, by eighths, and what half as many modes
            change.
        seed: of the draws.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=20, m=16)
    >>> batches = run.problem.batches(8, shuffle=False)
    >>> share = float(stability_limit(batches)) * run.flow.eigenvalues[-1]
    >>> bool(0.1 < share < 0.3)  # of 1/λ_max
    True
    """
    h, weight, _ = batches.samples(count("n_samples", n_samples, 2 * _PARTS), seed)
    a = np.sqrt(weight)[:, None] * h
    value = mean_square_limit(a, batches.size)
    parts = [mean_square_limit(part, batches.size) for part in np.array_split(a, _PARTS)]
    fewer = mean_square_limit(a, batches.size, _MODES // 2)
    error = 2.0 * np.std(parts, ddof=1) / np.sqrt(_PARTS) + abs(value - fewer)
    return Estimate(value, error, "sampling")


def mean_square_limit(a: FloatArray, batch: int, modes: int = _MODES) -> float:
    """Return 1/ρ(L⁻¹Q) where each of N weighted features is as likely as any other.

    Args:
        a: weighted features a = √λ h of single samples, shape (N, m).
        batch: B, elements a step.
        modes: how many of the stiffest modes of E[aaᵀ] are looked at.

    >>> a = np.array([[1.0], [3.0]])  # E a² = 5, E a⁴ = 41
    >>> bool(np.isclose(mean_square_limit(a, batch=1), 5.0 / 41.0))
    True
    """
    n, m = a.shape
    low = max(0, m - modes)
    with blas_threads(m):
        eigenvalues, vectors = eigh(a.T @ a / n, subset_by_index=(low, m - 1))
    learned = eigenvalues > m * np.finfo(float).eps * eigenvalues[-1]
    eigenvalues, z = eigenvalues[learned], a @ vectors[:, learned]
    i, j = np.triu_indices(len(eigenvalues))
    pairs = z[:, i] * z[:, j] * np.where(i == j, 1.0, np.sqrt(2.0))
    first, second = eigenvalues[i], eigenvalues[j]
    q = pairs.T @ pairs / (n * batch)
    q[np.diag_indices(len(q))] += (1.0 - 1.0 / batch) * first * second
    root = np.sqrt(0.5 * (first + second))
    return 1.0 / float(eigh(q / np.outer(root, root), eigvals_only=True)[-1])
