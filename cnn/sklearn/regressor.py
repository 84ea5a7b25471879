"""`CNNRegressor`: a net that gives values, as a regressor of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np
from sklearn.base import RegressorMixin

from ..backends.names import nearest
from ..losses import Huber, Loss, MeanSquaredError
from .estimator import NetEstimator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Self

    from ..backends.annotations import Shape
    from ..layers.base import Layer
    from ..losses import AnyLoss
    from ..nets.sequential import Sequential
    from ..schedules import Rate
    from ..training.augment import Augment
    from ..training.callbacks import EarlyStopping
    from ..training.hooks import AnyCallback
    from ..training.optimizer import Optimizer

_LOSSES: dict[str, type[Loss]] = {"squared_error": MeanSquaredError, "huber": Huber}
_VALUES = {"multi_output": True, "y_numeric": True}  # how scikit-learn checks y


class CNNRegressor(RegressorMixin, NetEstimator):
    """A small convolutional net as a regressor of scikit-learn, for one value an image or several.

    Values far from 0 or of a large spread are learned slowly: scikit-learn's `TransformedTargetRegressor` with a
    `StandardScaler` brings them to a good scale, and predictions back.

    Parameters
    ----------
    net, image_shape, epochs, batch_size, optimizer, learning_rate, augment
        As for `CNNClassifier`.
    early_stopping, validation_fraction, random_state, n_jobs, warm_start, verbose
        As for `CNNClassifier`.
    loss : "squared_error", "huber", Loss or callable
        One of `cnn.losses` for values, by name or as an object, or a function as `cnn.Sequential` takes it.

    Attributes
    ----------
    net_, history_, n_iter_, image_shape_, n_features_in_, feature_names_in_
        As of `CNNClassifier`.

    Raises
    ------
    TypeError, ValueError
        For an argument that is out of range: by `fit`, as scikit-learn wants it, and not when it is given here.
    """

    def __init__(
        self,
        net: str | Callable[..., Sequential | Sequence[Layer]] | Sequence[Layer] = "two_conv",
        image_shape: Shape | None = None,
        epochs: SupportsIndex = 20,
        batch_size: SupportsIndex = 32,
        optimizer: str | Optimizer = "adam",
        learning_rate: Rate | None = None,
        loss: str | AnyLoss = "squared_error",
        augment: Augment | None = None,
        early_stopping: bool | EarlyStopping = False,
        validation_fraction: SupportsFloat = 0.1,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.net = net
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        callbacks: Iterable[AnyCallback] = (),
    ) -> Self:
        """Train a new net, or with `warm_start` go on with the one that there is.

        Parameters
        ----------
        X : array (n, features), (n, h, w) or (n, h, w, c)
        y : array (n,) or (n, outputs)
        sample_weight : array (n,) or None
            What each image counts, but for the validation.
        callbacks : sequence of `cnn.Callback`
            As for `cnn.Sequential.fit`; figures of a validation are there if the fit may stop early.

        Raises
        ------
        TypeError, ValueError
            Arguments that are out of range; what are no images or values; with `warm_start`, others than before.
        FloatingPointError
            The loss became NaN or infinite.
        """
        goes_on = self._goes_on()
        rows, y = self._training_rows(X, y, goes_on, **_VALUES)
        targets = self._targets(rows, y, goes_on)
        self._train(rows, targets, self._given_weights(sample_weight, len(rows)), callbacks, stratify=None)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        callbacks: Iterable[AnyCallback] = (),
    ) -> Self:
        """Train for one epoch more on these images; the optimiser goes on, too.

        Parameters
        ----------
        X, y, sample_weight, callbacks
            As for `fit`.

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            As for `fit`; `early_stopping`; a schedule.
        """
        goes_on = hasattr(self, "net_")
        rows, y = self._training_rows(X, y, goes_on, **_VALUES)
        targets = self._targets(rows, y, goes_on)
        self._train_once(rows, targets, self._given_weights(sample_weight, len(rows)), callbacks)
        return self

    def _targets(self, rows: np.ndarray, y: np.ndarray, goes_on: bool) -> np.ndarray:
        """Values as rows (n, outputs). There is a net for them then."""
        targets = y.reshape(len(y), -1)
        if not goes_on:
            self._begin(rows, targets.shape[1], self._loss())
            self._is_flat = y.ndim == 1
        elif targets.shape[1] != self.net_.output_shape[0]:
            raise ValueError(f"y must have {self.net_.output_shape[0]} values an image, got {targets.shape[1]}")
        return targets

    def _loss(self) -> Any:
        if not isinstance(self.loss, str):
            return self.loss
        if self.loss not in _LOSSES:
            known = f"must be one of {', '.join(_LOSSES)}, or a loss"
            raise ValueError(f"loss {known}, got {self.loss!r}{nearest(self.loss, _LOSSES)}")
        return _LOSSES[self.loss]()

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The values of each image (n,) or (n, outputs), as `y` was in the fit.

        Parameters
        ----------
        X : array (n, features), (n, h, w) or (n, h, w, c)

        Raises
        ------
        sklearn.exceptions.NotFittedError
        TypeError, ValueError
            What are no images like those of the fit.
        """
        values = self._outputs(X, "predict").astype(np.float64)
        return values[:, 0] if self._is_flat else values
