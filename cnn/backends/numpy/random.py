"""The counted random numbers of `src/cnn_c/random.pxd`, for many images at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    """The random numbers of one use, for images that follow each other in an epoch."""

    seed: int
    first: int  # position of the first image
    use: int

    def words(self, n: int, count: int) -> np.ndarray:
        """The first `count` words for each of `n` images, uint32 (n, count)."""
        return words(self.seed, self.first + np.arange(n), self.use, count)


def words(seed: int, images: np.ndarray, use: int, count: int) -> np.ndarray:
    """The first `count` words of each image's stream, uint32 (n, count); `images` are positions in the epoch."""
    key = _scrambled(np.uint64(seed) + images.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) + np.uint64(use)
    key = _scrambled(key)
    low, high = key.astype(np.uint32)[:, None], (key >> np.uint64(32)).astype(np.uint32)[:, None]
    return _mixed(_mixed(np.arange(count, dtype=np.uint32) + low) ^ high)


def uniform(word: np.ndarray) -> np.ndarray:
    """From -1 to below 1."""
    return (word >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def normal(word: np.ndarray) -> np.ndarray:
    """Nearly: the sum of four bytes, of mean 0 and variance 1."""
    total = sum((word >> np.uint32(8 * k)) & np.uint32(255) for k in range(4))
    return (np.asarray(total, np.float64) - 510) * 0.006765875087


def _scrambled(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _mixed(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))
