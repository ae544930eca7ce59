"""The flow mode by mode: emergence times, the spectrum's decay, and the loss curve they predict.

Mode i of G, eigenvalue λ_i, relaxes as e^{−2λ_iτ}: it emerges at τ_i = 1/(2λ_i). From θ₀ = 0 the
excess training loss is L(τ) − L(∞) = Σ_i (c_i²/λ_i) e^{−4λ_iτ}, c = CV. With λ_k ~ k^{−α} and
c_k²/λ_k ~ k^{−β}, β > 1, the sum is cut off at k ~ τ^{1/α}, so L(τ) − L(∞) ~ τ^{−(β−1)/α}.

The loss of the population falls along the empirical flow at the rate 4 Σ_i g_i ĝ_i, g and ĝ the
halved gradients of the two losses along mode i of the sample's Gram matrix. A mode fits the data's
own noise while g_i ĝ_i < 0: it still lowers the training loss and raises the population's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..loss.quadratic import QuadraticLoss
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, training_times
from ..training.early_stopping import early_stopping
from ..training.gradient_flow import GradientFlow
from .power_laws.exponents import PowerLaw, fit_power_law


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The modes of a flow from θ₀ = 0, largest eigenvalue first.

    Attributes:
        eigenvalues: λ_k of the modes above the rank tolerance, descending.
        energies: c_k²/λ_k, what fitting mode k removes of the training loss.
        decay: fitted λ_k ~ k^{−α}; `exponent` is −α.
        energy_decay: fitted tail sums Σ_{j≥k} c_j²/λ_j ~ (k − ½)^{−(β−1)}, as the integral from
            k − ½ has it; `exponent` is −(β − 1).
    """

    eigenvalues: FloatArray
    energies: FloatArray
    decay: PowerLaw
    energy_decay: PowerLaw

    @property
    def emergence_times(self) -> FloatArray:
        """τ_k = 1/(2λ_k), when mode k emerges."""
        return 0.5 / self.eigenvalues

    @property
    def loss_exponent(self) -> float:
        """Predicted slope −(β − 1)/α of log(L(τ) − L(∞)) against log τ."""
        return -self.energy_decay.exponent / self.decay.exponent

    def excess_loss(self, tau: ArrayLike) -> FloatArray:
        """Return L(τ) − L(∞) = Σ_k (c_k²/λ_k) e^{−4λ_kτ}, of the shape of τ."""
        tau = training_times("tau", tau)
        return np.exp(-2.0 * mode_ages(tau, self.eigenvalues)) @ self.energies


def mode_ages(tau: FloatArray, eigenvalues: FloatArray) -> FloatArray:
    """Return 2λτ, the training time in units of each mode's own, shape τ.shape + (m,).

    No more than 1e300, so that twice it is a float: there 1/(1 + 2λτ) is as good as 0, and
    e^{−2λτ} is.

    Args:
        tau: training times, shape (…).
        eigenvalues: λ ≥ 0, shape (m,), above 0 if a τ is ∞.

    >>> mode_ages(np.array([0.25, 1e308]), np.array([0.0, 2.0])).tolist()
    [[0.0, 1.0], [0.0, 1e+300]]
    """
    with np.errstate(over="ignore"):
        return np.minimum(2.0 * (tau[..., None] * eigenvalues), 1e300)


def spectrum(flow: GradientFlow, window: tuple[float, float] | None = None) -> Spectrum:
    """Return the modes of a flow and the fitted decay of its spectrum.

    Args:
        flow: a flow from θ₀ = 0 in one dimension.
        window: range of k for both fits; by default from 3 to the rank of the matrix, thinned to
            equal steps in log k: the first modes are the constant and the linear function.

    >>> import rfdiff
    >>> run = rfdiff.train_exact(tau=1.0, n=200, m=128)
    >>> modes = spectrum(run.flow)
    >>> excess = run.flow.loss([1e3, 1e4]) - run.flow.loss(np.inf)
    >>> bool(np.allclose(modes.excess_loss([1e3, 1e4]), excess, rtol=1e-4))
    True
    """
    if np.any(flow.theta0) or len(flow.theta0) != 1:
        raise ArgumentError("the spectrum's predictions need theta0 = 0 in one dimension")
    kept = flow.modes.learned
    eigenvalues, energies = flow.eigenvalues[kept][::-1], flow.modes.excess[kept][::-1]
    if len(eigenvalues) < 6:
        raise ArgumentError(f"a spectrum's decay needs at least 6 modes, got {len(eigenvalues)}")
    tails = np.cumsum(energies[::-1])[::-1]
    first, last = (3.0, float(len(eigenvalues))) if window is None else window
    k = np.unique(np.geomspace(max(first, 1.0), min(last, len(eigenvalues)), 24).astype(int))
    if len(k) < 3:
        raise ArgumentError(f"window must hold at least 3 modes, got ({first:g}, {last:g})")
    decay, energy_decay = (
        fit_power_law(at, values[k - 1], window=(at[0], at[-1]))
        for at, values in ((k.astype(float), eigenvalues), (k - 0.5, tails))
    )
    return Spectrum(eigenvalues, energies, decay, energy_decay)


@dataclass(frozen=True, eq=False)
class GapOnset:
    """When the sample's modes begin to fit the data's own noise.

    Attributes:
        gap: τ at which the share of the sampling gap in the population loss's excess passes the
            threshold; infinite if never.
        population: τ within the grid at which the population loss is lowest, its first rise.
        modes: for each mode of the sample, eigenvalues descending, the first τ from which it
            lowers the training loss while raising the population's; infinite if never.
    """

    gap: float
    population: float
    modes: FloatArray


def gap_onset(
    flow: GradientFlow,
    population: QuadraticLoss,
    tau: ArrayLike,
    threshold: float = 0.1,
) -> GapOnset:
    """Return when, mode by mode, training on the sample turns against the population.

    Args:
        flow: of the sample.
        population: the population's loss, same features.
        tau: increasing grid of training times, shape (k,), k ≥ 3.
        threshold: share of L(θ̂(τ)) − L(θ(τ)) in L(θ̂(τ)) − min L that counts as the onset.
    """
    grid = training_times("tau", tau)
    if grid.ndim != 1 or len(grid) < 3 or (np.diff(grid) <= 0).any():
        raise ArgumentError("tau must be an increasing grid of at least 3 training times")
    theta = flow.theta(grid)
    ideal = GradientFlow(population, flow.theta0)
    # Differences of losses, not losses: nothing cancels near the minimum.
    best = ideal.theta(np.inf)

    def excess_loss(tau: FloatArray) -> Estimate:
        return Estimate(population.difference(flow.theta(tau), best))

    gap, excess = population.difference(theta, ideal.theta(grid)), excess_loss(grid).value
    share = np.divide(gap, excess, out=np.zeros_like(excess), where=excess > 0)
    towards = flow.in_modes(population.gradient(theta))
    moving = flow.in_modes(flow.quadratic.gradient(theta))
    against = (towards * moving).sum(axis=-2) < 0
    # Once its own gradient is at rounding level a mode has stopped, and its sign means nothing.
    alive = np.abs(moving).max(axis=-2) > 1e-12 * np.abs(moving).max()
    turned = against & alive
    first = np.argmax(turned, axis=0)
    modes = np.where(turned.any(axis=0), grid[first], np.inf)[::-1]
    passed = np.flatnonzero(share > threshold)
    return GapOnset(
        float(grid[passed[0]]) if len(passed) else np.inf,
        early_stopping(excess_loss, grid, "population loss").tau,
        modes,
    )
