"""What a plan says of itself: its printed table, its chunks, its memory."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.plan.make import make_plan

from .nets import MODELS, NETS, general, noise

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.mark.parametrize("name", NETS)
def test_gradients_go_down_to_the_first_layer_with_parameters(name):
    net = NETS[name]()
    plan = make_plan(net.layers, net.layer_names, 32, training=True)
    has_weights = [o.w >= 0 for o in plan.operations]
    assert plan.lowest == has_weights.index(True)
    assert [o.with_dx for o in plan.operations] == [i > plan.lowest for i in range(len(plan.operations))]


@pytest.mark.parametrize("name", NETS)
def test_a_plan_prints_every_layer_and_the_multiply_adds_of_the_summary(capsys, name):
    net = NETS[name]()
    net.summary()
    _, _, *layers, _, summary_total = (line.split() for line in capsys.readouterr().out.splitlines())
    macs = {row[0]: int(row[-1].replace(",", "")) for row in layers}
    net.plan(batch_size=48)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["operation", "layers", "output", "bytes", "MACs"]
    assert "48 images" in lines[-1]
    *rows, _, total, _, _ = lines[2:]
    named = []
    for row in rows:
        of_row = [word.rstrip(",") for word in row.split() if word.rstrip(",") in macs]
        assert int(row.split()[-1].replace(",", "")) == sum(macs[name] for name in of_row)
        named += of_row
    assert named == [name for name in macs if not name.startswith("flatten")]  # which does nothing
    assert total.split()[0] == "total"
    assert total.split()[-1] == summary_total[-1]


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (None, TypeError)])
def test_a_plan_for_no_batch_is_refused(bad, error):
    with pytest.raises(error, match="batch_size must"):
        general().plan(bad)


def test_a_batch_of_more_numbers_than_an_index_reaches_is_refused():
    with pytest.raises(ValueError, match=r"^the net's memory for a batch overflow"):
        general().plan(2**55)


@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 33, 1000])
def test_every_image_is_in_one_chunk_and_chunks_differ_by_one_image_at_most(batch_size):
    net = general()
    plan = make_plan(net.layers, net.layer_names, batch_size, training=True)
    assert 1 <= plan.block <= plan.batch_size == batch_size
    edges = [batch_size * chunk // plan.chunks for chunk in range(plan.chunks + 1)]
    sizes = np.diff(edges)
    assert (edges[0], edges[-1]) == (0, batch_size)
    assert 1 <= sizes.min() <= sizes.max() <= sizes.min() + 1


@pytest.mark.parametrize(
    ("batch_size", "chunks"), [(1, 1), (15, 15), (511, 16), (512, 32), (1023, 32), (1024, 64), (5000, 64)]
)
def test_so_many_chunks_find_threads_to_work_on_them(batch_size, chunks):
    net = general()
    assert make_plan(net.layers, net.layer_names, batch_size, training=True).chunks == chunks


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("batch_size", [1, 32, 256, 1024])
def test_a_step_takes_little_memory(model, batch_size):
    net = MODELS[model](seed=0)
    x, y = noise(net, batch_size)
    net.train_on_batch(x, y, cnn.SGD(0.1))
    runner = net.executor.trainer
    assert runner.threads == min(2, batch_size)
    assert 0 < runner.bytes <= batch_size * 2**16 + 4 * net.executor.learned.parameters.nbytes
