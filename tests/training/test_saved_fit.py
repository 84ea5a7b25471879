"""What is no checkpoint, or a damaged one, is refused, and nothing is changed."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from cnn.storage import archive

from .killed_fits import bits, fitted, killed, small

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_checkpoint_that_is_missing_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        fitted(small(), resume=path)


@pytest.mark.parametrize("bad", [b"checkpoint", 3, True])
def test_what_is_no_path_cannot_be_resumed(bad):
    with pytest.raises(TypeError, match=r"^resume must be a str"):
        fitted(small(), resume=bad)


def test_a_nets_file_is_no_checkpoint(path):
    small().save(path)
    with pytest.raises(ValueError, match="it holds a net, but no fit to go on with"):
        fitted(small(), resume=path)


def test_a_damaged_checkpoint_is_refused_and_nothing_is_changed(path):
    killed(path, 3)
    content = path.read_bytes()
    rng = random.Random(0)
    net = small()
    for i in sorted(rng.sample(range(len(content)), 300)):
        damaged = bytearray(content)
        damaged[i] ^= 1 << rng.randrange(8)
        path.unlink()
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
            fitted(net, resume=path)
        path.unlink()
        path.write_bytes(content[:i])
        with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
            fitted(net, resume=path)
    assert bits(net) == bits(small())


def changed(path, change) -> None:
    """Write the checkpoint anew, with a right digest, after `change(document, tensors)`."""
    with archive.Archive(str(path)) as file:
        document, tensors = file.document, file.tensors()
    change(document["run"], tensors)
    archive.write(path, document, tensors)


def without(name):
    return lambda document, tensors: (document.pop(name, None), tensors.pop(name, None))


def with_entries(**entries):
    return lambda document, tensors: document.update(json.loads(json.dumps(entries, default=np.ndarray.tolist)))


def with_tensor(name, value):
    return lambda document, tensors: tensors.update({name: value})


CRAFTED = {
    **{f"no {name}": without(name) for name in ("fingerprint", "epoch", "finished", "steps", "level", "generator")},
    "no callbacks": without("callbacks"),
    "an epoch that is true": with_entries(epoch=True),
    "an epoch that is text": with_entries(epoch="3"),
    "an epoch after the end": with_entries(epoch=99),
    "an epoch after the end, with its figures": lambda d, t: (
        d.update(epoch=7), t.update({name: np.zeros(7) for name in t if name.startswith("run/history/")})
    ),
    "an epoch before the beginning": with_entries(epoch=-1),
    "negative steps": with_entries(steps=-1),
    "a generator of another kind": with_entries(generator=np.random.MT19937(0).state | {"state": 3}),
    "a generator that is empty": with_entries(generator={}),
    "a generator of too large a state": with_entries(
        generator=np.random.PCG64(0).state | {"state": {"state": 1 << 400, "inc": 1}}
    ),
    "a generator without a state": with_entries(generator={"bit_generator": "PCG64"}),
    "callbacks that are numbers": with_entries(callbacks=[3]),
    "a callback without a state": with_entries(callbacks=[{"callback": "EarlyStopping"}]),
    "no velocities": without("run/optimizer/0"),
    "velocities of another size": with_tensor("run/optimizer/0", np.zeros(3, np.float32)),
    "velocities of another dtype": lambda d, t: t.update({"run/optimizer/0": t["run/optimizer/0"].astype(np.float64)}),
    "velocities too many": lambda d, t: t.update({"run/optimizer/1": t["run/optimizer/0"]}),
    "no losses": without("run/history/loss"),
    "losses too few": with_tensor("run/history/loss", np.zeros(2)),
    "losses that are a table": with_tensor("run/history/loss", np.zeros((3, 1))),
    "losses that are integers": with_tensor("run/history/loss", np.zeros(3, np.int64)),
    "figures that nobody knows": with_tensor("run/history/more", np.zeros(3)),
    "no weights": without("dense_1.weights"),
    "weights of another size": with_tensor("dense_1.weights", np.zeros((3, 3), np.float32)),
    "weights of a layer that there is not": with_tensor("dense_2.weights", np.zeros((4, 4), np.float32)),
}  # fmt: skip


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_checkpoint_is_refused_and_nothing_is_changed(path, change):
    killed(path, 3)
    changed(path, change)
    net = small()
    with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
        fitted(net, resume=path)
    assert bits(net) == bits(small())
