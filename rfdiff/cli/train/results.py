"""What `rfdiff train` measures, as text and as plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.kde_baseline import kde_nll
from ...runs.trained_flow import Loss, TrainedFlow
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ...training.early_stopping import EarlyStopping
from ..output import spread, table, wrap

_SHOWN = 11
# In words, what `TrainedFlow.baselines` names.
_UNTRAINED = {
    "gaussian": "the Gaussian with the data's mean and covariance",
    "empirical": "the training points' own mixture",
}


@dataclass(frozen=True)
class TrainResults:
    """Curves along the training times of a run.

    Attributes:
        law: what was learned, in words.
        run: the run.
        density: choices t, domain and method of the learned density.
        tau: training times (n_tau,).
        losses: "train" and, where they exist, "population" and "test".
        kl: KL(p₀‖p̂), where the law is known.
        nll: "train" and "test" negative log-likelihoods, where there are held-out data or the
            law is unknown.
        best: the minimum of the main curve, KL or held-out likelihood, and of the main loss.
        baseline: held-out likelihood of a kernel density estimate on the same split.
        untrained: losses, by name, of scores that nobody trained, under the law of the last of
            `losses`: what vectors are judged by.
    """

    law: str
    run: TrainedFlow
    density: dict[str, Any]
    tau: FloatArray
    losses: dict[str, Estimate]
    kl: Estimate | None
    nll: dict[str, Estimate]
    best: dict[str, EarlyStopping]
    baseline: float | None
    untrained: dict[str, Estimate]

    @property
    def time(self) -> float:
        """Evaluation time of densities."""
        return float(self.density.get("t", self.run.default_time))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        result: dict[str, Any] = {
            "settings": settings(self),
            "tau": self.tau,
            "loss": {kind: curve.value for kind, curve in self.losses.items()},
            "loss_error": {kind: curve.error for kind, curve in self.losses.items()},
        }
        if self.kl is not None:
            result["kl"] = {"value": self.kl.value, "error": self.kl.error}
        if self.nll:
            result["nll"] = {
                on: {"value": curve.value, "error": curve.error} for on, curve in self.nll.items()
            }
        result["early_stopping"] = {
            of: {
                "tau": b.tau,
                "low": b.low,
                "high": b.high,
                "value": float(b.value),
                "error": float(b.value.error),
                "at": b.at,
            }
            for of, b in self.best.items()
        }
        if self.baseline is not None:
            result["gaussian_kde_nll"] = self.baseline
        if self.untrained:
            result["baselines"] = {
                name: {"value": float(loss), "error": float(loss.error)}
                for name, loss in self.untrained.items()
            }
        return result

    def text(self) -> str:
        """Return the settings, a table of about ten rows and the best training time."""
        shown = spread(len(self.tau), _SHOWN)
        columns = [("tau", ".2e", self.tau[shown])]
        losses = {kind: curve.value for kind, curve in self.losses.items()}
        columns += [(f"{kind} loss", ".6g", curve[shown]) for kind, curve in losses.items()]
        others = [kind for kind in self.losses if kind != "train"]
        if others:
            gap = losses[others[0]] - losses["train"]
            columns.append(("gap", ".2e", gap[shown]))
        curves = {} if self.kl is None else {"KL": self.kl}
        curves |= {f"{on} NLL": curve for on, curve in self.nll.items()}
        columns += [(name, ".5f", curve.value[shown]) for name, curve in curves.items()]
        # Of the curve that decides: KL where the law is known, else the held-out likelihood.
        deciding = self.kl if self.kl is not None else self.nll.get("test", self.nll.get("train"))
        if deciding is not None:
            columns.append(("± error", ".0e", deciding.error[shown]))
        heading = [f"{key}: {value}" for key, value in settings(self).items()]
        return "\n".join([*wrap(heading), "", table(columns), "", *self._conclusions()])

    def _conclusions(self) -> list[str]:
        lines = [_sentence(best) for best in self.best.values()]
        if self.baseline is not None:
            lines.append(
                f"scipy.stats.gaussian_kde on the same split: test NLL {self.baseline:.5f}"
            )
        judged = list(self.losses)[-1]
        for name, loss in self.untrained.items():
            error = f" ± {float(loss.error):.0e}" if float(loss.error) else ""
            lines.append(f"{judged} loss of {_UNTRAINED[name]}: {float(loss):.6g}{error}")
        if self.nll:
            lines.append("NLL: mean negative log-likelihood in nats, in the data's own units")
        return lines


def measure(
    run: TrainedFlow,
    density: dict[str, Any],
    *,
    law: str | None,
    against: str | None,
    certify: bool,
) -> TrainResults:
    """Measure a run's losses, its divergence or likelihood, and its best training times.

    `law` describes data; a known target describes itself.
    """
    tau, held_out = np.atleast_1d(run.tau).ravel(), run.problem.held_out
    kinds: list[Loss] = ["train"]
    if run.target is not None and run.data is not None:
        kinds.append("population")
    if held_out is not None:
        kinds.append("test")
    kl: Estimate | None = None
    best: dict[str, EarlyStopping] = {}
    line = run.dimension == 1
    if run.target is not None and line:
        choices = density | ({} if against is None else {"against": against})
        kl = run.kl(tau, certify=certify, **choices)
        best["kl"] = run.early_stopping("kl", certify=certify, **choices)
    if held_out is not None and line:
        best["nll"] = run.early_stopping("nll", certify=certify, **density)
    if len(kinds) > 1:
        best[f"{kinds[-1]} loss"] = run.early_stopping(kinds[-1])
    return TrainResults(
        law=str(run.target) if law is None else law,
        run=run,
        density=density,
        tau=tau,
        losses={kind: run.loss(kind, tau) for kind in kinds},
        kl=kl,
        nll=_likelihoods(run, tau, density, certify) if line else {},
        best=best,
        baseline=None
        if not line or run.data is None or held_out is None
        else kde_nll(run.data, held_out),
        untrained={} if line else run.baselines(kinds[-1]),
    )


def _likelihoods(
    run: TrainedFlow, tau: FloatArray, density: dict[str, Any], certify: bool
) -> dict[str, Estimate]:
    """Return likelihoods of training and held-out data, where they are all there is or decide."""
    if run.problem.held_out is not None:
        test = run.nll(tau, on="test", certify=certify, **density)
        return {"train": run.nll(tau, on="train", **density), "test": test}
    if run.target is None:
        return {"train": run.nll(tau, on="train", certify=certify, **density)}
    return {}


def settings(results: TrainResults) -> dict[str, Any]:
    """Return what was trained on what, in words and numbers."""
    run, problem = results.run, results.run.problem
    features = run.features
    n = "population" if run.data is None else len(run.data)
    words = {
        "law": results.law,
        "n": n,
        **({"d": run.dimension} if run.dimension > 1 else {}),
        "m": features.width,
        "seed": problem.seed,
        "sde": repr(run.sde),
        "embedding": type(features.embedding).__name__,
        "activation": features.activation,
        "t_min": problem.objective.rule.t_min,
        "n_times": len(problem.objective.rule),
        "t": float(f"{results.time:.6g}"),
    }
    if problem.held_out is not None:
        words["held out"] = len(problem.held_out)
    frequencies = getattr(features.embedding, "frequencies", None)
    if frequencies is not None:
        words["frequencies"] = frequencies.tolist()
    return words


def _sentence(best: EarlyStopping) -> str:
    where = {
        "interior": "",
        "start": " — at the start of the range of tau: it never improves on it",
        "end": " — at the end of the range of tau: training longer may still help",
    }[best.at]
    value = f"{float(best.value):.5f}" if np.isfinite(best.value.value) else "inf"
    flat = f" (within its error from {best.low:.1e} to {best.high:.1e})" if best.flat else ""
    return f"best {best.quantity}: {value} at tau = {best.tau:.3e}{flat}{where}"
