"""Names: every public one is known, and no other."""

from typing import Any

from typing_extensions import assert_type

import cnn
import cnn.plot
import cnn.reference
from cnn import *
from cnn import Augment, Callback, Checkpoint, ConvolutionalNeuralNetwork, Sequential, load, models, schedules
from cnn import Conv2d as Conv2d  # error: Conv2D
from cnn.datasets import mnist
from cnn.reference import Conv3x3 as SlowConv3x3
from cnn.reference import conv2d_forward

LAYERS: list[type[cnn.Layer]] = [
    cnn.AvgPool2D, cnn.BatchNorm, cnn.Conv2D, cnn.Dense, cnn.DepthwiseConv2D, cnn.Dropout, cnn.Flatten, cnn.GELU,
    cnn.GlobalAvgPool2D, cnn.GlobalMaxPool2D, cnn.LayerNorm, cnn.LeakyReLU, cnn.MaxPool2D, cnn.ReLU, cnn.Rescaling,
    cnn.Residual, cnn.SiLU, cnn.Sigmoid, cnn.Softplus, cnn.Tanh,
]  # fmt: skip
TWINS: list[type[cnn.Layer]] = [cnn.reference.Conv2D, cnn.reference.Dropout, cnn.reference.Tanh]
CALLBACKS: list[type[Callback]] = [
    cnn.CSVLogger, cnn.EarlyStopping, cnn.ExponentialAverage, cnn.LearningRateFinder, cnn.OptunaPruning,
    cnn.ReduceLROnPlateau, cnn.TensorBoard, cnn.TimeLimit, Checkpoint, cnn.Callback,
]  # fmt: skip
OTHERS: list[Any] = [
    cnn.SGD, cnn.Adadelta, cnn.Adam, cnn.AdamW, cnn.Lion, cnn.RMSprop, cnn.Conv3x3, cnn.MaxPool2, cnn.Softmax,
    cnn.Optimizer, cnn.losses.Huber,
    Augment, Sequential, ConvolutionalNeuralNetwork, load, models.wide, schedules.OneCycle, Dense, Dropout,
    set_num_threads, SlowConv3x3, conv2d_forward, mnist.train_images, cnn.reference.Softmax, cnn.reference.relu_forward,
    cnn.reference.Sequential, cnn.reference.ConvolutionalNeuralNetwork, cnn.functional.softmax,
    cnn.datasets.load_mnist, cnn.models.tutorial, cnn.plot.filters, cnn.report.write_report, cnn.ScaleWarning,
    cnn.from_onnx, cnn.from_torch, cnn.sklearn.CNNClassifier, cnn.sklearn.CNNRegressor,
]  # fmt: skip

assert_type(cnn.__version__, str)
assert_type(cnn.get_num_threads(), int)
assert_type(cnn.show_config(), None)
cnn.set_num_threads(2)
cnn.set_num_threads("2")  # error: n
cnn.set_num_threads(1.5)  # error: n

cnn.Conv2d(8, 3)  # error: Conv2D
cnn.Sequental  # error: Sequential
cnn.optimizer  # error: no such name
cnn.functional.conv2d  # error: conv2d_forward
cnn.reference.conv2d  # error: conv2d_forward
cnn.reference.Conv4D  # error: no such layer
cnn.datasets.load_cifar  # error: no such data set
cnn.datasets.mnist.images  # error: train_images or test_images
cnn.models.lenet  # error: lenet5
cnn.schedules.Linear  # error: no such schedule
cnn.plot.curves_of  # error: training_curves
