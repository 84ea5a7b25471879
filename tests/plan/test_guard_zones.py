"""The memory of a plan: kernels touch what they have declared, and no more; a plan with less room is refused."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn_c
from cnn.backends.calls import Batches, Learned, Update
from cnn.backends.program import Operation, Plan, Room, Sizes, Tensor
from cnn.layers.base import Layer, layer_names
from cnn.plan.make import make_plan

GAP = 64  # reals between two parts of a memory, more than any register has
IMAGES, BATCH = 7, 5


def random_net(rng: np.random.Generator, dtype: np.dtype) -> cnn.Sequential:
    """A net of one to nine layers of all kinds, on small images of odd and even sizes."""
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    shape = int(rng.integers(3, 17)), int(rng.integers(3, 17)), pick(1, 1, 2, 3, 5, 8)
    maps = [
        lambda: cnn.Conv2D(
            pick(1, 2, 3, 6, 8, 9, 17), pick(1, 2, 3, 5), stride=pick(1, 1, 2), padding="same", bias=pick(True, False)
        ),
        lambda: cnn.Conv2D(pick(4, 8, 10), 3, padding=pick(1, 2)),
        lambda: cnn.Conv2D(pick(4, 9), pick(2, 3), stride=pick(1, 2), padding="same", dilation=pick(2, (1, 3))),
        lambda: cnn.DepthwiseConv2D(pick(2, 3, 5), multiplier=pick(1, 1, 2), stride=pick(1, 2), padding="same"),
        lambda: cnn.MaxPool2D(2),
        lambda: cnn.MaxPool2D(pick(2, 3), stride=pick(1, 2), padding=pick(0, 1), ties=pick("first", "all")),
        lambda: cnn.AvgPool2D(2, padding=pick(0, 1)),
        cnn.ReLU,
        cnn.BatchNorm,
        cnn.LayerNorm,
        lambda: cnn.Dropout(0.3),
        lambda: cnn.Rescaling(0.5, -0.1),
    ]
    rows = [lambda: cnn.Dense(pick(1, 3, 8, 17, 33)), cnn.ReLU, cnn.BatchNorm, cnn.LayerNorm, lambda: cnn.Dropout(0.5)]
    layers: list[Layer] = []
    size = shape[:2]
    for _ in range(rng.integers(0, 7)):
        layer = pick(*maps)()
        if isinstance(layer, cnn.MaxPool2D | cnn.AvgPool2D) and min(size) < 3:
            continue
        size = layer.build((*size, 3)).output_shape[:2]
        layers.append(layer)
        if isinstance(layer, cnn.Conv2D) and rng.random() < 0.5 and min(size) >= 2:  # fused where it can be
            groups = cnn.Conv2D(2 * layer.filters, pick(2, 3), stride=1, padding="same", groups=layer.filters)
            many = [cnn.Conv2D(33, 3, padding="same"), cnn.Conv2D(pick(17, 32), 3, padding="same")]  # by tiles
            layers += pick(
                [cnn.MaxPool2D(2)],
                [cnn.ReLU(), cnn.MaxPool2D(2)],
                [cnn.BatchNorm(), cnn.ReLU()],
                [groups],
                many,
                [*many, cnn.ReLU(), cnn.MaxPool2D(2)],
            )
            size = tuple(n // 2 for n in size) if isinstance(layers[-1], cnn.MaxPool2D) else size
    layers.append(cnn.Flatten())
    layers += [pick(*rows)() for _ in range(rng.integers(0, 4))]
    return cnn.Sequential([*layers, cnn.Dense(pick(2, 10))], shape, dtype=dtype, seed=int(rng.integers(1 << 30)))


# ---- plans with gaps ---------------------------------------------------------------------------------------

MEMORIES = {  # of an operation's parts, by name
    "transient": ("x", "y", "dx", "dy", "kept", "argmax"),
    "persistent": ("x", "y", "dx", "dy", "kept", "argmax"),
    "workspace": ("workspace",),
    "sums": ("sums",),
    "moments": ("moments",),
}


def parts_of(plan: Plan, memory: str) -> list[Tensor | Room]:
    """What operations use of a memory; of the tensors in images' memory, those that are in this one."""
    parts = [getattr(o, name) for o in plan.operations for name in MEMORIES[memory]]
    if memory in ("transient", "persistent"):
        parts = [part for part in parts if getattr(part, "persistent", False) == (memory == "persistent")]
    return [part for part in parts if part.size]


