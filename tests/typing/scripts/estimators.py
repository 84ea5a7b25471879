"""Estimators of scikit-learn."""

import numpy as np
from typing_extensions import assert_type

import cnn
from cnn.sklearn import CNNClassifier, CNNRegressor

x, y = np.zeros((10, 784)), np.arange(10)


def net(image_shape: tuple[int, int, int], outputs: int) -> list[cnn.Layer]:
    return [cnn.Flatten(), cnn.Dense(outputs)]


classifier = CNNClassifier(
    "lenet5", image_shape=(28, 28), epochs=5, batch_size=64, optimizer=cnn.SGD(0.1), augment=cnn.Augment(shift=1),
    learning_rate=cnn.schedules.Cosine(0.1), early_stopping=cnn.EarlyStopping(patience=5), validation_fraction=0.2,
    class_weight={"cat": 2.0}, random_state=np.random.RandomState(0), n_jobs=-1, warm_start=True, verbose=1,
)  # fmt: skip
assert_type(classifier.fit(x, y, sample_weight=np.ones(10), callbacks=[cnn.TimeLimit(60)]), CNNClassifier)
assert_type(classifier.partial_fit(x, y, classes=[0, 1]), CNNClassifier)
assert_type(classifier.net_, cnn.Sequential)
assert_type(classifier.n_iter_, int)
classifier.predict(x).astype(str)
classifier.predict_proba(x.reshape(10, 28, 28)).argmax(axis=1)
classifier.history_.loss[-1]
CNNClassifier(net, class_weight="balanced", early_stopping=True, random_state=0, n_jobs=None)
CNNClassifier([cnn.Flatten(), cnn.Dense(10)], optimizer="adam", learning_rate=0.01)
CNNRegressor(net, loss="huber").fit(x, y).predict(x).mean()
CNNRegressor(loss=cnn.losses.Huber(2))

CNNClassifier(net=3)  # error: net
CNNClassifier(epochs="5")  # error: epochs
CNNClassifier(class_weight="balance")  # error: class_weight
CNNClassifier(loss="huber")  # error: no such argument
CNNRegressor(class_weight="balanced")  # error: no such argument
classifier.fit(x)  # error: y
