"""Stochastic optimisers of the output layer: minibatch steps on plain arrays, paths in parallel.

A batch element is (x, e, gain, weight, target): the step follows the gradient of
(1/B) Σ_b weight_b ‖θ h_b − target_b‖², h_b = gain_b · act(W x_b + U e_b). Every path has its own
randomness, handed in, so paths do not depend on the thread count.
"""

import math

import numpy as np
from numba import njit, prange

from .activations import RELU, activate

SGD, ADAM = 0, 1

# Independent partial sums of a dot product: lets it vectorise in a fixed order of summation.
_LANES = 8


@njit(cache=True)
def _features(w, u, x, e, gain, activation, h):
    """h_j = gain · act(Σ_i w_ij x_i + Σ_k u_kj e_k), with w (d, m) and u (d_e, m)."""
    m = w.shape[1]
    for j in range(m):
        h[j] = w[0, j] * x[0]
    for i in range(1, w.shape[0]):
        for j in range(m):
            h[j] += w[i, j] * x[i]
    for k in range(u.shape[0]):
        for j in range(m):
            h[j] += u[k, j] * e[k]
    if activation == RELU:
        # A loop of its own, which the compiler turns into vector instructions.
        for j in range(m):
            h[j] = gain * max(h[j], 0.0)
    else:
        for j in range(m):
            h[j] = gain * activate(activation, h[j])


@njit(cache=True)
def _dot(a, b):
    m = a.shape[0]
    lanes = np.zeros(_LANES)
    whole = m - m % _LANES
    for j in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] += a[j + lane] * b[j + lane]
    total = 0.0
    for lane in range(_LANES):
        total += lanes[lane]
    for j in range(whole, m):
        total += a[j] * b[j]
    return total


@njit(cache=True)
def _gradient(theta, w, u, x, e, gain, weight, target, activation, h, gradient):
    """Gradient of the batch loss, shape (d, m), into `gradient`."""
    size = x.shape[0]
    gradient[:] = 0.0
    for b in range(size):
        _features(w, u, x[b], e[b], gain[b], activation, h)
        for i in range(theta.shape[0]):
            residual = _dot(theta[i], h) - target[b, i]
            factor = 2.0 * weight[b] * residual / size
            for j in range(h.shape[0]):
                gradient[i, j] += factor * h[j]


@njit(cache=True)
def _sgd_step(theta, velocity, gradient, rate, momentum):
    for i in range(theta.shape[0]):
        for j in range(theta.shape[1]):
            velocity[i, j] = momentum * velocity[i, j] - rate * gradient[i, j]
            theta[i, j] += velocity[i, j]


@njit(cache=True)
def _adam_step(theta, first, second, gradient, rate, beta1, beta2, epsilon, step):
    correct1 = 1.0 - beta1**step
    correct2 = 1.0 - beta2**step
    for i in range(theta.shape[0]):
        for j in range(theta.shape[1]):
            g = gradient[i, j]
            first[i, j] = beta1 * first[i, j] + (1.0 - beta1) * g
            second[i, j] = beta2 * second[i, j] + (1.0 - beta2) * g * g
            root = math.sqrt(second[i, j] / correct2) + epsilon
            theta[i, j] -= rate * first[i, j] / correct1 / root


@njit(cache=True, parallel=True)
def advance(
    theta, first, second, done, w, u, x, e, gain, weight, target, rates, rule, constants, activation
):
    """Advance every path by len(rates) steps, in place.

    theta, first, second    (paths, d, m) parameters and memory: `first` is the velocity of SGD or
                            Adam's first moment, `second` Adam's second
    done                    steps taken before, for Adam's bias correction
    w, u                    features transposed, (d, m) and (d_e, m)
    x, e, gain, weight, target    (paths, steps, batch, …), …: d, d_e, none, none, d
    rates                   learning rate of each step, (steps,)
    rule                    SGD or ADAM
    constants               (momentum,) or (β₁, β₂, ε)
    activation              a code of `activations`
    """
    paths, steps = x.shape[0], rates.shape[0]
    for p in prange(paths):
        h = np.empty(theta.shape[2])
        gradient = np.empty((theta.shape[1], theta.shape[2]))
        for k in range(steps):
            _gradient(
                theta[p], w, u, x[p, k], e[p, k], gain[p, k], weight[p, k], target[p, k],
                activation, h, gradient,
            )  # fmt: skip
            if rule == SGD:
                _sgd_step(theta[p], first[p], gradient, rates[k], constants[0])
            else:
                _adam_step(
                    theta[p], first[p], second[p], gradient, rates[k],
                    constants[0], constants[1], constants[2], done + k + 1,
                )  # fmt: skip
