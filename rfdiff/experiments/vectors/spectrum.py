"""The spectrum of G at one diffusion time in many dimensions, beside its asymptotic bulks.

Features tanh(w·x_t) without bias, w ~ N(0, I/d), data N(0, I), the exact expectation over the
noise. The n largest of the lower eigenvalues are those through which a model learns its training
points, the d above them those of the population [George, Veiga and Macris 2025; Bonnaire, Urfin,
Biroli and Mézard 2025]; `theory.vectors.gram_spectrum` is what is predicted.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ...diffusion.sde import VPSDE
from ...model.embeddings import AffineEmbedding
from ...model.features import RandomFeatures
from ...plotting.spectrum import plot_bulks
from ...plotting.style import new_figure
from ...runs.train_exact import train_exact
from ...support.validation import FloatArray
from ...theory.vectors.gram_spectrum import GramSpectrum, gram_spectrum
from ...theory.verdicts import Verdict
from ..curves import LongTable, Progress

_ACTIVATION = "tanh"
# Bins of the histograms, and points of the predicted density in each bulk.
_BINS, _POINTS = 60, 200


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: `QUICK` for a look, `FULL` for a figure to keep.

    `sizes` are pairs (n, m).
    """

    d: int = 100
    sizes: tuple[tuple[int, int], ...] = ((200, 400), (400, 1000), (800, 1000))
    time: float = 0.1
    seeds: int = 10


QUICK = Settings(sizes=((200, 400), (400, 800), (800, 800)), seeds=3)
FULL = Settings()


