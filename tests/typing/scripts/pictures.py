"""Pictures and reports."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from typing_extensions import assert_type

import cnn

x, y = np.zeros((4, 28, 28), np.uint8), [0, 1, 2, 3]
net = cnn.models.lenet5()
history = net.fit(x, y)

figures: list[Figure] = [
    history.plot(),
    history.plot(Path("curves.svg")),
    cnn.plot.training_curves(history, "curves.svg"),
    cnn.plot.filters(net, path="filters.png"),
    cnn.plot.learning_rates(cnn.LearningRateFinder(), "rates.svg"),
    cnn.plot.feature_maps(net, x[0]),
    cnn.plot.confusion_matrix(net, x, y),
    cnn.plot.confusion_matrix(net.predict(x), None, y, Path("confusion.svg")),
    cnn.plot.worst_mistakes(net, x, y, count=np.int64(9)),
]
assert_type(cnn.report.write_report("report", net, history, x, y, "A net", {"epochs": 1}), Path)
cnn.report.write_report(Path("report"), cnn.load("digits.safetensors"), None, x, y)

history.plot(3)  # error: path
cnn.plot.training_curves(net)  # error: history
cnn.plot.training_curves([0.3, 0.2])  # error: history
cnn.plot.filters(cnn.Conv2D(8, 3))  # error: net
cnn.plot.learning_rates(history)  # error: finder
cnn.plot.feature_maps(net)  # error: image
cnn.plot.worst_mistakes(net, x, y, "9")  # error: count
cnn.plot.confusion_matrix(net, x)  # error: y
cnn.report.write_report(net, "report", history, x, y)  # error: folder and net
cnn.report.write_report("report", net, x, y)  # error: history
