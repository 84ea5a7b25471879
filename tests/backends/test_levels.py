"""The instruction-set level: chosen at import, or by the environment."""

from __future__ import annotations

import pytest

import cnn_c

from .programs import PREDICTION


@pytest.mark.parametrize("level", cnn_c.LEVELS)
def test_a_level_can_be_forced_and_is_shown(python, level):
    first, *config = python(PREDICTION, "cnn.show_config()", CNN_C_LEVEL=level).splitlines()
    assert first.split()[0] == level
    shown = dict(line.split(maxsplit=1) for line in config)
    assert shown["level"].split()[0] == level
    assert all(possible in shown["level"] for possible in cnn_c.LEVELS)
    assert {"cnn-c", "lanes", "OpenMP", "threads", "Python", "NumPy", "platform"} <= shown.keys()


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_wish_the_best_level_is_taken(python, given):
    assert python(PREDICTION, CNN_C_LEVEL=given).split()[0] == cnn_c.LEVELS[0]


@pytest.mark.parametrize("given", ["v5", "V3", "avx2", "../v3", "v3 "])
def test_an_unknown_level_is_an_import_error_that_lists_the_possible_ones(python, given):
    program = """
        try:
            import cnn
        except ImportError as error:
            print(error)
    """
    message = python(program, CNN_C_LEVEL=given)
    assert f"CNN_C_LEVEL={given}" in message
    assert message.rstrip().endswith(", ".join(cnn_c.LEVELS))


def test_an_unknown_level_leaves_the_one_in_use(level):
    kernels = dict(cnn_c.KERNELS)
    with pytest.raises(ImportError, match=", ".join(cnn_c.LEVELS)):
        cnn_c.use_level("v9")
    assert (level, kernels) == (cnn_c.LEVEL, cnn_c.KERNELS)
