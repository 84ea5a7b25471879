"""`fit` on batches from an iterable: the bits of a fit on arrays, what is read when, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import SHAPE, bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = (8, 8, 5)  # of a fit on 21 images


def batches(sizes=SIZES, seed=0):
    x, y = data(sum(sizes), seed)
    ends = np.cumsum(sizes)
    return [(x[end - size : end], y[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def fitted(net, x, **options):
    return net.fit(x, **{"epochs": 2, "seed": 3, "progress": False} | options)


def on_arrays(net, n=21, **options):
    return net.fit(*data(n), **{"epochs": 2, "batch_size": 8, "shuffle": False, "seed": 3, "progress": False} | options)


class Anew:
    """Iterable again and again, of no length; counts how often."""

    def __init__(self, of):
        self.of, self.count = of, 0

    def __iter__(self):
        self.count += 1
        return iter(self.of)


class Unsized(Anew):
    """As a DataLoader over a data set of unknown length."""

    def __len__(self):
        raise TypeError("has no len()")


KINDS = {
    "a list": lambda: batches(),
    "a tuple of lists": lambda: tuple([x.tolist(), y.tolist()] for x, y in batches()),
    "iterable again": lambda: Anew(batches()),
    "of no length": lambda: Unsized(batches()),
    "one channel first": lambda: [(x.reshape(len(x), 1, *SHAPE[:2]), y) for x, y in batches()],
    "no channel": lambda: [(x[..., 0], np.eye(5)[y]) for x, y in batches()],
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_fit_on_batches_has_the_bits_of_a_fit_on_their_arrays(make, backend):
    nets = [small(backend=backend) for _ in range(2)]
    options = {"optimizer": cnn.SGD(0.1, momentum=0.9), "validation_data": data(6, 1), "label_smoothing": 0.1}
    histories = [fitted(nets[0], make(), **options), on_arrays(nets[1], **options)]
    assert bits(nets[0]) == bits(nets[1])
    assert histories[0][:4] == histories[1][:4]


def test_the_range_of_the_images_is_that_of_the_first_batch():
    net, expected = small(), small()
    fitted(net, [*batches(), (batches()[0][0] * 9, batches()[0][1])])
    on_arrays(expected)
    assert net.image_range == expected.image_range


def test_what_is_random_is_that_of_a_fit_on_arrays(either):
    layers = [cnn.Rescaling(1 / 8), cnn.Conv2D(3, 3), cnn.Dropout(0.5), cnn.Flatten(), cnn.Dense(5)]
    nets = [cnn.Sequential(layer, SHAPE, seed=0, backend=either) for layer in (layers, [*map(remade, layers)])]
    options = {"augment": cnn.Augment(shift=2, noise=0.1)}
    histories = [fitted(nets[0], batches(), **options), on_arrays(nets[1], **options)]
    assert bits(nets[0]) == bits(nets[1])
    assert histories[0][:2] == histories[1][:2]


def remade(layer):
    return type(layer)(**layer.configuration())


@pytest.mark.parametrize("sizes", [(3, 9, 1, 9, 12, 2), (1,), (20, 1)])
def test_batches_may_grow_and_shrink(sizes, thread_counts):
    by_hand, optimizer = small(), cnn.SGD(0.1)
    losses = [by_hand.train_on_batch(x, y, optimizer) for x, y in batches(sizes)]
    for _ in thread_counts:
        net = small()
        history = fitted(net, batches(sizes), epochs=1, optimizer=cnn.SGD(0.1))
        assert bits(net) == bits(by_hand)
        assert history.loss == pytest.approx([np.average(losses, weights=sizes)], rel=1e-12)


def test_a_generator_that_fills_the_same_arrays_again_is_read_a_batch_at_a_time():
    def reusing():
        x, y = np.empty((8, *SHAPE), np.uint8), np.empty(8, np.int64)
        for each_x, each_y in batches((8, 8, 8)):
            x[...], y[...] = each_x, each_y
            yield x, y

    net, expected = small(), small()
    fitted(net, reusing(), epochs=1)
    on_arrays(expected, n=24, epochs=1)
    assert bits(net) == bits(expected)


def test_what_can_be_iterated_again_is_in_each_epoch_and_not_before_the_fit():
    anew = Anew(batches())
    fitted(small(), anew, epochs=3)
    assert anew.count == 3
    fitted(small(), anew, epochs=0)
    assert anew.count == 3


def test_a_generator_goes_on_from_epoch_to_epoch_and_no_further():
    def endless():
        while True:
            for batch in batches((4,) * 6):
                read.append(len(read))
                yield batch

    read, net, expected = [], small(), small()
    history = fitted(net, endless(), epochs=3, steps_per_epoch=2)
    fitted(expected, batches((4,) * 6), epochs=1)
    assert len(read) == 6
    assert len(history.loss) == 3
    assert bits(net) == bits(expected)


def test_steps_per_epoch_may_take_the_first_of_a_list():
    net, expected = small(), small()
    fitted(net, batches(), steps_per_epoch=2)
    fitted(expected, batches()[:2])
    assert bits(net) == bits(expected)


def test_a_schedule_knows_the_steps_from_the_length_or_from_steps_per_epoch():
    def rate(step, steps):
        asked.add((step, steps))
        return 0.1

    for x, options in ((batches(), {}), (Anew(batches()), {"steps_per_epoch": 3})):
        asked = set()
        fitted(small(), x, optimizer=cnn.SGD(rate), **options)
        assert asked == {(step, 6) for step in range(6)}


def test_callbacks_work_as_with_arrays():
    class Batches(cnn.Callback):
        def __init__(self):
            self.seen = []

        def on_batch_end(self, net, logs):
            self.seen.append((logs["epoch"], logs["batch"], logs["batches"]))

    known, unknown = Batches(), Batches()
    net, expected = small(), small()
    options = {"validation_data": data(6, 1), "optimizer": cnn.SGD(0.1)}
    fitted(net, batches(), callbacks=[known, cnn.EarlyStopping(), cnn.ExponentialAverage(0.5)], **options)
    assert known.seen == [(epoch, batch, 3) for epoch in (1, 2) for batch in (1, 2, 3)]
    fitted(expected, Anew(batches()), callbacks=[unknown, cnn.EarlyStopping(), cnn.ExponentialAverage(0.5)], **options)
    assert unknown.seen == [(1, 1, None), (1, 2, None), (1, 3, 3), (2, 1, None), (2, 2, None), (2, 3, 3)]
    assert bits(net) == bits(expected)


def test_a_rate_finder_and_a_time_limit_end_a_fit_on_batches():
    def endless():
        while True:
            yield from batches()

    finder, net = cnn.LearningRateFinder(1e-4, 1e-2, steps=20), small()
    assert fitted(net, endless(), epochs=1, callbacks=[finder]).loss == []
    assert len(finder.rates) == 20
    assert bits(net) == bits(small())
    assert fitted(net, endless(), epochs=1, callbacks=[cnn.TimeLimit(0.1)]).loss == []


def test_a_loader_of_pytorch_gives_batches():
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("torch.utils.data")
    x, y = data(21)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).float()
    loader = utils.DataLoader(utils.TensorDataset(images, torch.from_numpy(y)), batch_size=8)
    net, expected = small(), small()
    fitted(net, loader)
    on_arrays(expected)
    assert bits(net) == bits(expected)


# ---- what is refused -------------------------------------------------------------------------------------------


def wrong(i, batch):
    result = batches()
    result[i] = batch
    return result


X, Y = batches()[1]
WRONG = {
    "no pair": (wrong(1, X), TypeError, r"batch 2 of epoch 1 must be a pair \(x, y\), got ndarray$"),
    "three": (wrong(0, (X, Y, Y)), TypeError, r"batch 1 of epoch 1 must be a pair \(x, y\), got tuple of 3$"),
    "images of another size": (
        wrong(2, (X[:, 1:], Y)),
        ValueError,
        r"x of batch 3 of epoch 1 must have shape \(N, 8, 9, 1\) = a batch of inputs, got \(8, 7, 9, 1\)$",
    ),
    "too few labels": (wrong(1, (X, Y[1:])), ValueError, r"y of batch 2 of epoch 1 must have shape \(8,\) or \(8, 5\)"),
    "a class too many": (wrong(1, (X, Y + 4)), ValueError, r"y of batch 2 of epoch 1\[\d\] must be a whole number"),
    "words": (wrong(1, (["a"], Y)), TypeError, r"x of batch 2 of epoch 1 must be an array of numbers"),
    "no images": (wrong(1, (X[:0], Y[:0])), ValueError, r"y of batch 2 of epoch 1 must hold at least one label"),
    "no batch": ([], ValueError, r"x must give one or more batches in each epoch, got 0 in epoch 1$"),
}


@pytest.mark.parametrize(("x", "error", "message"), WRONG.values(), ids=WRONG)
def test_a_batch_that_is_none_is_named_with_its_epoch(x, error, message):
    net, expected = small(), small()
    with pytest.raises(error, match=f"^{message}"):
        fitted(net, x)
    before = int(message.partition("batch ")[2][:1] or 1) - 1 if x else 0
    if before:  # the net has learned from those before it
        fitted(expected, batches()[:before], epochs=1)
    assert bits(net) == bits(expected)
    assert len(fitted(net, batches()).loss) == 2


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (iter(batches()), {}, r"x is an iterator, of which nothing is left for a second epoch: give steps_per_epoch"),
        (batches(), {"steps_per_epoch": 4}, r"steps_per_epoch must be at most the 3 batches of x, got 4$"),
        (batches(), {"steps_per_epoch": 0}, r"steps_per_epoch must be at least 1, got 0$"),
        (Anew(batches()), {"optimizer": cnn.SGD(cnn.schedules.Cosine(0.1))}, r"steps_per_epoch must be given where x"),
        (batches(), {"shuffle": True}, r"shuffle has no meaning where x gives batches, got True: they come"),
        (batches(), {"batch_size": 8}, r"batch_size has no meaning where x gives batches, got 8: they have sizes"),
        (batches(), {"resume": "run"}, r"resume has no meaning where x gives batches, got 'run': a fit is"),
        (batches(), {"validation_split": 0.1}, r"validation_split has no meaning where x gives batches, got 0"),
    ],
)
def test_an_argument_that_has_no_meaning_for_batches_is_refused_before_any_step(x, options, message):
    net = small()
    with pytest.raises(ValueError, match=f"^{message}"):
        fitted(net, x, **options)
    assert bits(net) == bits(small())


@pytest.mark.parametrize("steps", [2, 4])
@pytest.mark.parametrize("make", [lambda: iter(batches()), lambda: Anew(batches())])
def test_too_few_batches_for_an_epoch_are_told_with_their_number(steps, make):
    net, x = small(), make()
    epoch, got = (2, 1) if steps == 2 else (1, 3)
    if isinstance(x, Anew) and steps == 2:
        assert len(fitted(net, x, steps_per_epoch=steps).loss) == 2
        return
    message = rf"^x must give steps_per_epoch = {steps} batches in each epoch, got {got} in epoch {epoch}$"
    with pytest.raises(ValueError, match=message):
        fitted(net, x, steps_per_epoch=steps)
    assert len(net.history.loss) == epoch - 1


@pytest.mark.parametrize("x", [data(9)[0], 3, None])
def test_images_without_labels_are_a_type_error(x):
    with pytest.raises(TypeError, match=r"^y must be labels: they are left out where x gives batches \(x, y\), got x "):
        fitted(small(), x)


def test_steps_per_epoch_needs_batches():
    with pytest.raises(ValueError, match=r"^steps_per_epoch needs batches for x, and y left out, got 3$"):
        small().fit(*data(9), steps_per_epoch=3, progress=False)


def test_a_checkpoint_needs_arrays(tmp_path):
    with pytest.raises(TypeError, match=r"^a checkpoint needs arrays x and y"):
        fitted(small(), batches(), callbacks=[cnn.Checkpoint(tmp_path / "run")])


def test_several_channels_that_stand_first_are_told():
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(2)], (5, 4, 3), seed=0)
    message = r"^x of batch 1 of epoch 1 must have shape \(N, 5, 4, 3\), got \(2, 3, 5, 4\) with channels first; "
    with pytest.raises(ValueError, match=message):
        fitted(net, [(np.zeros((2, 3, 5, 4)), [0, 1])])
    with pytest.raises(ValueError, match=r"^x must have shape \(N, 5, 4, 3\), got \(2, 3, 5, 4\) with channels first"):
        net.predict(np.zeros((2, 3, 5, 4)))


def test_an_error_of_the_iterable_is_its_own():
    def failing():
        yield batches()[0]
        raise OSError("the disk is gone")

    net, expected = small(), small()
    with pytest.raises(OSError, match=r"^the disk is gone$"):
        fitted(net, failing(), epochs=1)
    fitted(expected, batches()[:1], epochs=1)
    assert bits(net) == bits(expected)
