"""PyTorch, imported when it is needed."""

from __future__ import annotations

from typing import Any


def torch_package() -> Any:
    """The module `torch`; ImportError that says how it is installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("modules of PyTorch need PyTorch: pip install 'cnn-c[torch]'") from error
    return torch
