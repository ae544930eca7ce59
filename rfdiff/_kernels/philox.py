"""Counter-based random numbers: Philox-4x32-10, and a ziggurat for normals.

A draw is a pure function of (key, path, index): nothing is carried from one draw to the next, so a
sample does not depend on how paths are batched, ordered or spread over threads.

    key      (2,) 32-bit words, from the seed
    counter  (block, attempt, path low, path high): a block of 128 bits makes two 64-bit words, for
             the draws 2·block and 2·block + 1; attempts above 0 serve the ziggurat's rejections

Philox: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
Ziggurat: Marsaglia & Tsang, J. Stat. Softw. 5(8), 2000, with 256 layers and 52-bit abscissae.
"""

import math

import numpy as np
from numba import njit, prange

_MASK = np.uint64(0xFFFFFFFF)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_HALF = np.uint64(32)
_ONE = np.uint64(1)

_LAYERS = 256
_LAYER_MASK = np.uint64(0xFF)
_SIGN_SHIFT = np.uint64(8)
_ABSCISSA_SHIFT = np.uint64(12)
_UNIFORM_SHIFT = np.uint64(11)
_ULP_53 = 2.0**-53

# Where the base strip ends: with 256 layers of equal area the top one then closes at the peak.
TAIL = 3.6541528853610088


def _ziggurat() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (accept, scale, height) of the layers of equal area under exp(−x²/2).

    Layer i spans |x| < edge[i]: x = abscissa·scale[i], which lies wholly under the curve if the
    abscissa is below accept[i]; height[i] is the curve at edge[i]. Layer 0 is the base strip.
    """
    base = math.exp(-0.5 * TAIL * TAIL)
    area = TAIL * base + math.sqrt(0.5 * math.pi) * math.erfc(TAIL / math.sqrt(2.0))
    edge = [area / base, TAIL]
    while len(edge) < _LAYERS:
        edge.append(math.sqrt(-2.0 * math.log(area / edge[-1] + math.exp(-0.5 * edge[-1] ** 2))))
    edges = np.array([*edge, 0.0])
    accept = (edges[1:] / edges[:-1] * 2.0**52).astype(np.int64)
    return accept, edges[:-1] * 2.0**-52, np.exp(-0.5 * edges**2)


_ACCEPT, _SCALE, _HEIGHT = _ziggurat()


@njit(cache=True, inline="always")
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four 32-bit words of a block, each in a uint64, after ten rounds."""
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIER_0, c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _MASK, (p0 >> _HALF) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@njit(cache=True, inline="always")
def word_pair(key, path, block, attempt):
    """Return the two 64-bit words of a block of the stream of `path`."""
    path = np.uint64(path)
    a, b, c, d = philox(
        np.uint64(block), np.uint64(attempt), path & _MASK, path >> _HALF, key[0], key[1]
    )
    return (a << _HALF) | b, (c << _HALF) | d


@njit(cache=True, inline="always")
def uniform(word):
    """Return the uniform number in (0, 1) of a 64-bit word."""
    return (float(np.int64(word >> _UNIFORM_SHIFT)) + 0.5) * _ULP_53


@njit(cache=True, inline="always")
def _sign(word):
    """Return ±1 from the word's sign bit, without a branch that cannot be predicted."""
    return 1.0 - 2.0 * float(np.int64((word >> _SIGN_SHIFT) & _ONE))


@njit(cache=True)
def _rejected(word, key, path, block, half):
    """Finish a normal whose abscissa fell outside the layer's core, with fresh words."""
    attempt = half
    while True:
        layer = np.int64(word & _LAYER_MASK)
        abscissa = np.int64(word >> _ABSCISSA_SHIFT)
        x = float(abscissa) * _SCALE[layer]
        sign = _sign(word)
        if abscissa < _ACCEPT[layer]:
            return sign * x
        attempt += 2
        fresh, other = word_pair(key, path, block, attempt)
        if layer == 0:
            while True:
                x = -math.log(uniform(fresh)) / TAIL
                if -2.0 * math.log(uniform(other)) > x * x:
                    return sign * (TAIL + x)
                attempt += 2
                fresh, other = word_pair(key, path, block, attempt)
        below, above = _HEIGHT[layer], _HEIGHT[layer + 1]
        if below + uniform(other) * (above - below) < math.exp(-0.5 * x * x):
            return sign * x
        word = fresh


@njit(cache=True, inline="always")
def normal(word, key, path, block, half):
    """Return the standard normal that `word`, half 0 or 1 of its block, stands for."""
    layer = word & _LAYER_MASK
    abscissa = np.int64(word >> _ABSCISSA_SHIFT)
    if abscissa < _ACCEPT[layer]:
        return _sign(word) * (float(abscissa) * _SCALE[layer])
    return _rejected(word, key, path, block, half)


@njit(cache=True, parallel=True)
def normals(key, first_path, first_index, out):
    """Fill out (n, c) with the normals of index first_index + j of the paths first_path + i."""
    n, columns = out.shape
    for i in prange(n):
        path = first_path + i
        j = 0
        while j < columns:
            index = first_index + j
            block, half = index // 2, index % 2
            words = word_pair(key, path, block, 0)
            if half == 0:
                out[i, j] = normal(words[0], key, path, block, 0)
                j += 1
            if j < columns:
                out[i, j] = normal(words[1], key, path, block, 1)
                j += 1


@njit(cache=True, parallel=True)
def uniforms(key, first_path, index, out):
    """Fill out (n,) with the uniform number of `index` of the paths first_path + i."""
    for i in prange(len(out)):
        words = word_pair(key, first_path + i, index // 2, 0)
        out[i] = uniform(words[index % 2])
