"""The arguments of `train_exact` as one object, checked: what exists of it can be trained."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from numpy.typing import ArrayLike

from ..diffusion.mixtures import GaussianMixture
from ..diffusion.sde import SDES, ForwardSDE
from ..diffusion.targets import TARGETS, CompactTarget, Target
from ..diffusion.time_rules import chosen_times
from ..loss.objective import DenoisingObjective, Weighting
from ..model.embeddings import Embedding
from ..model.features import RandomFeatures
from ..support.arguments import belongs_to, check_given, own_arguments
from ..support.errors import ArgumentError
from ..support.registry import make
from ..support.validation import FloatArray, points, squarable_array

# Nodes of the time rule by default. A vector's are dear, and on digits 16 give losses to 4e-7.
_LINE_TIMES, _VECTOR_TIMES = 128, 16


@dataclass(frozen=True, eq=False)
class TrainingArguments:
    """The arguments of `train_exact`, which explains them; this is where they are spelled.

    Each is checked by itself, by the table in `support.arguments` or, if it is an object, here;
    then those that must go together.

    Raises:
        ArgumentError: an argument breaks its rule.
    """

    tau: ArrayLike | None = None
    _: KW_ONLY
    target: Target | None = None
    data: ArrayLike | None = None
    n: int | None = None
    m: int = 512
    seed: int = 0
    sde: ForwardSDE | None = None
    features: str | RandomFeatures = "l1"
    embedding: str | Embedding = "log-sigma"
    activation: str = "relu"
    precondition: bool = False
    scaling: str = "none"
    skip: str = "none"
    weighting: Weighting = "variance"
    t_min: float = 1e-3
    n_times: int | None = None
    times: ArrayLike | None = None
    noise_samples: int | None = None
    population: bool = False
    theta0: ArrayLike | str | None = None
    held_out: float = 0.0
    standardise: bool | None = None
    pca: int | None = None

    def __post_init__(self) -> None:
        given = {argument.name: getattr(self, argument.name) for argument in own_arguments()}
        for name, value in check_given(**given).items():
            # Frozen from here on.
            object.__setattr__(self, name, value)
        self._check_objects()
        self._check_together()

    @property
    def process(self) -> ForwardSDE:
        """The forward process: as given, or the usual one."""
        return make(SDES, {}) if self.sde is None else self.sde

    @property
    def objective(self) -> DenoisingObjective:
        """Process, time rule and weighting of the loss."""
        if self.times is not None:
            return DenoisingObjective.at_times(self.process, self.times, self.weighting)
        n_times = self.n_times or (_LINE_TIMES if self.dimension == 1 else _VECTOR_TIMES)
        return DenoisingObjective.graded(self.process, self.t_min, n_times, self.weighting)

    @property
    def dimension(self) -> int:
        """The dimension d that is trained in."""
        if self.pca is not None:
            return self.pca
        if (data := self.points) is not None:
            return data.shape[1]
        return 1 if self.target is None else self.target.dimension

    @property
    def points(self) -> FloatArray | None:
        """The points (n, d) that were given, if any."""
        if self.data is None:
            return None
        return points("data", squarable_array("data", self.data))

    def _check_objects(self) -> None:
        """Refuse objects of the wrong kind, or of a dimension that is not supported."""
        if not isinstance(self.process, ForwardSDE):
            raise ArgumentError(f"sde must be a ForwardSDE such as VESDE(), got {self.sde!r}")
        if self.target is not None:
            if not isinstance(self.target, GaussianMixture | CompactTarget):
                raise ArgumentError(
                    "target must be a GaussianMixture or a compact target, got "
                    f"{type(self.target).__name__}"
                )
            squarable_array("target", extent(self.target))

    def _check_dimensions(self) -> None:
        """Refuse dimensions that do not fit each other, and what only vectors have."""
        d = self.dimension
        if self.pca is not None and (self.data is None or self.target is not None):
            raise ArgumentError("pca needs data of unknown law, whose principal axes it takes")
        for name, got in (
            ("features", getattr(self.features, "dimension", d)),
            ("target", d if self.target is None else self.target.dimension),
        ):
            if got != d:
                raise ArgumentError(f"{name} must have the dimension d = {d} of data, got {got}")
        for name in ("scaling", "skip"):
            if d == 1 and getattr(self, name) != "none":
                raise ArgumentError(f"{name} must be 'none' in one dimension: it is for vectors")
        if isinstance(self.features, RandomFeatures) and self.scaling != "none":
            raise ArgumentError("scaling belongs to the features given: set it there")
        if self.times is not None and self.n_times is not None:
            raise ArgumentError("n_times must not be set with times, which are all there are")

    def _check_together(self) -> None:
        """Refuse combinations that contradict each other."""
        self._check_dimensions()
        if self.t_min >= self.process.T:
            raise ArgumentError(f"t_min must be below T = {self.process.T:g}, got {self.t_min:g}")
        if self.times is not None:
            chosen_times(self.times, self.process.T)
        if self.held_out > 0 and self.data is None:
            raise ArgumentError(
                "held_out needs data: a known target has its exact population loss, got "
                f"{self.held_out:g}"
            )
        if self.population and self.data is not None:
            raise ArgumentError("population training uses the target itself: give it no data")
        if self.population and self.noise_samples is not None:
            raise ArgumentError(
                f"noise_samples needs a sample, not the population, got {self.noise_samples}"
            )
        if self.standardise and (self.target is not None or self.data is None):
            raise ArgumentError(
                "standardise must not be set with a known target: it fixes the units"
            )


def extent(target: Target) -> ArrayLike:
    """Return how far a target reaches: its domain on the line, its modes elsewhere."""
    if isinstance(target, GaussianMixture) and target.dimension > 1:
        return target.means
    return target.domain()


def from_plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of `train_exact` from plain values: numbers and names.

    Args:
        values: by the names of `support.arguments.ARGUMENTS`; None and what is missing are as by
            default. With `data`, which must be the points themselves, a target is made only if
            `values` describe one.

    Raises:
        ArgumentError: an unknown name, or a value that belongs to another one.

    >>> from_plain_values({"mu": 2.0, "sde": "vp", "T": 0.5, "m": 64})["sde"]
    VPSDE(beta_min=0.1, beta_max=20.0, T=0.5)
    """
    given = {name: value for name, value in values.items() if value is not None}
    own = {argument.name for argument in own_arguments() if argument.kind != "described"}
    arguments = {name: value for name, value in given.items() if name in own}
    arguments["sde"] = make(SDES, given)
    describing = {name for name in given if name == "target" or belongs_to(name, "target")}
    if "data" not in given or describing:
        arguments["target"] = make(TARGETS, given)
    return arguments
