"""`NetEstimator`: what the classifier and the regressor share. `Sequential.fit` does the training."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..backends import checks
from ..training.callbacks import EarlyStopping
from .images import checked_shape, images_of, pixel_bounds, rows_of
from .nets import new_net
from .optimizers import Moments, new_optimizer
from .threads import limited_threads

if TYPE_CHECKING:
    from ..nets.sequential import Sequential
    from ..training.history import History

_LARGEST_SEED = 2**31 - 1  # of what NumPy's old generators draw on all systems


class NetEstimator(BaseEstimator):
    """Arguments as attributes; rows as images; the net, new or trained before; its fit and its outputs."""

    net: Any
    image_shape: Any
    epochs: Any
    batch_size: Any
    optimizer: Any
    learning_rate: Any
    augment: Any
    early_stopping: Any
    validation_fraction: Any
    random_state: Any
    n_jobs: Any
    warm_start: Any
    verbose: Any

    net_: Sequential
    history_: History
    n_iter_: int
    n_features_in_: int
    image_shape_: tuple[int, int, int]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # ---- what is given ----

    def _training_rows(self, X: Any, y: Any, goes_on: bool, **checked: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rows and targets, checked by scikit-learn; the shape of an image is known then."""
        rows, of_images = rows_of(X)
        rows, y = validate_data(self, rows, y, reset=not goes_on, **checked)
        if goes_on:
            self._expect_shape(of_images)
        else:
            self.image_shape_ = checked_shape(self.image_shape, of_images, self.n_features_in_)
        return rows, y

    def _expect_shape(self, of_images: tuple[int, int, int] | None) -> None:
        if of_images not in (None, self.image_shape_):
            raise ValueError(f"X must hold images {self.image_shape_}, as in the fit before, got {of_images}")

    def _outputs(self, X: Any, method: str) -> np.ndarray:
        """What a method of the trained net gives for rows or images."""
        check_is_fitted(self, "net_")
        rows, of_images = rows_of(X)
        rows = validate_data(self, rows, reset=False)
        self._expect_shape(of_images)
        with limited_threads(self.n_jobs):
            return getattr(self.net_, method)(images_of(rows, self.image_shape_, self.net_.input_shape))

    # ---- training ----

    def _goes_on(self) -> bool:
        """Whether `fit` goes on from what was learned before."""
        return bool(self.warm_start) and hasattr(self, "net_")

    def _begin(self, rows: np.ndarray, outputs: int, loss: Any) -> None:
        """Make a new net; the random numbers of its parameters come first."""
        self._random = check_random_state(self.random_state)
        bounds = pixel_bounds(rows)
        self.net_ = new_net(self.net, self.image_shape_, outputs, loss, self._seed(), bounds)
        self._moments, self.n_iter_ = Moments(), 0

    def _given_weights(self, sample_weight: Any, images: int) -> np.ndarray | None:
        """What each image counts by itself, float64 (images,); None where it is not said."""
        if sample_weight is None:
            return None
        weights = checks.real("sample_weight", sample_weight, checks.FLOAT64)
        checks.shape("sample_weight", weights, (images,), "a weight for each image")
        if not weights.any():
            raise ValueError("sample_weight must leave an image that counts, got zero weights alone")
        return weights

    def _seed(self) -> int:
        return int(self._random.randint(_LARGEST_SEED))

    def _train(
        self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, callbacks: Iterable[Any], stratify: Any
    ) -> None:
        """All epochs, with a part of the images kept for the validation if the fit may stop early."""
        callbacks, validation = list(callbacks), None
        if self.early_stopping:
            part = _part(self.validation_fraction)
            kept, held_out = train_test_split(
                np.arange(len(rows)), test_size=part, random_state=self._seed(), stratify=stratify
            )
            validation = self._images(rows[held_out]), targets[held_out]
            rows, targets = rows[kept], targets[kept]
            weights = None if weights is None else weights[kept]
            callbacks.insert(0, self._stopping())
        self._fit_net(rows, targets, weights, callbacks, self.epochs, validation)

    def _stopping(self) -> EarlyStopping:
        """The callback that `early_stopping` stands for; a copy of one that was given."""
        if isinstance(self.early_stopping, EarlyStopping):
            return copy.deepcopy(self.early_stopping)
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise TypeError(f"early_stopping must be a bool or a cnn.EarlyStopping, got {self.early_stopping!r}")
        return EarlyStopping()

    def _train_once(
        self, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, callbacks: Iterable[Any]
    ) -> None:
        """One epoch more, with the optimiser's velocities or moments as they were left."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping: it cannot know which images are new")
        self._fit_net(rows, targets, weights, [self._moments, *callbacks], 1, None)

    def _fit_net(
        self, rows: np.ndarray, targets: np.ndarray, weights: Any, callbacks: Any, epochs: Any, validation: Any
    ) -> None:
        self.net_.history = None
        try:
            with limited_threads(self.n_jobs):
                self.net_.fit(
                    self._images(rows),
                    targets,
                    epochs=epochs,
                    batch_size=self.batch_size,
                    optimizer=new_optimizer(self.optimizer, self.learning_rate),
                    validation_data=validation,
                    seed=self._seed(),
                    callbacks=callbacks,
                    progress="auto" if self.verbose else False,
                    augment=self.augment,
                    sample_weight=weights,
                )
        finally:  # also of a fit that was interrupted or pruned
            if self.net_.history is not None:
                self.history_ = self.net_.history
                self.n_iter_ += len(self.history_.loss)

    def _images(self, rows: np.ndarray) -> np.ndarray:
        return images_of(rows, self.image_shape_, self.net_.input_shape)


def _part(validation_fraction: Any) -> float:
    return checks.number("validation_fraction", validation_fraction, math.ulp(0.0), math.nextafter(1.0, 0.0))
