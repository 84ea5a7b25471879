"""`cnn train`: what it prints and writes, what it does with a training that was cut short, and what it refuses."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pooch
import pytest

import cnn
from cnn import recipes
from cnn.datasets import mnist, strokes
from cnn.recipes import NETS
from cnn.training import saved_fit

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def fits(monkeypatch):
    """The arguments of every fit."""
    fits = []
    fit = cnn.Sequential.fit

    def recorded(self, *arguments, **options):
        fits.append(options)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(cnn.Sequential, "fit", recorded)
    return fits


# Seconds after which a process of the command line ends itself: whoever ends the tests leaves none that trains on.
TIME_LIMIT = 60
PROGRAM = f"""
import runpy, signal
signal.alarm({TIME_LIMIT})
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has put the tests into the background
runpy.run_module("cnn", run_name="__main__")
"""


def shell(*arguments, **streams):
    """The command line as a process of its own; what nobody reads fills its pipe soon, and then it waits."""
    run = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "pipesize": 4096} | streams
    return subprocess.Popen(run, **streams)


def until_epoch(child, epoch):
    for line in child.stdout:
        if re.match(rf"epoch +{epoch}/", line):
            return
    raise AssertionError(child.stderr.read())


# ---- what it trains, and what it says ------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS)
def test_it_shows_data_net_progress_and_accuracy(command, data_folder, net):
    status, out, err = command("train", "--net", net, "--epochs", 2, "--data", data_folder)
    assert (status, err) == (0, "")
    assert out.startswith(f"data: images from {data_folder}\n")
    assert "dense_1" in out
    assert len(re.findall(r"^epoch [12]/2  loss ", out, re.MULTILINE)) == 2
    accuracy, errors = re.search(r"^test accuracy ([\d.]+)%: (\d+) errors in 40 images$", out, re.M).groups()
    assert float(accuracy) == pytest.approx(100 * (1 - int(errors) / 40))
    assert re.search(r"^trained in [\d.]+ s, [\d,]+ images/s$", out, re.M)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_followed_but_where_an_option_says_otherwise(command, data_folder, fits, name):
    assert command("train", "--recipe", name, "--epochs", 1, "--seed", 5, "--data", data_folder)[0] == 0
    recipe = recipes.RECIPES[name]
    (options,) = fits
    assert (options["epochs"], options["seed"]) == (1, 5)
    assert options["batch_size"] == recipe.batch_size
    assert options["augment"] is recipe.augment
    assert options["label_smoothing"] == recipe.label_smoothing
    assert vars(options["optimizer"].learning_rate) == vars(recipe.schedule(recipe.learning_rate))


def test_without_a_recipe_mnist_has_the_fast_one_and_other_nets_and_data_that_of_two_convolutions(
    command, data_folder, fits, bars, monkeypatch
):
    monkeypatch.setenv("CNN_DATA_DIR", str(data_folder))
    for options in ((), ("--net", "lenet5"), ("--data", data_folder)):
        assert command("train", *options)[0] == 0
    assert [options["epochs"] for options in fits] == [1, 3, 3]
    assert [options["batch_size"] for options in fits] == [48, 32, 32]


def test_the_recipes_of_the_frameworks_have_the_settings_of_their_examples():
    keras, pytorch = (recipes.RECIPES[name].arguments(3) for name in ("keras", "pytorch"))
    assert {"epochs": 15, "batch_size": 128, "seed": 3, "augment": None}.items() <= keras.items()
    assert repr(keras["optimizer"]) == repr(cnn.Adam(cnn.schedules.Constant(0.001)))
    assert {"epochs": 14, "batch_size": 64, "seed": 3, "augment": None}.items() <= pytorch.items()
    assert repr(pytorch["optimizer"]) == repr(cnn.Adadelta(cnn.schedules.Step(1.0, every=1, factor=0.7)))


def test_options_reach_the_library(command, data_folder, fits):
    options = ("--epochs", 1, "--learning-rate", 0.125, "--batch-size", 20, "--threads", 2)
    assert command("train", *options, "--data", data_folder)[0] == 0
    assert fits[0]["optimizer"].learning_rate.at(0) == 0.125
    assert fits[0]["batch_size"] == 20
    assert cnn.get_num_threads() == 2
    cnn.set_num_threads(1)


def test_a_learning_rate_of_zero_is_one(command, data_folder, fits):
    assert command("train", "--epochs", 1, "--learning-rate", 0, "--data", data_folder)[0] == 0
    assert fits[0]["optimizer"].learning_rate.at(0) == 0


def test_a_run_is_repeated_by_its_seed(command, data_folder):
    def figures(seed):
        _, out, _ = command("train", "--epochs", 1, "--seed", seed, "--data", data_folder)
        return re.search(r"loss [\d.]+  accuracy [\d.]+%", out).group()

    assert figures(7) == figures(7)
    assert figures(7) != figures(8)


def test_quiet_prints_nothing(command, data_folder, tmp_path):
    saved = tmp_path / "net.safetensors"
    assert command("train", "--quiet", "--epochs", 1, "--data", data_folder, "--save", saved) == (0, "", "")
    assert saved.is_file()


def test_json_is_all_of_the_standard_output(command, data_folder, tmp_path):
    saved = tmp_path / "net.safetensors"
    status, out, err = command("train", "--json", "--epochs", 2, "--data", data_folder, "--save", saved)
    assert status == 0
    assert err.startswith(f"data: images from {data_folder}\n")
    result = json.loads(out)
    assert {name: result[name] for name in ("epochs", "data", "parameters")} == {
        "epochs": 2,
        "data": f"images from {data_folder}",
        "parameters": sum(value.size for value in cnn.models.two_conv().parameters().values()),
    }
    assert result["files"] == {"save": str(saved), "checkpoint": None, "report": None}
    assert set(result["history"]) == {"loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second"}
    assert all(len(figures) == 2 for figures in result["history"].values())
    assert result["accuracy"] == result["history"]["val_accuracy"][-1]
    assert result["loss"] == result["history"]["val_loss"][-1]
    assert result["errors"] == round((1 - result["accuracy"]) * 40)
    assert result["seconds"] == pytest.approx(sum(result["history"]["seconds"]))
    assert result["images_per_second"] == pytest.approx(400 / result["seconds"])


def test_quiet_json_prints_nothing_else(command, data_folder, tmp_path):
    folder = tmp_path / "of" / "today"
    status, out, err = command("train", "--json", "--quiet", "--epochs", 1, "--data", data_folder, "--report", folder)
    assert (status, err) == (0, "")
    result = json.loads(out)
    assert result["epochs"] == 1
    assert result["files"] == {"save": None, "checkpoint": None, "report": str(folder / "report.html")}
    assert os.listdir(folder) == ["report.html"]


def test_the_report_tells_what_was_trained_and_how(command, data_folder, bars, tmp_path, monkeypatch):
    written = []

    def write_report(*arguments, **told):
        written.append((arguments, told))
        return tmp_path / "report.html"

    monkeypatch.setattr(cnn.report, "write_report", write_report)
    options = ("--net", "tutorial", "--epochs", 2, "--seed", 7, "--data", data_folder, "--report", tmp_path)
    _, out, _ = command("train", *options)
    assert out.endswith(f"report written to {tmp_path / 'report.html'}\n")
    (((folder, net, history, x, y), told),) = written
    assert folder == tmp_path
    assert net.evaluate(x, y) == (history.val_loss[-1], history.val_accuracy[-1])
    np.testing.assert_array_equal(x, bars.test_images)
    assert told["title"] == "cnn.models.tutorial after 2 epochs"
    assert {"build": "cnn.models.tutorial", "epochs": 2, "seed": 7}.items() <= told["details"].items()
    assert told["details"]["data"] == f"images from {data_folder}"


def test_errors_are_counted_to_the_nearest_one(command, data_folder, monkeypatch):
    history = cnn.training.history.History([0.5], [0.5], [0.5], [0.9], [1.0], [9.0])
    assert (1 - 0.9) * 40 < 4
    monkeypatch.setattr(cnn.Sequential, "fit", lambda *_, **__: history)
    _, out, _ = command("train", "--data", data_folder)
    assert "test accuracy 90.00%: 4 errors in 40 images\n" in out


def test_the_saved_net_is_the_one_that_was_measured(command, data_folder, bars, tmp_path):
    saved = tmp_path / "net.safetensors"
    _, out, _ = command("train", "--json", "--epochs", 1, "--data", data_folder, "--save", saved)
    evaluation = cnn.load(saved).evaluate(bars.test_images, bars.test_labels)
    assert evaluation.accuracy == json.loads(out)["accuracy"]


def test_a_trained_net_is_saved_though_the_reader_of_the_output_has_left(data_folder, tmp_path):
    saved = tmp_path / "net.safetensors"
    with shell("train", "--net", "tutorial", "--epochs", 300, "--data", data_folder, "--save", saved) as child:
        until_epoch(child, 1)
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 0
    cnn.load(saved)


def test_a_trained_net_is_saved_though_the_reader_of_both_streams_has_left(data_folder, tmp_path):
    saved = tmp_path / "net.safetensors"
    options = ("--net", "tutorial", "--epochs", "3", "--json", "--data", data_folder, "--save", saved)
    with shell("train", *options, stderr=subprocess.STDOUT) as child:
        child.stdout.close()
    assert child.returncode == 0
    cnn.load(saved)


def test_the_command_that_uses_a_net_can_be_pasted_into_a_shell(command, data_folder, tmp_path):
    saved = tmp_path / "my net's ö.safetensors"
    _, out, _ = command("train", "--net", "tutorial", "--epochs", 1, "--data", data_folder, "--save", saved)
    pasted = re.search(r"use it: (.*)", out).group(1)
    assert shlex.split(pasted) == ["cnn", "predict", str(saved), "PICTURE..."]


# ---- data ----------------------------------------------------------------------------------------------------


def test_the_data_folder_may_be_named_by_the_environment(command, data_folder, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(data_folder))
    _, out, _ = command("train", "--net", "tutorial", "--epochs", 1)
    assert out.startswith(f"data: MNIST from {data_folder}\n")


def test_published_data_is_named(command, data_folder, monkeypatch):
    (data_folder.parent / "fashion").symlink_to(data_folder)
    monkeypatch.setenv("CNN_DATA_DIR", str(data_folder.parent))
    _, out, _ = command("train", "--net", "tutorial", "--epochs", 1, "--data", "fashion-mnist")
    assert out.startswith(f"data: Fashion-MNIST from the folder {data_folder.parent / 'fashion'}\n")


def test_generated_data_is_named(command, bars, monkeypatch):
    monkeypatch.setattr(strokes, "load_strokes", lambda: bars)
    status, out, _ = command("train", "--net", "tutorial", "--epochs", 1, "--data", "strokes")
    assert status == 0
    assert out.startswith("data: generated strokes\n")


def test_without_mnist_and_network_it_trains_on_strokes_and_says_why(command, bars, monkeypatch, tmp_path):
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    monkeypatch.setattr(mnist, "SOURCE", mnist.SOURCE._replace(mirrors=("http://127.0.0.1:9/",)))
    monkeypatch.setattr(strokes, "load_strokes", lambda: bars)
    status, out, err = command("train", "--net", "tutorial", "--epochs", 1)
    assert (status, err) == (0, "")
    assert out.startswith("data: generated strokes, because MNIST is neither in the cache nor can it be downloaded (")
    assert "errors in 40 images" in out


def test_what_is_no_data_is_one_line_that_names_what_there_is(command, data_folder, monkeypatch):
    monkeypatch.chdir(data_folder)  # which an empty name does not mean
    for given, named in (("nowhere", "nowhere"), ("", "an empty name")):
        status, out, err = command("train", "--data", given)
        assert (status, out) == (1, "")
        assert err == f"cnn: {named} is neither a data set (mnist, fashion-mnist, strokes) nor a folder\n"


# ---- checkpoints ---------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(command, data_folder, tmp_path, monkeypatch):
    """The options of a training of three epochs, and its checkpoint after two."""
    file = tmp_path / "digits.run"
    options = ("train", "--net", "tutorial", "--epochs", 3, "--data", data_folder, "--checkpoint", file)
    write = cnn.Checkpoint.on_fit_end
    monkeypatch.setattr(cnn.Checkpoint, "on_fit_end", lambda *_: sys.exit(9))
    assert command(*options)[0] == 9
    monkeypatch.setattr(cnn.Checkpoint, "on_fit_end", write)
    assert saved_fit.read_status(file)[:3] == (2, 3, False)
    return options, file


def test_an_unfinished_training_is_not_replaced(command, stopped):
    options, file = stopped
    before = file.read_bytes()
    status, out, err = command(*options)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: .*digits.run holds a training that has done 2 of 3 epochs: add --resume .*\n", err)
    assert file.read_bytes() == before


def test_resume_goes_on_where_the_training_stopped(command, stopped):
    options, file = stopped
    status, out, _ = command(*options, "--resume")
    assert status == 0
    assert re.findall(r"^epoch (\d)/3", out, re.M) == ["3"]
    assert saved_fit.read_status(file)[:3] == (3, 3, True)


def test_resume_with_other_options_is_one_line_that_names_them(command, stopped):
    options, _ = stopped
    status, _, err = command(*options, "--resume", "--seed", 4)
    assert status == 1
    assert re.fullmatch(r"cnn: resume: the run in '.*digits.run' had seed 0, not 4\n", err)


def test_resume_without_a_file_begins_at_the_start_and_says_so(command, data_folder, tmp_path):
    file = tmp_path / "digits.run"
    options = ("train", "--net", "tutorial", "--epochs", 1, "--data", data_folder, "--checkpoint", file)
    status, out, _ = command(*options, "--resume")
    assert status == 0
    assert out.startswith(f"{file} is not there yet: training begins at the start\n")
    assert file.is_file()


def test_a_finished_training_is_measured_again_and_not_replaced(command, data_folder, tmp_path):
    file = tmp_path / "digits.run"
    options = ("train", "--net", "tutorial", "--epochs", 1, "--data", data_folder, "--checkpoint", file)
    accuracy = re.search("test accuracy .*", command(*options)[1]).group()
    _, out, _ = command(*options, "--resume")
    assert "epoch 1/1" not in out
    assert accuracy in out
    before = file.read_bytes()
    status, out, err = command(*options)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: .*digits.run holds a training that has finished .*: add --resume to .*\n", err)
    assert file.read_bytes() == before


def test_a_file_that_is_no_checkpoint_is_not_replaced(command, data_folder, tmp_path):
    file = tmp_path / "thesis.txt"
    file.write_text("a year of work")
    status, _, err = command("train", "--data", data_folder, "--checkpoint", file)
    assert status == 1
    assert re.fullmatch(r"cnn: .*thesis.txt is there already, and is no checkpoint: name another file .*\n", err)
    assert file.read_text() == "a year of work"


def test_resume_needs_a_checkpoint(command):
    status, out, err = command("train", "--resume")
    assert (status, out) == (2, "")
    assert "--checkpoint" in err


def test_a_training_that_was_killed_and_resumed_ends_with_the_same_bits(command, data_folder, tmp_path):
    options = ("train", "--net", "tutorial", "--epochs", 300, "--threads", 1, "--data", data_folder)
    killed = (*options, "--checkpoint", tmp_path / "killed.run")
    with shell(*killed) as child:
        until_epoch(child, 5)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not saved_fit.read_status(tmp_path / "killed.run").finished
    assert command(*killed, "--resume", "--save", tmp_path / "killed.net")[0] == 0
    assert command(*options, "--save", tmp_path / "whole.net")[0] == 0
    resumed, whole = cnn.load(tmp_path / "killed.net").state(), cnn.load(tmp_path / "whole.net").state()
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, strict=True)


def test_an_interrupt_leaves_a_checkpoint_and_says_how_to_go_on(data_folder, tmp_path):
    file = tmp_path / "digits.run"
    with shell("train", "--net", "tutorial", "--epochs", 10000, "--data", data_folder, "--checkpoint", file) as child:
        until_epoch(child, 2)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err == f"cnn: interrupted; the same command with --resume goes on from {file}\n"
    held = saved_fit.read_status(file)
    assert not held.finished
    assert 1 <= held.epoch == len(held.history.loss)


def test_an_interrupt_without_a_checkpoint_is_one_line_and_returns_130(data_folder):
    with shell("train", "--net", "tutorial", "--epochs", 90000, "--data", data_folder) as child:
        until_epoch(child, 1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err == "cnn: interrupted\n"


def test_an_interrupt_before_any_checkpoint_has_nothing_to_go_on_with(command, data_folder, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cnn.Sequential, "fit", interrupted)
    status, _, err = command("train", "--data", data_folder, "--checkpoint", tmp_path / "digits.run")
    assert (status, err) == (130, "cnn: interrupted\n")


def test_an_interrupt_of_a_finished_training_has_nothing_to_go_on_with(command, data_folder, tmp_path, monkeypatch):
    file = tmp_path / "digits.run"
    write = cnn.Checkpoint.on_fit_end

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(cnn.Checkpoint, "on_fit_end", interrupted)
    options = ("train", "--net", "tutorial", "--epochs", 1, "--data", data_folder, "--checkpoint", file)
    status, _, err = command(*options)
    assert saved_fit.read_status(file).finished
    assert (status, err) == (130, "cnn: interrupted\n")


# ---- what it refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--save", "--checkpoint"])
def test_a_file_that_cannot_be_written_is_told_before_any_data_is_loaded(command, tmp_path, option):
    file = tmp_path / "missing" / "file"
    status, out, err = command("train", option, file, "--data", tmp_path / "nowhere")
    assert (status, out, err) == (1, "", f"cnn: {file}: No such file or directory\n")


def test_net_and_checkpoint_need_two_files(command, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    file, again = tmp_path / "file", tmp_path / "link" / "file"
    for save, run in ((file, file), (file, again), (again, file)):
        status, _, err = command("train", "--save", save, "--checkpoint", run, "--data", tmp_path)
        assert (status, err) == (1, f"cnn: --save and --checkpoint must name two files, got {save} for both\n")


def test_a_report_without_matplotlib_is_one_line_before_the_training(command, data_folder, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("cnn.plot", "cnn.report"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("plot", "report"):
        monkeypatch.delitem(vars(cnn), name, raising=False)  # without a look, which would import it
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, err = command("train", "--report", tmp_path / "report", "--data", data_folder)
    assert (status, out, err) == (1, "", "cnn: pictures are drawn with matplotlib: pip install 'cnn-c[plot]'\n")


def test_a_training_that_diverges_is_one_line(command, data_folder):
    status, _, err = command("train", "--learning-rate", "1e30", "--data", data_folder)
    assert status == 1
    assert re.fullmatch(r"cnn: .* became NaN or infinite in epoch 1, .*\n", err)


@pytest.mark.slow
def test_the_default_learns_mnist(command, mnist_dataset):
    status, out, _ = command("train")
    assert status == 0
    assert float(re.search(r"test accuracy ([\d.]+)%", out).group(1)) >= 98.9
