"""Memory for activations: what is alive at the same time lies apart, and there is no more of it than needed."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.export
from cnn.export.c_header.arena import arena
from cnn.export.c_header.evaluation import Floats, computed, evaluate
from cnn.export.c_header.folding import folded, stages
from cnn.export.c_header.program import Convolution, Program

from .nets import IMAGES, images, random_nets


def calls_of(net):
    program = Program(int(np.prod(net.input_shape)))
    program.write(net.layers)
    return program.image, stages(folded(program))


@pytest.mark.parametrize("with_image", [False, True])
def test_every_tensor_is_what_was_written_when_it_is_read(with_image):
    for net in random_nets(40, number=2):
        image, calls = calls_of(net)
        offsets, size = arena(calls, image if with_image else None)
        x = images(net, np.random.default_rng(0)).reshape(IMAGES, -1)
        memory = np.full((IMAGES, size), np.nan, np.float32)

        def place(tensor, offsets=offsets, memory=memory):
            return memory[:, offsets[tensor] : offsets[tensor] + tensor.size]

        if with_image:
            place(image)[...] = x
        for call in calls:
            values = [place(each) if each in offsets else x for each in call[0].inputs]
            y = computed(call[0], *map(np.ascontiguousarray, values)).reshape(IMAGES, -1)
            for each in call[1:]:
                y = computed(each, y).reshape(IMAGES, -1)
            if call is not calls[-1]:
                place(call[-1].output)[...] = y
        operations = [each for call in calls for each in call]
        assert np.array_equal(y, evaluate(operations, image, x)[operations[-1].output])


def chain(*layers, shape=(28, 28, 1)):
    return cnn.Sequential([*layers, cnn.Flatten(), cnn.Dense(10)], shape, seed=0)


def test_a_chain_takes_what_its_largest_two_neighbours_take(tmp_path):
    net = chain(cnn.Conv2D(6, 5), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Conv2D(16, 5), cnn.ReLU(), cnn.MaxPool2D(2))
    image, calls = calls_of(net)
    maps = 12 * 12 * 6, 4 * 4 * 16
    assert arena(calls, None)[1] == sum(maps)
    assert arena(calls, image)[1] == 28 * 28 + maps[0]
    assert cnn.export.c(net, tmp_path / "net.h").ram == 4 * sum(maps)  # a float32 map before pooling has 13,824 bytes


def test_what_may_is_computed_in_place(tmp_path):
    net = chain(cnn.MaxPool2D(2), cnn.Tanh(), cnn.BatchNorm(), cnn.Residual([cnn.Sigmoid()]), cnn.LayerNorm())
    one_map = 4 * 14 * 14
    assert cnn.export.c(net, tmp_path / "net.h").ram == 2 * one_map  # the sum's other side needs the second one


def kinds(net):
    return [[type(each).__name__ for each in call] for call in calls_of(net)[1]]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([cnn.Rescaling(2, 1), cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2)],
         ["Convolution", "ReLU", "MaxPool"]),
        ([cnn.Conv2D(3, 3), cnn.MaxPool2D(2), cnn.ReLU()], ["Convolution", "ReLU", "MaxPool"]),
        ([cnn.Conv2D(3, 3), cnn.GELU(), cnn.AvgPool2D(2, stride=3)], ["Convolution", "Elementwise", "AvgPool"]),
        ([cnn.Conv2D(3, 3), cnn.GlobalMaxPool2D()], ["Convolution", "MaxPool"]),
    ],
)  # fmt: skip
def test_a_convolution_takes_what_follows_it_up_to_its_pooling(layers, expected):
    assert kinds(chain(*layers)) == [expected, ["Dense"]]


def test_windows_that_overlap_are_pooled_from_a_map_that_is_stored():
    assert kinds(chain(cnn.Conv2D(3, 3), cnn.MaxPool2D(3, stride=2))) == [["Convolution"], ["MaxPool"], ["Dense"]]


def test_a_normalisation_below_padding_stays_an_operation_of_its_own():
    net = chain(cnn.MaxPool2D(2), cnn.BatchNorm(), cnn.Conv2D(3, 3, padding="same"))
    assert kinds(net) == [["MaxPool"], ["Convolution"], ["Convolution"], ["Dense"]]
    assert calls_of(net)[1][1][0].in_place


def test_what_is_read_twice_is_not_changed():
    net = chain(cnn.Conv2D(3, 3), cnn.Residual([cnn.BatchNorm(), cnn.ReLU()]))
    assert kinds(net) == [["Convolution"], ["Convolution", "ReLU"], ["Add"], ["Dense"]]


def test_folded_weights_are_those_of_the_net_up_to_rounding():
    for net in random_nets(40, number=3):
        x = images(net, np.random.default_rng(0))
        expected = net.predict_logits(x)
        image, calls = calls_of(net)
        operations = [each for call in calls for each in call]
        got = Floats(operations, image).outputs(x.reshape(IMAGES, -1))
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        for each in operations:
            if isinstance(each, Convolution):
                assert each.weights.shape == each.geometry.kernel_shape
