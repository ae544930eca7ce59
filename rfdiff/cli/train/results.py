"""What `rfdiff train` measures, as text and as plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.kde_baseline import kde_nll
from ...diffusion.mixtures import GaussianMixture
from ...model.embeddings import FourierEmbedding
from ...runs.trained_flow import Loss, TrainedFlow
from ...support.estimate import Estimate
from ...support.validation import FloatArray
from ...training.early_stopping import EarlyStopping
from ..output import spread, table, wrap

_ROWS = 11


@dataclass(frozen=True)
class TrainResults:
    """Curves along the training times of a run.

    Attributes:
        law: what was learned, in words.
        flow: the run.
        density: choices t, domain and method of the learned density.
        tau: training times (n_tau,).
        losses: "train" and, where they exist, "population" and "test".
        kl: KL(p₀‖p̂), where the law is known.
        nll: "train" and "test" negative log-likelihoods, where there are held-out data or the
            law is unknown.
        best: the minimum of the main curve, KL or held-out likelihood, and of the main loss.
        baseline: held-out likelihood of a kernel density estimate on the same split.
    """

    law: str
    flow: TrainedFlow
    density: dict[str, Any]
    tau: FloatArray
    losses: dict[str, FloatArray]
    kl: Estimate | None
    nll: dict[str, Estimate]
    best: dict[str, EarlyStopping]
    baseline: float | None

    @property
    def time(self) -> float:
        """Evaluation time of densities."""
        return float(self.density.get("t", self.flow.default_time))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        result: dict[str, Any] = {"settings": settings(self), "tau": self.tau, "loss": self.losses}
        if self.kl is not None:
            result["kl"] = {"value": self.kl.value, "error": self.kl.error}
        if self.nll:
            result["nll"] = {
                on: {"value": curve.value, "error": curve.error} for on, curve in self.nll.items()
            }
        result["early_stopping"] = {
            of: {"tau": b.tau, "value": float(b.value), "error": float(b.value.error), "at": b.at}
            for of, b in self.best.items()
        }
        if self.baseline is not None:
            result["gaussian_kde_nll"] = self.baseline
        return result

    def text(self) -> str:
        """Return the settings, a table of about ten rows and the best training time."""
        rows = spread(len(self.tau), _ROWS)
        columns = [("tau", ".2e", self.tau[rows])]
        columns += [(f"{kind} loss", ".6g", curve[rows]) for kind, curve in self.losses.items()]
        others = [kind for kind in self.losses if kind != "train"]
        if others:
            gap = self.losses[others[0]] - self.losses["train"]
            columns.append(("gap", ".2e", gap[rows]))
        curves = {} if self.kl is None else {"KL": self.kl}
        curves |= {f"{on} NLL": curve for on, curve in self.nll.items()}
        columns += [(name, ".5f", curve.value[rows]) for name, curve in curves.items()]
        # Of the curve that decides: KL where the law is known, else the held-out likelihood.
        deciding = self.kl if self.kl is not None else self.nll.get("test", self.nll.get("train"))
        if deciding is not None:
            columns.append(("± error", ".0e", deciding.error[rows]))
        heading = [f"{key}: {value}" for key, value in settings(self).items()]
        return "\n".join([*wrap(heading), "", table(columns), "", *self._conclusions()])

    def _conclusions(self) -> list[str]:
        lines = [_sentence(best) for best in self.best.values()]
        if self.baseline is not None:
            lines.append(
                f"scipy.stats.gaussian_kde on the same split: test NLL {self.baseline:.5f}"
            )
        if self.nll:
            lines.append("NLL: mean negative log-likelihood in nats, in the data's own units")
        return lines


def measure(
    flow: TrainedFlow,
    density: dict[str, Any],
    *,
    law: str | None,
    against: str | None,
    certify: bool,
) -> TrainResults:
    """Measure a run's losses, its divergence or likelihood, and its best training times.

    `law` describes data; a known target describes itself.
    """
    tau, held_out = np.atleast_1d(flow.tau).ravel(), flow.problem.held_out
    kinds: list[Loss] = ["train"]
    if flow.target is not None and flow.data is not None:
        kinds.append("population")
    if held_out is not None:
        kinds.append("test")
    losses: dict[str, FloatArray] = {kind: flow.loss(kind, tau) for kind in kinds}
    kl: Estimate | None = None
    nll: dict[str, Estimate] = {}
    best: dict[str, EarlyStopping] = {}
    if flow.target is not None:
        choices = density | ({} if against is None else {"against": against})
        kl = flow.kl(tau, certify=certify, **choices)
        best["kl"] = flow.early_stopping("kl", **choices)
    if held_out is not None:
        nll["train"] = flow.nll(tau, on="train", **density)
        nll["test"] = flow.nll(tau, on="test", certify=certify, **density)
        best["nll"] = flow.early_stopping("nll", **density)
    elif flow.target is None:
        nll["train"] = flow.nll(tau, on="train", certify=certify, **density)
    if len(kinds) > 1:
        best[f"{kinds[-1]} loss"] = flow.early_stopping(kinds[-1])
    baseline = None
    if flow.data is not None and held_out is not None:
        baseline = kde_nll(flow.data, held_out)
    if law is None:
        law = describe(flow.target)
    return TrainResults(law, flow, density, tau, losses, kl, nll, best, baseline)


def settings(results: TrainResults) -> dict[str, Any]:
    """Return what was trained on what, in words and numbers."""
    flow, problem = results.flow, results.flow.problem
    features = flow.features
    n = "population" if flow.data is None else len(flow.data)
    words = {
        "law": results.law,
        "n": n,
        "m": features.width,
        "seed": problem.seed,
        "sde": repr(flow.sde),
        "embedding": type(features.embedding).__name__,
        "activation": features.activation,
        "t_min": problem.objective.rule.t_min,
        "n_times": len(problem.objective.rule),
        "t": float(f"{results.time:.6g}"),
    }
    if problem.held_out is not None:
        words["held out"] = len(problem.held_out)
    if isinstance(features.embedding, FourierEmbedding):
        words["frequencies"] = features.embedding.frequencies.tolist()
    return words


def describe(law: Any) -> str:
    """Return a law in a few words.

    >>> from rfdiff.diffusion.mixtures import bimodal
    >>> describe(bimodal(3.0))
    '0.5 N(-3, 1²) + 0.5 N(3, 1²)'
    """
    if isinstance(law, GaussianMixture) and law.n_components <= 4:
        parts = zip(law.weights, law.means[:, 0], law.stds, strict=True)
        return " + ".join(f"{q:.4g} N({mean:.4g}, {std:.4g}²)" for q, mean, std in parts)
    if isinstance(law, GaussianMixture):
        return f"mixture of {law.n_components} Gaussians"
    return repr(law)


def _sentence(best: EarlyStopping) -> str:
    where = {
        "interior": "",
        "start": " — at the start of the range of tau: it never improves on it",
        "end": " — at the end of the range of tau: training longer may still help",
    }[best.at]
    value = f"{float(best.value):.5f}" if np.isfinite(best.value.value) else "inf"
    return f"best {best.quantity}: {value} at tau = {best.tau:.3e}{where}"
