"""What a fit shows: lines in a log file, a bar in a terminal or a notebook, nothing."""

import io
import os
import re
import subprocess
import sys
import types

import pytest

from cnn.training import progress

LOGS = {"loss": 0.5, "accuracy": 0.875, "seconds": 1.25, "images_per_second": 48000.0}
VALIDATION = {"val_loss": 0.25, "val_accuracy": 0.9375}

FIT = """
import sys
from cnn.training import progress

with progress.open_display({mode!r}, 2, 100) as report:
    for epoch in (1, 2):
        report.epoch_begin(epoch)
        report.step(50, 1.0, 0.5)
        {during}
        report.epoch_end({logs})
"""


def run_fit(mode, logs=LOGS, epochs=2):
    with progress.open_display(mode, epochs, 100) as report:
        for epoch in range(1, epochs + 1):
            report.epoch_begin(epoch)
            report.step(50, 1.0, 0.5)
            report.epoch_end(logs)


def in_a_terminal(mode, during="pass", columns=100):
    """Run FIT with a terminal as its standard output; return what appeared there and the exit status."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    ours, theirs = pty.openpty()
    program = FIT.format(mode=mode, during=during, logs=LOGS)
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
    child = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # Linux says so when the child has closed its end
        pass
    os.close(ours)
    child.communicate()
    return shown.decode(), child.returncode


@pytest.mark.parametrize("mode", ["auto", True])
def test_a_log_file_gets_one_line_an_epoch(capsys, mode):
    run_fit(mode)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/2  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s",
        "epoch 2/2  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s",
    ]


def test_the_line_has_the_figures_of_the_validation(capsys):
    run_fit("auto", LOGS | VALIDATION, epochs=1)
    assert "  val_loss 0.2500  val_accuracy 93.75%  " in capsys.readouterr().out


def test_epochs_are_aligned(capsys):
    run_fit("auto", epochs=10)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch  1/10  ")
    assert lines[9].startswith("epoch 10/10  ")


def test_nothing_is_shown_when_nothing_is_wanted(capsys):
    run_fit(False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("mode", ["always", None, 2])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match=r'"auto", True or False'):
        run_fit(mode)


@pytest.mark.parametrize("mode", ["auto", False])
def test_without_a_terminal_rich_is_not_imported(mode):
    program = FIT.format(mode=mode, during="assert 'rich' not in sys.modules", logs=LOGS)
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)


def test_a_terminal_gets_a_bar_and_keeps_a_line_of_every_epoch():
    shown, status = in_a_terminal("auto", "import time; time.sleep(0.3); report.step(75, 1.0, 0.5)")
    assert status == 0
    assert "━" in shown
    assert "accuracy 50.00%" in shown
    assert " left" in shown
    for epoch in ("epoch 1/2", "epoch 2/2"):
        assert f"{epoch}  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s" in shown


@pytest.mark.parametrize(
    ("columns", "figures"),
    [
        (100, "loss 1.0000  accuracy 50.00%  N images/s  M:SS left"),
        (80, "loss 1.0000  accuracy 50.00%  N images/s  M:SS left"),
        (60, "loss 1.0000  accuracy 50.00%  M:SS left"),
        (40, "loss 1.0000  M:SS left"),
        (30, "M:SS left"),
    ],
)
def test_in_a_narrow_terminal_the_bar_and_the_time_left_stay(columns, figures):
    shown, _ = in_a_terminal("auto", "import time; time.sleep(0.3); report.step(75, 1.0, 0.5)", columns)
    plain = re.sub(r"\x1b\[[\d;?]*\w", "", shown)
    unbroken = "epoch 1/2  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s\r\n"
    assert unbroken in plain
    drawings = [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.rstrip().endswith(" left")]
    assert drawings
    for drawing in drawings:
        drawn, told = re.fullmatch(r"epoch \d/2 (\S+) (.*)", drawing).groups()
        assert progress.SHORT_BAR <= len(drawn) <= progress.BAR
        assert columns - len(drawing) <= 3 or len(drawn) == progress.BAR
        told = re.sub(r"\d+ images/s", "N images/s", told)
        assert re.sub(r"\d:\d\d left", "M:SS left", told) == figures


def drawn(columns):
    """Width of the bar, figures and length of all that is drawn in a terminal of so many columns."""
    counting, bar = CountingProgress(columns), types.SimpleNamespace()
    live = progress.Bar(counting, bar, epochs=2, images_per_epoch=100)
    live.epoch_begin(1)
    live.draw(50, ("loss 1.0000", "accuracy 50.00%", "48,000 images/s", "0:10 left"))
    last = counting.drawings[-1]
    return bar.bar_width, last["figures"], len(f"{last['description']} {bar.bar_width * '-'} {last['figures']}")


def test_the_bar_and_its_figures_fit_into_the_terminal():
    for columns in range(len("epoch 1/2 - 0:10 left"), 100):
        assert drawn(columns)[2] <= columns


@pytest.mark.parametrize("columns", [1, 10, 20])
def test_a_terminal_that_is_narrower_has_the_shortest_bar_and_the_time_left(columns):
    assert drawn(columns)[:2] == (1, "0:10 left")


def test_nothing_but_the_lines_is_left_in_a_terminal():
    shown, _ = in_a_terminal("auto")
    up, clear = "\x1b[1A", "\x1b[2K"
    assert shown.endswith(up + clear)  # to the bar's line


def test_no_thread_draws_the_bar():
    assert in_a_terminal("auto", "import threading; assert threading.active_count() == 1")[1] == 0


def test_without_a_standard_output_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    run_fit("auto")


def test_a_line_is_in_the_log_file_when_its_epoch_ends(monkeypatch):
    log = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(log))
    with progress.open_display("auto", 2, 100) as report:
        report.epoch_begin(1)
        report.epoch_end(LOGS)
        assert log.getvalue().startswith(b"epoch 1/2  loss 0.5000")


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", open(os.devnull, "w"))  # noqa: SIM115
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with progress.open_display("auto", 1, 100) as report:
        assert isinstance(report, progress.Lines)


@pytest.mark.parametrize("mode", ["auto", False])
def test_an_interrupted_fit_leaves_the_terminal_as_it_was(mode):
    shown, status = in_a_terminal(mode, "raise KeyboardInterrupt")
    assert status != 0
    hide_cursor, show_cursor = "\x1b[?25l", "\x1b[?25h"
    assert shown.count(hide_cursor) == shown.count(show_cursor)
    assert shown.rfind(hide_cursor) <= shown.rfind(show_cursor)


class CountingProgress:
    def __init__(self, width=100):
        self.console = types.SimpleNamespace(width=width)
        self.drawings = []

    def add_task(self, description, **fields):
        return 0

    def update(self, task, **fields):
        self.drawings.append(fields)

    def refresh(self):
        pass


def test_the_bar_is_drawn_a_few_times_a_second_however_many_steps_there_are(monkeypatch):
    clock = iter(range(1_000_000))
    monkeypatch.setattr(progress, "perf_counter", lambda: next(clock) * 1e-5)
    counting = CountingProgress()
    bar = progress.Bar(counting, types.SimpleNamespace(), epochs=2, images_per_epoch=100_000)
    bar.epoch_begin(1)
    for step in range(1, 100_001):  # one second
        bar.step(step, 0.5, 0.75)
    assert 4 <= len(counting.drawings) <= 6
    last = counting.drawings[-1]
    assert last["completed"] > 70_000
    assert last["figures"].startswith("loss 0.5000  accuracy 75.00%  ")
    assert last["figures"].endswith("0:01 left")  # of both epochs


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (59.6, "1:00"), (3600, "1:00:00"), (4211, "1:10:11")])
def test_time_left_reads_as_a_clock(seconds, shown):
    assert progress.clock_text(seconds) == shown


def test_time_left_counts_what_came_between_the_epochs_so_far(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress, "perf_counter", lambda: now)
    counting = CountingProgress()
    bar = progress.Bar(counting, types.SimpleNamespace(), epochs=4, images_per_epoch=100)
    bar.epoch_begin(1)
    now = 10.0
    bar.step(100, 0.5, 0.75)
    assert counting.drawings[-1]["figures"].endswith("  0:30 left")  # of what came after the epoch nothing is known
    now = 14.0  # four seconds of validation
    bar.epoch_begin(2)
    now = 19.0
    bar.step(50, 0.5, 0.75)
    assert counting.drawings[-1]["figures"].endswith("  0:37 left")  # 5 + 4 + 10 + 4 + 10 + 4
    now = 24.0
    bar.step(100, 0.5, 0.75)
    now = 26.0  # two seconds: three in the mean
    bar.epoch_begin(3)
    now = 31.0
    bar.step(50, 0.5, 0.75)
    assert counting.drawings[-1]["figures"].endswith("  0:21 left")  # 5 + 3 + 10 + 3


def test_of_an_unknown_number_of_images_those_that_are_done_are_shown_and_later_the_time_left(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress, "perf_counter", lambda: now)
    counting = CountingProgress()
    bar = progress.Bar(counting, types.SimpleNamespace(), epochs=3, images_per_epoch=None)
    for epoch, images in ((1, 1000), (2, 2000), (3, 0)):
        bar.epoch_begin(epoch)
        now += 1.0
        bar.step(500, 0.5, 0.75)
        if epoch == 1:
            assert counting.drawings[-1]["figures"].endswith("  500 images  500 images/s")
            assert counting.drawings[-1]["total"] is None
        else:  # as many as in the epoch before
            assert counting.drawings[-1]["total"] == 1000 * (epoch - 1)
            assert counting.drawings[-1]["figures"].endswith("  0:03 left")
        now += 1.0
        if images:
            bar.step(images, 0.5, 0.75)
            progress.Live.epoch_end(bar, LOGS)  # without the line that is printed


# ---- in a notebook -----------------------------------------------------------------------------------------


class Display:
    """What a cell shows, in place of IPython's display."""

    def __init__(self):
        self.shown, self.displays = [], 0

    def __call__(self, data, raw, display_id):
        assert raw
        assert display_id
        self.displays += 1
        self.update(data, raw)
        return self

    def update(self, data, raw):
        self.shown.append(data["text/plain"])


