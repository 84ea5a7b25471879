"""LeNet-5 on emulated microcontrollers: the same answers, in so much flash and RAM."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

import cnn
import cnn.export

from .boards import M3, M4, M4_WITH_FLOATS, predictions
from .compilers import needs
from .conftest import trained
from .test_float32 import TOLERANCE

BOARDS = {"M3": M3, "M4": M4, "M4 with hardware floats": M4_WITH_FLOATS}
MOST_FLASH, MOST_RAM = 56 * 1024, 8 * 1024

ALONE = """#include "lenet.h"
int predict(const float *image, float *logits);
int predict(const float *image, float *logits)
{
    return lenet_predict(image, logits);
}
"""


@pytest.fixture
def lenet(mnist_dataset):
    return trained("lenet", 6000, 1)


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_gives_the_logits_of_the_net(board, lenet, mnist_dataset, tmp_path):
    x = mnist_dataset.test_images[:3]
    cnn.export.c(lenet, tmp_path / "lenet.h")
    logits, classes = predictions(tmp_path / "lenet.h", "lenet", x, BOARDS[board])
    expected = lenet.predict_logits(x)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    assert classes.tolist() == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_gives_the_bits_of_the_integers_in_python(board, lenet, mnist_dataset, tmp_path):
    x = mnist_dataset.test_images[:10]
    header = cnn.export.c(lenet, tmp_path / "lenet.h", dtype="int8", calibration=mnist_dataset.train_images[:200])
    logits, classes = predictions(tmp_path / "lenet.h", "lenet", x, BOARDS[board])
    assert logits.tobytes() == header.predict_logits(x).tobytes()
    assert classes.tolist() == header.predict_logits(x).argmax(axis=1).tolist()


@pytest.mark.parametrize("optimisation", ["-Os", "-O2"])
def test_lenet_in_int8_fits_into_so_much_flash_and_ram(optimisation, lenet, mnist_dataset, tmp_path):
    """Its object alone, code and constants; its memory, and the stack of all functions as if each called the next."""
    needs("arm-none-eabi-gcc")
    calibration = mnist_dataset.train_images[:200]
    header = cnn.export.c(lenet, tmp_path / "lenet.h", dtype="int8", calibration=calibration)
    (tmp_path / "lenet.c").write_text(ALONE)
    compiler = ["arm-none-eabi-gcc", "-std=c99", "-mcpu=cortex-m3", "-mthumb", optimisation, "-fstack-usage", "-c"]
    subprocess.run([*compiler, "lenet.c"], cwd=tmp_path, check=True)
    sizes = subprocess.run(["arm-none-eabi-size", "lenet.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    text_size, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    stack = sum(int(line.split("\t")[1]) for line in (tmp_path / "lenet.su").read_text().splitlines())
    assert header.flash <= text_size <= MOST_FLASH
    assert (data, bss) == (0, header.ram)
    assert bss + stack <= MOST_RAM
    macros = dict(re.findall(r"#define lenet_(\w+) (\d+)", (tmp_path / "lenet.h").read_text()))
    assert macros == {"INPUT": "784", "OUTPUT": "10", "RAM": str(bss), "FLASH": str(header.flash)}
