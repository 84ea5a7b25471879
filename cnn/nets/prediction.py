"""`PredictingNet`: what a net reads in images, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from ..backends import checks
from ..backends.numpy.loss import sigmoid
from ..losses import has_accuracy, targets_of
from .evaluation import Evaluation, evaluation
from .transfer import TransferredNet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.annotations import Floats, Labels


class PredictingNet(TransferredNet):
    """The part of `Sequential` that predicts and evaluates."""

    def _outputs(self, x: ArrayLike, batch_size: SupportsIndex | None, probabilities: bool) -> Floats:
        if batch_size is None:
            return self.executor.predict(self.inputs.to_predict(x), probabilities)
        size, images = checks.integer("batch_size", batch_size, minimum=1), checks.images("x", x, self.input_shape)
        outputs = np.empty((len(images), *self.output_shape), self.dtype)
        for i in range(0, len(images), size):
            part = self.inputs.to_predict(images[i : i + size])
            outputs[i : i + size] = self.executor.predict(part, probabilities)
        return outputs

    def predict_proba(self, x: ArrayLike, batch_size: SupportsIndex | None = None) -> Floats:
        """Class probabilities of images, or of each output that of a yes; of a net for labels or for yes and no.

        Parameters
        ----------
        x : array (n, *input_shape)
            Of any real dtype; one channel may be left out. No images give an empty result.
        batch_size : int or None
            The most images that are converted and predicted at a time, which bounds the memory; the results of compiled
            kernels are the same bits. None leaves it to the package, which converts what is neither uint8 nor float as
            a whole.

        Returns
        -------
        array (n, outputs) in the net's dtype

        Raises
        ------
        TypeError, ValueError
            What are no images of this net; a batch size that is no integer or below 1.
        RuntimeError
            The net's loss is one for values.
        """
        targets = targets_of(self.loss)
        if not has_accuracy(self.loss):
            raise RuntimeError(f"a net trained by {self.loss!r} gives no probabilities; call predict")
        outputs = self._outputs(x, batch_size, targets == "labels")
        return outputs if targets == "labels" else sigmoid(outputs)

    def predict_logits(self, x: ArrayLike, batch_size: SupportsIndex | None = None) -> Floats:
        """The last layer's outputs, of which `predict_proba` gives the softmax.

        Parameters
        ----------
        x, batch_size
            As for `predict_proba`.

        Returns
        -------
        array (n, classes) in the net's dtype

        Raises
        ------
        TypeError, ValueError
            What are no images of this net; a batch size that is no integer or below 1.
        """
        return self._outputs(x, batch_size, False)

    def predict(self, x: ArrayLike, batch_size: SupportsIndex | None = None) -> Labels | Floats:
        """What the net reads in each image, in the form of its targets.

        Parameters
        ----------
        x, batch_size
            As for `predict_proba`.

        Returns
        -------
        array
            Of a net for labels, the class of the highest probability: (n,) of int64. With `BinaryCrossEntropy`, 1
            where a probability is above one half, else 0: (n, outputs) of int64. Of a net for values, its outputs:
            (n, outputs) in the net's dtype.

        Raises
        ------
        TypeError, ValueError
            What are no images of this net; a batch size that is no integer or below 1.

        Examples
        --------
        >>> import cnn, numpy as np
        >>> net = cnn.models.lenet5(seed=0)
        >>> net.predict(np.zeros((2, 28, 28), np.uint8)).shape
        (2,)
        """
        outputs = self._outputs(x, batch_size, False)
        targets = targets_of(self.loss)
        if targets == "labels":
            return outputs.argmax(axis=1)
        return (outputs > 0).astype(np.int64) if targets == "bits" else outputs

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: SupportsIndex | None = None) -> Evaluation:
        """Mean loss and accuracy on images and labels.

        Parameters
        ----------
        x, y
            As for `fit`.
        batch_size
            As for `predict_proba`.

        Returns
        -------
        Evaluation
            The mean loss, such as the cross-entropy in nats, and the fraction of images that are right.

        Raises
        ------
        TypeError, ValueError
            What are no images or labels of this net, or none at all; a batch size as for `predict_proba`.
        """
        outputs = self._outputs(x, batch_size, False)
        return evaluation(self.loss, outputs, self.inputs.targets("y", y, len(outputs)), self._ops)

    def evaluate_logits(self, logits: np.ndarray, y: ArrayLike) -> Evaluation:
        """What `evaluate` returns, from what `predict_logits` returned: for those who need the predictions, too.

        Parameters
        ----------
        logits : array (n, classes)
            Of all images, in the net's dtype.
        y
            As for `fit`.

        Raises
        ------
        TypeError, ValueError
            What are no labels of so many images, or none at all.
        """
        return evaluation(self.loss, logits, self.inputs.targets("y", y, len(logits)), self._ops)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """The accuracy alone, under the name that scikit-learn's classifiers give it; NaN where there is none.

        Parameters
        ----------
        x, y
            As for `fit`.

        Raises
        ------
        TypeError, ValueError
            As for `evaluate`.
        """
        return self.evaluate(x, y).accuracy
