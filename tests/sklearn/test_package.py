"""scikit-learn is imported by those who ask for estimators alone, and named where it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cnn


def run(program):
    environment = os.environ | {"PYTHONPATH": str(Path(cnn.__file__).parent.parent)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)


def test_importing_cnn_imports_neither_scikit_learn_nor_joblib_nor_optuna():
    ended = run("import sys, cnn; print({'sklearn', 'joblib', 'optuna', 'distributed'} & sys.modules.keys())")
    assert (ended.stdout, ended.stderr) == ("set()\n", "")


@pytest.mark.parametrize("asked", ["cnn.sklearn", "from cnn.sklearn import CNNClassifier"])
def test_without_scikit_learn_the_error_names_the_extra(asked):
    ended = run(f"import sys; sys.modules['sklearn'] = None; import cnn; {asked}")
    assert "ImportError: cnn.sklearn needs scikit-learn: pip install 'cnn-c[sklearn]'" in ended.stderr


def test_cnn_has_the_estimators_as_an_attribute():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert run("import cnn; cnn.sklearn.CNNClassifier").returncode == 0
