"""Images and labels: their forms, which give the same bits, and what is refused, in every call."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import CLASSES, SHAPE, bits, data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


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
@pytest.mark.parametrize("row", [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0.5, 0.25, 0, 0, 0], [2, -1, 0, 0, 0]])
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