def regions(plan: Plan, memory: str) -> list[tuple[int, int]]:
    """Beginning and end of what is used, where parts overlap as one: a tensor is one operation's y, another's x."""
    result: list[tuple[int, int]] = []
    for part in sorted(parts_of(plan, memory), key=lambda part: part.at):
        if result and part.at < result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], part.at + part.size)
        else:
            result.append((part.at, part.at + part.size))
    return result


def with_gaps(plan: Plan) -> Plan:
    """The same plan with GAP reals or more before, between and after all parts of its memories."""
    operations = list(plan.operations)
    sizes = {}
    for memory, names in MEMORIES.items():
        found = regions(plan, memory)
        for k, o in enumerate(operations):
            for name in names:
                part = getattr(o, name)
                if part in parts_of(plan._replace(operations=(o,)), memory):
                    index = next(i for i, (start, end) in enumerate(found) if start <= part.at < end)
                    o = o._replace(**{name: part._replace(at=part.at + (index + 1) * GAP)})
            operations[k] = o
        sizes[memory] = getattr(plan, memory) + (len(found) + 1) * GAP if found else 0
    of_images = [o.sums.at + o.sums.size for o in operations if o.sums.size and not o.by_chunk]
    return plan._replace(operations=tuple(operations), **sizes)._replace(image_sums=max(of_images, default=0))


class Guarded:
    """A runner whose gaps are full of NaN, and what has become of them."""

    def __init__(self, net: cnn.Sequential, training: bool, exchanged: bool, batch: int) -> None:
        names = layer_names(net.layers)
        plan = with_gaps(make_plan(net.layers, names, batch, training, exchanged=exchanged))
        self.runner = cnn_c.KERNELS[net.dtype.char].Runner(plan, 2, training)
        self.zones: list[tuple[str, np.ndarray]] = []
        self.used = {memory: self._used(plan, memory) for memory in MEMORIES}
        for memory, used in self.used.items():
            size = getattr(plan, memory)
            for array in self.runner.memory.get(memory, ()):
                values = array.view(np.float64) if memory == "moments" else array
                for row in values.reshape(-1, size) if size else ():
                    row[~used] = np.nan
                    self.zones.append((memory, row))

    @staticmethod
    def _used(plan: Plan, memory: str) -> np.ndarray:
        used = np.zeros(getattr(plan, memory), bool)
        for start, end in regions(plan, memory):
            used[start:end] = True
        return used

    def touched(self) -> list[str]:
        """The memories in whose gaps something was written; a step begins by zeroing all sums, gaps and all."""
        gaps = [(memory, row[~self.used[memory]]) for memory, row in self.zones]
        return [memory for memory, gap in gaps if not (np.isnan(gap) | (memory == "sums") & (gap == 0)).all()]


