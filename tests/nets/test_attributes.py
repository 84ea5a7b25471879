"""Attributes that are assigned: what counts may be, all else is an AttributeError with the nearest name."""

from __future__ import annotations

import copy

import pytest

import cnn
import cnn.reference

from .cases import data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stop_trainin", r"^Sequential has no attribute 'stop_trainin'; did you mean 'stop_training'\?$"),
        ("optimzer", "^Sequential has no attribute 'optimzer'; known are stop_training, step_seed, history, classes$"),
        ("fit", "^fit of Sequential cannot be assigned; what can is stop_training"),
        *((name, f"^{name} of a Sequential cannot be changed; make another net$") for name in (
            "layers", "dtype", "backend", "input_shape", "output_shape", "inputs", "executor"
        )),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ns", [cnn, cnn.reference])
def test_what_a_net_would_ignore_cannot_be_assigned(ns, name, message):
    net = ns.Sequential([ns.Dense(3)], (4,), seed=0)
    for each in (net, copy.deepcopy(net)):
        with pytest.raises(AttributeError, match=message):
            setattr(each, name, None)


def test_a_fit_of_a_net_cannot_be_assigned_but_be_stopped():
    class Stop(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.stop_training = True

    net = small()
    with pytest.raises(AttributeError, match="current_fit"):
        net.current_fit = None
    assert len(fitted(net, *data(9), epochs=5, callbacks=[Stop()]).loss) == 1


def test_a_subclass_of_a_net_may_have_attributes_of_its_own():
    class Named(cnn.Sequential):
        def __init__(self, *arguments):
            self.title = "before"
            super().__init__(*arguments)
            self.title = "net"

    net = Named([cnn.Dense(3)], (4,))
    net.note = "mine"
    twin = copy.deepcopy(net)
    assert (twin.title, twin.note) == ("net", "mine")
    with pytest.raises(AttributeError, match=r"^layers of a Named cannot be changed"):
        net.layers = ()
