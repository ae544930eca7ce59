"""What a trained state costs: its losses along training, and those of scores nobody trains."""

from functools import cached_property

from numpy.typing import ArrayLike

from ..diffusion.targets import Target
from ..loss.baselines import affine_loss, mixture_loss
from ..loss.quadratic import QuadraticLoss
from ..model.affine_skip import AffineSkip
from ..support.errors import ArgumentError
from ..support.estimate import Estimate
from ..support.validation import FloatArray, one_of
from .state import Loss, TrainedState


class TrainedLosses(TrainedState):
    """A trained state with the losses of what it has learned."""

    def loss(self, kind: Loss = "train", tau: ArrayLike | None = None) -> Estimate:
        """Return a denoising loss along training, shape τ.shape, in units of training.

        It is exact for its time rule; the error is that of rounding, and of the quadrature in x
        of smooth activations.

        Args:
            kind: "train", the loss trained on; "population", under the target; "test", under
                the held-out data.
            tau: training times.

        Raises:
            ArgumentError: the law of the data is unknown ("population"), or no data are held
                out ("test").

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e5, n=50, m=32)
        >>> bool(run.loss("train").value < run.loss("population").value)
        True
        """
        tau = self._times(tau)
        if one_of("kind", kind, ("train", "population", "test")) == "train":
            quadratic = self.quadratic
        else:
            quadratic = self._population if kind == "population" else self._test
        return self._loss(quadratic, tau)

    def loss_under(self, law: Target, tau: ArrayLike | None = None) -> Estimate:
        """Return the denoising loss under a law, as `loss` does under target and data.

        Args:
            law: a mixture or another law, in the data's units.
            tau: training times.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e5, n=50, m=32)
        >>> bool(run.loss_under(run.target).value == run.loss("population").value)
        True
        """
        law = self.problem.units.law_to_training(law)
        return self._loss(self.problem.quadratic(law), self._times(tau))

    def _loss(self, quadratic: QuadraticLoss, tau: FloatArray) -> Estimate:
        error = self._theta_error(tau).of_loss(quadratic).reshape(tau.shape)
        return Estimate(self.flow.loss(tau, quadratic), error, "rounding and quadrature")

    def baselines(self, kind: Loss = "train") -> dict[str, Estimate]:
        """Return denoising losses that a trained score stands beside, in units of training.

        Args:
            kind: under which law, as in `loss`.

        Returns:
            "gaussian": the score of a Gaussian with the mean and covariance of what is trained
            on, exact; "empirical": the score of the training points' own mixture, which memorises
            them, by Monte Carlo over the noise, where there are data.

        >>> import rfdiff
        >>> run = rfdiff.train_exact(tau=1e5, n=50, m=32)
        >>> found = run.baselines("population")
        >>> bool(found["gaussian"].value < found["empirical"].value)
        True
        """
        objective, trained = self.problem.objective, self.problem.training_law.atoms
        judged = self._judging(kind).atoms
        gaussian = AffineSkip.gaussian(trained, self.sde)
        found = {"gaussian": Estimate(affine_loss(judged, objective, gaussian))}
        if self.data is not None:
            found["empirical"] = mixture_loss(trained, judged, objective, seed=self.seed)
        return found

    def _judging(self, kind: Loss) -> Target:
        """Return the law that a loss is under, in units of training."""
        if one_of("kind", kind, ("train", "population", "test")) == "train":
            return self.problem.training_law
        if kind == "test":
            return self.problem.empirical(self._held_out)
        if self.target is None:
            raise ArgumentError("the population loss needs a known target; use 'test' for data")
        return self.target

    @cached_property
    def _population(self) -> QuadraticLoss:
        return self.problem.quadratic(self._judging("population"))

    @cached_property
    def _test(self) -> QuadraticLoss:
        return self.problem.quadratic(self._judging("test"))
