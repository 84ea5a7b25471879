"""What tells one fit from another: its arguments in values that JSON has, and of its arrays a digest."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..storage.description import describe
from .saved_optimizer import object_described
from .settings import Data, Settings

if TYPE_CHECKING:
    from .interfaces import Net

_DIGEST = "sha256:"


def fingerprint(net: Net, data: Data, settings: Settings, optimizer: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a fit, by name, the optimiser described; two fits of equal ones end with the same bits."""
    described, (x, y, validation, weights, _) = describe(net), data
    x_val, y_val = validation or (None, None)
    layers = {f"layers[{i}]": layer for i, layer in enumerate(described.pop("layers"))}
    document = {
        **{name: value for name, value in settings._asdict().items() if name != "seed"},
        "seed": _seed(settings.seed),
        "optimizer": optimizer,
        "images": data.images,
        "x": x,
        "y": y,
        "weights of images": weights,
        "validation_data[0]": x_val,
        "validation_data[1]": y_val,
        **described,
        "backend": net.backend,
        **layers,
    }
    return in_json(document)


def in_json(document: dict[str, Any]) -> dict[str, Any]:
    """The document as JSON gives it back, with digests for arrays and attributes for other objects."""
    plain: dict[str, Any] = json.loads(json.dumps(document, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    """Of an array a digest, of any other object what tells it from others of its kind, as of a schedule."""
    if isinstance(value, np.ndarray):
        return digest(value.dtype, value.shape, [value])
    if isinstance(value, np.generic):
        return value.item()
    return object_described(value)


def digest(dtype: np.dtype, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> str:
    """That of an array of which these are the parts, one behind the other."""
    result = hashlib.sha256(f"{dtype.str} {shape}".encode())
    for part in parts:
        result.update(np.ascontiguousarray(part).data if part.size else b"")
    return _DIGEST + result.hexdigest()


def _seed(seed: Any) -> Any:
    """An int and None as they are; of any other seed, the digest of the generator that it makes."""
    try:
        return None if seed is None else operator.index(seed)
    except TypeError:
        state = json.dumps(np.random.default_rng(seed).bit_generator.state, default=_plain)
        return _DIGEST + hashlib.sha256(state.encode()).hexdigest()


def differences(saved: dict[str, Any], given: dict[str, Any], of: str = "") -> list[str]:
    """What differs, a line each; of two objects of one kind, such as optimisers, what differs in them."""
    result = []
    for name in [*saved, *(name for name in given if name not in saved)]:
        one, other = saved.get(name), given.get(name)
        if json.dumps(one) == json.dumps(other):
            continue
        if isinstance(one, dict) and isinstance(other, dict) and _kind(one) == _kind(other):
            result += differences(one, other, f"{of}{name}.")
        elif _is_digest(one) and _is_digest(other):
            result.append(f"another {of}{name}")
        else:
            one, other = ("an array or generator" if _is_digest(value) else json.dumps(value) for value in (one, other))
            result.append(f"{of}{name} {one}, not {other}")
    return result


def _kind(described: dict[str, Any]) -> Any:
    return described.get("name"), described.get("layer")


def _is_digest(value: Any) -> bool:
    """Whether a value stands for an array, or for a generator."""
    return isinstance(value, str) and value.startswith(_DIGEST)