@pytest.fixture
def cell(monkeypatch):
    """A cell of a notebook, as far as `open_display` can tell."""
    display = Display()
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return display


@pytest.mark.parametrize("mode", ["auto", True])
def test_a_notebook_gets_one_display_that_keeps_a_line_of_every_epoch(cell, capsys, mode):
    run_fit(mode)
    assert cell.displays == 1
    assert cell.shown[-1].splitlines() == [
        "epoch 1/2  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s",
        "epoch 2/2  loss 0.5000  accuracy 87.50%  1.2 s  48,000 images/s",
    ]
    assert capsys.readouterr().out == ""


def test_the_bar_of_a_notebook_fills_below_the_lines_of_earlier_epochs(cell, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress, "perf_counter", lambda: now)
    with progress.open_display("auto", 2, 100) as report:
        report.epoch_begin(1)
        report.epoch_end(LOGS)
        report.epoch_begin(2)
        now = 1.0
        report.step(50, 1.0, 0.5)
    line, bar = cell.shown[-1].splitlines()
    assert line.startswith("epoch 1/2  loss 0.5000")
    assert bar == f"epoch 2/2 {'█' * 10}{'░' * 10} loss 1.0000  accuracy 50.00%  50 images/s  0:01 left"


def test_in_a_notebook_the_bar_of_an_unknown_number_of_images_is_empty(cell, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress, "perf_counter", lambda: now)
    with progress.open_display("auto", 1, None) as report:
        report.epoch_begin(1)
        now = 1.0
        report.step(50, 1.0, 0.5)
    assert cell.shown[-1] == f"epoch 1/1 {'░' * 20} loss 1.0000  accuracy 50.00%  50 images  50 images/s"


def test_a_notebook_shows_nothing_when_nothing_is_wanted(cell):
    run_fit(False)
    assert cell.shown == []


def test_ipython_in_a_terminal_is_no_notebook(cell, capsys):
    sys.modules["IPython"].get_ipython = lambda: types.SimpleNamespace()
    run_fit("auto")
    assert cell.shown == []
    assert len(capsys.readouterr().out.splitlines()) == 2
