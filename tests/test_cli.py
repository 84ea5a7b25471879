"""The command line: what its commands print, and what an error looks like and returns."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import cnn
from cnn import cli, compare, datasets, tutorial
from cnn.datasets import mnist


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process; gives the exit status and what went to each stream."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        return exit.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a few images in MNIST's form: each class a bright bar in a place of its own."""
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    random = np.random.default_rng(0)
    for images_file, labels_file, n in (
        (mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS, 200),
        (mnist.TEST_IMAGES, mnist.TEST_LABELS, 40),
    ):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = random.integers(0, 30, (n, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 6 + 2 * label, 4:24] = 255
        for file, array in ((images_file, images), (labels_file, labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (tmp_path / file).write_bytes(header + array.tobytes())
    return tmp_path


@pytest.fixture
def threads_restored():
    before = cnn.get_num_threads()
    yield
    cnn.set_num_threads(before)


def test_help_lists_the_commands():
    done = subprocess.run([sys.executable, "-m", "cnn", "--help"], check=True, capture_output=True, text=True)
    for name in ("train", "compare", "config"):
        assert re.search(rf"^ *{name} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["train", "compare"])
def test_help_of_a_command_has_examples(command, name):
    status, out, _ = command(name, "--help")
    assert status == 0
    assert re.search(rf"Examples:\s+cnn {name}\n *cnn {name} --", out)


@pytest.mark.parametrize("net", ["tutorial", "two-conv", "lenet5"])
def test_train_shows_the_net_its_progress_and_its_accuracy(command, data, net):
    status, out, err = command("train", "--net", net, "--epochs", 2, "--data", data)
    assert (status, err) == (0, "")
    assert "dense_1" in out
    assert len(re.findall(r"^epoch [12]/2  loss ", out, re.MULTILINE)) == 2
    accuracy, errors = re.search(r"^test accuracy ([\d.]+)%: (\d+) errors in 40 images$", out, re.M).groups()
    assert float(accuracy) == pytest.approx(100 * (1 - int(errors) / 40))
    assert re.search(r"^trained in [\d.]+ s, [\d,]+ images/s$", out, re.M)


def test_a_run_is_repeated_by_its_seed(command, data):
    def figures(seed):
        _, out, _ = command("train", "--epochs", 1, "--seed", seed, "--data", data)
        return re.search(r"loss [\d.]+  accuracy [\d.]+%", out).group()

    assert figures(7) == figures(7)
    assert figures(7) != figures(8)


@pytest.mark.usefixtures("threads_restored")
def test_options_reach_the_library(command, data, monkeypatch):
    rates = []
    original = cnn.SGD

    def sgd(schedule, **options):
        rates.append(schedule.at(0))
        return original(schedule, **options)

    monkeypatch.setattr(cnn, "SGD", sgd)
    status, _, _ = command("train", "--epochs", 1, "--learning-rate", 0.125, "--threads", 1, "--data", data)
    assert status == 0
    assert rates == [0.125]
    assert cnn.get_num_threads() == 1


def test_the_data_folder_may_be_named_by_the_environment(command, data, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(data))
    assert command("train", "--net", "tutorial", "--epochs", 1)[0] == 0


def test_missing_data_is_one_line_that_names_the_folder(command, tmp_path):
    folder = tmp_path / "nowhere"
    status, out, err = command("train", "--data", folder)
    assert (status, out) == (1, "")
    assert err == f"cnn: the data folder {folder} does not exist or is not a folder\n"


def test_a_damaged_file_is_one_line_that_names_it(command, data):
    (data / mnist.TRAIN_LABELS).write_bytes(b"\0\0\x08\x01\0\0\0\x05abc")
    status, _, err = command("compare", "--data", data)
    assert status == 1
    assert re.fullmatch(r"cnn: .*train-labels-idx1-ubyte: .*\n", err)


def test_a_bad_learning_rate_is_one_line_that_names_it(command, data):
    status, _, err = command("train", "--learning-rate", "nan", "--data", data)
    assert status == 1
    assert re.fullmatch(r"cnn: learning_rate .*\n", err)


def test_a_traceback_is_shown_only_for_debugging(tmp_path):
    run = [sys.executable, "-m", "cnn", "compare", "--data", str(tmp_path)]
    plain = subprocess.run(run, check=False, capture_output=True, text=True)
    debug = subprocess.run([*run, "--debug"], check=False, capture_output=True, text=True)
    assert plain.returncode == debug.returncode == 1
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.rstrip().endswith(plain.stderr.removeprefix("cnn: ").rstrip())


@pytest.mark.parametrize(
    "arguments",
    [("train", "--epochs", "0"), ("train", "--net", "vgg"), ("compare", "--steps", "many"), ("nonsense",)],
)
def test_a_wrong_command_line_returns_2(command, arguments):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert arguments[-2 if len(arguments) > 1 else 0] in err


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_an_interrupt_is_one_line_and_returns_130(data):
    run = [sys.executable, "-m", "cnn", "train", "--epochs", "1000000", "--data", str(data)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if line.startswith("epoch"):
                break
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
    assert child.returncode == 130
    assert err.splitlines() == ["cnn: interrupted"]


STAGES = (*compare.STAGES, compare.WHOLE_STEP)


def test_compare_shows_every_stage_with_its_ratios(command, data, monkeypatch):
    monkeypatch.setattr(compare, "FAST_STEPS", 4)
    status, out, err = command("compare", "--steps", 2, "--data", data)
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


def perturb(monkeypatch, layer, method, attribute):
    """Make a method of a fast layer wrong by a thousandth: its result, or what it leaves in an attribute."""
    original = getattr(getattr(tutorial, layer), method)

    def wrong(self, *arguments):
        result = original(self, *arguments)
        if attribute is None:
            return result * result.dtype.type(1.001)
        parameter = getattr(self, attribute)
        parameter *= 1.001
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
def test_compare_finds_a_stage_whose_numbers_are_wrong(data, monkeypatch, layer, method, attribute, stage, precision):
    perturb(monkeypatch, layer, method, attribute)
    dataset = datasets.load_mnist(data)
    image = (dataset.train_images[0] / 255 - 0.5).astype(precision)
    with pytest.raises(ArithmeticError, match=rf"^{stage} in {precision}: "):
        compare.Verifier(precision).step(image, int(dataset.train_labels[0]))


def test_numbers_that_disagree_are_one_line_and_return_1(command, data, monkeypatch):
    perturb(monkeypatch, "Conv3x3", "forward", None)
    status, out, err = command("compare", "--steps", 1, "--data", data)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: conv forward in float64: .* differ from the pure layer's by .*\n", err)


def test_config_shows_what_the_library_shows(command, capsys):
    cnn.show_config()
    expected = capsys.readouterr().out
    assert command("config") == (0, expected, "")


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("CNN_DATA_DIR"), reason="CNN_DATA_DIR names no folder with MNIST")
def test_the_default_net_learns_mnist(command):
    status, out, _ = command("train")
    assert status == 0
    assert float(re.search(r"test accuracy ([\d.]+)%", out).group(1)) >= 98.9
