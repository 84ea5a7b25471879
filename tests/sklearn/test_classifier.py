"""`CNNClassifier`: what it takes, what it learns, and what it keeps from fit to fit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

from cnn.sklearn import CNNClassifier

pytestmark = pytest.mark.usefixtures("one_thread")


def classifier(**options):
    return CNNClassifier(**{"epochs": 3, "random_state": 0} | options)


def bits(estimator):
    return {name: value.tobytes() for name, value in estimator.net_.parameters().items()}


@pytest.fixture(scope="module")
def images(bars):
    return bars.train_images, bars.train_labels


# ---- what it learns ----


def test_it_reads_mnist(mnist_dataset):
    x, y = mnist_dataset.train_images[:10_000], mnist_dataset.train_labels[:10_000]
    estimator = classifier(epochs=4).fit(x.reshape(len(x), -1), y)
    assert estimator.score(mnist_dataset.test_images, mnist_dataset.test_labels) > 0.96
    assert estimator.n_features_in_ == 784
    assert estimator.image_shape_ == (28, 28, 1)


def test_the_net_is_the_one_that_sequential_trains(images):
    x, y = images
    estimator = classifier(optimizer=cnn.SGD(0.05), batch_size=16, augment=cnn.Augment(shift=1)).fit(x, y)
    random = np.random.RandomState(0)
    net = cnn.models.two_conv(seed=int(random.randint(2**31 - 1)))
    history = net.fit(
        x, y, epochs=3, batch_size=16, optimizer=cnn.SGD(0.05), augment=cnn.Augment(shift=1), progress=False,
        seed=int(random.randint(2**31 - 1)),
    )  # fmt: skip
    assert bits(estimator) == {name: value.tobytes() for name, value in net.parameters().items()}
    assert estimator.history_.loss == history.loss
    assert estimator.n_iter_ == 3
    assert np.array_equal(estimator.predict_proba(x), net.predict_proba(x))


@pytest.mark.parametrize(
    "name",
    [
        lambda digit: f"digit {digit}",
        lambda digit: 10 * int(digit) - 7,
        lambda digit: digit / 2 if digit % 2 == 0 else -float(digit),
        bool,
    ],
)
def test_labels_may_be_anything(images, name):
    x, digits = images
    y = np.array([name(digit) for digit in digits])
    if y.dtype.kind == "f":
        y = np.round(2 * y)  # whole numbers, or scikit-learn takes them for values
    estimator = classifier(epochs=6).fit(x, y)
    assert np.array_equal(estimator.classes_, np.unique(y))
    predicted, probabilities = estimator.predict(x), estimator.predict_proba(x)
    assert predicted.dtype == y.dtype
    assert estimator.score(x, y) == (predicted == y).mean() > 0.9
    assert np.array_equal(estimator.classes_[probabilities.argmax(axis=1)], predicted)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert estimator.net_.classes == tuple(str(label) for label in estimator.classes_)


def test_two_classes_and_one(images):
    x, y = images
    two = np.isin(y, (3, 7))
    estimator = classifier(epochs=20).fit(x[two], y[two])
    assert estimator.predict_proba(x[two]).shape == (two.sum(), 2)
    assert estimator.score(x[two], y[two]) > 0.95
    assert set(classifier().fit(x[y == 3], y[y == 3]).predict(x)) == {3}


# ---- images ----


@pytest.mark.parametrize("form", ["rows", "h w", "h w 1", "lists", "table"])
def test_rows_and_images_are_the_same(images, form):
    x, y = images
    x, y = x[:50].astype(np.int64), y[:50]  # as lists are
    if form == "table":
        pandas = pytest.importorskip("pandas", reason="pandas is not installed")
        given = pandas.DataFrame(x.reshape(50, -1), columns=[f"pixel {i}" for i in range(784)])
    else:
        given = {"rows": x.reshape(50, -1), "h w": x, "h w 1": x[..., None], "lists": x.tolist()}[form]
    estimator, expected = classifier().fit(given, y), classifier().fit(x, y)
    assert estimator.image_shape_ == (28, 28, 1)
    assert bits(estimator) == bits(expected)
    assert np.array_equal(estimator.predict_proba(given), expected.predict_proba(x))
    if form == "table":
        assert list(estimator.feature_names_in_) == list(given.columns)
        with pytest.raises(ValueError, match="feature names"):
            estimator.predict(given[given.columns[::-1]])


@pytest.mark.parametrize("scale", [lambda x: x / 255, lambda x: x / 1e6 - 3, lambda x: x.astype(np.int64) * 7])
def test_a_net_with_a_name_takes_pixels_on_any_scale(images, scale):
    x, y = images
    assert classifier(epochs=8).fit(scale(x), y).score(scale(x), y) > 0.95


def test_colour_and_shapes_of_rows():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (40, 8, 12, 3), np.uint8), np.arange(40) % 3
    estimator = classifier().fit(x, y)
    assert (estimator.image_shape_, estimator.n_features_in_) == ((8, 12, 3), 288)
    rows = classifier(image_shape=(8, 12, 3)).fit(x.reshape(40, -1), y)
    assert bits(estimator) == bits(rows)
    assert np.array_equal(estimator.predict(x.reshape(40, -1)), rows.predict(x))
    assert classifier(image_shape=(24, 12)).fit(x.reshape(40, -1), y).image_shape_ == (24, 12, 1)


def test_small_images_stand_in_the_middle_of_zeros():
    random = np.random.default_rng(0)
    x, y = random.random((60, 6, 7)), np.arange(60) % 2
    small = classifier(net="lenet5").fit(x, y)
    assert small.net_.input_shape == (16, 16, 1)
    laid = np.zeros((60, 16, 16))
    laid[:, 5:11, 4:11] = x
    assert np.array_equal(small.predict_proba(x), small.net_.predict_proba(laid))


def test_features_that_make_no_square_are_one_line_with_a_warning():
    x, y = np.random.default_rng(0).random((30, 10)), np.arange(30) % 2
    with pytest.warns(UserWarning, match=r"10 features, which make no square .* image_shape=\(1, 10, 1\)") as told:
        estimator = classifier().fit(x, y)
    assert told[0].filename == __file__
    assert estimator.image_shape_ == (1, 10, 1)


@pytest.mark.parametrize(
    ("options", "x", "error", "message"),
    [
        (
            {"image_shape": (4, 5)},
            np.zeros((6, 16)),
            ValueError,
            r"image_shape \(4, 5, 1\) has 20 pixels, and X",
        ),
        ({"image_shape": (16,)}, np.zeros((6, 16)), ValueError, r"image_shape must be \(h, w\) or \(h, w, c\), got"),
        ({"image_shape": "big"}, np.zeros((6, 16)), TypeError, "image_shape must"),
        (
            {"image_shape": (2, 8)},
            np.zeros((6, 4, 4)),
            ValueError,
            r"image_shape \(2, 8, 1\), got \(4, 4, 1\)",
        ),
        ({}, np.zeros((6, 2, 2, 2, 2)), ValueError, r"X must be rows .* got shape \(6, 2, 2, 2, 2\)"),
        ({}, np.full((6, 4, 4), np.nan), ValueError, "NaN"),
    ],
)
def test_what_are_no_images_is_an_error(options, x, error, message):
    with pytest.raises(error, match=message):
        classifier(**options).fit(x, [0, 1] * 3)


def test_other_images_than_those_of_the_fit_are_an_error(images):
    x, y = images
    estimator = classifier(epochs=1).fit(x, y)
    with pytest.raises(ValueError, match="expecting 784 features"):
        estimator.predict(x[:, :27])
    with pytest.raises(ValueError, match=r"images \(28, 28, 1\), as in the fit before, got \(14, 56, 1\)"):
        estimator.predict(x.reshape(-1, 14, 56))
    with pytest.raises(NotFittedError):
        classifier().predict(x)


# ---- from fit to fit ----


def test_random_state_by_scikit_learns_rules(images):
    x, y = images
    first, again, other = (bits(classifier(random_state=seed).fit(x, y)) for seed in (1, 1, 2))
    assert first == again != other
    estimator = classifier(random_state=np.random.RandomState(1))
    assert bits(estimator.fit(x, y)) == first
    assert bits(estimator.fit(x, y)) != first  # the generator has moved on
    estimator = classifier(random_state=None)
    np.random.seed(1)  # noqa: NPY002 - scikit-learn's rule for None
    assert bits(estimator.fit(x, y)) == first


def test_warm_start_goes_on(images):
    x, y = images
    estimator = classifier(warm_start=True).fit(x, y)
    net, loss = estimator.net_, estimator.history_.loss[-1]
    estimator.fit(x, y)
    assert estimator.net_ is net
    assert estimator.n_iter_ == 6
    assert len(estimator.history_.loss) == 3
    assert estimator.history_.loss[0] < loss
    with pytest.raises(ValueError, match=r"y must hold labels of classes_, .* got 10"):
        estimator.fit(x, y.astype(int) + 3)


def test_partial_fit_learns_from_one_part_after_the_other(images):
    x, y = images
    estimator = classifier()
    for _ in range(8):
        for part in np.array_split(np.random.default_rng(0).permutation(len(x)), 4):
            estimator.partial_fit(x[part], y[part], classes=range(10))
    assert estimator.score(x, y) > 0.95
    assert estimator.n_iter_ == 32


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", cnn.Lion(0.001)])
def test_the_optimiser_goes_on_between_calls_of_partial_fit(images, optimizer):
    x, y = images[0][:50], images[1][:50]
    net = [cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(10)]
    options = {"net": net, "optimizer": optimizer, "batch_size": 50}  # all in one: their order is one of rounding
    whole, parts, anew = classifier(**options), classifier(**options), classifier(**options, warm_start=True)
    whole.set_params(epochs=5).fit(x, y)
    anew.set_params(epochs=1)
    for _ in range(5):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(x, y, classes=range(10))))
        anew.fit(x, y)
    weights, of_parts, of_anew = (each.net_.parameters()["dense_1.weights"] for each in (whole, parts, anew))
    assert np.abs(of_parts - weights).max() < 1e-3 < np.abs(of_anew - weights).max()


def test_early_stopping_keeps_images_of_each_class_for_the_validation(images):
    x, y = images
    seen = []

    class Watch(cnn.Callback):
        def on_fit_begin(self, net, logs):
            seen.append(net.current_fit.data)

    y = np.random.default_rng(0).permutation(y)  # there is nothing to learn
    estimator = classifier(epochs=200, early_stopping=True, validation_fraction=0.2, learning_rate=0.01)
    estimator.fit(x, y, callbacks=[Watch()], sample_weight=np.arange(1.0, 201))
    assert np.bincount(seen[0].validation[1]).tolist() == [4] * 10
    assert len(seen[0].x) == len(seen[0].weights) == 160
    assert len(estimator.history_.val_loss) == estimator.n_iter_ < 200
    best = min(estimator.history_.val_loss)
    assert estimator.net_.evaluate(*seen[0].validation).loss == pytest.approx(best)
    patient = classifier(epochs=5, early_stopping=cnn.EarlyStopping("val_accuracy", patience=5)).fit(x, y)
    assert len(patient.history_.val_accuracy) == 5


def test_weights_of_classes_and_images(images):
    x, y = images
    names = np.array([f"digit {digit}" for digit in y])
    weights = np.linspace(0.5, 2, len(y))
    by_class = classifier(class_weight={"digit 3": 5.0}).fit(x, names, sample_weight=weights)
    by_image = classifier().fit(x, names, sample_weight=np.where(y == 3, 5.0, 1.0) * weights)
    assert bits(by_class) == bits(by_image)
    part = np.r_[:100, np.flatnonzero(y[100:] < 5) + 100]
    balanced = classifier(class_weight="balanced").fit(x[part], y[part])
    counts = np.bincount(y[part])
    by_image = classifier().fit(x[part], y[part], sample_weight=(len(part) / (10 * counts))[y[part]])
    assert bits(balanced) == bits(by_image)


def test_a_fit_that_is_pruned_leaves_a_net_that_predicts(images):
    class Pruned(Exception):
        pass

    class Prune(cnn.Callback):
        def on_epoch_end(self, net, logs):
            if logs["epoch"] == 2:
                raise Pruned

    x, y = images
    estimator = classifier()
    with pytest.raises(Pruned):
        estimator.fit(x, y, callbacks=[Prune()])
    assert len(estimator.history_.loss) == estimator.n_iter_ == 2
    assert estimator.predict(x).shape == y.shape


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must"),
        ({"batch_size": 0}, ValueError, "batch_size must"),
        ({"optimizer": "adan"}, ValueError, "optimizer must be one of .*, got 'adan'; did you mean 'adam'"),
        ({"optimizer": 3}, TypeError, "optimizer must be an optimiser"),
        ({"learning_rate": -1}, ValueError, "learning_rate must"),
        ({"augment": 3}, TypeError, "augment must"),
        ({"early_stopping": 3}, TypeError, "early_stopping must be a bool or a cnn.EarlyStopping, got 3"),
        ({"early_stopping": True, "validation_fraction": 0}, ValueError, "validation_fraction must"),
        ({"class_weight": {11: 2}}, ValueError, "class"),
        (
            {"net": "lenet"},
            ValueError,
            "net must be the name of a net .*, got 'lenet'; did you mean 'lenet5'",
        ),
    ],
)
def test_wrong_arguments_are_named_by_the_fit(images, options, error, message):
    with pytest.raises(error, match=message):
        classifier(**options).fit(*images)


@pytest.mark.parametrize(
    ("options", "classes", "message"),
    [
        ({}, None, "classes must hold all labels in the first call of partial_fit, got None"),
        ({}, [0, 1], "y must hold labels of classes_"),
        ({"early_stopping": True}, range(10), "partial_fit does not support early_stopping"),
        ({"class_weight": "balanced"}, range(10), "class_weight='balanced' needs all labels"),
        ({"learning_rate": cnn.schedules.Cosine(0.1)}, range(10), "partial_fit needs a learning_rate that is a number"),
    ],
)
def test_what_partial_fit_cannot_do_is_an_error(images, options, classes, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options).partial_fit(*images, classes=classes)


def test_other_classes_than_in_the_first_call_are_an_error(images):
    estimator = classifier().partial_fit(*images, classes=range(10))
    with pytest.raises(ValueError, match="classes must be those of the calls before"):
        estimator.partial_fit(*images, classes=range(11))


def test_progress_is_shown_if_wanted(images, capsys):
    x, y = train_test_split(*images, train_size=50, random_state=0, stratify=images[1])[::2]
    classifier(epochs=1).fit(x, y)
    assert capsys.readouterr() == ("", "")
    classifier(epochs=1, verbose=1).fit(x, y)
    assert "epoch 1/1" in "".join(capsys.readouterr())
