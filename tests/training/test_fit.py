"""What a fit hands to its steps: the order of the images, and where the random numbers come from."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")


def watched(**options):
    """Seeds and order of the images of every epoch, each put together from its calls; and the first call's batches."""
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (2, 2, 1), seed=0)
    train, calls = net.executor.train, []

    def watched_train(batch_size, batches, update):
        calls.append(batches)
        return train(batch_size, batches, update)

    net.executor.train = watched_train
    x, y = np.random.default_rng(0).random((50, 2, 2)), np.arange(50) % 3
    net.fit(x, y, **{"epochs": 3, "batch_size": 4, "seed": 0, "progress": False, **options})
    epochs: dict[int, list[int]] = {}
    for batches in calls:
        assert batches.position == len(epochs.setdefault(batches.seed, []))
        epochs[batches.seed] += batches.order.tolist()
    return epochs, calls[0]


def test_every_epoch_has_a_seed_and_an_order_of_its_own():
    epochs, _ = watched()
    assert len(epochs) == 3
    assert len(set(map(tuple, epochs.values()))) == 3
    assert all(sorted(order) == list(range(50)) for order in epochs.values())
    assert all(0 <= seed < 2**63 for seed in epochs)


def test_a_seed_repeats_the_seeds_of_the_epochs():
    assert watched()[0] == watched()[0]
    assert watched()[0].keys() != watched(seed=1)[0].keys()


def test_without_shuffling_the_epochs_have_seeds_too():
    epochs, _ = watched(shuffle=False)
    assert list(epochs.values()) == [list(range(50))] * 3


def test_the_steps_know_how_images_and_labels_are_changed():
    _, batches = watched(augment=cnn.Augment(shift=2), label_smoothing=0.25)
    assert (batches.position, batches.loss.constant) == (0, 0.25)
    assert (batches.warp.shape, batches.warp.shift) == ((2, 2, 1), 2)


def test_a_fit_logs_its_beginning_every_epoch_and_its_end(caplog):
    caplog.set_level("INFO", "cnn")
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (2, 2, 1), seed=0)
    x, y = np.random.default_rng(0).random((50, 2, 2)), np.arange(50) % 3

    class Stop(cnn.Callback):
        def on_epoch_begin(self, net, logs):
            if logs["epoch"] == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=4, callbacks=[Stop()], progress=False)
    assert {(record.name, record.levelname) for record in caplog.records} == {("cnn.training", "INFO")}
    begin, *epochs, end = (record.getMessage() for record in caplog.records)
    assert begin == "fit begins: 50 images, 0 of 4 epochs done"
    assert [line.split("  ")[:2] for line in epochs] == [
        [f"epoch {i}/4", f"loss {loss:.4f}"] for i, loss in enumerate(net.history.loss, 1)
    ]
    assert end == "fit ends: 2 of 4 epochs done"


def test_an_epoch_writes_no_line_while_nobody_listens(monkeypatch):
    monkeypatch.setattr("cnn.training.fit.epoch_line", None)
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (2, 2, 1), seed=0)
    net.fit(np.zeros((9, 2, 2)), np.arange(9) % 3, progress=False)
