"""Files of nets that were cut off, or of which a bit was flipped, are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .cases import refused_or_unchanged

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_file_cut_off_at_any_byte_is_refused(path, tiny_file):
    for length in range(len(tiny_file)):
        assert refused_or_unchanged(path, tiny_file[:length])


@pytest.mark.parametrize("more", [b"\0", b"more"])
def test_bytes_after_the_end_are_refused(path, tiny_file, more):
    assert refused_or_unchanged(path, tiny_file + more)


def test_a_flipped_bit_anywhere_is_found(path, tiny_file):
    accepted = 0
    for i in range(len(tiny_file)):
        for bit in range(8):
            damaged = bytearray(tiny_file)
            damaged[i] ^= 1 << bit
            accepted += not refused_or_unchanged(path, bytes(damaged))
    assert accepted <= 8 * 7  # only in the spaces after the header, which may be others


def test_any_byte_of_the_header_with_another_meaning_is_found(path, tiny_file):
    for i in range(8 + int.from_bytes(tiny_file[:8], "little")):
        for byte in b'\0 "0,{\xff':
            refused_or_unchanged(path, tiny_file[:i] + bytes([byte]) + tiny_file[i + 1 :])


@given(data=st.data())
def test_pieces_that_are_lost_repeated_or_replaced_are_found(tmp_path_factory, tiny_file, data):
    start = data.draw(st.integers(0, len(tiny_file)))
    stop = data.draw(st.integers(start, len(tiny_file)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(tiny_file[start:stop] * 2)))
    refused_or_unchanged(tmp_path_factory.getbasetemp() / "net", tiny_file[:start] + piece + tiny_file[stop:])
