"""`CSVLogger`: its rows, what it appends to, and what is left where a row cannot be written or its writer is killed."""

from __future__ import annotations

import csv
import io
import os
from contextlib import ExitStack

import numpy as np
import pytest

import cnn

from ..full_disk import largest_file
from .killed_fits import AtEpochBegin, Kill, Killed, bits, data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def epochs(path) -> str:
    return "".join(row["epoch"] for row in rows(path))


class AtEpochEnd(cnn.Callback):
    """Keep what a function makes of each epoch's logs."""

    def __init__(self, look):
        self.look, self.seen = look, []

    def on_epoch_end(self, net, logs):
        self.seen.append(self.look(logs))


@pytest.mark.parametrize("validation", [None, data(8, 1)])
def test_a_row_an_epoch_has_the_epochs_figures_exactly(log, validation):
    recorder = AtEpochEnd(dict)
    fitted(small(), [cnn.CSVLogger(log), recorder], validation_data=validation)
    assert rows(log) == [{name: str(value) for name, value in logs.items()} for logs in recorder.seen]


def test_a_row_is_in_the_file_as_soon_as_its_epoch_is_done(log):
    counting = AtEpochEnd(lambda logs: len(rows(log)))
    fitted(small(), [cnn.CSVLogger(log), counting], epochs=4)
    assert counting.seen == [1, 2, 3, 4]


@pytest.mark.parametrize(("append", "expected"), [(False, "12"), (True, "1212")])
def test_a_second_fit_writes_anew_or_appends_below_one_header(log, append, expected):
    logger = cnn.CSVLogger(str(log), append=append)
    for _ in range(2):
        fitted(small(), [logger], epochs=2)
    assert epochs(log) == expected


@pytest.mark.parametrize("other", ["time,place\n", "time,place", "epoch,epochs\n", "\n", "e" * 300])
def test_rows_are_not_appended_below_other_columns(log, other):
    log.write_text(other)
    message = f"^the columns of '{log}' must be epoch, epochs, .*, got {other.strip()[:80].replace(',', ', ')}"
    with pytest.raises(ValueError, match=message):
        fitted(small(), [cnn.CSVLogger(log, append=True)])
    assert log.read_text() == other


def test_lines_that_end_as_those_of_windows_are_appended_to(log):
    fitted(small(), [cnn.CSVLogger(log)], epochs=1)
    log.write_bytes(log.read_bytes().replace(b"\n", b"\r\n"))
    fitted(small(), [cnn.CSVLogger(log, append=True)], epochs=1)
    assert epochs(log) == "11"


def test_a_file_that_cannot_be_written_is_an_error_before_the_first_epoch(tmp_path):
    net = small()
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path / "missing" / "log", tmp_path, tmp_path / "pipe", "/dev/full"):
        with pytest.raises(OSError, match="cannot be written: ") as error:
            fitted(net, [cnn.CSVLogger(bad)])
        assert error.value.filename == str(bad)
    assert bits(net) == bits(small())


def test_a_path_that_is_none_is_a_type_error():
    with pytest.raises(TypeError, match=r"^path must be a str"):
        cnn.CSVLogger(3)


# ---- rows that are not written whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1, 30])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_row_for_which_there_is_no_room_is_taken_back_and_the_error_names_the_file(log, epoch, more):
    limits = ExitStack()
    limit = AtEpochBegin(epoch, lambda: limits.enter_context(largest_file(log.stat().st_size + more)))
    before = AtEpochEnd(lambda logs: log.read_bytes())
    with limits, pytest.raises(OSError, match="cannot be written: File too large") as error:
        fitted(small(), [limit, cnn.CSVLogger(log), before])
    assert error.value.filename == str(log)
    assert log.read_bytes() == b"".join(before.seen[-1:])
    fitted(small(), [cnn.CSVLogger(log, append=True)], epochs=2)
    assert epochs(log) == ("12" if epoch == 1 else "1212")


def test_a_row_is_written_in_one_piece(log, monkeypatch):
    """So that whoever reads the file meanwhile, or kills the writer, finds no part of one."""
    sizes = AtEpochEnd(lambda logs: log.stat().st_size)
    written = []

    class Counting(io.FileIO):
        def write(self, data):
            written.append(len(data))
            return super().write(data)

    monkeypatch.setattr("cnn.training.csv_logger.FileIO", Counting)
    fitted(small(), [cnn.CSVLogger(log), sizes], epochs=3)
    assert np.cumsum(written).tolist() == sizes.seen


@pytest.mark.parametrize("kept", ["header", "one row"])
@pytest.mark.parametrize("length", [1, 20, -1])
def test_a_line_that_a_killed_process_left_unfinished_is_cut_before_more_is_appended(log, kept, length):
    fitted(small(), [cnn.CSVLogger(log)], epochs=2)
    lines = log.read_bytes().splitlines(keepends=True)
    cut = 0 if kept == "header" else 2
    log.write_bytes(b"".join(lines[:cut]) + lines[cut][:length])
    fitted(small(), [cnn.CSVLogger(log, append=True)], epochs=2)
    assert epochs(log) == ("12" if kept == "header" else "112")
    assert log.read_bytes().startswith(b"".join(lines[:cut]))


@pytest.mark.parametrize("unfinished", [b"3", b"3,6,0.0123", b"nothing of this fit"])
def test_a_fit_that_is_resumed_cuts_the_row_that_its_killed_process_left_unfinished(tmp_path, log, unfinished):
    def callbacks():
        return [cnn.CSVLogger(log), cnn.Checkpoint(tmp_path / "checkpoint")]

    with pytest.raises(Killed):
        fitted(small(), [*callbacks(), Kill(2)])
    with open(log, "ab") as file:
        file.write(unfinished)
    fitted(small(), callbacks(), resume=tmp_path / "checkpoint")
    assert epochs(log) == "123456"
