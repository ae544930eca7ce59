"""The true answer to every question of a case."""

from typing import Any

import numpy as np

from .arithmetic import doubles, exact
from .bounds import mismatch, prior
from .case import Case
from .comparison import Known, Learned, flat
from .flow import theta_at
from .infinite import InfiniteTruth
from .laws import Density, Domain, gaussians
from .model import CHECK, FINE, Truth
from .monotone import flow_divergences
from .transported import reverse_divergences

Answers = dict[str, list[Known]]


def answers(case: Case, names: dict[str, Any]) -> Answers:
    """Return what is true for every quantity of a case, one number a training time."""
    run = names["run"]
    if not case.facts.get("certified"):
        return _ANSWERS[case.kind](case, names, Truth(run, case.n_times))
    fine, check = (
        _ANSWERS[case.kind](case, names, Truth(run, case.n_times, order)) for order in (FINE, CHECK)
    )
    # The rule of fewer nodes says how well the finer one knows the integral over time.
    return {
        quantity: [_agreed(a, b) for a, b in zip(values, check[quantity], strict=True)]
        for quantity, values in fine.items()
    }


def _agreed(fine: Known, check: Known) -> Known:
    gap = 0.0 if fine.value == check.value else abs(fine.value - check.value)
    return Known(fine.value, fine.error + gap)


def _where(case: Case, run: Any) -> tuple[float, Domain]:
    """Return evaluation time and domain, in the data's units."""
    t = case.facts["t"]
    t = run.default_time if t is None else t
    domain = case.facts["domain"]
    if domain == "np.inf":
        return t, (-np.inf, np.inf)
    return t, run.default_domain(t) if domain is None else eval(domain)


def _divergences(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    t, domain = _where(case, names["run"])
    law = truth.density(case.facts["against"], t)
    out: Answers = {}
    learned = [Learned(truth.features, truth.theta(tau), t, law, domain) for tau in case.tau]
    for quantity in case.questions:
        if "loss" in quantity:
            out[quantity] = _loss_values(case, truth, "train")
            continue
        name = quantity.removeprefix("smooth ").removesuffix(" certified")
        out[quantity] = [density.known(name) for density in learned]
    return out


def _loss_values(case: Case, truth: Truth, kind: str) -> list[Known]:
    loss = truth.quadratic(kind)
    values = [float(loss(truth.theta(tau)).mid()) for tau in case.tau]
    return [Known(value, 2e-16 * abs(value)) for value in values]


def _losses(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    return {name: _loss_values(case, truth, name.split()[1]) for name in case.questions}


def _in_training(truth: Truth, domain: Domain) -> Domain:
    low, high = doubles(truth.in_training(domain))
    return float(low), float(high)


def _likelihoods(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    run = names["run"]
    t, domain = _where(case, run)
    domain = _in_training(truth, domain)
    log_scale = float(truth.units[1].log().mid())
    out: Answers = {quantity: [] for quantity in case.questions}
    points = {
        quantity: doubles(
            truth.in_training(run.data if "on train" in quantity else run.problem.held_out)
        )
        for quantity in case.questions
    }
    for tau in case.tau:
        around = flat(np.concatenate(list(points.values())))
        learned = Learned(truth.features, truth.theta(tau), t, around, domain)
        for quantity, u in points.items():
            mean = learned.mean_log(u)
            out[quantity].append(Known(log_scale - mean.value, mean.error))
    return out


def _units(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    run = names["run"]
    t, domain = _where(case, run)
    domain = _in_training(truth, domain)
    scale = float(truth.units[1].mid())
    points = doubles(truth.in_training(run.data[:3, 0]))
    law = _comparison_law(run, truth)
    out: Answers = {quantity: [] for quantity in case.questions}
    for tau in case.tau:
        theta = truth.theta(tau)
        learned = Learned(truth.features, theta, t, flat(points), domain)
        for point in points:
            found = learned.mean_log(np.array([point]))
            out["log density in units"].append(Known(found.value - np.log(scale), found.error))
        beside = Learned(truth.features, theta, t, law, domain)
        for name, factor in (("wasserstein-1", scale), ("kl", 1.0)):
            found = beside.known(name)
            out[f"{name} in units"].append(Known(factor * found.value, factor * found.error))
    out["test loss"] = _loss_values(case, truth, "test")
    return out


def _comparison_law(run: Any, truth: Truth) -> Density:
    """Return the normal law that a density of data is compared with, in units of training."""
    mean, std = float(run.data.mean()), 0.5 * float(run.data.std()) + 1e-300
    shift, scale = truth.units
    u = np.array([float(((exact(mean) - shift) / scale).mid())])
    return gaussians(np.ones(1), u, np.array([float((exact(std) / scale).mid())]))


def _bounds(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    run, t = names["run"], case.facts["t"]
    t = run.default_time if t is None else t
    empirical = [truth.theta(tau) for tau in case.tau]
    measure = mismatch(truth, t)
    if case.kind == "bound":
        return {
            "bound integral": [measure(theta) for theta in empirical],
            "bound prior": [prior(truth)],
        }
    loss = truth.quadratic("population")
    population = [theta_at(loss.gram, loss.cross, truth.theta0, tau) for tau in case.tau]
    limit = theta_at(loss.gram, loss.cross, truth.theta0, np.inf)
    return {
        "decomposition total": [measure(theta) for theta in empirical],
        "decomposition sample": [
            measure.difference(a, b) for a, b in zip(empirical, population, strict=True)
        ],
        "decomposition L(θ*)": [measure(limit)],
    }


def _transported(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    t, _ = _where(case, names["run"])
    law = truth.density(case.facts["against"], t)
    solve = reverse_divergences if case.kind == "reverse-sde" else flow_divergences
    out: Answers = {quantity: [] for quantity in case.questions}
    kinds = [quantity.split(" ", 1)[1] for quantity in case.questions]
    for tau in case.tau:
        found = solve(kinds, truth, truth.theta(tau), t, law)
        for quantity, kind in zip(case.questions, kinds, strict=True):
            out[quantity].append(found[kind])
    return out


def _infinite(case: Case, names: dict[str, Any], truth: Truth) -> Answers:
    facts = case.facts
    # The kernel's error covers its time rule, that of wide features does not.
    times = (48, 32) if facts["by_kernel"] else (facts["n_times"],) * 2
    limit = InfiniteTruth(truth, facts["law"], times)
    out: Answers = {}
    for quantity in case.questions:
        if "loss" in quantity:
            out[quantity] = [limit.loss(tau) for tau in case.tau]
        elif "score" in quantity:
            out[quantity] = [limit.score(*facts["point"], tau) for tau in case.tau]
        else:
            out[quantity] = limit.measured(names["run"].default_time, case.tau)
    return out


_ANSWERS = {
    "kl": _divergences,
    "kl certified": _divergences,
    "smooth": _divergences,
    "smooth certified": _divergences,
    "divergence": _divergences,
    "nll": _likelihoods,
    "nll certified": _likelihoods,
    "loss": _losses,
    "units": _units,
    "bound": _bounds,
    "decomposition": _bounds,
    "infinite width": _infinite,
    "reverse-sde": _transported,
    "probability-flow": _transported,
}
