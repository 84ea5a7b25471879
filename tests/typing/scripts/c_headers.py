"""A net as a C header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn

net = cnn.models.lenet5()
x = np.zeros((4, 28, 28), np.uint8)

header = cnn.export.c(net, Path("digits.h"), dtype="int8", calibration=x)
cnn.export.c(net, "digits.h", "float32")
assert_type(header.flash, int)
assert_type(header.ram, int)
assert_type(header.predict_logits(x.tolist()), NDArray[np.float32])
cnn.export.c(net, "digits.h", dtype="int4")  # error: dtype
cnn.export.c(net, 3)  # error: path
cnn.export.c(net)  # error: path
