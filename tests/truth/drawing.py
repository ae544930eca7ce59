"""What cases are drawn from: targets, processes, features, sizes within a reference's budget."""

from typing import Any

import numpy as np

from .case import Case

Draw = np.random.Generator


def pick(rng: Draw, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def chance(rng: Draw, share: float) -> bool:
    return bool(rng.random() < share)


def number_text(x: float) -> str:
    return "np.inf" if np.isinf(x) else f"{x:.6g}"


def times(rng: Draw, count: int = 3, latest: float = 12.0) -> str:
    """Draw training times: most log-uniform, some 0 and some ∞."""
    times = [10.0 ** rng.uniform(-1.0, latest) for _ in range(count - 1)]
    last = rng.random()
    times.append(0.0 if last < 0.05 else np.inf if last < 0.4 else 10.0 ** rng.uniform(3, latest))
    return f"[{', '.join(number_text(x) for x in sorted(times))}]"


def mixture(rng: Draw) -> str:
    which = rng.random()
    if which < 0.7:
        mu = pick(rng, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 5.0, 8.0, 15.0, 30.0)
        q = pick(rng, 0.5, 0.5, 0.5, 0.3, 0.1, 0.9)
        std = pick(rng, 1.0, 1.0, 1.0, 0.3, 0.6, 2.0)
        return f"rfdiff.bimodal({mu}, ({q}, {round(1 - q, 6)}), {std})"
    means = np.round(rng.uniform(-6, 6, 3), 3).tolist()
    stds = np.round(rng.uniform(0.25, 2.0, 3), 3).tolist()
    return f"rfdiff.GaussianMixture([0.5, 0.3, 0.2], {means}, {stds})"


def compact(rng: Draw) -> str:
    half = round(float(rng.uniform(1.0, 5.0)), 2)
    centre = round(float(rng.uniform(-2.0, 2.0)), 2)
    return str(pick(
        rng, f"rfdiff.raised_cosine({centre}, {half})", f"rfdiff.smooth_bump({centre}, {half})",
        f"rfdiff.beta({round(float(rng.uniform(2, 5)), 2)}, 3.0, ({-half}, {half}))",
    ))  # fmt: skip


def _sde(rng: Draw) -> str | None:
    which = rng.random()
    if which < 0.4:
        return None
    if which < 0.55:
        return f"rfdiff.VESDE({round(float(rng.uniform(3, 50)), 2)}, T={pick(rng, 1.0, 0.5, 2.0)})"
    if which < 0.7:
        return "rfdiff.VPSDE()"
    if which < 0.8:
        beta = round(float(rng.uniform(1, 8)), 2)
        return f"rfdiff.VPSDE({beta}, {beta})"
    if which < 0.9:
        return "rfdiff.SubVPSDE()"
    return f"rfdiff.SubVPSDE(0.2, {round(float(rng.uniform(5, 30)), 1)})"


def _explicit(rng: Draw, m: int) -> str:
    seed = int(rng.integers(1000))
    gain = pick(rng, 0.3, 1.0, 3.0)
    draw = f"np.random.default_rng({seed})"
    return (
        f"rfdiff.RandomFeatures({gain} * {draw}.normal(size={m}), {draw}.uniform(-2, 2, ({m}, 2)), "
    )


def _model(rng: Draw, arguments: dict[str, str], m: int) -> None:
    """Draw features, embedding, process and weighting into the arguments."""
    sde = _sde(rng)
    if sde:
        arguments["sde"] = sde
    law = pick(rng, "l1", "l1", "gaussian", "torch", "explicit")
    if law == "explicit":
        ve = sde or "rfdiff.VESDE()"
        embedding = pick(rng, "rfdiff.AffineEmbedding()", f"rfdiff.LogSigmaEmbedding({ve})")
        arguments["features"] = _explicit(rng, m) + f"{embedding})"
    else:
        arguments["m"] = str(m)
        if law != "l1":
            arguments["features"] = repr(law)
        embedding = pick(rng, "log-sigma", "log-sigma", "affine", "fourier")
        if embedding != "log-sigma":
            arguments["embedding"] = repr(embedding)
        if chance(rng, 0.25):
            arguments["precondition"] = "True"
    weighting = pick(rng, "variance", "variance", "inverse-norm", "likelihood")
    if weighting != "variance":
        arguments["weighting"] = repr(weighting)
    if chance(rng, 0.15):
        arguments["t_min"] = str(pick(rng, 1e-4, 1e-2, 3e-3))
    arguments["seed"] = str(int(rng.integers(100_000)))
    if chance(rng, 0.15):
        arguments["theta0"] = "'gaussian'"
    elif chance(rng, 0.1):
        arguments["theta0"] = f"np.random.default_rng({int(rng.integers(99))}).normal(size={m})"


# Kink × component × time evaluations that a reference may take.
_MOST = 60_000


def sizes(
    rng: Draw, arguments: dict[str, str], widest: int = 24, most: int = _MOST, nodes: int = 0
) -> None:
    """Draw m, n and the time rule within the budget of a reference."""
    m = int(pick(rng, *(k for k in (4, 6, 8, 12, 16, 24) if k <= widest)))
    if widest >= 24 and chance(rng, 0.03):
        m = 64
    _model(rng, arguments, m)
    n_times = int(pick(rng, 16, 32, 32, 64, 128, 128))
    if n_times != 128:
        arguments["n_times"] = str(n_times)
    choices = [n for n in (1, 2, 3, 5, 10, 20, 50, 100, 300) if n * m * (nodes or n_times) <= most]
    if "population" not in arguments:
        arguments["n"] = str(pick(rng, *(choices or [1])))


def known(rng: Draw, kind: str, number: int, **budget: int) -> Case:
    """Return a case with a known target."""
    arguments = {"tau": times(rng)}
    bounded = chance(rng, 0.15)
    arguments["target"] = compact(rng) if bounded else mixture(rng)
    if chance(rng, 0.25) and not bounded:
        arguments["population"] = "True"
    sizes(rng, arguments, **budget)
    if "population" not in arguments and chance(rng, 0.1):
        arguments["n"] = str(min(int(arguments["n"]), 10 if kind != "kl certified" else 3))
        arguments["noise_samples"] = str(pick(rng, 1, 2, 4))
    return Case(kind, number, arguments, facts={"compact": bounded})


def evaluation(rng: Draw, case: Case, *, line: bool = True) -> str:
    """Draw against, t and domain of a divergence; return them as keyword text."""
    options = {}
    against, t, domain = "p0", None, None
    if chance(rng, 0.25) and not case.facts.get("compact"):
        against = options["against"] = "pt"
    if chance(rng, 0.4):
        t = round(float(10.0 ** rng.uniform(-1.9, -0.6)), 5)
        options["t"] = str(t)
    which = rng.random()
    if which < 0.12 and line:
        domain = "np.inf"
    elif which < 0.35 and not case.facts.get("compact"):
        domain = f"({-pick(rng, 150, 45, 80)}, {pick(rng, 150, 45, 80)})"
    if domain:
        options["domain"] = domain
    case.facts.update(against=against, t=t, domain=domain)
    return ", ".join(
        f"{name}={text!r}" if name == "against" else f"{name}={text}"
        for name, text in options.items()
    )


def asked(question: str, *options: str) -> str:
    return f"{question}({', '.join(o for o in options if o)})"
