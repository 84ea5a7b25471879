"""`CNNClassifier`: a net that tells classes, as a classifier of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from ..backends import checks
from ..losses import SoftmaxCrossEntropy
from .estimator import NetEstimator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from ..backends.annotations import Floats, Shape
    from ..layers.base import Layer
    from ..nets.sequential import Sequential
    from ..schedules import Rate
    from ..training.augment import Augment
    from ..training.callbacks import EarlyStopping
    from ..training.hooks import AnyCallback
    from ..training.optimizer import Optimizer


class CNNClassifier(ClassifierMixin, NetEstimator):
    """A small convolutional net as a classifier of scikit-learn.

    Images are rows of features or arrays (n, h, w) or (n, h, w, c), of any real dtype; labels are what scikit-learn
    takes for classes.

    Parameters
    ----------
    net : str, callable or sequence of layers
        The name of a net in `cnn.models`; or a function ``net(image_shape, outputs)`` that returns layers, or a new
        `cnn.Sequential` with initial parameters of its own; or layers, of which each fit makes copies. A net of a name
        takes pixels on any scale: bytes, uint8, as they are, others by mean and standard deviation of all those that it
        is first trained on. Images that are too small for it are laid in the middle of zeros.
    image_shape : (h, w), (h, w, c) or None
        How a row's features lie in an image: rows, columns, channels. None stands for the shape of the images that are
        given, and for rows of features for a square, or where they make none for one line (1, features, 1), with a
        warning.
    epochs, batch_size : int
    optimizer : str or Optimizer
        "adam", "adamw", "sgd" (with Nesterov momentum of 0.9), "rmsprop", "adadelta" or "lion"; or an optimiser, of
        which each fit makes a copy.
    learning_rate : float, a schedule from `cnn.schedules`, or None
        None stands for that of the optimiser; of names for 0.002 of Adam and AdamW, and 0.03 of SGD.
    augment : Augment or None
        How images are changed at random.
    early_stopping : bool or EarlyStopping
        Keep `validation_fraction` of the images, drawn with the same part of each class, and end the fit when their
        loss gets no better for three epochs, or as the callback says; the net is set back to its best epoch.
    validation_fraction : float from 0 to 1
    class_weight : dict of label to float, "balanced" or None
        What an image counts, as in scikit-learn.
    random_state : int, RandomState or None
        For the initial parameters, the validation images, the order of images, dropout and augmentation.
    n_jobs : int or None
        The most threads for a fit or a prediction; results do not depend on it. None stands for 1, as in scikit-learn,
        -1 for one a processor, or in a worker for its share of them: see Notes.
    warm_start : bool
        Whether `fit` goes on from the net of the fit before.
    verbose : int
        Above 0 a bar in a terminal, a line an epoch elsewhere.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels, sorted.
    net_ : Sequential
        The trained net: for `net_.save`, exports and pictures.
    history_ : History
        Of the last call of `fit` or `partial_fit`.
    n_iter_ : int
        Epochs that `net_` was trained in all.
    image_shape_ : (h, w, c)
    n_features_in_ : int
        Of a row; of images h * w * c.
    feature_names_in_ : array of str
        Of a table with names.

    Raises
    ------
    TypeError, ValueError
        For an argument that is out of range: by `fit`, as scikit-learn wants it, and not when it is given here.

    Notes
    -----
    With `n_jobs` None or negative, the threads of all workers together are no more than the processors. For -1,

    - a process of joblib's loky, or of Dask, follows OMP_NUM_THREADS, which these set to its share of them;
    - a process of another pool, in which OMP_NUM_THREADS is not set, uses one thread;
    - a thread of joblib's threading, or of a Dask worker, uses one thread; threads of other pools are not known as
      workers, and are to be given None.

    A positive `n_jobs` counts for each fit, and an OMP_NUM_THREADS of your own for each process, as loky and Dask then
    leave it; no fit takes more threads than that. Limits of threadpoolctl and of the system, such as affinity and
    quotas, always hold.

    Examples
    --------
    >>> import cnn
    >>> from cnn.sklearn import CNNClassifier
    >>> data = cnn.datasets.load_strokes(train=500, test=0)
    >>> classifier = CNNClassifier("lenet5", epochs=3, random_state=0)
    >>> classifier.fit(data.train_images, data.train_labels).predict(data.train_images[:3]).shape
    (3,)
    """

    classes_: np.ndarray

    def __init__(
        self,
        net: str | Callable[..., Sequential | Sequence[Layer]] | Sequence[Layer] = "two_conv",
        image_shape: Shape | None = None,
        epochs: SupportsIndex = 20,
        batch_size: SupportsIndex = 32,
        optimizer: str | Optimizer = "adam",
        learning_rate: Rate | None = None,
        augment: Augment | None = None,
        early_stopping: bool | EarlyStopping = False,
        validation_fraction: SupportsFloat = 0.1,
        class_weight: Mapping[Any, SupportsFloat] | Literal["balanced"] | None = None,
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
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.verbose = verbose

    # ---- training ----

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
        y : array (n,)
            Labels of any kind.
        sample_weight : array (n,) or None
            What each image counts, but for the validation.
        callbacks : sequence of `cnn.Callback`
            As for `cnn.Sequential.fit`; figures of a validation are there if the fit may stop early.

        Raises
        ------
        TypeError, ValueError
            Arguments that are out of range; what are no images or labels; with `warm_start`, other images or labels
            than before.
        FloatingPointError
            The loss became NaN or infinite.
        """
        goes_on = self._goes_on()
        rows, y = self._training_rows(X, y, goes_on)
        check_classification_targets(y)
        if not goes_on:
            self.classes_ = np.unique(y)
        labels = self._encoded(y)
        weights = self._weights(labels, sample_weight)
        if not goes_on:
            self._begin_classes(rows)
        self._train(rows, labels, weights, callbacks, stratify=labels)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        callbacks: Iterable[AnyCallback] = (),
    ) -> Self:
        """Train for one epoch more on these images; the optimiser goes on, too.

        Parameters
        ----------
        X, y, sample_weight, callbacks
            As for `fit`.
        classes : array (classes,) or None
            All labels that there will be; needed in the first call.

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            As for `fit`; `classes` is missing or not that of before; `early_stopping`; a schedule; "balanced" weights.
        """
        goes_on = hasattr(self, "net_")
        rows, y = self._training_rows(X, y, goes_on)
        check_classification_targets(y)
        self._take_classes(classes, goes_on)
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all labels, and partial_fit has a part; give a dict")
        labels = self._encoded(y)
        weights = self._weights(labels, sample_weight)
        if not goes_on:
            self._begin_classes(rows)
        self._train_once(rows, labels, weights, callbacks)
        return self

    def _begin_classes(self, rows: np.ndarray) -> None:
        """A new net, which knows the names of the classes."""
        self._begin(rows, len(self.classes_), SoftmaxCrossEntropy())
        names = [str(label) for label in self.classes_]
        self.net_.classes = names if all(names) and len(set(names)) == len(names) else None

    def _take_classes(self, classes: ArrayLike | None, goes_on: bool) -> None:
        if classes is None:
            if not goes_on:
                raise ValueError("classes must hold all labels in the first call of partial_fit, got None")
            return
        given = np.unique(checks.array("classes", classes))
        if goes_on and not np.array_equal(given, self.classes_):
            raise ValueError(f"classes must be those of the calls before, {self.classes_}, got {given}")
        self.classes_ = given

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """Labels as indices into `classes_`."""
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ValueError(f"y must hold labels of classes_, {self.classes_}, got {y[~known].tolist()[0]!r}")
        return np.searchsorted(self.classes_, y)

    def _weights(self, labels: np.ndarray, sample_weight: ArrayLike | None) -> np.ndarray | None:
        """What each image counts, by its class and by itself."""
        given = self._given_weights(sample_weight, len(labels))
        if self.class_weight is None:
            return given
        of_classes = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[labels])[labels]
        return of_classes if given is None else of_classes * given

    # ---- prediction ----

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The label of each image (n,): that of the highest probability.

        Parameters
        ----------
        X : array (n, features), (n, h, w) or (n, h, w, c)

        Raises
        ------
        sklearn.exceptions.NotFittedError
        TypeError, ValueError
            What are no images like those of the fit.
        """
        labels = self._outputs(X, "predict")  # first, for it finds that there is no net
        return self.classes_[labels]

    def predict_proba(self, X: ArrayLike) -> Floats:
        """The probability of each class (n, classes), in the order of `classes_`, in the net's dtype.

        Parameters
        ----------
        X
            As for `predict`.

        Raises
        ------
        sklearn.exceptions.NotFittedError, TypeError, ValueError
            As for `predict`.
        """
        return self._outputs(X, "predict_proba")
