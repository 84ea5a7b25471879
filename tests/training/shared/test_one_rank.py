"""A fit with a communicator of one rank, without MPI: beside a plain fit, and what is left of it in the net."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cnn
import cnn.datasets

from ...backends.one_rank import OneRank
from ..killed_fits import OPTIMIZERS, bits, data, figures, fitted, killed, small

ONE = OneRank()
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_agrees_with_a_plain_fit_within_rounding(optimizer):
    nets = small("float64"), small("float64")
    histories = [fitted(net, optimizer=optimizer, comm=comm) for net, comm in zip(nets, (None, OneRank()), strict=True)]
    # Of 24 steps; Adam divides by roots of small sums.
    for one, other in zip(nets[0].state().values(), nets[1].state().values(), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)
    np.testing.assert_allclose(figures(histories[1]), figures(histories[0]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_change_its_bits(thread_counts, dtype):
    results = set()
    for _ in thread_counts:
        net = small(dtype)
        fitted(net, comm=OneRank())
        results.add(bits(net))
    assert len(results) == 1


def test_a_net_is_as_any_other_after_it():
    net = small()
    fitted(net, epochs=1, comm=OneRank())
    copies = copy.deepcopy(net), pickle.loads(pickle.dumps(net))
    for each in (net, *copies):
        fitted(each)
    assert bits(copies[0]) == bits(copies[1]) == bits(net)
    fitted(net, comm=OneRank())
    assert bits(net) != bits(copies[0])


@pytest.mark.parametrize(("first", "then"), [(None, OneRank()), (OneRank(), None), (ONE, ONE)])
def test_a_checkpoint_does_not_know_what_wrote_it(tmp_path, first, then):
    path, straight, resumed = tmp_path / "checkpoint", small("float64"), small("float64")
    fitted(straight, [cnn.Checkpoint(tmp_path / "straight")], comm=then)
    killed(path, 3, net=small("float64"), comm=first)
    fitted(resumed, [cnn.Checkpoint(path)], comm=then, resume=path)
    for one, other in zip(straight.state().values(), resumed.state().values(), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=0 if first is then else 1e-9)


def test_a_rate_may_be_a_function_of_the_program_and_a_callback_assign_another():
    class Other(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.current_fit.optimizer.learning_rate = 0.01

    net, optimizer = small(), cnn.SGD(lambda step, steps: 0.1 / (1 + step))
    net.fit(*data(), optimizer=optimizer, callbacks=[Other()], comm=OneRank(), progress=False, epochs=2)
    assert optimizer.learning_rate == 0.01


def test_shards_need_a_communicator_and_no_targets_beside_them():
    part = cnn.datasets.shard(*data(), OneRank())
    assert part.first == 0
    np.testing.assert_array_equal(part.x, data()[0])
    with pytest.raises(ValueError, match="x is a Shard, so comm must be given"):
        small().fit(part)
    with pytest.raises(ValueError, match="y cannot be given where x is a Shard"):
        small().fit(part, data()[1], comm=OneRank())
    with pytest.raises(ValueError, match=r"validation_split cannot be given where x is a Shard, got 0\.5"):
        small().fit(part, validation_split=0.5, comm=OneRank())
    with pytest.raises(ValueError, match="labels must be as many as images, got 29 labels of 30 images"):
        cnn.datasets.shard(data()[0], data()[1][1:], OneRank())


def test_kernels_in_numpy_and_batches_are_refused():
    with pytest.raises(ValueError, match="comm needs a net with backend='compiled', got 'numpy'"):
        fitted(small(backend="numpy"), comm=OneRank())
    with pytest.raises(TypeError, match="x must be an array, with y, or a Shard where comm is given, got batches"):
        small().fit([data()], comm=OneRank(), progress=False)


def test_a_warning_tells_the_line_that_called_fit():
    net = cnn.Sequential([cnn.Conv2D(3, 3), cnn.Flatten(), cnn.Dense(4)], (6, 6, 1), seed=0)
    with pytest.warns(cnn.ScaleWarning) as warned:
        net.fit(*data(), epochs=1, optimizer=cnn.SGD(1e-9), comm=OneRank(), progress=False)
    assert [warning.filename for warning in warned] == [__file__]
