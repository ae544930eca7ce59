"""What a run is asked of its samples and of its target's components, along training."""

from numpy.typing import ArrayLike

from ...divergences.samples.memorised import RATIO
from ..densities import TrainedDensities
from .component_study import By, Components, components
from .memorisation import Memorisation, memorisation


class TrainedStudies(TrainedDensities):
    """Learned densities of a run with what becomes of samples and of components."""

    def memorisation(
        self,
        tau: ArrayLike | None = None,
        *,
        n_samples: int = 1000,
        t: float | None = None,
        scheme: str = "heun",
        n_steps: int = 500,
        ratio: float = RATIO,
        n_boot: int = 100,
        progress: bool | None = None,
    ) -> Memorisation:
        """Return which share of samples copies training points along τ, and when that begins.

        With it come the distances of samples to training and to fresh points, how well the two can
        be told apart, and what the exact score of the training points makes of the same noise. In
        any dimension.

        Args:
            tau: training times; they are sorted, and repeated ones taken once.
            n_samples: number of samples, at each training time from the same noise.
            t: where paths end; t_min if None: the noise that is left, σ_t, must not hide a copy.
            scheme: as in `sample`.
            n_steps: as in `sample`.
            ratio: of the distances to the nearest and the second nearest training point below which
                a sample is a copy.
            n_boot: bootstrap replicates of the sliced distance, which cost most in d ≥ 2.
            progress: as in `sample`.

        Raises:
            ArgumentError: there are no training points, all are the same, or there are no fresh
                ones: neither a target nor held-out data.

        >>> import rfdiff
        >>> data = [-4.0, -1.5, 1.5, 4.0]
        >>> run = rfdiff.train_exact([1e4, 1e8], data=data, target=rfdiff.bimodal(), m=256)
        >>> found = run.memorisation(n_samples=500, n_steps=100)
        >>> bool(found.share.low[1] > found.share_fresh.high), found.share_empirical
        (True, 1 (95%: 0.9926 to 1))
        """
        return memorisation(
            self, self._times(tau), n_samples=n_samples, t=t,
            scheme=scheme, n_steps=n_steps, ratio=ratio, n_boot=n_boot, progress=progress,
        )  # fmt: skip

    def components(
        self,
        tau: ArrayLike | None = None,
        *,
        by: By | None = None,
        t: float | None = None,
        factor: float = 1.5,
        n_samples: int = 10_000,
        n_steps: int = 500,
    ) -> Components:
        """Return the mass that the learned law gives each component of the target along τ.

        M_k = ∫ p̂ ρ_k, ρ_k the component's share of p_t, so that the exact score's masses are the
        weights; with the denoising loss under each component alone, and the training time at which
        each emerges.

        Args:
            tau: training times; they are sorted, and repeated ones taken once.
            by: a definition of the learned density, as `method` in `kl`, by quadrature; or
                "samples" of the reverse SDE, in any dimension, with standard errors. By default
                "score-integral" on the line, else "samples".
            t: evaluation time; `default_time` if None.
            factor: a component has emerged when its mass is within this factor of its weight.
            n_samples: number of samples.
            n_steps: steps of the sampler.

        Raises:
            ArgumentError: the target is no Gaussian mixture, or a bad choice.

        >>> import rfdiff
        >>> law = rfdiff.bimodal(3.0, weights=(0.1, 0.9))
        >>> run = rfdiff.train_exact([1e2, 1e4, 1e6], n=500, m=128, target=law)
        >>> run.components().mass.value[:, 0].round(2)
        array([0.19, 0.02, 0.07])
        """
        return components(
            self, self._times(tau), by=by, t=self._evaluation_time(t),
            factor=factor, n_samples=n_samples, n_steps=n_steps,
        )  # fmt: skip
