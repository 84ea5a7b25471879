"""Writes the files of this folder: models that Keras itself exported, with images and what Keras predicts of them.

    KERAS_BACKEND=tensorflow python tests/export/onnx_graph/keras/make.py      # or torch

They were made with Keras 3.15, TensorFlow 2.21 with tf2onnx 1.17, and PyTorch 2.13, which the tests do not need.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers as L

FOLDER = Path(__file__).parent


def example() -> keras.Model:
    """The form of Keras' MNIST example."""
    return keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(6, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dropout(0.5),
            L.Dense(10, activation="softmax"),
        ]
    )


def colour() -> keras.Model:
    """Strides, groups, dilations, normalisations of maps and rows; GELU, which tf2onnx cannot write, with PyTorch."""
    activation = "gelu" if keras.backend.backend() == "torch" else "tanh"
    return keras.Sequential(
        [
            keras.Input((16, 20, 3)),
            L.Rescaling(1 / 255.0),
            L.Conv2D(6, 3, padding="same", strides=2),
            L.BatchNormalization(),
            L.LeakyReLU(negative_slope=0.2),
            L.DepthwiseConv2D(3, padding="same"),
            L.Activation(activation),
            L.SpatialDropout2D(0.2),
            L.AveragePooling2D(2),
            L.Conv2D(5, 2, activation="swish", dilation_rate=2),
            L.GlobalAveragePooling2D(),
            L.Dense(7),
            L.BatchNormalization(),
            L.Activation("tanh"),
            L.Dense(4),
        ]
    )


def residual() -> keras.Model:
    """A block, a normalisation of channels, a pooling of whole maps."""
    images = keras.Input((12, 12, 2))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same", use_bias=False)(images)))
    x = L.Add()([L.ReLU()(L.Conv2D(4, 3, padding="same")(x)), x])
    x = L.GlobalMaxPooling2D()(L.LayerNormalization()(x))
    return keras.Model(images, L.Dense(3, activation="softplus")(L.Dense(5, activation="sigmoid")(x)))


def rows() -> keras.Model:
    """Images without a channel axis, flattened at once."""
    return keras.Sequential(
        [
            keras.Input((8, 9)),
            L.Flatten(),
            L.Dense(12, activation="relu"),
            L.LayerNormalization(),
            L.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    backend = keras.backend.backend()
    for make in (example, colour, residual, rows):
        keras.utils.set_random_seed(0)
        model, rng = make(), np.random.default_rng(0)
        for value in model.weights:
            if not value.path.endswith("kernel"):
                value.assign(rng.uniform(0.5, 1, value.shape))
        x = rng.standard_normal((3, *model.input_shape[1:])).astype(np.float32)
        name, y = f"{make.__name__}_{backend}", np.asarray(model.predict(x, verbose=0))
        try:
            model.export(FOLDER / f"{name}.onnx", format="onnx", verbose=False)
        except Exception as error:  # PyTorch's exporter has no rows of a free batch from this backend
            print(f"{name} is not exported: {error}"[:200])
            continue
        np.savez_compressed(FOLDER / f"{name}.npz", x=x, y=y)


if __name__ == "__main__":
    main()
