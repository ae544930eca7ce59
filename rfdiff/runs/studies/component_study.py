"""What a learned law gives each component of its target along training: mass, loss, emergence."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from ...densities.learned_density import METHODS, Method
from ...diffusion.mixtures import GaussianMixture
from ...divergences.component_mass import component_masses
from ...support.errors import ArgumentError
from ...support.estimate import Estimate
from ...support.interval_estimate import IntervalEstimate
from ...support.validation import FloatArray, above, count, one_of
from ..densities import TrainedDensities
from .onset import in_words, onset

By = Method | Literal["samples"]

# Nominal coverage of emergence times by samples, whose errors are standard errors.
_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Components:
    """Masses and losses of the components of a target along training.

    Attributes:
        tau: training times (k,), ascending.
        weights: of the components, (K,).
        mass: M_k = ∫ p̂ ρ_k, the mass that the learned law gives each, (k, K).
        loss: denoising loss under each component alone, (k, K), which its weights add up to the
            population loss, in units of training.
        emergence: first τ at which the mass of each is within `factor` of its weight, (K,), though
            it may leave that again; +∞ if none is. Between training times it is interpolated,
            linearly in ln τ and ln M_k; its interval is what the errors of the masses leave, 95 %
            of samples.
        factor: above 1.
        method: of the learned density, or "samples".
        t: evaluation time.
    """

    tau: FloatArray
    weights: FloatArray
    mass: Estimate
    loss: Estimate
    emergence: IntervalEstimate
    factor: float
    method: str
    t: float

    def table(self) -> str:
        """Return a line for each training time: mass ± error and loss of every component."""
        heads = [f"  mass of {k} ({q:.3g})     loss" for k, q in enumerate(self.weights)]
        lines = ["      tau " + "".join(f"{head:>32}" for head in heads)]
        for tau, mass, error, loss in zip(
            self.tau, self.mass.value, self.mass.error, self.loss.value, strict=True
        ):
            parts = [
                f"{m:.5f} ± {e:.1e}  {value:9.4g}"
                for m, e, value in zip(mass, error, loss, strict=True)
            ]
            lines.append(f"{tau:9.3g} " + "".join(f"{part:>32}" for part in parts))
        emergence = (f"{k}: {in_words(self.emergence[k])}" for k in range(len(self.weights)))
        lines += ["", f"within a factor of {self.factor:g} of the weight from", *emergence]
        return "\n".join([*lines, f"by {self.method} at t = {self.t:g}"])


def components(
    run: TrainedDensities,
    tau: FloatArray,
    *,
    by: By | None,
    t: float,
    factor: float,
    n_samples: int,
    n_steps: int,
) -> Components:
    """Return what `TrainedStudies.components` says."""
    law, factor = run.target, above("factor", factor, 1.0)
    if not isinstance(law, GaussianMixture):
        raise ArgumentError("components need a target that is a Gaussian mixture")
    if by is None:
        by = "score-integral" if law.dimension == 1 else "samples"
    one_of("by", by, (*METHODS, "samples"))
    tau, n_samples = np.unique(tau), count("n_samples", n_samples, 2)
    marginal = law.diffuse(float(run.sde.scale(t)), float(run.sde.std(t)))
    if by == "samples":
        x = run.sample(n_samples, tau, t=t, n_steps=n_steps)
        mass = _mean_responsibilities(marginal, x)
    else:
        mass = component_masses(marginal, run.learned_density(tau, t=t, method=by))
    alone = [
        run.loss_under(GaussianMixture([1.0], law.means[k : k + 1], law.stds[k]), tau)
        for k in range(law.n_components)
    ]
    value, error = (
        np.stack([getattr(loss, name) for loss in alone], axis=-1) for name in ("value", "error")
    )
    return Components(
        tau=tau,
        weights=law.weights,
        mass=mass,
        loss=Estimate(value, error, alone[0].error_covers),
        emergence=_emergence(tau, mass, law.weights, factor, of_samples=by == "samples"),
        factor=factor,
        method=by,
        t=t,
    )


def _mean_responsibilities(law: GaussianMixture, x: FloatArray) -> Estimate:
    """Return the mean of ρ over samples (k, n) or (k, n, d), with a standard error: (k, K)."""
    shares = law.responsibilities(x)
    error = shares.std(1, ddof=1) / np.sqrt(shares.shape[1])
    return Estimate(shares.mean(1), error, "one standard error of the samples")


def _emergence(
    tau: FloatArray, mass: Estimate, weights: FloatArray, factor: float, *, of_samples: bool
) -> IntervalEstimate:
    """Return when masses (k, K) first come within a factor of the weights, (K,).

    They come from the side on which they begin, and no further than the band's near edge.
    """
    confidence = _CONFIDENCE if of_samples else 1.0
    error = mass.error * (ndtri(0.5 + 0.5 * confidence) if of_samples else 1.0)
    tiny = np.finfo(float).tiny

    def away(masses: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(masses, tiny) / weights)

    side = np.where(away(mass.value)[0] < 0.0, -1.0, 1.0)
    found = [
        onset(tau, (np.log(factor) - side * away(mass.value + shift * side * error)).T)
        for shift in (0.0, -1.0, 1.0)
    ]
    return IntervalEstimate(found[0], found[1], found[2], confidence)