def guarded_array(size: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """An array in the middle of a larger one of NaN, and that one."""
    around = np.full(size + 2 * GAP, np.nan, dtype)
    return around[GAP : GAP + size], around


class OnlyRank:
    """The exchange of one process with no other."""

    rank, ranks = 0, 1

    def __call__(self, what: int, k: int, n: int, chunks: int, status: int) -> int:
        return status


def train_and_predict(
    net: cnn.Sequential, seed: int, exchange: OnlyRank | None = None, batch: int = BATCH, images: int = IMAGES
) -> None:
    """Some steps and a prediction in guarded memory; nothing but the parts is written, and nothing read that is NaN."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (images, *net.input_shape)).astype(np.uint8)
    classes = net.output_shape[0]
    learned, around = [], []
    for value in net.executor.learned:
        inner, outer = guarded_array(value.size, net.dtype)
        inner[...] = value
        learned.append(inner)
        around.append(outer)
    first, outer = guarded_array(learned[0].size, net.dtype)
    first[...] = 0
    around.append(outer)
    optimizer, steps = cnn.SGD(0.01, momentum=0.9), -(-images // batch)
    update = Update(optimizer.rule, first, None, np.array([[0.01, 1.0, 1.0]] * steps))
    batches = Batches(
        x, rng.integers(0, classes, images), np.arange(images), np.empty(images), np.empty(images, np.uint8), seed=3
    )
    batches = batches._replace(exchange=exchange)
    training, prediction = (Guarded(net, kind, exchange is not None and kind, batch) for kind in (True, False))
    assert training.runner.train(Learned(*learned), update, batches, 2, True) == steps  # no loss is NaN
    assert not training.touched()
    assert np.isfinite(learned[0]).all()
    out, outer = guarded_array(images * classes, net.dtype)
    around.append(outer)
    prediction.runner.predict(Learned(*learned), x, out.reshape(images, classes), False, 2, True)
    assert not prediction.touched()
    assert np.isfinite(out).all()
    for outer in around:
        assert np.isnan(outer[:GAP]).all()
        assert np.isnan(outer[-GAP:]).all()


@pytest.mark.parametrize("part", range(4))
def test_no_kernel_touches_more_than_it_has_declared(level, dtype, part):
    for seed in range(part * 60, part * 60 + 60):
        train_and_predict(random_net(np.random.default_rng(seed), dtype), seed)


def test_nor_where_other_processes_need_the_sums(level, dtype):
    for seed in range(60):
        train_and_predict(random_net(np.random.default_rng(seed), dtype), seed, OnlyRank())


def test_nor_where_threads_share_an_image(level, dtype, monkeypatch):
    for name in ("_SHARED_NET", "_SHARED_OPERATION", "_SHARED_OUTPUTS"):
        monkeypatch.setattr(f"cnn.plan.make.{name}", 0)
    for seed in range(120):
        train_and_predict(random_net(np.random.default_rng(seed), dtype), seed, batch=1, images=1)


@pytest.mark.slow
def test_no_kernel_of_a_thousand_nets_touches_more_than_it_has_declared(level, dtype):
    for seed in range(1000, 2000):
        train_and_predict(random_net(np.random.default_rng(seed), dtype), seed)


# ---- plans that are too small ------------------------------------------------------------------------------


def with_less(o: Operation, name: str, register: int) -> Operation:
    part = getattr(o, name)
    return o._replace(**{name: part._replace(size=max(part.size - register, 0))})


@pytest.mark.parametrize("training", [True, False])
def test_a_plan_with_any_size_smaller_by_a_register_is_refused(level, dtype, training):
    kernels = cnn_c.KERNELS[dtype.char]
    refused = set()
    for seed in range(20):
        net = random_net(np.random.default_rng(seed), dtype)
        plan = make_plan(net.layers, layer_names(net.layers), BATCH, training)
        kernels.Runner(plan, 1, training)
        for k, o in enumerate(plan.operations):
            for name in set(Sizes._fields) - {"scratch"}:
                if getattr(o, name).size:
                    operations = list(plan.operations)
                    operations[k] = with_less(o, name, kernels.lanes)
                    with pytest.raises(SystemError, match=rf"{name} needs \d+ reals"):
                        kernels.Runner(plan._replace(operations=tuple(operations)), 1, training)
                    refused.add(name)
        for memory in ("transient", "persistent", "workspace", "sums", "moments", "scratch"):
            size = getattr(plan, memory)
            needed = max((end for _, end in regions(plan, memory)), default=0) if memory != "scratch" else size
            if needed:
                with pytest.raises(SystemError, match="needs"):
                    kernels.Runner(plan._replace(**{memory: needed - 1}), 1, training)
    always = {"x", "y", "kept", "workspace"}
    assert refused == always | ({"dx", "dy", "argmax", "sums", "moments"} if training else set())


@pytest.mark.parametrize("name", ["parameters", "statistics"])
def test_a_plan_of_fewer_parameters_or_statistics_is_refused(level, dtype, name):
    net = cnn.Sequential([cnn.Conv2D(4, 3), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(3)], (6, 6, 1), dtype=dtype)
    plan = make_plan(net.layers, layer_names(net.layers), BATCH, True)
    with pytest.raises(SystemError, match="needs"):
        cnn_c.KERNELS[dtype.char].Runner(plan._replace(**{name: getattr(plan, name) - 1}), 1, True)


@pytest.mark.parametrize("field", ["w_size", "channels"])
def test_an_operation_with_other_weights_than_its_kernels_read_is_refused(level, dtype, field):
    net = cnn.models.two_conv(seed=0)
    plan = make_plan(net.layers, layer_names(net.layers), BATCH, True)
    for k, o in enumerate(plan.operations):
        if o.w >= 0:
            operations = list(plan.operations)
            operations[k] = o._replace(**{field: getattr(o, field) - 1})
            with pytest.raises(SystemError, match=r"weights of \d+ channels"):
                cnn_c.KERNELS["f"].Runner(plan._replace(operations=tuple(operations)), 1, True)
