"""The functions of `cnn.functional` in NumPy: what the compiled kernels are tested against.

Each is the original's code with another `ops`, so that only the arithmetic can differ. What a function takes and does
is said once, there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backends.select import operations
from ..functional import *
from .twins import function_twin

if not TYPE_CHECKING:  # a type checker takes the originals: the twins have their signatures
    from ..functional import __all__

    for _name in __all__:
        globals()[_name] = function_twin(globals()[_name], __name__, names={"ops": operations("numpy")})
