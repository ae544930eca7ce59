"""Random cases: a call of `train_exact` and questions to its run, as text that anyone can run.

A case is a kind and a number, which are the seed of its draws; `Case.call` is what it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

Draw = np.random.Generator


@dataclass
class Case:
    """A run and what is asked of it.

    Attributes:
        kind: name of the kind.
        number: seed of the draws.
        arguments: of `train_exact`, as source text.
        prepare: a statement before the questions, or "".
        questions: quantity → expression for an estimate.
        facts: what the references need to know beyond the run.
    """

    kind: str
    number: int
    arguments: dict[str, str]
    questions: dict[str, str] = field(default_factory=dict)
    prepare: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """The source of the run."""
        spelled = ", ".join(f"{name}={text}" for name, text in self.arguments.items())
        lines = [f"run = rfdiff.train_exact({spelled})", self.prepare, *self.questions.values()]
        return "\n".join(line for line in lines if line)

    @property
    def tau(self) -> list[float]:
        """The training times."""
        return list(np.ravel(eval(self.arguments["tau"], {"np": np})))

    @property
    def n_times(self) -> int:
        """Nodes of the run's time rule."""
        return int(self.arguments.get("n_times", "128"))

    def namespace(self) -> dict[str, Any]:
        """Train; return the names the questions are asked in."""
        import rfdiff

        names: dict[str, Any] = {"np": np, "rfdiff": rfdiff}
        first, *rest = self.call.splitlines()
        exec(first, names)
        if self.prepare:
            exec(rest[0], names)
        return names


def random_case(kind: str, number: int) -> Case:
    """Return the case of this kind and number."""
    rng = np.random.default_rng([number, crc32(kind.encode())])
    return KINDS[kind](kind, number, rng)


