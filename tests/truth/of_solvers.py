"""Cases of the reverse SDE and of infinite width, whose references are solvers."""

from .case import Case
from .drawing import Draw, asked, chance, number_text, pick, sizes, times


def infinite(kind: str, number: int, rng: Draw) -> Case:
    by_kernel = chance(rng, 0.4)
    law = "gaussian" if by_kernel else pick(rng, "l1", "torch", "gaussian")
    taus = sorted(10.0 ** rng.uniform(0.0, 6.0, 3))
    n_times = 16
    mu, std = pick(rng, 0.5, 1.0, 2.0, 3.0), pick(rng, 1.0, 0.6)
    arguments = {
        "tau": f"[{', '.join(number_text(x) for x in taus)}]",
        "target": f"rfdiff.bimodal({mu}, (0.5, 0.5), {std})",
        "population": "True",
        "m": "8",
        "n_times": str(n_times),
        "t_min": str(pick(rng, 1e-2, 3e-2)),
        "features": repr(law),
    }
    sde = pick(rng, None, None, "rfdiff.VESDE(10.0)", "rfdiff.VPSDE()", "rfdiff.VPSDE(4.0, 4.0)")
    arguments.update({"sde": sde} if sde else {})
    if chance(rng, 0.3):
        arguments["embedding"] = "'affine'"
    if chance(rng, 0.3):
        arguments["precondition"] = "True"
    if chance(rng, 0.3):
        arguments["weighting"] = pick(rng, "'likelihood'", "'inverse-norm'")
    case = Case(kind, number, arguments)
    point = [round(float(rng.uniform(-3.0, 3.0)), 2), round(float(rng.uniform(0.05, 0.9)), 2)]
    case.facts.update(
        law=law, certified=False, t=None, point=point, by_kernel=by_kernel, n_times=n_times
    )
    name = "kernel" if by_kernel else "features"
    module = f"rfdiff.training.infinite_width_{name}"
    objects = "run.problem.target, run.problem.objective, run.features.embedding"
    size = "" if by_kernel else f", m={pick(rng, 256, 512)}"
    case.prepare = (
        f"from {module} import infinite_width_by_{name} as limit; flow = limit({objects}, "
        f"features={law!r}, preconditioner=run.features.preconditioner{size})"
    )
    case.questions[f"infinite width loss by {name}"] = "flow.loss(run.tau)"
    case.questions[f"infinite width score by {name}"] = (
        f"flow.score({point[0]}, {point[1]}, run.tau)"
    )
    if not by_kernel and chance(rng, 0.5):
        case.questions["decomposition infinite"] = "run.decomposition(wide=256).infinite"
    return case


def transported(kind: str, number: int, rng: Draw) -> Case:
    # Beyond τ of 10⁸ wild scores ask for a solver of their own; of the probability flow, whose map
    # from t to T folds peaks of the density into less than the floats tell apart, beyond 10⁴.
    latest = 8.0 if kind == "reverse-sde" else 4.0
    arguments = {"tau": times(rng, 2, latest).replace("np.inf", f"1e{latest:.0f}")}
    mu, std = pick(rng, 0.5, 1.0, 2.0, 3.0), pick(rng, 1.0, 0.6)
    arguments["target"] = f"rfdiff.bimodal({mu}, (0.5, 0.5), {std})"
    sizes(rng, arguments, widest=16, most=20_000)
    t = round(float(10.0 ** rng.uniform(-1.7, -0.6)), 5) if chance(rng, 0.5) else None
    against = pick(rng, "p0", "pt")
    case = Case(kind, number, arguments)
    case.facts.update(t=t, against=against, domain="np.inf", certified=False)
    options = [f"method={kind!r}", f"against={against!r}", f"t={t}" if t else ""]
    names = ["total-variation", "jensen-shannon", "wasserstein-1"]
    for name in ("kl", names[int(rng.integers(3))]):
        case.questions[f"{kind} {name}"] = asked("run.divergence", repr(name), *options)
    return case
