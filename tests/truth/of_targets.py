"""Cases whose law is known: KL and other divergences, losses, the bound, smooth activations."""

from .case import Case
from .drawing import (
    Draw,
    asked,
    chance,
    evaluation,
    known,
    mixture,
    pick,
    sizes,
    times,
)


def kl(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "kl certified"
    case = known(rng, kind, number, **({"widest": 12, "nodes": 1000} if certified else {}))
    options = evaluation(rng, case)
    case.questions[kind] = asked("run.kl", options, "certify=True" if certified else "")
    case.facts["certified"] = certified
    return case


def loss(kind: str, number: int, rng: Draw) -> Case:
    case = known(rng, kind, number, most=20_000)
    case.questions["loss train"] = "run.loss()"
    if not case.facts["compact"]:
        case.questions["loss population"] = "run.loss('population')"
    return case


def smooth(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "smooth certified"
    arguments = {"tau": times(rng), "target": mixture(rng)}
    if chance(rng, 0.2):
        arguments["target"] = f"rfdiff.bimodal({pick(rng, 50.0, 200.0, 1000.0)})"
    if chance(rng, 0.4):
        arguments["population"] = "True"
    sizes(rng, arguments, widest=6)
    arguments["n_times"] = str(pick(rng, 8, 12, 16))
    if "n" in arguments:
        arguments["n"] = str(pick(rng, 1, 2, 3, 5))
    activation = repr(pick(rng, "swish", "erf", "tanh"))
    if "RandomFeatures" in arguments.get("features", ""):
        # The references' step in x goes with the steepest feature.
        drawn = arguments["features"].split("*", 1)[1]
        arguments["features"] = f"rfdiff.RandomFeatures(0.5 *{drawn[:-1]}, activation={activation})"
    else:
        arguments["activation"] = activation
    case = Case(kind, number, arguments, facts={"compact": False})
    options = evaluation(rng, case, line=False)
    if "domain" in options and "bimodal(" in arguments["target"]:
        case.facts["domain"] = None
        options = ", ".join(o for o in options.split(", ") if o.startswith(("t=", "against=")))
    case.facts["certified"] = certified
    if certified:
        case.questions["smooth kl certified"] = asked("run.kl", options, "certify=True")
        return case
    case.questions["smooth kl"] = asked("run.kl", options)
    if chance(rng, 0.5):
        other = pick(rng, "total-variation", "wasserstein-1", "jensen-shannon", "fisher")
        case.questions[f"smooth {other}"] = asked("run.divergence", repr(other), options)
    case.questions["smooth loss"] = "run.loss()"
    return case


def divergence(kind: str, number: int, rng: Draw) -> Case:
    case = known(rng, kind, number, most=20_000)
    options = evaluation(rng, case)
    names = ["reverse-kl", "jensen-shannon", "total-variation", "wasserstein-1", "wasserstein-2",
             "fisher"]  # fmt: skip
    if case.facts["compact"]:
        names = names[1:5]
    for name in rng.permutation(names)[:3]:
        case.questions[str(name)] = asked("run.divergence", repr(str(name)), options)
    case.facts["certified"] = False
    return case


def of_bound(kind: str, number: int, rng: Draw) -> Case:
    arguments = {"tau": times(rng), "target": mixture(rng)}
    sizes(rng, arguments, widest=12, most=20_000)
    t = round(float(10.0 ** rng.uniform(-1.9, -0.6)), 5) if chance(rng, 0.5) else None
    case = Case(kind, number, arguments, facts={"t": t, "certified": False})
    options = [f"t={t}"] if t else []
    if chance(rng, 0.4):
        options.append(f"n_times={pick(rng, 16, 32, 128)}")
    if kind == "bound":
        case.prepare = f"bound = {asked('run.bound', *options)}"
        case.questions = {"bound integral": "bound.integral", "bound prior": "bound.prior"}
        return case
    arguments.pop("theta0", None)
    features = arguments.get("features", "")
    if "RandomFeatures" in features:
        arguments["features"] = features[:-1] + ", law='gaussian')"
    options.append("wide=64")
    case.prepare = f"terms = {asked('run.decomposition', *options)}"
    case.questions = {
        "decomposition total": "terms.total",
        "decomposition sample": "terms.sample",
        "decomposition L(θ*)": "terms.finite_error",
    }
    return case