@dataclass(frozen=True, eq=False)
class MeasuredSpectrum:
    """Eigenvalues of G beside their prediction.

    Attributes:
        predicted: the asymptotic spectrum.
        eigenvalues: ascending, (seeds, m).
    """

    predicted: GramSpectrum
    eigenvalues: FloatArray

    @property
    def name(self) -> str:
        """The sizes in words."""
        found = self.predicted
        return f"n = {found.n}, m = {found.m}, d = {found.d}"

    @cached_property
    def expected(self) -> list[tuple[str, float, float, int]]:
        """Name, lowest and highest eigenvalue and number of modes of atom and bulks, ascending."""
        found, atom = self.predicted, self.predicted.atom
        modes = round(found.atom_share * found.m)
        parts = [("atom", atom, atom, modes)] if modes else []
        for k, bulk in enumerate(found.bulks, 1):
            parts.append((f"bulk {k}", bulk.low, bulk.high, round(bulk.share * found.m)))
        return parts

    @cached_property
    def walls(self) -> FloatArray:
        """Where one part ends and the next begins: the geometric middle of each gap."""
        parts = self.expected
        return np.array([
            np.sqrt(below[2] * above[1])
            for below, above in pairwise(parts)
        ])  # fmt: skip

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of eigenvalues between the walls, (seeds, parts)."""
        inside = [np.searchsorted(values, self.walls) for values in self.eigenvalues]
        m = self.eigenvalues.shape[1]
        return np.array([np.diff(np.concatenate([[0], at, [m]])) for at in inside])

    @cached_property
    def edges(self) -> FloatArray:
        """Lowest and highest eigenvalue between the walls, (seeds, parts, 2)."""
        ends = np.cumsum(self.counts, axis=1)
        rows = np.arange(len(ends))[:, None]
        low, high = ends - self.counts, ends - 1
        return np.stack([self.eigenvalues[rows, k] for k in (low, high)], axis=-1)

    @cached_property
    def strays(self) -> np.ndarray:
        """Number of eigenvalues more than a tenth outside of their part, by seed."""
        low, high = np.array([part[1:3] for part in self.expected]).T
        owner = np.searchsorted(self.walls, self.eigenvalues)
        far = (self.eigenvalues < low[owner] / 1.1) | (self.eigenvalues > 1.1 * high[owner])
        return far.sum(1)

    def lines(self) -> list[str]:
        """Return a line for each part: predicted beside measured edges and numbers of modes."""
        lines = []
        for k, (name, low, high, modes) in enumerate(self.expected):
            mean, scatter = self.edges[:, k].mean(0), self.edges[:, k].std(0, ddof=1)
            counts = self.counts[:, k]
            lines.append(
                f"{self.name:<26} {name:<7} {low:>9.3e} {mean[0]:>10.3e} ± {scatter[0]:.0e} "
                f"{high:>10.3e} {mean[1]:>10.3e} ± {scatter[1]:.0e} {modes:>6} "
                f"{counts.min():>5} … {counts.max()}"
            )
        return [*lines, f"{'':<26} modes more than 10 % outside of every part: {self.strays.max()}"]

    def add_to(self, table: LongTable) -> None:
        """Append eigenvalues by seed, the predicted density, and edges."""
        ranks = np.arange(1, self.eigenvalues.shape[1] + 1)
        for seed, values in enumerate(self.eigenvalues):
            table.add(self.name, f"eigenvalues, seed {seed}", ranks, values)
        for k, (x, density) in enumerate(self.density(), 1):
            table.add(self.name, f"density of bulk {k}", x, density)
        for k, (name, low, high, modes) in enumerate(self.expected):
            counts = self.counts[:, k]
            table.add(f"{self.name}, modes", name, modes, counts.mean(), counts.min(), counts.max())
            for end, at, measured in zip(
                ("lowest", "highest"), (low, high), self.edges[:, k].T, strict=True
            ):
                scatter = measured.std(ddof=1)
                middle = measured.mean()
                table.add(
                    f"{self.name}, {end}", name, at, middle, middle - scatter, middle + scatter
                )

    def density(self) -> list[tuple[FloatArray, FloatArray]]:
        """Return (λ, share of the modes per unit of ln λ) over each bulk."""
        grids = [np.geomspace(bulk.low, bulk.high, _POINTS) for bulk in self.predicted.bulks]
        return [(x, x * self.predicted.density(x)) for x in grids]

    def draw(self, ax: Any) -> None:
        """Draw the histogram over all seeds beside the predicted density."""
        plot_bulks(
            ax, self.eigenvalues, self.density(), bins=_BINS,
            atom=(self.predicted.atom, self.predicted.atom_share)
            if self.predicted.atom_share > 0 else None,
        )  # fmt: skip
        ax.set_title(self.name)


@dataclass(frozen=True, eq=False)
class SpectrumExperiment:
    """The figure's numbers.

    Attributes:
        settings: sizes.
        spectra: one for each pair (n, m).
    """

    settings: Settings
    spectra: list[MeasuredSpectrum]

    def verdicts(self) -> list[Verdict]:
        """No exponent is predicted here."""
        return []

    def table(self) -> dict[str, list[Any]]:
        """Return every number in the figure as columns."""
        table = LongTable()
        for spectrum in self.spectra:
            spectrum.add_to(table)
        return table.columns

    def summary(self) -> str:
        """Return the claims in numbers."""
        settings = self.settings
        return "\n".join(
            [
                f"eigenvalues of G at t = {settings.time:g} (VP), tanh without bias, data N(0, I), "
                f"{settings.seeds} seeds: predicted, and measured ± scatter over seeds",
                f"{'sizes':<26} {'part':<7} {'lowest':>9} {'measured':>18} {'highest':>10} "
                f"{'measured':>18} {'modes':>6} measured",
                *(line for spectrum in self.spectra for line in spectrum.lines()),
            ]
        )

    def draw(self) -> Any:
        """Return the figure: a histogram for each pair (n, m)."""
        figure, axes = new_figure(1, len(self.spectra), width=5.6)
        for ax, spectrum in zip(axes, self.spectra, strict=True):
            spectrum.draw(ax)
        return figure


def compute(settings: Settings, progress: Progress) -> SpectrumExperiment:
    """Diagonalise G for every size and seed."""
    spectra, sde, d = [], VPSDE(), settings.d
    r, sigma = float(sde.scale(settings.time)), float(sde.std(settings.time))
    for n, m in settings.sizes:
        progress(f"spectra at n = {n}, m = {m}, {settings.seeds} seeds")
        predicted = gram_spectrum(_ACTIVATION, n=n, m=m, d=d, r=r, sigma=sigma)
        values = [_eigenvalues(n, m, settings, seed) for seed in range(settings.seeds)]
        spectra.append(MeasuredSpectrum(predicted, np.array(values)))
    return SpectrumExperiment(settings, spectra)


def _eigenvalues(n: int, m: int, settings: Settings, seed: int) -> FloatArray:
    """Return the eigenvalues of G for one draw of data and features, ascending (m,)."""
    rng, d = np.random.default_rng(seed), settings.d
    embedding = AffineEmbedding()
    features = RandomFeatures(
        rng.standard_normal((m, d)) / np.sqrt(d), np.zeros((m, embedding.size)), embedding,
        _ACTIVATION,
    )  # fmt: skip
    run = train_exact(
        1.0, data=rng.standard_normal((n, d)), features=features, sde=VPSDE(),
        times=[settings.time], weighting=np.ones_like, standardise=False,
    )  # fmt: skip
    return run.flow.eigenvalues


def with_seeds(settings: Settings, seeds: int) -> Settings:
    """Return the settings with another number of seeds."""
    return replace(settings, seeds=seeds)
