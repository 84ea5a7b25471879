"""The commands and programs of docs/machines.md, run one after the other in one folder, with a stand-in for Slurm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cnn
from cnn.training.saved_fit import read_status

PAGE = Path(__file__).parent.parent / "docs" / "machines.md"
FENCES = re.compile(r"(?:`([\w.]+)`[:,]\n\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDED = ("mpi4py", "optuna", "sklearn", "distributed")

SRUN = """#!/bin/bash
# Two processes, or those that are asked for, on this machine.
tasks=2
while [[ $1 == --* ]]; do
  [[ $1 == --ntasks=1 ]] && tasks=1
  shift
done
[[ $tasks == 1 ]] && exec "$@"
exec mpiexec -n $tasks "$@"
"""
SBATCH = '#!/bin/bash\nexec bash "$1"\n'

pytestmark = pytest.mark.usefixtures("one_thread")


def blocks():
    """Name of a file or "", language and text of each."""
    return FENCES.findall(PAGE.read_text(encoding="utf-8"))


def make_executable(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with few digits in the form of MNIST, in which all of the page has been run."""
    for name in NEEDED:
        pytest.importorskip(name)
    path = tmp_path_factory.mktemp("machines")
    digits = cnn.datasets.load_strokes()
    for kind, n in (("train", 2000), ("t10k", 500)):
        images, labels = (digits[0][:n], digits[1][:n]) if kind == "train" else (digits[2][:n], digits[3][:n])
        cnn.datasets.save_idx(path / f"{kind}-images-idx3-ubyte", images)
        cnn.datasets.save_idx(path / f"{kind}-labels-idx1-ubyte", labels)
    (path / "bin").mkdir()
    make_executable(path / "bin" / "srun", SRUN)
    make_executable(path / "bin" / "sbatch", SBATCH)
    places = [str(path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(places), "CNN_DATA_DIR": str(path), "OMP_NUM_THREADS": "1"}
    run(path, environment)
    return path


def run(path, environment):
    """All programs without a name in one namespace, all others and the tables as files, all commands in a shell."""
    program = []
    for name, language, text in blocks():
        if name:
            (path / name).write_text(text, encoding="utf-8")
        elif language == "python":
            program.append(text)
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-c", text], cwd=path, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
    lines = "\n".join(program).splitlines()
    body = "\n".join(f"    {line}" if line else "" for line in lines)
    (path / "page.py").write_text(f"if __name__ == '__main__':\n{body}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path / "page.out").write_text(done.stdout, encoding="utf-8")


def test_the_page_has_commands_programs_and_files():
    kinds = [(bool(name), language) for name, language, _ in blocks()]
    assert kinds.count((False, "sh")) == 5
    assert kinds.count((False, "python")) == 2
    assert [name for name, _, _ in blocks() if name] == ["space.toml", "digits.sbatch", "digits.py"]


def test_the_searches_on_cores_and_on_a_cluster_find_the_same(folder):
    first, second = (folder / "page.out").read_text().splitlines()
    assert first == second
    assert "batch_size" in first


def test_the_job_is_done(folder):
    assert (folder / "digits.safetensors").is_file()
    assert read_status(folder / "digits.run").finished


def test_parts_of_the_images_give_the_net_that_all_images_give(folder):
    net = cnn.models.lenet5(seed=0)
    images, labels = (cnn.datasets.load_idx(folder / f"train-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    net.fit(images, labels, epochs=2, batch_size=256, seed=0, optimizer=cnn.SGD(0.1, momentum=0.9), progress=False)
    parts = cnn.load(folder / "program.safetensors").parameters()
    for name, value in net.parameters().items():  # within rounding, for a process alone does not add up by chunks
        np.testing.assert_allclose(value, parts[name], rtol=0, atol=1e-4, err_msg=name)
