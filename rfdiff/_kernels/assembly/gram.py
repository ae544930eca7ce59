"""The Gram matrix of ReLU features from their hinge moments, a few multiply-adds a pair and node.

For unit slopes, features of one sign: E(x − κ_i)₊(x − κ_j)₊ = M₂(κ) + |κ_i − κ_j| M₁(κ) with κ
the inner of the two kinks and M_p its one-sided moments. For opposite signs with κ₊ < κ₋:
E(x − κ₊)₊(κ₋ − x)₊ = (κ₋ − κ₊)(M₁(κ₊) + M₁(κ₋)) − (M₂(κ₊) − M₂(κ₋)) with upper moments, or its
mirror image with lower ones; the side with the smaller moment keeps the rounding error below
that of the features' norms.
"""

import numpy as np
from numba import njit, prange

# A tile of 64 × 64 doubles stays in the first-level cache over all time nodes.
_TILE = 64
# Tiles are dealt in steps of a prime, so that every thread gets cheap and dear ones alike.
_STRIDE = 7919


# The next two functions take one row of a tile against slices of equal length: in this form the
# compiler proves that nothing aliases and turns the loop into vector instructions.


@njit(cache=True)
def _add_same_sign(line, sign, kink, m1, m2, kinks, m1s, m2s):
    """Add one feature's pairs with its own sign; sign × κ grows towards where both are active."""
    for j in range(len(line)):
        gap = sign * (kinks[j] - kink)
        later = m2s[j] + gap * m1s[j]
        earlier = m2 - gap * m1
        line[j] += later if gap > 0.0 else earlier


@njit(cache=True)
def _add_opposite_sign(line, kink, up1, up2, low1, low2, kinks, up1s, up2s, low1s, low2s):
    """Add the pairs of one positive feature with negative ones."""
    for j in range(len(line)):
        gap = kinks[j] - kink
        upper = gap * (up1 + up1s[j]) - (up2 - up2s[j])
        lower = gap * (low1s[j] + low1) - (low2s[j] - low2)
        value = upper if up2 < low2s[j] else lower
        line[j] += value if gap > 0.0 and value > 0.0 else 0.0


@njit(cache=True)
def _fill_same_sign(tile, sign, kinks, moments, rows, columns):
    """Sum a tile of features of one sign over all nodes."""
    first = 1 if sign > 0.0 else 4
    for k in range(len(kinks)):
        x, m1, m2 = kinks[k], moments[k, first], moments[k, first + 1]
        xs, m1s, m2s = x[columns], m1[columns], m2[columns]
        for i in range(rows.start, rows.stop):
            _add_same_sign(tile[i - rows.start, : len(xs)], sign, x[i], m1[i], m2[i], xs, m1s, m2s)


@njit(cache=True)
def _fill_opposite_sign(tile, kinks, moments, rows, columns):
    """Sum a tile of positive rows and negative columns over all nodes."""
    for k in range(len(kinks)):
        x = kinks[k]
        up1, up2, low1, low2 = moments[k, 1], moments[k, 2], moments[k, 4], moments[k, 5]
        xs, up1s, up2s = x[columns], up1[columns], up2[columns]
        low1s, low2s = low1[columns], low2[columns]
        for i in range(rows.start, rows.stop):
            _add_opposite_sign(
                tile[i - rows.start, : len(xs)],
                x[i],
                up1[i],
                up2[i],
                low1[i],
                low2[i],
                xs,
                up1s,
                up2s,
                low1s,
                low2s,
            )


@njit(cache=True)
def _upper_pair(index, n):
    """Return row ≤ column of the index-th pair of the upper triangle, row by row."""
    row = 0
    while index >= n - row:
        index -= n - row
        row += 1
    return row, row + index


@njit(cache=True, parallel=True)
def relu_gram(kinks, moments, n_positive, slopes, order, gram):
    """Fill gram[order, order] with Σ_k E φ_i φ_j, tile by tile, in the order of the nodes.

    kinks (n_t, m), moments (n_t, 6, m): already weighted over nodes; the first n_positive
    columns have positive slopes, the others negative; slopes (m,) are their absolute values;
    order (m,) is the place of each column in `gram`.
    """
    m = kinks.shape[1]
    edges_positive = np.append(np.arange(0, n_positive, _TILE), n_positive)
    edges_negative = np.append(np.arange(n_positive, m, _TILE), m)
    edges = np.append(edges_positive[:-1], edges_negative)
    if n_positive == m:
        edges = edges_positive
    n_tiles = len(edges) - 1
    n_pairs = n_tiles * (n_tiles + 1) // 2
    for task in prange(n_pairs):
        row, column = _upper_pair((task * _STRIDE) % n_pairs, n_tiles)
        rows = slice(edges[row], edges[row + 1])
        columns = slice(edges[column], edges[column + 1])
        tile = np.zeros((_TILE, _TILE))
        if columns.start < n_positive:
            _fill_same_sign(tile, 1.0, kinks, moments, rows, columns)
        elif rows.start >= n_positive:
            _fill_same_sign(tile, -1.0, kinks, moments, rows, columns)
        else:
            _fill_opposite_sign(tile, kinks, moments, rows, columns)
        for i in range(rows.start, rows.stop):
            for j in range(columns.start, columns.stop):
                value = slopes[i] * slopes[j] * tile[i - rows.start, j - columns.start]
                gram[order[i], order[j]] = value
                gram[order[j], order[i]] = value