def _pick(rng: Draw, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _chance(rng: Draw, share: float) -> bool:
    return bool(rng.random() < share)


def _number(x: float) -> str:
    return "np.inf" if np.isinf(x) else f"{x:.6g}"


def _times(rng: Draw, count: int = 3, latest: float = 12.0) -> str:
    """Draw training times: most log-uniform, some 0 and some ∞."""
    times = [10.0 ** rng.uniform(-1.0, latest) for _ in range(count - 1)]
    last = rng.random()
    times.append(0.0 if last < 0.05 else np.inf if last < 0.4 else 10.0 ** rng.uniform(3, latest))
    return f"[{', '.join(_number(x) for x in sorted(times))}]"


def _mixture(rng: Draw) -> str:
    which = rng.random()
    if which < 0.7:
        mu = _pick(rng, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 5.0, 8.0, 15.0, 30.0)
        q = _pick(rng, 0.5, 0.5, 0.5, 0.3, 0.1, 0.9)
        std = _pick(rng, 1.0, 1.0, 1.0, 0.3, 0.6, 2.0)
        return f"rfdiff.bimodal({mu}, ({q}, {round(1 - q, 6)}), {std})"
    means = np.round(rng.uniform(-6, 6, 3), 3).tolist()
    stds = np.round(rng.uniform(0.25, 2.0, 3), 3).tolist()
    return f"rfdiff.GaussianMixture([0.5, 0.3, 0.2], {means}, {stds})"


def _compact(rng: Draw) -> str:
    half = round(float(rng.uniform(1.0, 5.0)), 2)
    centre = round(float(rng.uniform(-2.0, 2.0)), 2)
    return str(_pick(
        rng, f"rfdiff.raised_cosine({centre}, {half})", f"rfdiff.smooth_bump({centre}, {half})",
        f"rfdiff.beta({round(float(rng.uniform(2, 5)), 2)}, 3.0, ({-half}, {half}))",
    ))  # fmt: skip


def _sde(rng: Draw) -> str | None:
    which = rng.random()
    if which < 0.4:
        return None
    if which < 0.55:
        return f"rfdiff.VESDE({round(float(rng.uniform(3, 50)), 2)}, T={_pick(rng, 1.0, 0.5, 2.0)})"
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
    gain = _pick(rng, 0.3, 1.0, 3.0)
    draw = f"np.random.default_rng({seed})"
    return (
        f"rfdiff.RandomFeatures({gain} * {draw}.normal(size={m}), {draw}.uniform(-2, 2, ({m}, 2)), "
    )


def _model(rng: Draw, arguments: dict[str, str], m: int) -> None:
    """Draw features, embedding, process and weighting into the arguments."""
    sde = _sde(rng)
    if sde:
        arguments["sde"] = sde
    law = _pick(rng, "l1", "l1", "gaussian", "torch", "explicit")
    if law == "explicit":
        ve = sde or "rfdiff.VESDE()"
        embedding = _pick(rng, "rfdiff.AffineEmbedding()", f"rfdiff.LogSigmaEmbedding({ve})")
        arguments["features"] = _explicit(rng, m) + f"{embedding})"
    else:
        arguments["m"] = str(m)
        if law != "l1":
            arguments["features"] = repr(law)
        embedding = _pick(rng, "log-sigma", "log-sigma", "affine", "fourier")
        if embedding != "log-sigma":
            arguments["embedding"] = repr(embedding)
        if _chance(rng, 0.25):
            arguments["precondition"] = "True"
    weighting = _pick(rng, "variance", "variance", "inverse-norm", "likelihood")
    if weighting != "variance":
        arguments["weighting"] = repr(weighting)
    if _chance(rng, 0.15):
        arguments["t_min"] = str(_pick(rng, 1e-4, 1e-2, 3e-3))
    arguments["seed"] = str(int(rng.integers(100_000)))
    if _chance(rng, 0.15):
        arguments["theta0"] = "'gaussian'"
    elif _chance(rng, 0.1):
        arguments["theta0"] = f"np.random.default_rng({int(rng.integers(99))}).normal(size={m})"


# Kink × component × time evaluations that a reference may take.
_MOST = 60_000


def _sizes(rng: Draw, arguments: dict[str, str], widest: int = 24, most: int = _MOST) -> None:
    """Draw m, n and the time rule within the budget of a reference."""
    m = int(_pick(rng, *(k for k in (4, 6, 8, 12, 16, 24) if k <= widest)))
    if widest >= 24 and _chance(rng, 0.03):
        m = 64
    _model(rng, arguments, m)
    n_times = int(_pick(rng, 16, 32, 32, 64, 128, 128))
    if n_times != 128:
        arguments["n_times"] = str(n_times)
    choices = [n for n in (1, 2, 3, 5, 10, 20, 50, 100, 300) if n * m * n_times <= most]
    if "population" not in arguments:
        arguments["n"] = str(_pick(rng, *(choices or [1])))


def _known(rng: Draw, kind: str, number: int, **sizes: int) -> Case:
    """Return a case with a known target."""
    arguments = {"tau": _times(rng)}
    compact = _chance(rng, 0.15)
    arguments["target"] = _compact(rng) if compact else _mixture(rng)
    if _chance(rng, 0.25) and not compact:
        arguments["population"] = "True"
    _sizes(rng, arguments, **sizes)
    if "population" not in arguments and _chance(rng, 0.1) and kind != "kl certified":
        arguments["n"] = str(min(int(arguments["n"]), 10))
        arguments["noise_samples"] = str(_pick(rng, 1, 2, 4))
    return Case(kind, number, arguments, facts={"compact": compact})


def _evaluation(rng: Draw, case: Case, *, line: bool = True) -> str:
    """Draw against, t and domain of a divergence; return them as keyword text."""
    options = {}
    against, t, domain = "p0", None, None
    if _chance(rng, 0.25) and not case.facts.get("compact"):
        against = options["against"] = "pt"
    if _chance(rng, 0.4):
        t = round(float(10.0 ** rng.uniform(-1.9, -0.6)), 5)
        options["t"] = str(t)
    which = rng.random()
    if which < 0.12 and line:
        domain = "np.inf"
    elif which < 0.35 and not case.facts.get("compact"):
        domain = f"({-_pick(rng, 150, 45, 80)}, {_pick(rng, 150, 45, 80)})"
    if domain:
        options["domain"] = domain
    case.facts.update(against=against, t=t, domain=domain)
    return ", ".join(
        f"{name}={text!r}" if name == "against" else f"{name}={text}"
        for name, text in options.items()
    )


def _asked(question: str, *options: str) -> str:
    return f"{question}({', '.join(o for o in options if o)})"


def _kl(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "kl certified"
    case = _known(rng, kind, number, **({"widest": 12, "most": 12_000} if certified else {}))
    options = _evaluation(rng, case)
    case.questions[kind] = _asked("run.kl", options, "certify=True" if certified else "")
    case.facts["certified"] = certified
    return case


def _loss(kind: str, number: int, rng: Draw) -> Case:
    case = _known(rng, kind, number, most=20_000)
    case.questions["loss train"] = "run.loss()"
    if not case.facts["compact"]:
        case.questions["loss population"] = "run.loss('population')"
    return case


def _points(rng: Draw, n: int) -> str:
    """Draw data in units of their own."""
    scale = float(f"{10.0 ** rng.uniform(-5, 5):.3g}")
    shift = float(f"{scale * rng.uniform(-40, 40):.3g}")
    draw = f"np.random.default_rng({int(rng.integers(1000))})"
    shape = _pick(
        rng, f"{draw}.normal(size={n})", f"{draw}.normal(np.arange({n}) % 2 * 5.0)",
        f"{draw}.exponential(size={n})", f"{draw}.uniform(size={n})",
    )  # fmt: skip
    return f"{shift} + {scale} * {shape}"


def _of_data(rng: Draw, kind: str, number: int, **sizes: int) -> Case:
    """Return a case with data of unknown law in their own units."""
    arguments = {"tau": _times(rng)}
    _sizes(rng, arguments, **sizes)
    n = int(arguments.pop("n")) + 5
    arguments["data"] = _points(rng, n)
    arguments["held_out"] = str(_pick(rng, 0.2, 0.4))
    if "features" in arguments and "RandomFeatures" in arguments["features"]:
        # Explicit features fix the units: data of their scale.
        seed = int(rng.integers(1000))
        arguments["data"] = f"np.random.default_rng({seed}).normal(size={n}) * 2.0"
    return Case(kind, number, arguments)


def _data_options(rng: Draw, case: Case) -> str:
    """Draw t of a likelihood."""
    t = round(float(10.0 ** rng.uniform(-1.7, -0.5)), 5) if _chance(rng, 0.5) else None
    case.facts.update(t=t, domain=None)
    return f"t={t}" if t else ""


def _nll(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "nll certified"
    sizes = {"widest": 12, "most": 12_000} if certified else {"most": 40_000}
    case = _of_data(rng, kind, number, **sizes)
    options, last = _data_options(rng, case), "certify=True" if certified else ""
    case.questions[kind] = _asked("run.nll", options, last)
    case.questions[f"{kind} on train"] = _asked("run.nll", options, "on='train'", last)
    case.facts["certified"] = certified
    return case


def _units(kind: str, number: int, rng: Draw) -> Case:
    case = _of_data(rng, kind, number, most=40_000)
    options = _data_options(rng, case)
    case.facts["certified"] = False
    at = "run.data[:3, 0]"
    case.facts["points"] = at
    case.prepare = (
        "from rfdiff.densities.in_units import DensityInUnits; own = DensityInUnits("
        f"{_asked('run.learned_density', options)}, "
        "run.problem.units)"
    )
    case.questions["log density in units"] = (
        f"rfdiff.Estimate(own.log_density({at}), own.log_density_error({at}))"
    )
    law = "rfdiff.GaussianMixture([1.0], [run.data.mean()], 0.5 * run.data.std() + 1e-300)"
    case.questions["wasserstein-1 in units"] = f"rfdiff.wasserstein_distance({law}, own)"
    case.questions["kl in units"] = f"rfdiff.kl_divergence({law}, own)"
    case.questions["test loss"] = "run.loss('test')"
    return case


def _smooth(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "smooth certified"
    arguments = {"tau": _times(rng), "target": _mixture(rng)}
    if _chance(rng, 0.2):
        arguments["target"] = f"rfdiff.bimodal({_pick(rng, 50.0, 200.0, 1000.0)})"
    if _chance(rng, 0.4):
        arguments["population"] = "True"
    _sizes(rng, arguments, widest=8)
    arguments["n_times"] = str(_pick(rng, 8, 12, 16))
    if "n" in arguments:
        arguments["n"] = str(_pick(rng, 1, 2, 5, 10))
    activation = repr(_pick(rng, "swish", "erf", "tanh"))
    if "RandomFeatures" in arguments.get("features", ""):
        arguments["features"] = arguments["features"][:-1] + f", activation={activation})"
    else:
        arguments["activation"] = activation
    case = Case(kind, number, arguments, facts={"compact": False})
    options = _evaluation(rng, case, line=False)
    if "domain" in options and "bimodal(" in arguments["target"]:
        case.facts["domain"] = None
        options = ", ".join(o for o in options.split(", ") if o.startswith(("t=", "against=")))
    case.facts["certified"] = certified
    if certified:
        case.questions["smooth kl certified"] = _asked("run.kl", options, "certify=True")
        return case
    case.questions["smooth kl"] = _asked("run.kl", options)
    if _chance(rng, 0.5):
        other = _pick(rng, "total-variation", "wasserstein-1", "jensen-shannon", "fisher")
        case.questions[f"smooth {other}"] = _asked("run.divergence", repr(other), options)
    case.questions["smooth loss"] = "run.loss()"
    return case


def _divergence(kind: str, number: int, rng: Draw) -> Case:
    case = _known(rng, kind, number, most=20_000)
    options = _evaluation(rng, case)
    names = ["reverse-kl", "jensen-shannon", "total-variation", "wasserstein-1", "wasserstein-2",
             "fisher"]  # fmt: skip
    if case.facts["compact"]:
        names = names[1:5]
    for name in rng.permutation(names)[:3]:
        case.questions[str(name)] = _asked("run.divergence", repr(str(name)), options)
    case.facts["certified"] = False
    return case


def _of_bound(kind: str, number: int, rng: Draw) -> Case:
    arguments = {"tau": _times(rng), "target": _mixture(rng)}
    _sizes(rng, arguments, widest=12, most=12_000)
    t = round(float(10.0 ** rng.uniform(-1.9, -0.6)), 5) if _chance(rng, 0.5) else None
    case = Case(kind, number, arguments, facts={"t": t, "certified": False})
    options = [f"t={t}"] if t else []
    if _chance(rng, 0.4):
        options.append(f"n_times={_pick(rng, 16, 32, 128)}")
    if kind == "bound":
        case.prepare = f"bound = {_asked('run.bound', *options)}"
        case.questions = {"bound integral": "bound.integral", "bound prior": "bound.prior"}
        return case
    arguments.pop("theta0", None)
    features = arguments.get("features", "")
    if "RandomFeatures" in features:
        arguments["features"] = features[:-1] + ", law='gaussian')"
    options.append("wide=64")
    case.prepare = f"terms = {_asked('run.decomposition', *options)}"
    case.questions = {
        "decomposition total": "terms.total",
        "decomposition sample": "terms.sample",
        "decomposition L(θ*)": "terms.finite_error",
    }
    return case


KINDS: dict[str, Callable[[str, int, Draw], Case]] = {
    "kl": _kl,
    "kl certified": _kl,
    "nll": _nll,
    "nll certified": _nll,
    "loss": _loss,
    "smooth": _smooth,
    "smooth certified": _smooth,
    "units": _units,
    "divergence": _divergence,
    "bound": _of_bound,
    "decomposition": _of_bound,
}
# How many cases of each kind make a whole check.
SHARES = {
    "kl": 260, "kl certified": 160, "nll": 90, "nll certified": 60, "loss": 80, "smooth": 80,
    "smooth certified": 30, "units": 60, "divergence": 100, "bound": 50, "decomposition": 30,
}  # fmt: skip
