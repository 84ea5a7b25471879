"""The file of a web page: written whole or not at all, and with layers of one's own."""

from __future__ import annotations

import os

import numpy as np
import pytest

import cnn
import cnn.export
import cnn.models

from ...full_disk import largest_file
from .browser import opened


def test_a_full_disk_leaves_the_old_page(tmp_path):
    path = tmp_path / "net.html"
    path.write_text("old")
    net = cnn.models.tutorial(seed=0)
    with largest_file(1000), pytest.raises(OSError, match=r"cannot be written: .*net\.html"):
        cnn.export.html(net, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["net.html"]
    cnn.export.html(net, path)
    assert path.read_text().rstrip().endswith("</html>")


class Doubled(cnn.Layer):
    def apply(self, x, training):
        return 2 * x, None

    def apply_gradient(self, dy, kept):
        return 2 * dy

    def to_page(self, page):
        return {"kind": "rescale", "scale": 2.0, "offset": 0.0}


def test_a_layer_of_ones_own_that_says_what_it_is_stands_in_the_page(browser, tmp_path):
    net = cnn.Sequential([Doubled(), cnn.Flatten(), cnn.Dense(3)], (4, 4, 1), seed=0)
    images = np.random.default_rng(0).random((2, 4, 4, 1), np.float32)
    net.export(tmp_path / "net.html", images=images)
    with opened(browser, tmp_path / "net.html") as page:
        logits = np.array([page.evaluate("(image) => cnn.predict(image)", image.ravel().tolist()) for image in images])
        assert np.abs(logits - net.predict_logits(images)).max() <= 1e-6
        assert page.get_by_role("heading", level=3).all_inner_texts()[1] == "Rescaling"
