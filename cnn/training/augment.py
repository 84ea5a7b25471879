"""`Augment`: images shifted, turned, scaled, sheared, bent and with noise, anew for every epoch, as they are read.

The arithmetic is `src/cnn_c/augment.pxd`, and in NumPy `cnn/backends/numpy/augment.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from ..backends import checks, compiled
from ..backends.calls import KNOTS, Warp

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..backends.annotations import Seed


class Augment:
    """How far images may be changed at random while a net trains; all zero by default.

    The images are changed as they are read, before any rescaling; between pixels they are interpolated bilinearly,
    beyond the border the nearest pixel counts. Uniform numbers lie between minus and plus what is given.

    Parameters
    ----------
    shift : float
        Pixels, uniform, down and across.
    rotate : float
        Degrees, uniform, about the centre.
    scale : float
        Largest relative growth: factors from 1 / (1 + scale) to 1 + scale, their logarithm uniform.
    shear : float
        Degrees of slant, uniform, below 90.
    elastic : float
        Pixels, standard deviation of a smooth random field of displacements (as in Simard et al., 2003; here cubic
        B-splines, four intervals to a side).
    noise : float
        Standard deviation of normal noise added to every pixel, in the images' own units: grey levels for uint8.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, negative, NaN or infinite.

    Examples
    --------
    >>> import cnn
    >>> data = cnn.datasets.load_strokes(train=100, test=0)
    >>> net = cnn.models.lenet5(seed=0)
    >>> history = net.fit(
    ...     data.train_images, data.train_labels, augment=cnn.Augment(shift=1, rotate=10), seed=0, progress=False
    ... )
    """

    def __init__(
        self,
        shift: SupportsFloat = 0.0,
        rotate: SupportsFloat = 0.0,
        scale: SupportsFloat = 0.0,
        shear: SupportsFloat = 0.0,
        elastic: SupportsFloat = 0.0,
        noise: SupportsFloat = 0.0,
    ) -> None:
        self.shift = checks.number("shift", shift)
        self.rotate = checks.number("rotate", rotate, maximum=180.0)
        self.scale = checks.number("scale", scale)
        self.shear = checks.number("shear", shear, maximum=math.nextafter(90.0, 0.0))
        self.elastic = checks.number("elastic", elastic)
        self.noise = checks.number("noise", noise)

    def __repr__(self) -> str:
        return f"Augment({', '.join(f'{name}={value:g}' for name, value in vars(self).items() if value)})"

    def __call__(self, images: ArrayLike, seed: Seed = None) -> NDArray[np.float32]:
        """Augmented copies of images (n, h, w) or (n, h, w, c), as `fit` would make them: float32, of the same shape.

        Raises
        ------
        TypeError, ValueError
            What is no batch of images.
        """
        x = checks.array("images", images)
        if x.ndim not in (3, 4) or 0 in x.shape[1:]:
            raise ValueError(f"images must have shape (n, h, w) or (n, h, w, c), got {x.shape}")
        shape = (x.shape[1], x.shape[2], x.shape[3] if x.ndim == 4 else 1)
        drawn = int(np.random.default_rng(seed).integers(2**63))
        return compiled.augment(checks.real("images", x, checks.FLOAT32), self.warp(shape, checks.FLOAT32), drawn)

    def warp(self, shape: tuple[int, ...], dtype: np.dtype) -> Warp:
        """This for images of a shape (h, w, c), for kernels of a dtype."""
        if len(shape) != 3:
            raise ValueError(f"augment needs images (h, w, c), the net takes inputs of shape {shape}")
        h, w, c = shape
        rows = _splines(h).astype(dtype)
        columns = np.ascontiguousarray(_splines(w).T.astype(dtype))
        turn, slant = math.radians(self.rotate), math.radians(self.shear)
        return Warp((h, w, c), self.shift, turn, math.log1p(self.scale), slant, self.elastic, self.noise, rows, columns)


def _splines(size: int) -> np.ndarray:
    """Cubic B-splines at each of `size` pixels, (size, KNOTS), scaled so that normal knots give normal values."""
    t = (np.arange(size) + 0.5) / size * (KNOTS - 3)
    distance = np.abs(t[:, None] - np.arange(-1, KNOTS - 1))
    near = (4 - 6 * distance**2 + 3 * distance**3) / 6
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    basis: np.ndarray = np.where(distance < 1, near, far)
    return basis / np.sqrt((basis**2).sum(axis=1, keepdims=True))
