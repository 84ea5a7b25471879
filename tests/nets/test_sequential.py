"""`Sequential`: its parameters, what a fit does with them, what it returns and what it refuses."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 5
SHAPE = (8, 9, 1)


def small(dtype="float32", seed=0, backend="compiled", ns=cnn):
    """A net with a layer of every kind, of sizes that differ from each other."""
    layers = [
        ns.Rescaling(1 / 8, -0.5), ns.Conv2D(3, 3), ns.ReLU(), ns.MaxPool2D(2),
        ns.Conv2D(4, (2, 3), padding="same", bias=False), ns.ReLU(), ns.Flatten(),
        ns.Dense(7), ns.ReLU(), ns.Dense(CLASSES),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=SHAPE, dtype=dtype, seed=seed, backend=backend)


def data(n: int, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Images of values that every dtype holds, and their labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 9, (n, *SHAPE), dtype=np.uint8), rng.integers(0, CLASSES, n)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.parameters().values())


def values(net) -> np.ndarray:
    """A copy of all parameters as one row, in float64."""
    return np.concatenate([value.ravel() for value in net.parameters().values()]).astype(np.float64)


def fitted(net, x, y, **options):
    options = {"epochs": 2, "batch_size": 8, "seed": 3, "progress": False} | options
    return net.fit(x, y, **options)


@pytest.fixture
def backend(implementation):
    """The backend of a net: the reference, or the compiled one at some level."""
    return "numpy" if implementation == "reference" else "compiled"


@pytest.fixture(params=["compiled", "numpy"])
def either(request):
    """The backend of a net, at one level: for what is decided before a kernel runs."""
    return request.param


# ---- a whole example -------------------------------------------------------------------------------------------


def test_a_net_is_made_trained_and_asked_in_a_few_calls(capsys):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (96, 28, 28), dtype=np.uint8), rng.integers(0, 10, 96)
    xt, yt = rng.integers(0, 256, (40, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, 40)
    net = cnn.Sequential([
        cnn.Rescaling(1 / 255, -0.5),
        cnn.Conv2D(8, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(16, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(128), cnn.ReLU(), cnn.Dense(10),
    ], input_shape=(28, 28, 1), dtype="float32", seed=0)  # fmt: skip
    history = net.fit(x, y, epochs=2, batch_size=64, optimizer=cnn.SGD(0.1, momentum=0.9, nesterov=True),
                      validation_data=(xt, yt), shuffle=True, seed=0, callbacks=(), progress="auto")  # fmt: skip
    assert len(capsys.readouterr().out.splitlines()) == 2
    for figures in (
        history.loss, history.accuracy, history.val_loss, history.val_accuracy, history.seconds,
        history.images_per_second,
    ):  # fmt: skip
        assert len(figures) == 2
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
    loss, accuracy = net.evaluate(xt, yt)
    assert (loss, accuracy) == (history.val_loss[-1], history.val_accuracy[-1])
    assert net.score(xt, yt) == accuracy
    assert net.predict(xt).shape == (40,)
    assert net.predict_proba(xt).shape == (40, 10)
    assert net.predict_proba(xt).dtype == np.float32
    net.summary()
    assert "conv2d_2" in capsys.readouterr().out
    assert sum(value.size for value in net.parameters().values()) == 80 + 1168 + 100480 + 1290


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (cnn.models.tutorial, 3 * 3 * 8 + 1352 * 10 + 10),
        (cnn.models.two_conv, 80 + 1168 + 100480 + 1290),
        (cnn.models.lenet5, 156 + 2416 + 30840 + 10164 + 850),
    ],
)
def test_the_models_take_bytes_and_have_the_right_sizes(dtype, make, parameters):
    net = make(seed=1, dtype=dtype)
    x = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    p = net.predict_proba(x)
    assert (p.shape, p.dtype) == ((3, 10), dtype)
    assert values(net).size == parameters
    assert bits(net) == bits(make(seed=1, dtype=dtype)) != bits(make(seed=2, dtype=dtype))


# ---- the step ------------------------------------------------------------------------------------------------


def test_the_step_is_along_the_gradient_of_the_loss(backend):
    net = small("float64", backend=backend)
    x, y = data(6)
    start = {name: value.copy() for name, value in net.parameters().items()}
    loss = net.train_on_batch(x, y, cnn.SGD(1.0))
    assert loss == pytest.approx(math.log(CLASSES), rel=1)
    gradients = {name: start[name] - value for name, value in net.parameters().items()}
    for name, value in net.parameters().items():
        value[...] = start[name]

    def difference(value, i, h):
        kept = value[i]
        losses = []
        for value[i] in (kept + h, kept - h):
            losses.append(net.evaluate(x, y).loss)
        value[i] = kept
        return (losses[0] - losses[1]) / (2 * h)

    h = 2**-13
    rounding = 1000 * np.finfo(float).eps / h  # the terms of a loss, summed with an error of eps each
    for name, value in net.parameters().items():
        for i in itertools.islice(np.ndindex(value.shape), 0, None, 5):
            coarse, fine = difference(value, i, 2 * h), difference(value, i, h)
            # The error of a central difference grows with h * h: it is a third of what halving h changed.
            tolerance = abs(coarse - fine) + rounding
            assert tolerance < 1e-6
            assert abs(gradients[name][i] - fine) <= tolerance, (name, i)


# ---- parameters --------------------------------------------------------------------------------------------

NAMES = {
    "conv2d_1.weights": (3, 3, 1, 3),
    "conv2d_1.bias": (3,),
    "conv2d_2.weights": (2, 3, 3, 4),
    "dense_1.weights": (36, 7),
    "dense_1.bias": (7,),
    "dense_2.weights": (7, CLASSES),
    "dense_2.bias": (CLASSES,),
}


def test_parameters_are_named_in_the_order_of_the_layers(dtype, either):
    parameters = small(dtype, backend=either).parameters()
    assert [(name, value.shape) for name, value in parameters.items()] == list(NAMES.items())
    assert {value.dtype for value in parameters.values()} == {dtype}


@pytest.mark.parametrize("which", ["parameters", "gradients"])
def test_all_lie_one_after_the_other_in_one_buffer(dtype, either, which):
    net = small(dtype, backend=either)
    arrays = [
        array.T if isinstance(layer, cnn.Dense) else array  # dense weights lie unit by unit
        for layer in net.layers
        for array in getattr(layer, which).values()
    ]
    assert len(arrays) == len(NAMES)
    assert all(array.flags.c_contiguous for array in arrays)
    for one, next_one in itertools.pairwise(arrays):
        assert next_one.ctypes.data == one.ctypes.data + one.nbytes


def test_layers_and_net_share_their_parameters_also_after_a_fit(either):
    net = small(backend=either)
    fitted(net, *data(20))
    first = net.layers[1]
    assert first.weights.ctypes.data == net.parameters()["conv2d_1.weights"].ctypes.data
    x, _ = data(4)
    before = net.predict_proba(x)
    first.weights = np.ones_like(first.weights)
    assert (net.parameters()["conv2d_1.weights"] == 1).all()
    changed = net.predict_proba(x)
    assert not np.array_equal(changed, before)
    net.parameters()["dense_2.bias"][2] += 10
    assert (net.predict_proba(x)[:, 2] > changed[:, 2]).all()


def test_a_seed_repeats_the_initial_parameters_for_both_backends(dtype):
    nets = [small(dtype, seed, backend) for seed in (1, 2) for backend in ("compiled", "numpy")]
    assert bits(nets[0]) == bits(nets[1])
    assert bits(nets[2]) == bits(nets[3])
    assert bits(nets[0]) != bits(nets[2])


def test_every_layer_draws_its_own_numbers():
    net = cnn.Sequential([cnn.Dense(6), cnn.Dense(6)], input_shape=(6,), seed=0)
    assert not np.array_equal(net.layers[0].weights, net.layers[1].weights)


def test_the_summary_is_a_table_with_totals(capsys):
    net = small()
    net.summary()
    header, _, *rows, _, total = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["layer", "output", "shape", "parameters", "MACs"]
    assert [row[0] for row in rows] == [
        "rescaling_1", "conv2d_1", "relu_1", "maxpool2d_1", "conv2d_2", "relu_2", "flatten_1", "dense_1", "relu_3",
        "dense_2",
    ]  # fmt: skip
    assert [" ".join(row[1:-2]) for row in rows] == [
        "8 x 9 x 1", "6 x 7 x 3", "6 x 7 x 3", "3 x 3 x 3", "3 x 3 x 4", "3 x 3 x 4", "36", "7", "7", "5",
    ]  # fmt: skip
    assert [int(row[-2]) for row in rows] == [0, 30, 0, 0, 72, 0, 0, 259, 0, 40]
    assert [int(row[-1].replace(",", "")) for row in rows] == [0, 6 * 7 * 27, 0, 0, 3 * 3 * 72, 0, 0, 36 * 7, 0, 35]
    assert total[0] == "total"
    assert [int(figure.replace(",", "")) for figure in total[-2:]] == [401, 1134 + 648 + 252 + 35]


# ---- fit ---------------------------------------------------------------------------------------------------


def test_a_seed_repeats_a_fit_to_the_bit(backend, dtype):
    x, y = data(45)
    nets = [small(dtype, backend=backend) for _ in range(3)]
    histories = [fitted(net, x, y, seed=seed) for net, seed in zip(nets, (3, 3, 4), strict=True)]
    assert bits(nets[0]) == bits(nets[1])
    assert histories[0].loss == histories[1].loss
    assert histories[0].accuracy == histories[1].accuracy
    assert bits(nets[0]) != bits(nets[2])


def test_any_number_of_threads_gives_the_same_bits(level, dtype, thread_counts):
    x, y = data(45)
    runs = set()
    for _ in thread_counts:
        net = small(dtype)
        history = fitted(net, x, y, batch_size=19, validation_data=(x[:20], y[:20]))
        runs.add((bits(net), *history.loss, *history.accuracy, *history.val_loss, net.predict_proba(x).tobytes()))
    assert len(runs) == 1


def test_a_fit_without_shuffling_takes_batches_in_order_and_a_smaller_last_one(backend, dtype):
    x, y = data(21)
    net, by_hand = small(dtype, backend=backend), small(dtype, backend=backend)
    history = fitted(net, x, y, shuffle=False, epochs=1, optimizer=cnn.SGD(0.1))
    optimizer = cnn.SGD(0.1)
    losses = [by_hand.train_on_batch(x[i : i + 8], y[i : i + 8], optimizer) for i in (0, 8, 16)]
    assert bits(net) == bits(by_hand)
    assert history.loss == pytest.approx([np.average(losses, weights=(8, 8, 5))], rel=1e-15)


def test_the_layers_run_one_by_one_do_what_a_fit_does(backend, dtype):
    x, y = data(8)
    net, by_hand = small(dtype, backend=backend), small(dtype, backend=backend)
    net.train_on_batch(x, y, cnn.SGD(0.5))
    ops = cnn.functional if backend == "compiled" else cnn.reference.functional
    out = x
    for layer in by_hand.layers:
        out = layer.forward(out)
    _, _, d = ops.softmax_cross_entropy(out, y)
    for layer in reversed(by_hand.layers):
        d = layer.backward(d)
    for layer in by_hand.layers:
        for name, value in layer.parameters.items():
            value -= dtype.type(0.5) * layer.gradients[name]
    # The longest sum is a weight's gradient, over the positions of all images, here perhaps in another order: it may be
    # off by its length times eps, and half of that goes into the weight.
    bound = 8 * SHAPE[0] * SHAPE[1] * np.finfo(dtype).eps
    np.testing.assert_allclose(values(net), values(by_hand), rtol=0, atol=bound * np.abs(values(net)).max())


def test_layers_of_the_reference_make_the_same_net(either, dtype):
    x, y = data(20)
    nets = [small(dtype, backend=either, ns=ns) for ns in (cnn, cnn.reference)]
    for net in nets:
        fitted(net, x, y)
    assert bits(nets[0]) == bits(nets[1])
    assert np.array_equal(nets[0].predict_proba(x), nets[1].predict_proba(x))


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epochs_figures_are_means_over_every_image_once(either, shuffle):
    x, y = data(45)
    net = small("float64", backend=either)
    history = fitted(net, x, y, epochs=3, shuffle=shuffle, optimizer=cnn.SGD(0.0))
    evaluation = net.evaluate(x, y)
    assert history.loss == pytest.approx([evaluation.loss] * 3, rel=100 * np.finfo(float).eps)
    assert history.accuracy == pytest.approx([evaluation.accuracy] * 3, rel=1e-15)
    assert bits(net) == bits(small("float64"))


def test_every_epoch_has_a_new_order():
    x, y = data(16)
    two, one = small("float64"), small("float64")
    fitted(two, x, y, epochs=2)
    fitted(one, x, y, epochs=1)
    fitted(one, x, y, epochs=1)
    assert bits(two) != bits(one)


def test_no_epochs_change_nothing(either):
    net = small(backend=either)
    history = fitted(net, *data(9), epochs=0)
    assert bits(net) == bits(small())
    assert all(figures == [] for figures in history)


def test_a_batch_larger_than_the_data_is_all_of_it(either):
    x, y = data(9)
    nets = [small(backend=either) for _ in range(2)]
    for net, batch_size in zip(nets, (9, 2**40), strict=True):
        fitted(net, x, y, batch_size=batch_size)
    assert bits(nets[0]) == bits(nets[1])


def test_a_net_without_parameters_is_evaluated_as_it_is(either):
    net = cnn.Sequential([cnn.Rescaling(2.0, 1.0)], input_shape=(3,), backend=either)
    x, y = np.eye(3), np.arange(3)
    history = fitted(net, x, y)
    assert history.accuracy == [1, 1]
    assert net.predict(x).tolist() == [0, 1, 2]
    assert net.parameters() == {}


@pytest.mark.parametrize("kind", ["one-hot", "one-hot bool", "uint8", "int32", "float32", "list", ">i8"])
def test_labels_of_other_forms_give_the_same_bits(either, kind):
    x, y = data(20)
    forms = {
        "one-hot": np.eye(CLASSES)[y],
        "one-hot bool": np.eye(CLASSES, dtype=bool)[y],
        "list": y.tolist(),
    }
    other = forms[kind] if kind in forms else y.astype(kind)
    nets = [small(backend=either) for _ in range(2)]
    histories = [
        fitted(net, x, labels, validation_data=(x, labels)) for net, labels in zip(nets, (y, other), strict=True)
    ]
    assert bits(nets[0]) == bits(nets[1])
    assert histories[0].accuracy == histories[1].accuracy
    assert histories[0].val_loss == histories[1].val_loss
    assert nets[0].evaluate(x, y) == nets[0].evaluate(x, other)


def strided(x):
    wide = np.zeros((2 * len(x), *x.shape[1:-1], 3), x.dtype)
    wide[::2, ..., 1:2] = x
    return wide[::2, ..., 1:2]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


class HasArray:
    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x


FORMS = {
    "float16": lambda x: x.astype(np.float16),
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "int64": lambda x: x.astype(np.int64),
    "big-endian": lambda x: x.astype(">f4"),
    "without channels": lambda x: x[..., 0],
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "a list": lambda x: x.tolist(),
    "has __array__": HasArray,
}


@pytest.mark.parametrize("form", FORMS)
def test_images_of_other_forms_give_the_same_bits_and_are_left_unchanged(dtype, either, form):
    x, y = data(20)
    other = FORMS[form](x)
    nets = [small(dtype, backend=either) for _ in range(2)]
    for net, images in zip(nets, (x, other), strict=True):
        fitted(net, images, y)
    assert bits(nets[0]) == bits(nets[1])
    assert nets[0].predict_proba(x).tobytes() == nets[0].predict_proba(other).tobytes()
    assert nets[0].predict(x).tolist() == nets[0].predict(other).tolist()
    assert nets[0].evaluate(x, y) == nets[0].evaluate(other, y)
    assert np.array_equal(np.asarray(other).reshape(x.shape), x)


def test_validation_is_an_evaluation_after_every_epoch(either):
    x, y = data(30)
    xv, yv = data(13, seed=1)

    class Evaluations:
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, net, logs):
            self.seen.append(net.evaluate(xv, yv))
            assert (logs["val_loss"], logs["val_accuracy"]) == self.seen[-1]

    evaluations = Evaluations()
    net = small(backend=either)
    history = fitted(net, x, y, epochs=3, validation_data=(xv, yv), callbacks=[evaluations])
    assert list(zip(history.val_loss, history.val_accuracy, strict=True)) == evaluations.seen
    without = small(backend=either)
    plain = fitted(without, x, y, epochs=3)
    assert bits(net) == bits(without)  # looking changes nothing
    assert plain.val_loss == plain.val_accuracy == []


def test_callbacks_are_called_in_order_after_every_epoch_with_its_figures(either):
    calls = []

    class Callback:
        def __init__(self, name):
            self.name = name

        def on_epoch_end(self, net, logs):
            calls.append((self.name, net, dict(logs)))

    net = small(backend=either)
    history = fitted(net, *data(20), epochs=2, callbacks=[Callback("a"), Callback("b")])
    assert [(name, of) for name, of, _ in calls] == [("a", net), ("b", net)] * 2
    for epoch, (_, _, logs) in enumerate(calls[::2]):
        assert (logs.pop("epoch"), logs.pop("epochs"), logs.pop("learning_rate")) == (epoch + 1, 2, 0.1)
        assert logs.keys() == {"loss", "accuracy", "seconds", "images_per_second"}
        assert all(getattr(history, name)[epoch] == figure for name, figure in logs.items())


def test_an_error_in_a_callback_ends_the_fit_and_the_net_stays_usable(either):
    class Stop(Exception):
        pass

    class Stopping:
        def on_epoch_end(self, net, logs):
            raise Stop

    x, y = data(20)
    net = small(backend=either)
    with pytest.raises(Stop):
        fitted(net, x, y, epochs=5, callbacks=[Stopping()])
    once = small(backend=either)
    fitted(once, x, y, epochs=1)
    assert bits(net) == bits(once)
    fitted(net, x, y)


def test_seconds_and_images_per_second_belong_together(either):
    history = fitted(small(backend=either), *data(20))
    for seconds, speed in zip(history.seconds, history.images_per_second, strict=True):
        assert seconds > 0
        assert speed == pytest.approx(20 / seconds)


def test_a_fit_prints_an_epoch_a_line_or_nothing(capsys):
    fitted(small(), *data(9), progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    fitted(small(), *data(9), progress=False)
    assert capsys.readouterr().out == ""


# ---- prediction --------------------------------------------------------------------------------------------


def test_predictions_are_the_likeliest_classes_of_softmax(backend, dtype):
    net = small(dtype, backend=backend)
    x, y = data(600)  # more than are taken at a time
    p = net.predict_proba(x)
    assert (p.shape, p.dtype) == ((600, CLASSES), dtype)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=0, atol=CLASSES * np.finfo(dtype).eps)
    labels = net.predict(x)
    assert (labels.shape, labels.dtype) == ((600,), np.int64)
    assert np.array_equal(labels, p.argmax(axis=1))
    loss, accuracy = net.evaluate(x, y)
    assert accuracy == np.mean(labels == y) == net.score(x, y)
    # An element of p is right to a few eps, relatively; so is the loss, whose terms are of order 1.
    exact = -np.log(p[np.arange(600), y].astype(np.float64)).mean()
    assert abs(loss - exact) < 8 * CLASSES * np.finfo(dtype).eps


def test_the_images_of_a_large_set_are_predicted_as_in_a_small_one(backend):
    net = small("float64", backend=backend)
    x, _ = data(600)
    whole = net.predict_proba(x)
    # Sums of at most 40 terms in four layers, in perhaps another order.
    tolerance = 4 * 40 * np.finfo(float).eps
    for first in (0, 250, 255, 256, 257, 511, 512, 599):
        part = net.predict_proba(x[first : first + 3])
        np.testing.assert_allclose(part, whole[first : first + 3], rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(0, *SHAPE), (0, *SHAPE[:2])])
def test_no_images_give_an_empty_prediction_of_the_right_shape(backend, dtype, shape):
    net = small(dtype, backend=backend)
    x = np.zeros(shape, np.uint8)
    assert (net.predict(x).shape, net.predict(x).dtype) == ((0,), np.int64)
    assert (net.predict_proba(x).shape, net.predict_proba(x).dtype) == ((0, CLASSES), dtype)


# ---- what is refused ---------------------------------------------------------------------------------------

CALLS = {
    "fit": lambda net, x, y: fitted(net, x, y),
    "train_on_batch": lambda net, x, y: net.train_on_batch(x, y, cnn.SGD(0.1)),
    "evaluate": lambda net, x, y: net.evaluate(x, y),
    "score": lambda net, x, y: net.score(x, y),
    "validation": lambda net, x, y: fitted(net, *data(5), validation_data=(x, y)),
    "predict": lambda net, x, y: net.predict(x),
    "predict_proba": lambda net, x, y: net.predict_proba(x),
}
WITH_LABELS = [name for name in CALLS if not name.startswith("predict")]


@pytest.mark.parametrize("call", WITH_LABELS)
def test_training_or_evaluating_on_nothing_is_a_value_error(either, call):
    net = small(backend=either)
    with pytest.raises(ValueError, match="at least one"):
        CALLS[call](net, np.zeros((0, *SHAPE)), np.zeros(0, int))
    assert bits(net) == bits(small())


@pytest.mark.parametrize("call", WITH_LABELS)
@pytest.mark.parametrize("bad", [CLASSES, -1, math.nan, math.inf, 2.5])
def test_the_first_bad_label_is_named_and_nothing_is_trained(either, call, bad):
    net = small(backend=either)
    x, y = data(20)
    labels = y.astype(np.float64)
    labels[[13, 17]] = bad
    with pytest.raises(ValueError, match=r"\[13\] must be a whole number from 0 to 4"):
        CALLS[call](net, x, labels)
    assert bits(net) == bits(small())


@pytest.mark.parametrize("call", WITH_LABELS)
@pytest.mark.parametrize("row", [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [2, -1, 0, 0, 0]])
def test_the_first_row_that_is_not_one_hot_is_named(either, call, row):
    net = small(backend=either)
    x, y = data(20)
    labels = np.eye(CLASSES)[y]
    labels[[7, 9]] = row
    with pytest.raises(ValueError, match=r"\[7\] must be one-hot"):
        CALLS[call](net, x, labels)
    assert bits(net) == bits(small())


@pytest.mark.parametrize("call", WITH_LABELS)
@pytest.mark.parametrize("shape", [(19,), (21,), (), (20, 1), (20, 4), (20, CLASSES, 1), (19, CLASSES)])
def test_labels_of_another_length_are_a_value_error(either, call, shape):
    with pytest.raises(ValueError, match="must have"):
        CALLS[call](small(backend=either), data(20)[0], np.zeros(shape, int))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [(5, 8, 9, 3), (5, 9, 8, 1), (5, 72), (8, 9, 1), (1, 5, 8, 9, 1), (), (0,)])
def test_images_of_another_shape_are_a_value_error_naming_both(either, call, shape):
    with pytest.raises(ValueError, match="must have shape") as error:
        CALLS[call](small(backend=either), np.zeros(shape), np.zeros(5, int))
    assert "(N, 8, 9, 1)" in str(error.value)
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "bad",
    [
        None,
        "images",
        np.full((5, *SHAPE), None),
        np.full((5, *SHAPE), "0"),
        np.zeros((5, *SHAPE), complex),
        np.zeros((5, *SHAPE), "datetime64[s]"),
        np.ma.masked_array(np.zeros((5, *SHAPE)), mask=False),
    ],
)
def test_what_are_no_images_are_a_type_error(either, call, bad):
    with pytest.raises(TypeError, match=r"^(x|validation_data\[0\]) "):
        CALLS[call](small(backend=either), bad, np.zeros(5, int))


@pytest.mark.parametrize("call", WITH_LABELS)
@pytest.mark.parametrize(
    "bad", [None, list("01234"), [None] * 5, np.zeros(5, complex), np.ma.masked_array(np.zeros(5, int), mask=False)]
)
def test_what_are_no_labels_are_a_type_error(either, call, bad):
    with pytest.raises(TypeError, match=r"^(y|validation_data\[1\]) "):
        CALLS[call](small(backend=either), np.zeros((5, *SHAPE)), bad)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": -1}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -8}, "batch_size"),
        ({"progress": "bar"}, "progress"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(either, options, named):
    net = small(backend=either)
    with pytest.raises(ValueError, match=f"^{named} must"):
        fitted(net, *data(9), **options)
    assert bits(net) == bits(small())


class HasStep:
    """Not enough: a compiled step runs the rules that it knows."""

    def step(self, parameters, gradients):
        parameters -= gradients


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": None}, "epochs"),
        ({"batch_size": "32"}, "batch_size"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"optimizer": 0.1}, "optimizer"),
        ({"optimizer": cnn.SGD}, "optimizer"),
        ({"optimizer": HasStep()}, "optimizer"),
        ({"validation_data": 5}, "validation_data"),
        ({"validation_data": (np.zeros((3, *SHAPE)),)}, "validation_data"),
        ({"validation_data": (np.zeros((3, *SHAPE)), [0, 1, 2], [1, 1, 1])}, "validation_data"),
        ({"seed": "a"}, "seed"),
    ],
)
def test_an_option_of_another_type_is_a_type_error(either, options, named):
    with pytest.raises(TypeError, match=f"^{named} must"):
        fitted(small(backend=either), *data(9), **options)


def test_labels_are_those_that_were_given_whatever_becomes_of_the_array(either):
    class Relabel(cnn.Callback):
        def on_epoch_end(self, net, logs):
            y[...] = 10**9

    x, y = data(20)
    expected, net = small(backend=either), small(backend=either)
    fitted(expected, x, y.copy())
    fitted(net, x, y, callbacks=[Relabel()])
    assert bits(net) == bits(expected)


@pytest.mark.parametrize("wrong", [CLASSES, -1, 10**12])
def test_the_kernels_take_no_label_that_is_none(wrong):
    class Relabel(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.current_fit.data.y[3] = wrong

    net = small()
    with pytest.raises(SystemError, match=r"^a kernel was given image 3 of 20, or a label"):
        fitted(net, *data(20), callbacks=[Relabel()], shuffle=False)


def test_a_net_is_trained_by_one_fit_at_a_time(either):
    class Nested(cnn.Callback):
        def on_epoch_end(self, net, logs):
            fitted(net, *data(9))

    net = small(backend=either)
    with pytest.raises(RuntimeError, match=r"^fit was called while the net is being trained"):
        fitted(net, *data(9), callbacks=[Nested()])
    fitted(net, *data(9))


def test_steps_on_batches_drop_other_values_each_time_also_with_a_new_optimizer(either):
    layers = [cnn.Flatten(), cnn.Dropout(0.5), cnn.Dense(CLASSES, bias=False)]
    net = cnn.Sequential(layers, (12, 1, 1), seed=0, backend=either)
    moved = []
    for _ in range(3):
        before = net.layers[-1].weights.copy()
        net.train_on_batch(np.ones((1, 12, 1, 1)), [0], cnn.SGD(0.1))
        moved.append((net.layers[-1].weights != before).any(axis=1).tolist())
    assert len(set(map(tuple, moved))) == 3


@pytest.mark.parametrize("bad", [None, 0.1, "sgd", cnn.SGD, HasStep()])
def test_a_batch_is_not_trained_on_by_what_is_no_optimizer(either, bad):
    net = small(backend=either)
    with pytest.raises(TypeError, match=r"^optimizer must be an optimiser, such as cnn\.SGD"):
        net.train_on_batch(*data(9), bad)
    assert bits(net) == bits(small())


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (lambda: [], ValueError, "at least one layer"),
        (lambda: [cnn.Flatten(), cnn.ReLU, cnn.Dense(3)], TypeError, r"layers\[1\] must be a layer"),
        (lambda: [cnn.Flatten(), None], TypeError, r"layers\[1\] must be a layer"),
        (lambda: [cnn.Conv2D(3, 3), cnn.ReLU()], ValueError, r"last layer .* \(6, 7, 3\)"),
        (lambda: [cnn.Conv2D(3, 3), cnn.Dense(3)], ValueError, "Flatten"),
        (lambda: [cnn.Flatten(), cnn.Conv2D(3, 3)], ValueError, r"\(h, w, c\)"),
        (lambda: [cnn.Conv2D(3, 9), cnn.Flatten()], ValueError, "larger than the input"),
        (lambda: [cnn.MaxPool2D(4), cnn.MaxPool2D(4), cnn.Flatten()], ValueError, "larger than the input"),
    ],
)
def test_layers_that_make_no_net_are_refused_when_it_is_made(either, layers, error, message):
    with pytest.raises(error, match=message):
        cnn.Sequential(layers(), input_shape=SHAPE, backend=either)


def test_a_layer_cannot_stand_in_a_net_twice(either):
    relu = cnn.ReLU()
    with pytest.raises(ValueError, match=r"layers\[3\] stands in the net twice"):
        cnn.Sequential([cnn.Flatten(), relu, cnn.Dense(3), relu], input_shape=SHAPE, backend=either)


def test_a_layer_cannot_be_in_two_nets_nor_be_built_away_from_its_own(either):
    net = small(backend=either)
    with pytest.raises(ValueError, match=r"layers\[1\] is in another net"):
        cnn.Sequential([cnn.Flatten(), net.layers[-1]], input_shape=(7,), backend=either)
    with pytest.raises(RuntimeError, match="the Dense is in a net"):
        net.layers[-1].build((7,), seed=1)
    before = bits(net)
    fitted(net, *data(9))
    assert bits(net) != before
    assert np.shares_memory(net.layers[-1].weights, net.parameters()["dense_2.weights"])


def test_layers_that_made_no_net_are_free_for_another(either):
    layers = [cnn.Flatten(), cnn.Dense(3), cnn.ReLU]
    with pytest.raises(TypeError):
        cnn.Sequential(layers, input_shape=SHAPE, backend=either)
    cnn.Sequential(layers[:2], input_shape=SHAPE, backend=either)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"dtype": "float16"}, ValueError, "dtype"),
        ({"dtype": "single-ish"}, TypeError, "dtype"),
        ({"backend": "torch"}, ValueError, "backend"),
        ({"input_shape": (8, 0, 1)}, ValueError, "input_shape"),
        ({"input_shape": (8, 9.5, 1)}, TypeError, "input_shape"),
        ({"input_shape": 72}, TypeError, "input_shape"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": "a"}, TypeError, "seed"),
        ({"layers": cnn.Dense(3)}, TypeError, "layers"),
    ],
)
def test_a_net_of_an_unknown_kind_is_refused(options, error, named):
    with pytest.raises(error, match=f"^{named} must"):
        cnn.Sequential(**({"layers": [cnn.Flatten(), cnn.Dense(3)], "input_shape": SHAPE} | options))


def test_a_layer_that_no_plan_knows_is_refused_when_the_net_is_made():
    class Square(cnn.layers.Layer):
        def apply(self, x, training):
            return x * x, x

    with pytest.raises(TypeError, match="Square"):
        cnn.Sequential([cnn.Flatten(), Square(), cnn.Dense(3)], input_shape=SHAPE)


def test_the_layers_of_a_net_stay_what_they_were_when_it_was_made(either):
    net = small(backend=either)
    with pytest.raises(AttributeError, match=r"^offset of a Rescaling in a net cannot be changed; make another net$"):
        net.layers[0].offset = 0.5
    with pytest.raises(TypeError):
        net.layers[-1] = cnn.Dense(3)
    net.layers[-1].bias = np.ones(CLASSES, np.float32)  # what is learned may be set
    rescaling = cnn.Rescaling(2.0)
    rescaling.offset = 0.5  # and a layer that is in none may be changed
    assert rescaling.configuration() == {"scale": 2.0, "offset": 0.5}


def test_nets_layers_and_optimisers_show_the_arguments_that_make_them():
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3, bias=False)], input_shape=(2, 2, 1), dtype="float64")
    text = "Sequential([\n    Flatten(),\n    Dense(units=3, bias=False),\n], input_shape=(2, 2, 1), dtype='float64')"
    assert repr(net) == text
    names = {name: getattr(cnn, name) for name in ("Sequential", "Flatten", "Dense", "SGD")}
    assert repr(eval(text, names)) == text
    assert repr(eval(repr(cnn.SGD(0.5, momentum=0.9)), names)) == repr(cnn.SGD(0.5, momentum=0.9))


def test_a_layer_of_somebody_else_shows_its_kind():
    class Power(cnn.layers.Layer):
        def __init__(self, exponent):
            super().__init__()
            self.power = exponent

    assert repr(Power(2)) == "Power(...)"


# ---- a loss that is no number ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_pixel_stops_the_fit_and_says_where(backend, dtype, bad):
    net = small(dtype, backend=backend)
    x, y = data(40)
    x = x.astype(dtype)
    x[19, 4, 4, 0] = bad
    with pytest.raises(FloatingPointError, match="epoch 1, step 3"):
        fitted(net, x, y, shuffle=False)
    assert bits(net) == bits(small(dtype))
    fitted(net, *data(40))
    assert np.isfinite(values(net)).all()


def test_a_batch_with_a_bad_pixel_is_not_trained_on(backend, dtype):
    net = small(dtype, backend=backend)
    x, y = data(5)
    x = x.astype(dtype)
    x[2, 4, 4, 0] = math.nan
    with pytest.raises(FloatingPointError, match="loss"):
        net.train_on_batch(x, y, cnn.SGD(0.1))
    assert bits(net) == bits(small(dtype))


def steps_that_explode(net, after_epoch: int):
    """A callback that lets the steps become huge after an epoch, and the bits that the net had then."""

    class Explosion:
        optimizer = cnn.SGD(0.01)
        epoch = 0
        good = bits(net)

        def on_epoch_end(self, net, logs):
            self.epoch += 1
            if self.epoch == after_epoch:
                self.good = bits(net)
                self.optimizer.learning_rate = 1e30

    return Explosion()


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_a_fit_that_diverges_goes_back_to_the_end_of_the_last_good_epoch(backend):
    net = small(backend=backend)
    explosion = steps_that_explode(net, after_epoch=2)
    with pytest.raises(FloatingPointError, match=r"epoch 3, step [23]"):
        fitted(net, *data(40), epochs=9, optimizer=explosion.optimizer, callbacks=[explosion])
    assert bits(net) == explosion.good
    assert np.isfinite(net.evaluate(*data(40)).loss)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_fit_whose_last_step_of_an_epoch_diverges_keeps_the_epoch_before(backend, epochs):
    net = small(backend=backend)
    net.parameters()["dense_2.weights"][...] *= 1e8  # gradients below it of 1e8, times 1e35: beyond float32
    before = bits(net)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fitted(net, *data(40), epochs=epochs, batch_size=40, optimizer=cnn.SGD(1e35))
    assert bits(net) == before


# ---- digits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [cnn.models.tutorial, cnn.models.two_conv, cnn.models.lenet5])
def test_a_model_learns_digits_from_two_thousand_images(mnist_dataset, make):
    net = make(seed=0)
    x, y = mnist_dataset.train_images[:2000], mnist_dataset.train_labels[:2000]
    history = fitted(net, x, y, epochs=2, batch_size=16, optimizer=cnn.SGD(0.02, momentum=0.9), seed=0)
    assert history.loss[1] < history.loss[0]
    assert net.score(mnist_dataset.test_images[:1000], mnist_dataset.test_labels[:1000]) > 0.85


def test_both_backends_learn_the_same_from_digits(mnist_dataset):
    x, y = mnist_dataset.train_images[:300], mnist_dataset.train_labels[:300]
    losses = []
    for backend in ("compiled", "numpy"):
        layers = [cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(4, 3, stride=2), cnn.ReLU(), cnn.MaxPool2D(2)]
        net = cnn.Sequential(
            [*layers, cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), dtype="float64", seed=0, backend=backend
        )
        losses += fitted(net, x, y, epochs=2, batch_size=10).loss
    # 60 steps that begin with roundings of 1e-14 or less; each of these small ones at most doubles them 0.3 times.
    np.testing.assert_allclose(losses[:2], losses[2:], rtol=1e-8)


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copied_net_predicts_the_same_and_trains_alone(copy_of):
    layers = [cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(4)]
    net = cnn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    images, labels = np.random.default_rng(0).random((12, 8, 8)), np.arange(12) % 4
    before = net.predict_proba(images)
    twin = copy_of(net)
    assert np.array_equal(twin.predict_proba(images), before)
    twin.fit(images, labels, epochs=3, optimizer=cnn.SGD(0.5), seed=0, progress=False)
    assert np.array_equal(net.predict_proba(images), before)
    assert not np.array_equal(twin.predict_proba(images), before)
    net.fit(images, labels, epochs=3, optimizer=cnn.SGD(0.5), seed=0, progress=False)
    assert bits(net) == bits(twin)
