"""The command line: help, versions, `cnn compare`, and what an error looks like and returns."""

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import typer

import cnn
from cnn import datasets
from cnn.backends import config
from cnn.cli import app as cli
from cnn.cli import comparison as compare
from cnn.cli.commands.compare import show_comparison
from cnn.cli.common import reports_errors
from cnn.datasets import mnist_files, strokes
from cnn.layers import tutorial

# Seconds after which a process of the command line ends itself: whoever ends the tests leaves none that computes on.
TIME_LIMIT = 60
PROGRAM = f"import runpy, signal; signal.alarm({TIME_LIMIT}); runpy.run_module('cnn', run_name='__main__')"
CNN = [sys.executable, "-c", PROGRAM]


def commands(group=None, names=()):
    """All commands by their words, as typer has made them."""
    group = group or typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        else:
            yield (*names, name), command


NAMES = [" ".join(names) for names, _ in commands()]


def examples(command):
    """The lines below "Examples:" in a command's help."""
    return [line.strip() for line in command.help.partition("Examples:")[2].splitlines() if line.strip(" \b")]


# ---- help ----------------------------------------------------------------------------------------------------


def test_short_help_is_the_help(command):
    assert command("-h") == command("--help")
    assert command("data", "export", "strokes", "-h") == command("data", "export", "strokes", "--help")


def test_help_lists_the_commands(command):
    _, out, _ = command("--help")
    listed = re.findall(r"^  (\w+)  ", out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["train", "sweep", "evaluate", "predict", "export", "draw", "compare", "config", "plot", "data"]


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_fits_a_terminal_and_has_its_examples(command, name):
    status, out, _ = command(*name.split(), "--help")
    assert status == 0
    assert f"Examples:\n\n  cnn {name}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_every_example_is_a_command_line_that_parses(monkeypatch):
    group = typer.main.get_command(cli.app)
    run = []
    for names, command in commands(group):
        monkeypatch.setattr(command, "callback", lambda names=names, **options: run.append(names))
        lines = examples(command)
        assert lines
        for line in lines:
            run.clear()
            words = shlex.split(line.removeprefix("mpiexec -n 4 python -m mpi4py -m "))
            group.main(words[1:], prog_name=words[0], standalone_mode=False)
            assert run == [names]


def test_the_help_imports_nothing_that_only_some_commands_need():
    code = "import sys, cnn.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"PIL", "matplotlib", "optuna", "pooch", "safetensors", "sqlite3", "tensorboardX"} & set(
        done.stdout.split()
    )


def test_the_version_is_the_package_s(command):
    assert command("--version") == (0, f"cnn-c {cnn.__version__}\n", "")


def test_config_shows_what_the_library_shows(command, capsys):
    cnn.show_config()
    expected = capsys.readouterr().out
    assert command("config") == (0, expected, "")


def test_config_as_json(command):
    status, out, err = command("config", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == config.config()


# ---- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("train", "--epochs", "0"), "--epochs"),
        (("train", "--batch-size", "0"), "--batch-size"),
        (("train", "--seed", "-1"), "--seed"),
        (("train", "--threads", "0"), "--threads"),
        (("train", "--threads", "1025"), "--threads"),
        (("train", "--learning-rate", "-1"), "--learning-rate"),
        (("train", "--learning-rate", "nan"), "--learning-rate"),
        (("train", "--learning-rate", "inf"), "--learning-rate"),
        (("train", "--learning-rate", "1e308"), "between 0 and 3.40282e+38, got 1e+308"),
        (("train", "--net", "vgg"), "vgg"),
        (("train", "--recipe", "slow"), "slow"),
        (("compare", "--steps", "many"), "--steps"),
        (("predict", "digits.safetensors"), "PATH"),
        (("predict", "digits.safetensors", "7.png", "--top", "0"), "--top"),
        (("plot", "portrait"), "portrait"),
        (("plot", "feature-maps", "digits.safetensors", "--image", "-1"), "--image"),
        (("plot", "mistakes", "digits.safetensors", "--count", "0"), "--count"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_wrong_command_line_returns_2(command, arguments, named):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert named in err


def test_a_damaged_file_is_one_line_that_names_it(command, data_folder):
    (data_folder / mnist_files.TRAIN_LABELS).write_bytes(b"\0\0\x08\x01\0\0\0\x05abc")
    status, _, err = command("compare", "--data", data_folder)
    assert status == 1
    assert re.fullmatch(r"cnn: .*train-labels-idx1-ubyte: .*\n", err)


def test_a_traceback_is_shown_only_for_debugging(tmp_path):
    run = [*CNN, "compare", "--data", str(tmp_path)]
    plain = subprocess.run(run, check=False, capture_output=True, text=True)
    debug = subprocess.run([*run, "--debug"], check=False, capture_output=True, text=True)
    assert plain.returncode == debug.returncode == 1
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.rstrip().endswith(plain.stderr.removeprefix("cnn: ").rstrip())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("x must be\nsmall"), "x must be small"),
        (MemoryError(), "MemoryError"),
        (FileNotFoundError(2, "No such file or directory", "net"), "net: No such file or directory"),
        (FileNotFoundError(2, "No such file", os.fsdecode(b"\xff")), "\N{REPLACEMENT CHARACTER}: No such file"),
        (ImportError("pip install it"), "pip install it"),
    ],
)
def test_an_error_is_one_line(capsys, error, line):
    @reports_errors
    def failing(debug):
        raise error

    with pytest.raises(typer.Exit) as exit:
        failing(debug=False)
    assert exit.value.exit_code == 1
    assert capsys.readouterr() == ("", f"cnn: {line}\n")


