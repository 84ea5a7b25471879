"""Fashion-MNIST: clothes in MNIST's form, and harder to tell apart than digits (Xiao, Rasul, Vollgraf 2017)."""

from __future__ import annotations

import os

from . import sources
from .mnist_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Dataset

SOURCE = sources.Source(
    name="fashion-mnist",
    title="Fashion-MNIST",
    subfolder="fashion",
    content_sha256={
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
)


def load_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the 60,000 training and 10,000 test images of clothes.

    They are looked for in `data_dir`, or else in the sub-folder `fashion` of the folder that the environment
    variable CNN_DATA_DIR names, where there is one, or else in the user's cache; what the cache lacks is
    downloaded. A folder that is named is the only place searched.

    Labels: 0 T-shirt, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Parameters
    ----------
    data_dir : str or path-like, optional
        Folder with the four files, named as those of MNIST are.

    Returns
    -------
    Dataset
        (train_images, train_labels, test_images, test_labels), uint8 (60000, 28, 28), (60000,), (10000, 28, 28)
        and (10000,).

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As for `load_mnist`.
    """
    return sources.load(SOURCE, data_dir)
