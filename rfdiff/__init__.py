"""rfdiff: an exact numerical laboratory for the generalisation of diffusion models.

>>> import numpy as np, rfdiff
>>> run = rfdiff.train_exact(tau=np.logspace(0, 10, 11), n=100, m=64)
>>> run.kl().shape
(11,)
"""

from ._version import __version__
from .early_stopping import EarlyStopping
from .errors import (
    AccuracyWarning,
    ArgumentError,
    DataFileError,
    MemoryLimitError,
    RfdiffError,
)
from .estimate import Estimate
from .features import (
    AffineEmbedding,
    FourierEmbedding,
    LogSigmaEmbedding,
    RandomFeatures,
    draw_features,
)
from .flow import GradientFlow
from .mixtures import GaussianMixture, bimodal
from .quadratic import QuadraticLoss, denoising_quadratic
from .quadrature import graded_time_rule
from .sde import VESDE, VPSDE, LinearSDE, SubVPSDE
from .targets import beta, raised_cosine, smooth_bump
from .training import TrainedFlow, load, train_exact

__all__ = [
    "VESDE",
    "VPSDE",
    "AccuracyWarning",
    "AffineEmbedding",
    "ArgumentError",
    "DataFileError",
    "EarlyStopping",
    "Estimate",
    "FourierEmbedding",
    "GaussianMixture",
    "GradientFlow",
    "LinearSDE",
    "LogSigmaEmbedding",
    "MemoryLimitError",
    "QuadraticLoss",
    "RandomFeatures",
    "RfdiffError",
    "SubVPSDE",
    "TrainedFlow",
    "__version__",
    "beta",
    "bimodal",
    "denoising_quadratic",
    "draw_features",
    "graded_time_rule",
    "load",
    "raised_cosine",
    "smooth_bump",
    "train_exact",
]
