"""The layers of a net in TensorFlow: a function for each kind of layer, of `tf.nn`, as Keras' layers call them."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from .functional import Pass
from .nets import Layer


class TensorFlowPass(Pass):
    def conv2d(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        around = [[0, 0], *([size, size] for size in layer.options["padding"]), [0, 0]]
        y = tf.nn.conv2d(x, self.of(layer, "weights"), layer.options["stride"], around if np.any(around) else "VALID")
        return tf.nn.bias_add(y, self.of(layer, "bias")) if layer.options["bias"] else y

    def dense(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(x @ self.of(layer, "weights"), self.of(layer, "bias"))

    def batchnorm(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        normalised = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.of(layer, "gamma"),
            offset=self.of(layer, "beta"),
            mean=[] if self.training else self.of(layer, "mean"),
            variance=[] if self.training else self.of(layer, "variance"),
            epsilon=layer.options["epsilon"],
            is_training=self.training,
        )
        if self.training:
            self.keep(layer, normalised.batch_mean, normalised.batch_variance)
        return normalised.y

    def maxpool2d(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.max_pool2d(x, layer.options["pool_size"], layer.options["stride"], "VALID")

    def relu(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)

    def flatten(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, (x.shape[0], math.prod(x.shape[1:])))

    def globalavgpool2d(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(x, (1, 2))

    def dropout(self, layer: Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.dropout(x, layer.options["rate"]) if self.training else x
