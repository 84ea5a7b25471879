"""Names: whatever a file, a class of layers or an output is called, the header can be compiled."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
import cnn.export
from cnn.export.c_header.names import in_comment, stem

from .compilers import C99, build, predictions

STEMS = {
    "lenet.h": "lenet",
    "my-net 2.h": "my_net_2",
    "3x3.h": "net_3x3",
    "int.h": "int",
    "a.b.c.h": "a_b_c",
    "größe.h": "gr_e",
    "数字.h": "net",
    "__x__.h": "x",
    "_Bool.h": "Bool",
    "*?[.h": "net",
    ".h": "h",
    "h": "h",
    "a\nb.h": "a_b",
    "NULL.H": "NULL",
}


@pytest.mark.parametrize("name", STEMS)
def test_a_file_name_becomes_an_identifier(name):
    assert stem(f"a/{name}") == STEMS[name]


@settings(max_examples=300)
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1))
def test_any_file_name_becomes_an_identifier_that_is_not_reserved(name):
    assert re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", stem(name))


@pytest.mark.parametrize("name", ["3x3.h", "int.h", "_Bool.h", "größe.h", "*?[.h"])
def test_a_header_of_any_name_gives_the_same_logits(name, tmp_path):
    net = cnn.Sequential([cnn.Conv2D(2, 2), cnn.Tanh(), cnn.Flatten(), cnn.Dense(3)], (3, 3, 1), seed=0)
    cnn.export.c(net, tmp_path / name)
    content = (tmp_path / name).read_text()
    plain = tmp_path / "plain.h"  # a name that an #include can hold
    plain.write_text(content)
    x = np.ones((1, 3, 3, 1), np.float32)
    np.testing.assert_allclose(predictions(plain, STEMS[name], x, 3)[0], net.predict_logits(x), rtol=1e-5)


def test_names_of_classes_and_of_layers_may_hold_anything(tmp_path):
    class Größe(cnn.ReLU):
        pass

    net = cnn.Sequential([Größe(), cnn.Dense(3), cnn.Dense(5), cnn.Tanh()], (3,), seed=0)
    net.classes = ['*/ #error "', "/*", "\\\n??/", "größer\r\n", "5 cm (wide)"]
    cnn.export.c(net, tmp_path / "net.h")
    build('#include "net.h"\nint main(void) { return 0; }\n', tmp_path / "program", "gcc", C99)
    assert "5 cm (wide)" in (tmp_path / "net.h").read_text()


@given(st.text())
def test_no_text_ends_a_comment_or_a_line(text):
    assert re.fullmatch(r"[ -~]*", in_comment(text))
    assert not set('*/\\?"') & set(in_comment(text))
