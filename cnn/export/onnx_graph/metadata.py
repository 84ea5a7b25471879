"""What an ONNX file says beside its graph: the classes' names, how images are scaled, which images the net knows.

Each entry of the model's metadata is a text of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...layers.reshape import Rescaling
from ...losses import is_known
from ...storage.description import describe_loss, read_images, read_loss

PRODUCER = "cnn-c"
CLASSES, IMAGES, LOSS, RESCALING = "classes", "image_range", "loss", "rescaling"


def entries(net: Any) -> dict[str, str]:
    """Of a net, by name: classes, the first layer's rescaling, the range of the fit's images, and the loss."""
    first = net.layers[0]
    found = {
        CLASSES: net.classes,
        RESCALING: {"scale": first.scale, "offset": first.offset} if isinstance(first, Rescaling) else None,
        IMAGES: None if net.image_range is None else net.image_range._asdict(),
        LOSS: describe_loss(net.loss) if is_known(net.loss) else None,
    }
    return {name: json.dumps(value) for name, value in found.items() if value is not None}


def read(texts: Mapping[str, str]) -> tuple[Any, tuple[str, float, float] | None, Any]:
    """Classes, range of images and loss of a net that was written here, None for what is not there.

    Raises
    ------
    ValueError, RecursionError
        What is there says none; the classes' names are checked by the net that takes them.
    """
    classes, images, loss = (json.loads(texts.get(name, "null")) for name in (CLASSES, IMAGES, LOSS))
    return (
        classes,
        None if images is None else read_images(images),
        None if loss is None else read_loss(loss, None),
    )
