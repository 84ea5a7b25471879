"""Calls and tables in plain text stay short, whatever is in them."""

from __future__ import annotations

import numpy as np

from cnn.backends.tables import LINE, call, one_line, without_middle


class Thing:
    pass


def test_a_call_that_fits_a_line_is_one_that_python_reads():
    assert call(Thing, {"size": (3, 3), "name": "a"}) == "Thing(size=(3, 3), name='a')"
    assert call(Thing, {}) == "Thing()"


def test_an_array_is_told_by_dtype_and_shape_inside_of_tuples_too():
    x = np.zeros((5, 4, 3), np.uint8)
    assert call(Thing, {"x": x, "pair": (x, x[0])}) == "Thing(x=uint8 (5, 4, 3), pair=(uint8 (5, 4, 3), uint8 (4, 3)))"


def test_a_call_longer_than_a_line_has_a_line_for_each_argument():
    text = call(Thing, {"a": "x" * 80, "b": "y" * 80, "lines": "1\n2"})
    assert text == f"Thing(\n    a={'x' * 80!r},\n    b={'y' * 80!r},\n    lines='1\\n2',\n)"


def test_arguments_of_any_size_stay_on_their_lines():
    class Lines:
        def __repr__(self):
            return "first\nsecond\n" * 1000

    text = call(Thing, {"lines": Lines(), "names": ("n" * 500,) * 500, "number": 10**300})
    assert len(text.splitlines()) == 5
    assert max(map(len, text.splitlines())) <= LINE


def test_one_line_has_no_breaks_and_no_more_than_so_many_characters():
    assert one_line("as it is", 8) == "as it is"
    assert one_line("a\n    b", 8) == "a b"
    assert one_line("123456789", 8) == "12345..."


def test_the_middle_is_left_out_only_where_it_must():
    def gap(number):
        return -number

    assert without_middle(range(6), 6, gap) == [0, 1, 2, 3, 4, 5]
    assert without_middle(range(7), 6, gap) == [0, 1, 2, -2, 5, 6]
    assert without_middle(range(100), 6, gap) == [0, 1, 2, -95, 98, 99]
    assert without_middle([], 6, gap) == []
