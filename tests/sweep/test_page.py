"""docs/sweep.md: its files and commands, one after the other in one folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnn
from cnn.recipes import OPTIMIZERS
from cnn.sweep.settings import AUGMENT, ONLY_FIXED, SCHEDULES, TRAINING

from .cases import TIME_LIMIT

pytest.importorskip("optuna", reason="sweeps need optuna")

PAGE = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text(encoding="utf-8")
FILES = re.compile(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def printed(tmp_path_factory, bars):
    """What each command prints, on the bars in place of MNIST."""
    from ..datasets.cases import fill

    folder = tmp_path_factory.mktemp("page")
    for name, text in FILES.findall(PAGE):
        (folder / name).write_text(text)
    environment = os.environ | {
        "CNN_DATA_DIR": str(fill(folder / "mnist", dataset=bars)),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    run = {"cwd": folder, "env": environment, "check": True, "capture_output": True, "text": True}
    lines = [line.replace("cnn ", f"{sys.executable} -m cnn ", 1) for line in COMMANDS]
    return folder, [subprocess.run(line, shell=True, timeout=TIME_LIMIT, **run).stdout for line in lines]


def test_the_commands_do_what_the_page_says(printed):
    folder, (swept, saved, own) = printed
    assert "trials drawn in trials.svg" in swept
    assert "trials in space.db so far: 6" in saved
    cnn.load(folder / "best.safetensors")
    assert set(json.loads(own)["best"]["settings"]) == {"net", "epochs", "filters", "dense", "dropout"}


def test_the_table_has_every_setting():
    for name in (*ONLY_FIXED, *TRAINING, *OPTIMIZERS, *SCHEDULES):
        assert f"`{name}`" in PAGE or (name.startswith(AUGMENT) and "`augment.scale`, ..." in PAGE)
