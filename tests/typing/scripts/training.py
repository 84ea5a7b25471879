"""A fit: its arguments, optimisers, schedules, callbacks, and what it returns."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn

x, y = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.int64)
net = cnn.models.lenet5()

history = net.fit(
    x, y, epochs=2, batch_size=np.int64(2), optimizer=cnn.SGD(0.1, momentum=0.9, nesterov=True),
    validation_data=(x, y), shuffle=False, seed=np.random.default_rng(0),
    callbacks=[cnn.EarlyStopping("val_accuracy", patience=2), cnn.Checkpoint(Path("run"), every=2)],
    progress=False, augment=cnn.Augment(shift=1, noise=0.5), label_smoothing=0.1, resume=Path("run"),
)  # fmt: skip
assert_type(history.loss, list[float])
assert_type(history.val_accuracy, list[float])
assert_type(net.train_on_batch(x, y, cnn.Adam()), float)
net.fit(x.tolist(), [0, 1, 2, 3], progress="auto", resume="run")

net.fit(x, y, validation_split=0.1), net.fit(x, y, validation_split=np.float32(0.5))
net.fit([(x, y), (x.tolist(), [0, 1, 2, 3])], epochs=2)
net.fit(((x, y) for _ in range(9)), epochs=3, steps_per_epoch=np.int64(3), optimizer=cnn.Adam())

net.fit(cnn.datasets.shard(x, y, object()), comm=object())
net.fit(cnn.datasets.Shard(x, y, first=0), epochs=2, comm=None)

net.fit(object())  # error: x
net.fit([(x, y)], steps_per_epoch="3")  # error: steps_per_epoch
net.fit(x, y, epochs="2")  # error: epochs
net.fit(x, y, epochs=1.5)  # error: epochs
net.fit(x, y, epoch=2)  # error: epochs
net.fit(x, y, optimizer="adam")  # error: optimizer
net.fit(x, y, optimizer=cnn.Adam)  # error: a class
net.fit(x, y, validation_data=x)  # error: a pair
net.fit(x, y, validation_data=(x, y, y))  # error: a pair
net.fit(x, y, validation_split="0.1")  # error: validation_split
net.fit(x, y, seed="0")  # error: seed
net.fit(x, y, progress="yes")  # error: progress
net.fit(x, y, augment=1)  # error: augment
net.fit(x, y, label_smoothing="0.1")  # error: label_smoothing
net.fit(x, y, resume=True)  # error: resume
history.val_acc  # error: val_accuracy
net.train_on_batch(x, y)  # error: optimizer
net.train_on_batch(x, y, 0.1)  # error: optimizer

cnn.SGD(0.1), cnn.SGD(np.float32(0.1)), cnn.SGD(1), cnn.SGD(cnn.schedules.Cosine(0.1), weight_decay=5e-4)
cnn.Adam(), cnn.Adam(0.001, beta1=0.9), cnn.AdamW(cnn.schedules.OneCycle(0.01)), cnn.RMSprop(alpha=0.9)
cnn.Adadelta(), cnn.Adadelta(0.5, rho=0.95), cnn.Lion(), cnn.Lion(cnn.schedules.Cosine(1e-4), weight_decay=0.1)
cnn.Adadelta(alpha=0.9)  # error: rho
cnn.Lion("1e-4")  # error: learning_rate
cnn.SGD()  # error: learning_rate
cnn.SGD("0.1")  # error: learning_rate
cnn.SGD(lr=0.1)  # error: learning_rate
cnn.SGD(cnn.schedules.Cosine)  # error: a class
cnn.SGD(lambda step, steps: 0.1 * (1 - step / steps))
cnn.SGD(lambda done: 0.1)  # error: neither a schedule nor a function of step and steps
cnn.SGD(lambda step, steps: "0.1")  # error: no number
cnn.Adam(0.001, betas=(0.9, 0.999))  # error: beta1 and beta2
cnn.Augment(shift="1")  # error: shift
cnn.Augment(flip=True)  # error: flip
assert_type(cnn.Augment(rotate=10)(x, seed=0), NDArray[np.float32])


class Linear:
    def at(self, done: NDArray[np.float64], epochs: int) -> NDArray[np.float64]:
        return 0.1 * (1 - done)


class Scalar:
    def at(self, done: float, epochs: int) -> float:
        return 0.1 * (1 - done)


class Inherited(cnn.schedules.Cosine):
    pass


any_schedule: list[cnn.schedules.Schedule] = [Linear(), Inherited(0.1), cnn.schedules.Step(0.1, 2, 0.5)]
cnn.SGD(Linear()), cnn.AdamW(Inherited(0.1)), cnn.RMSprop(any_schedule[0])
cnn.SGD(Scalar())  # error: it must take an array
assert_type(cnn.schedules.Constant(0.1).at(0.5), float)
assert_type(cnn.schedules.Step(0.1, every=2, factor=0.5).at(np.linspace(0, 1, 9), 4), NDArray[np.float64])
cnn.schedules.Step(0.1)  # error: every and factor
cnn.schedules.OneCycle("0.1")  # error: peak


class Own:
    def on_epoch_end(self, net: cnn.Sequential, logs: dict[str, Any]) -> None:
        net.stop_training = logs["loss"] < 0.1


class Derived(cnn.Callback):
    def on_fit_begin(self, net: Any, logs: dict[str, float]) -> None:
        print(logs["epoch"])


class Batch:
    def on_batch_end(self, net: cnn.Sequential, logs: dict[str, Any]) -> None:
        net.stop_training = logs["loss"] < 0.1


class Nothing:
    def on_batch_begin(self, net: Any, logs: dict[str, Any]) -> None: ...


class TooFew:
    def on_epoch_end(self, net: Any) -> None: ...


net.fit(x, y, callbacks=[Own(), Derived(), cnn.CSVLogger("log.csv", append=True), cnn.TensorBoard("runs")])
net.fit(x, y, callbacks=(Own(),))
finder = cnn.LearningRateFinder(1e-5, highest=1.0, steps=50)
net.fit(x, y, callbacks=[Batch(), cnn.ReduceLROnPlateau("loss", factor=0.5), cnn.TimeLimit(60), finder])
net.fit(x, y, callbacks=[cnn.OptunaPruning(object(), monitor="loss")])
net.fit(x, y, callbacks=[cnn.ExponentialAverage(0.99, every=2)])
assert_type(finder.suggestion, float)
assert_type(finder.losses, list[float])
finder.plot("rates.png")
net.fit(x, y, callbacks=Own())  # error: a sequence
net.fit(x, y, callbacks=[Nothing()])  # error: no method of a callback
net.fit(x, y, callbacks=[TooFew()])  # error: logs
net.fit(x, y, callbacks=[cnn.EarlyStopping])  # error: a class
net.fit(x, y, callbacks=[print])  # error: a function
cnn.EarlyStopping(patience="3")  # error: patience
cnn.ReduceLROnPlateau(factor="0.1")  # error: factor
cnn.TimeLimit()  # error: seconds
cnn.OptunaPruning(object(), 3)  # error: monitor
cnn.ExponentialAverage(every=0.5)  # error: every
cnn.LearningRateFinder(steps="100")  # error: steps
finder.suggestion = 0.1  # error: it follows from the losses
cnn.Checkpoint()  # error: path
cnn.CSVLogger(3)  # error: path
