"""Where learned densities are looked at by default: the evaluation time and the domain."""

import numpy as np

from ..diffusion.law_on_domain import Domain
from ..diffusion.mixtures import GaussianMixture
from ..diffusion.targets import CompactTarget
from ..training.setup import TrainingProblem

# The paper's evaluation time of densities: σ_t = 0.284 for VE-25.
EVALUATION_TIME = 0.065
# Width of the default domain, in standard deviations of the outermost modes.
_DOMAIN_WIDTHS = 7.0


def default_time(problem: TrainingProblem) -> float:
    """Return the evaluation time of a problem's densities: see `TrainedFlow.default_time`."""
    sde, rule = problem.objective.sde, problem.objective.rule
    if problem.target is not None or problem.data is None:
        return min(max(EVALUATION_TIME, rule.t_min), rule.t_max)
    u = problem.units.to_training(problem.data)
    low, high = np.quantile(u, [0.25, 0.75])
    spread = min(u.std(), (high - low) / 1.34) or u.std() or 1.0
    return sde.time_of_std(0.45 * spread * len(u) ** (-1.0 / (4.0 + u.shape[1])), rule.t_min)


def default_domain(problem: TrainingProblem, t: float) -> Domain:
    """Return the domain of a problem's densities at t: see `TrainedFlow.default_domain`."""
    target = problem.target
    if isinstance(target, GaussianMixture) and (target.stds > 0).all():
        return target.domain(_DOMAIN_WIDTHS)
    if isinstance(target, CompactTarget):
        return target.support
    known = [points for points in (problem.data, problem.held_out) if points is not None]
    centres = target.means if target is not None else np.concatenate(known)
    reach = float(problem.units.length_to_own(_DOMAIN_WIDTHS * float(problem.objective.sde.std(t))))
    return float(centres.min() - reach), float(centres.max() + reach)