def test_an_interrupt_is_one_line_too_but_for_debugging(capsys):
    @reports_errors
    def interrupted(debug):
        raise KeyboardInterrupt("go on")

    with pytest.raises(typer.Exit) as exit:
        interrupted(debug=False)
    assert exit.value.exit_code == 130
    assert capsys.readouterr() == ("", "cnn: interrupted; go on\n")
    with pytest.raises(KeyboardInterrupt, match="go on"):
        interrupted(debug=True)


def test_choices_are_told_in_our_words(command):
    _, _, err = command("train", "--recipe", "nope")
    assert err.endswith(
        "Error: Invalid value for '--recipe': 'nope' is none of "
        "fast, two-conv, accurate, tiny, keras, pytorch, resnet, vgg\n"
    )
    _, _, err = command("train", "--net", "vgg")
    assert re.search(r"Error: Invalid value for '--net': 'vgg' is none of tutorial, two-conv, .*, vgg-small\n$", err)


# ---- streams -------------------------------------------------------------------------------------------------

OUTPUTS = pytest.mark.parametrize("arguments", [("config",), ("data", "list", "--json"), ("--help",)])


def shell(line, *arguments):
    """A line of the shell in which $0 stands for `cnn` and its arguments; status and standard error."""
    words = shlex.join([*CNN, *map(str, arguments)])
    done = subprocess.run(["sh", "-c", line.replace("$0", words)], check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


@OUTPUTS
def test_a_reader_that_leaves_is_no_error(arguments):
    with subprocess.Popen([*CNN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()  # long before anything is written
        assert child.stderr.read() == ""
    assert child.returncode == 0


def test_a_reader_that_leaves_changes_no_status():
    run = [*CNN, "data", "verify", "nowhere"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        assert child.stderr.read().startswith("cnn: nowhere is neither")
    assert child.returncode == 1


@OUTPUTS
def test_an_output_that_is_closed_is_no_error(arguments):
    assert shell("$0 >&-", *arguments) == (0, "")


def test_all_streams_may_be_closed():
    assert shell("$0 <&- >&- 2>&-", "config", "--json") == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@OUTPUTS
def test_an_output_that_is_full_is_one_line_and_returns_1(arguments):
    told = "cnn: the standard output cannot be written: No space left on device\n"
    assert shell("$0 >/dev/full", *arguments) == (1, told)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_output_that_is_full_changes_no_other_status():
    program = "from cnn.cli.streams import lasting_streams\nwith lasting_streams(): print('lost'); raise SystemExit(3)"
    run = [sys.executable, "-c", program]
    with open("/dev/full", "w") as full:
        done = subprocess.run(run, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (3, "")


def test_streams_keep_their_encoding_and_what_it_lacks_is_escaped_in_errors():
    environment = os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "latin-1"}
    run = [*CNN, "data", "verify", "\N{LATIN SMALL LETTER A WITH DIAERESIS}\N{SNOWMAN}"]
    done = subprocess.run(run, check=False, capture_output=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(b"cnn: \xe4\\u2603 is neither a published data set")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_of_the_standard_error_is_told_at_once(unbuffered):
    program = """if True:
        import os, sys
        from cnn.cli.streams import lasting_streams
        with lasting_streams():
            print("first", file=sys.stderr)
            os.write(2, b"second")
            raise SystemExit
    """
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.PIPE, env=environment)
    assert done.stderr == b"first\nsecond"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_error_that_cannot_be_told_keeps_its_status():
    assert shell("$0 2>/dev/full", "nonsense")[0] == 2
    assert shell("$0 2>/dev/full", "data", "verify", "nowhere")[0] == 1


# ---- cnn compare ---------------------------------------------------------------------------------------------


STAGES = (*compare.STAGES, compare.WHOLE_STEP)


def test_compare_shows_every_stage_with_its_ratios(command, data_folder, monkeypatch):
    monkeypatch.setattr(compare, "FAST_STEPS", 4)
    status, out, err = command("compare", "--steps", 2, "--data", data_folder)
    assert (status, err) == (0, "")
    number = r" +([\d.,]+)"
    for stage in STAGES:
        row = re.search(rf"^ *{stage}{number}{number}{number}x{number}{number}x *$", out, re.MULTILINE)
        pure, float64, ratio64, float32, ratio32 = (float(cell.replace(",", "")) for cell in row.groups())
        # The cells are rounded: the pure time to 0.1, the fast ones to 0.01, the ratio to 1.
        for fast, ratio in ((float64, ratio64), (float32, ratio32)):
            slack = 0.5 + ratio * (0.05 / pure + 0.005 / fast) + 0.01
            assert ratio == pytest.approx(pure / fast, abs=slack)
    assert "Numbers agree at every stage" in out
    assert cnn.__version__ in out
    assert np.__version__ in out


def test_compare_takes_the_tutorials_first_thousand_images(command, monkeypatch):
    images, labels = np.zeros((1001, 28, 28), np.uint8), np.arange(1001, dtype=np.uint8)
    monkeypatch.setattr(strokes, "load_strokes", lambda: datasets.Dataset(images, labels, images, labels))
    taken = []
    monkeypatch.setattr(compare, "compare", lambda *given: taken.extend(given) or compare.Comparison([], {}, 0.1))
    assert command("compare", "--data", "strokes", "--steps", 3)[0] == 0
    assert [len(taken[0]), taken[1].tolist(), taken[2]] == [1000, labels[:1000].tolist(), 3]


def test_no_figure_of_compare_is_cut_or_wrapped_however_narrow_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    rows = [compare.Row(stage, 123456.7, 4.21, 3.21) for stage in STAGES]
    show_comparison(compare.Comparison(rows, {"float64": 0.0, "float32": 0.0}, 0.1), "MNIST")
    lines = capsys.readouterr().out.splitlines()
    for stage in STAGES:
        (line,) = (line for line in lines if re.match(rf"{stage}  ", line))
        assert line.split()[-5:] == ["123,456.7", "4.21", "29,325x", "3.21", "38,460x"]
        assert len(line) < 80


def perturb(monkeypatch, layer, method, attribute=None, factor=1.001):
    """Make a method of a fast layer wrong by a factor: its result, or what it leaves in an attribute."""
    original = getattr(getattr(tutorial, layer), method)

    def wrong(self, *arguments):
        result = original(self, *arguments)
        if attribute is None:
            return result * result.dtype.type(factor)
        parameter = getattr(self, attribute)
        parameter *= factor
        return result

    monkeypatch.setattr(getattr(tutorial, layer), method, wrong)


WRONG = [
    ("Conv3x3", "forward", None, "conv forward"),
    ("MaxPool2", "forward", None, "pool forward"),
    ("Softmax", "forward", None, "softmax"),
    ("Softmax", "backprop", None, "softmax backprop"),
    ("Softmax", "backprop", "weights", "softmax backprop, weights"),
    ("Softmax", "backprop", "biases", "softmax backprop, biases"),
    ("MaxPool2", "backprop", None, "pool backprop"),
    ("Conv3x3", "backprop", "filters", "conv backprop"),
]


@pytest.mark.parametrize(("layer", "method", "attribute", "stage"), WRONG, ids=[row[3] for row in WRONG])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_compare_finds_a_stage_whose_numbers_are_wrong(
    data_folder, monkeypatch, layer, method, attribute, stage, precision
):
    perturb(monkeypatch, layer, method, attribute)
    dataset = datasets.load_mnist(data_folder)
    image = (dataset.train_images[0] / 255 - 0.5).astype(precision)
    with pytest.raises(ArithmeticError, match=rf"^{stage} in {precision}: "):
        compare.Verifier(precision).step(image, int(dataset.train_labels[0]))


def test_compare_finds_a_stage_that_gives_nan(data_folder, monkeypatch):
    perturb(monkeypatch, "Conv3x3", "forward", factor=np.nan)
    image = datasets.load_mnist(data_folder).train_images[0] / 255 - 0.5
    with pytest.raises(ArithmeticError, match=r"^conv forward in float64: 5408 of 5408 numbers differ .* by up to nan"):
        compare.Verifier("float64").step(image, 0)


def test_numbers_that_disagree_are_one_line_and_return_1(command, data_folder, monkeypatch):
    perturb(monkeypatch, "Conv3x3", "forward")
    status, out, err = command("compare", "--steps", 1, "--data", data_folder)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: conv forward in float64: .* differ from the pure layer's by .*\n", err)
