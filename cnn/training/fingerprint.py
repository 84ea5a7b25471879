"""What tells one fit from another: its arguments in values that JSON has, and of its arrays a digest."""

from __future__ import annotations

import hashlib
import json
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..storage import description as saving

if TYPE_CHECKING:
    from .fit import Run


_DIGEST = "sha256:"


def is_digest(value: Any) -> bool:
    """Whether a value in a fingerprint stands for an array, or for a generator."""
    return isinstance(value, str) and value.startswith(_DIGEST)


def fingerprint(run: Run) -> dict[str, Any]:
    """The arguments of a fit, by name; two fits of equal ones end with the same bits."""
    net, optimizer, (x, y, validation) = saving.description(run.net), run.optimizer, run.data
    x_val, y_val = validation or (None, None)
    layers = {f"layers[{i}]": layer for i, layer in enumerate(net.pop("layers"))}
    document = {
        **{name: value for name, value in run.settings._asdict().items() if name != "seed"},
        "seed": _seed(run.settings.seed),
        "optimizer": {"name": type(optimizer).__name__, **optimizer.configuration()},
        "images": len(x),
        "x": x,
        "y": y,
        "validation_data[0]": x_val,
        "validation_data[1]": y_val,
        **net,
        "backend": run.net.backend,
        **layers,
    }
    return json.loads(json.dumps(document, default=_plain))


def _plain(value: Any) -> Any:
    """Of an array a digest, of any other object its kind and attributes, as those of a schedule."""
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value)
        digest = hashlib.sha256(f"{content.dtype.str} {content.shape}".encode())
        digest.update(content.data if content.size else b"")
        return _DIGEST + digest.hexdigest()
    if isinstance(value, np.generic):
        return value.item()
    attributes = {name: v for name, v in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    return {"name": getattr(type(value), "__name__", ""), **attributes}


def _seed(seed: Any) -> Any:
    """An int and None as they are; of any other seed, the digest of the generator that it makes."""
    try:
        return None if seed is None else operator.index(seed)
    except TypeError:
        state = json.dumps(np.random.default_rng(seed).bit_generator.state, default=_plain)
        return _DIGEST + hashlib.sha256(state.encode()).hexdigest()
