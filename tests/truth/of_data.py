"""Cases of data in units of their own: likelihoods, densities, distances, test losses."""

from .case import Case
from .drawing import Draw, asked, chance, pick, sizes, times


def points(rng: Draw, n: int) -> str:
    """Draw data in units of their own."""
    scale = float(f"{10.0 ** rng.uniform(-5, 5):.3g}")
    shift = float(f"{scale * rng.uniform(-40, 40):.3g}")
    draw = f"np.random.default_rng({int(rng.integers(1000))})"
    shape = pick(
        rng, f"{draw}.normal(size={n})", f"{draw}.normal(np.arange({n}) % 2 * 5.0)",
        f"{draw}.exponential(size={n})", f"{draw}.uniform(size={n})",
    )  # fmt: skip
    return f"{shift} + {scale} * {shape}"


def of_data(rng: Draw, kind: str, number: int, **budget: int) -> Case:
    """Return a case with data of unknown law in their own units."""
    arguments = {"tau": times(rng)}
    sizes(rng, arguments, **budget)
    n = int(arguments.pop("n")) + 5
    arguments["data"] = points(rng, n)
    arguments["held_out"] = str(pick(rng, 0.2, 0.4))
    if "features" in arguments and "RandomFeatures" in arguments["features"]:
        # Explicit features fix the units: data of their scale.
        seed = int(rng.integers(1000))
        arguments["data"] = f"np.random.default_rng({seed}).normal(size={n}) * 2.0"
    return Case(kind, number, arguments)


def data_options(rng: Draw, case: Case) -> str:
    """Draw t of a likelihood."""
    t = round(float(10.0 ** rng.uniform(-1.7, -0.5)), 5) if chance(rng, 0.5) else None
    case.facts.update(t=t, domain=None)
    return f"t={t}" if t else ""


def nll(kind: str, number: int, rng: Draw) -> Case:
    certified = kind == "nll certified"
    budget = {"widest": 12, "nodes": 1000} if certified else {"most": 40_000}
    case = of_data(rng, kind, number, **budget)
    options, last = data_options(rng, case), "certify=True" if certified else ""
    case.questions[kind] = asked("run.nll", options, last)
    case.questions[f"{kind} on train"] = asked("run.nll", options, "on='train'", last)
    case.facts["certified"] = certified
    return case


def units(kind: str, number: int, rng: Draw) -> Case:
    case = of_data(rng, kind, number, most=40_000)
    options = data_options(rng, case)
    case.facts["certified"] = False
    at = "run.data[:3, 0]"
    case.facts["points"] = at
    case.prepare = f"own = {asked('run.learned_density', options)}"
    case.questions["log density in units"] = (
        f"rfdiff.Estimate(own.log_density({at}), own.log_density_error({at}))"
    )
    law = "rfdiff.GaussianMixture([1.0], [run.data.mean()], 0.5 * run.data.std() + 1e-300)"
    case.questions["wasserstein-1 in units"] = f"rfdiff.wasserstein_distance({law}, own)"
    case.questions["kl in units"] = f"rfdiff.kl_divergence({law}, own)"
    case.questions["test loss"] = "run.loss('test')"
    return case
