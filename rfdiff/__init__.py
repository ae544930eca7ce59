"""rfdiff: an exact numerical laboratory for the generalisation of diffusion models.

>>> import numpy as np, rfdiff
>>> run = rfdiff.train_exact(tau=np.logspace(0, 10, 11), n=100, m=64)
>>> run.kl().shape
(11,)
"""

from importlib import import_module
from typing import Any

from ._version import __version__

# A name's module is imported when the name is first asked for: `import rfdiff` and
# `rfdiff --help` wait for nothing they do not use. __init__.pyi says the same to type checkers.
_NAMES = {
    "numerics.bootstrap": ("BootstrapEstimate",),
    "support.interval_estimate": ("IntervalEstimate",),
    "data.files": ("load_data",),
    "data.images": ("load_images",),
    "divergences.component_mass": ("component_masses",),
    "divergences.fisher": ("fisher_divergence",),
    "divergences.jensen_shannon": ("jensen_shannon_divergence",),
    "divergences.kl": ("kl_divergence",),
    "divergences.reverse_kl": ("reverse_kl_divergence",),
    "divergences.total_variation": ("total_variation",),
    "divergences.wasserstein": ("wasserstein_distance",),
    "training.early_stopping": ("EarlyStopping",),
    "support.errors": (
        "AccuracyWarning",
        "ArgumentError",
        "DataFileError",
        "MemoryLimitError",
        "RfdiffError",
    ),
    "support.estimate": ("Estimate",),
    "model.embeddings": ("AffineEmbedding", "FourierEmbedding", "LogSigmaEmbedding"),
    "model.features": ("RandomFeatures", "draw_features"),
    "training.gradient_flow": ("GradientFlow",),
    "diffusion.mixtures": ("GaussianMixture", "bimodal"),
    "loss.noise_expectation": ("denoising_quadratic",),
    "loss.objective": ("DenoisingObjective",),
    "loss.quadratic": ("QuadraticLoss",),
    "diffusion.time_rules": ("graded_time_rule",),
    "divergences.samples.memorised": ("memorised", "nearest_distances", "share_memorised"),
    "divergences.samples.nearest_neighbour_accuracy": ("nearest_neighbour_accuracy",),
    "divergences.samples.on_the_line": ("sample_divergence",),
    "divergences.samples.sliced_wasserstein": ("sliced_wasserstein",),
    "diffusion.sde": ("VESDE", "VPSDE", "LinearSDE", "SubVPSDE"),
    "diffusion.targets": ("beta", "raised_cosine", "smooth_bump"),
    "runs.trained_flow": ("TrainedFlow",),
    "runs.train_exact": ("load", "train_exact"),
    "data.kde_baseline": ("kde_nll",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
_PACKAGES = ("densities", "experiments", "plotting", "sweeps", "theory")

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name, or a public subpackage such as `rfdiff.theory`, on first use."""
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__, *_PACKAGES})
