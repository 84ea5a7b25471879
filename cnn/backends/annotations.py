"""What public functions and classes take and give, for their annotations. Only type checkers need it in `import cnn`.

An integer is `SupportsIndex` and a real number `SupportsFloat`, so that NumPy's scalars are, too. What a layer or a
function makes of an array is a plain `np.ndarray`, so that mypy lets it take the place of its argument: `x = relu(x)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32 | np.float64]
Labels = NDArray[np.int64]
DType = Literal["float32", "float64"] | np.dtype[np.float32 | np.float64] | type[np.float32 | np.float64 | float]
Backend = Literal["compiled", "numpy"]
Seed = int | np.integer[Any] | np.random.Generator | None
Shape = Sequence[SupportsIndex]
Pair = SupportsIndex | Sequence[SupportsIndex]  # one number for both, or rows and columns
Padding = Literal["same", "valid"] | Pair
