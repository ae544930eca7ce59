"""What `rfdiff sample` draws of vectors: an array, their moments beside the data's, a picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...diffusion.mixtures import GaussianMixture
from ...plotting.samples import plot_plane
from ...plotting.style import new_figure, save_figure
from ...runs.trained_flow import TrainedFlow
from ...support.validation import FloatArray
from ..output import Writer, table


@dataclass(frozen=True)
class VectorSamples:
    """Samples of a run of vectors at training times, in the data's own coordinates.

    Attributes:
        run: the run.
        scheme: name of the scheme.
        tau: training times (n_tau,).
        time: where paths end.
        samples: (n_tau, n, D).
        trajectories: positions (n_tau, k + 1, n, D), where they are kept.
    """

    run: TrainedFlow
    scheme: str
    tau: FloatArray
    time: float
    samples: FloatArray
    trajectories: FloatArray | None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary of arrays and numbers."""
        result = {
            "scheme": self.scheme, "t": self.time, "tau": self.tau, "samples": self.samples,
        }  # fmt: skip
        return result | ({} if self.trajectories is None else {"trajectories": self.trajectories})

    def text(self) -> str:
        """Return a table with a row for each training time: moments of all coordinates."""
        mean, deviation = self._known
        shift = np.linalg.norm(self.samples.mean(1) - mean, axis=-1)
        columns = [
            ("tau", ".3e", self.tau),
            ("distance of means", ".4g", shift),
            ("rms deviation", ".4g", np.sqrt(self.samples.var(1).mean(-1))),
        ]
        return (
            f"{self.samples.shape[1]} samples of {self.samples.shape[2]} coordinates  "
            f"scheme: {self.scheme}  t: {self.time:g}  "
            f"rms deviation of the data: {deviation:.4g}\n\n{table(columns)}"
        )

    @property
    def _known(self) -> tuple[FloatArray, float]:
        """Mean and rms deviation of the training points, or of the law trained on."""
        run = self.run
        law = (
            run.problem.training_law if run.data is None else GaussianMixture.from_points(run.data)
        )
        return law.atoms.mean, float(np.sqrt(law.atoms.variance.mean()))


def draw_vectors(
    run: TrainedFlow, tau: FloatArray, n: int, choices: dict[str, Any], *, trajectories: bool
) -> VectorSamples:
    """Sample a run of vectors."""
    chosen = {"scheme": "heun", **choices}
    time = float(chosen.pop("t", run.default_time))
    paths = run.sample(n, tau, t=time, trajectories=trajectories, **chosen)
    samples = paths[:, -1] if trajectories else paths
    return VectorSamples(run, chosen["scheme"], tau, time, samples, paths if trajectories else None)


def write_vectors(writer: Writer, results: VectorSamples) -> None:
    """Write samples.npy, plane.png and, if kept, trajectories.npy."""
    writer.write("samples.npy", lambda path: np.save(path, results.samples))
    if (paths := results.trajectories) is not None:
        writer.write("trajectories.npy", lambda path: np.save(path, paths))

    def draw(path: Any) -> None:
        """Draw the first two coordinates, principal ones where training has those."""
        units, run = results.run.problem.units, results.run
        figure, axes = new_figure(1, len(results.tau))
        known = None if run.data is None else units.to_training(run.data)[:, :2]
        for ax, tau, samples in zip(axes, results.tau, results.samples, strict=True):
            plot_plane(ax, units.to_training(samples)[:, :2], known)
            ax.set_title(f"τ = {tau:.3g}", fontsize="medium")
        save_figure(figure, path)

    writer.write("plane.png", draw)
