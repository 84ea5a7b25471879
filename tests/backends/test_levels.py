"""The instruction-set level: chosen at import, or by the environment."""

from __future__ import annotations

import pytest
from cnn_c.cpu import multiply_add_rate

import cnn_c
from cnn.backends.config import config

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


@pytest.mark.parametrize(
    ("rates", "order"),
    [
        ({256: 48.0, 512: 96.0}, ("v4", "v3", "v2")),  # two units for 512 bits
        ({256: 48.0, 512: 47.0}, ("v4", "v3", "v2")),  # two for 256 that work together: Zen 4
        ({256: 48.0, 512: 40.0}, ("v4", "v3", "v2")),
        ({256: 48.0, 512: 33.0}, ("v3", "v4", "v2")),  # one unit, and a slower clock
        ({256: 48.0, 512: 24.0}, ("v3", "v4", "v2")),
        ({}, ("v4", "v3", "v2")),
    ],
)
def test_registers_of_512_bits_are_used_unless_they_do_fewer_multiply_adds(monkeypatch, rates, order):
    monkeypatch.setattr(cnn_c, "BASELINE", "v2")
    assert cnn_c.best_first(("v4", "v3", "v2"), rates) == order


def test_levels_without_a_choice_stay_as_they_are():
    assert cnn_c.best_first(("v3", "v2"), {}) == ("v3", "v2")
    assert cnn_c.best_first(("baseline",), {}) == ("baseline",)


@pytest.mark.parametrize(("bits", "level"), [(256, "v3"), (512, "v4")])
def test_the_rate_of_multiply_adds_is_that_of_a_core(bits, level):
    rate = multiply_add_rate(bits)
    assert (rate > 0) == (level in cnn_c.LEVELS)
    assert rate < 6 * 2 * bits / 32  # 6 GHz, two units


def test_rates_are_measured_where_they_decide_and_shown():
    assert set(cnn_c.RATES) <= {256, 512}
    assert ("measured" in config()["multiply-adds"]) == (not cnn_c.RATES)
