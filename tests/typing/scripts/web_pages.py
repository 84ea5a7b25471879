"""A net as a web page."""

from pathlib import Path

import numpy as np
from typing_extensions import assert_type

import cnn

net = cnn.models.lenet5()
x, y = np.zeros((4, 28, 28), np.uint8), [1, 2, 3, 4]

assert_type(cnn.export.html(net, Path("digits.html"), x, y, title="Digits"), None)
cnn.export.html(net, "digits.html", images=x)
cnn.export.html(net, "digits.html", labels=y)
cnn.export.html(net)  # error: path
cnn.export.html(net, 3)  # error: path
cnn.export.html(net, "digits.html", x, y, name="Digits")  # error: name
