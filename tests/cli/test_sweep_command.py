"""`cnn sweep`: what it prints and writes, how trials share the cores, and what it refuses."""

import json
import os
import re
import shutil
import sys

import numpy as np
import pytest

import cnn

optuna = pytest.importorskip("optuna", reason="sweeps need optuna")

from ..datasets.cases import fill  # noqa: E402
from ..sweep.cases import outcomes, started, trials_of, without_environment, write_space  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

NET = """
import os

import cnn


def build(seed, input_shape, classes, dense=16):
    print("what a net prints is no report")
    with open(f"{os.environ['SEEN']}/{os.getpid()}", "w") as file:
        file.write(f"{cnn.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {cnn.__file__}")
    layers = [cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(dense), cnn.ReLU(), cnn.Dense(classes)]
    return cnn.Sequential(layers, input_shape=input_shape, seed=seed)
"""
SPACE = """
[fixed]
data = "bars"
net = "mine.py:build"
epochs = 2

[space]
learning_rate = {low = 1e-4, high = 0.01, log = true}
dense = {low = 8, high = 32, step = 8}
optimizer = ["sgd", "adam"]
beta1 = [0.8, 0.9]
augment.shift = {low = 0, high = 2}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory, bars):
    """A folder where four trials ran, two at a time, with a net of one's own; and what was printed."""
    folder = tmp_path_factory.mktemp("swept")
    fill(folder / "bars", dataset=bars)
    (folder / "space.toml").write_text(SPACE)
    (folder / "mine.py").write_text(NET)
    (folder / "cnn.py").write_text("raise SystemExit('this is not the package')")
    (folder / "seen").mkdir()
    environment = without_environment() | {"OMP_NUM_THREADS": "5", "SEEN": str(folder / "seen")}
    options = ("--trials", 4, "--workers", 2, "--pruner", "none", "--plot", "trials.svg", "--save", "best.safetensors")
    with started("space.toml", *options, cwd=folder, env=environment) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    return folder, out


def test_it_tells_each_trial_and_a_table_of_the_best(swept):
    folder, out = swept
    assert out.startswith("data: images from bars\n")
    trials = trials_of(folder / "space.db")
    assert sorted(map(int, re.findall(r"^trial +(\d+)  ", out, re.M))) == list(range(4))
    rows = [line.split() for line in out.partition("val accuracy")[2].splitlines()[1:5]]
    best = sorted(trials, key=lambda trial: -trial.value)
    assert [row[1] for row in rows] == [f"{trial.value:.2%}" for trial in best]
    for row in rows:
        parameters = trials[int(row[0])].params
        assert row[3:] == [
            f"{parameters['learning_rate']:.3g}", f"{parameters['dense']}", parameters["optimizer"],
            f"{parameters.get('beta1', '-')}", f"{parameters['augment.shift']:.3g}",
        ]  # fmt: skip
    assert "\n4 trials: 4 complete, 0 pruned, 0 failed\n" in out
    assert f"\nthe best is trial {rows[0][0]}\n" in out


def test_two_trials_at_a_time_share_the_cores_in_processes_of_their_own(swept):
    folder, _ = swept
    seen = [file.read_text().split(" ", 2) for file in (folder / "seen").iterdir()]
    assert sorted(threads for threads, _, _ in seen) == ["2"] * 4 + ["5"]  # and of the parent, that tests the best
    assert sorted(threads for _, threads, _ in seen) == ["2"] * 4 + ["5"]
    assert {file for _, _, file in seen} == {cnn.__file__}
    spans = sorted((trial.datetime_start, trial.datetime_complete) for trial in trials_of(folder / "space.db"))
    at_a_time = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(at_a_time) == 2


def test_the_program_that_is_printed_trains_the_net_that_is_saved(swept, bars, monkeypatch):
    folder, out = swept
    program = re.search(r"x and labels y:\n\n((?:    .*\n)+)", out).group(1)
    namespace = {"x": bars.train_images, "y": bars.train_labels}
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SEEN", str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    exec("\n".join(line[4:] for line in program.splitlines()), namespace)
    saved = cnn.load(folder / "best.safetensors").parameters()
    for name, value in namespace["net"].parameters().items():
        np.testing.assert_array_equal(value, saved[name])


def test_the_saved_net_is_measured_on_the_test_images(swept, bars):
    folder, out = swept
    accuracy = cnn.load(folder / "best.safetensors").evaluate(bars.test_images, bars.test_labels).accuracy
    assert f"\ntest accuracy {accuracy:.2%}: {round(40 * (1 - accuracy))} errors in 40 images\n" in out
    assert out.endswith("net saved in best.safetensors; use it: cnn predict best.safetensors PICTURE...\n")


def test_it_leaves_what_it_was_asked_for(swept):
    folder, _ = swept
    assert (folder / "trials.svg").read_text().startswith("<?xml")
    files = {path.name for path in folder.iterdir() if path.is_file() and not path.name.isdigit()}
    assert files == {"space.toml", "space.db", "trials.svg", "best.safetensors", "mine.py", "cnn.py"}


# ---- in this process, on a study that is there -----------------------------------------------------------------


@pytest.fixture
def again(swept, tmp_path, monkeypatch):
    """The folder once more, where no trial is left to be done."""
    folder = tmp_path / "swept"
    shutil.copytree(swept[0], folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEEN", str(folder / "seen"))
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    return folder


def test_a_sweep_that_is_done_tells_what_it_found(command, again, swept):
    status, out, err = command("sweep", "space.toml", "--trials", 4)
    assert (status, err) == (0, "")
    assert "\ntrials in space.db so far: 4\n" in out
    table = re.compile(r"\ntrial  val accuracy.*\n    \)\n", re.DOTALL)
    assert table.search(out).group() == table.search(swept[1]).group()


def test_json_is_all_of_the_standard_output(command, again):
    status, out, err = command("sweep", "space.toml", "--trials", 4, "--json")
    assert status == 0
    assert err.startswith("data: images from bars\n")
    result, trials = json.loads(out), trials_of(again / "space.db")
    best = max(trials, key=lambda trial: trial.value)
    assert result["study"] == "space.db"
    assert result["trials"] == {"complete": 4, "pruned": 0, "failed": 0}
    assert result["best"]["accuracy"] == best.value
    assert result["best"]["settings"].items() >= trials[result["best"]["trial"]].params.items()
    assert result["program"].startswith("import cnn\nfrom mine import build\n")
    assert result["test"] is None


def test_more_trials_are_added_to_a_study(command, again):
    before = outcomes(again / "space.db")
    status, out, _ = command("sweep", "space.toml", "--trials", 5)
    assert status == 0
    assert re.findall(r"^trial +(\d+)  \d", out, re.M) == ["4"]
    assert outcomes(again / "space.db")[:4] == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("low = 1e-4", "low = 1e-5"), r"space.db holds a study with \[space\] = .*name another file with --study"),
        (("epochs = 2", "epochs = 3"), r"space.db holds a study with \[fixed\] = .*, got .*'epochs': 3\}"),
    ],
)
def test_a_study_of_another_space_is_refused(command, again, change, told):
    path = again / "space.toml"
    path.write_text(path.read_text().replace(*change))
    status, _, err = command("sweep", "space.toml", "--trials", 5)
    assert status == 1
    assert re.match(f"cnn: .*{told}", err)


def test_a_study_of_other_images_is_refused(command, again, bars):
    fill(again / "bars", dataset=bars._replace(train_labels=bars.train_labels[::-1]))
    status, _, err = command("sweep", "space.toml", "--trials", 5)
    assert status == 1
    assert re.match(r"cnn: space.db holds a study with digest of the images = \w+, got \w+: name another", err)


# ---- pruning and failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pruner", "ended"), [("median", "PRUNED"), ("none", "COMPLETE")])
def test_a_trial_that_does_worse_than_others_is_pruned(command, tmp_path, data_folder, pruner, ended):
    path = write_space(tmp_path, data_folder)
    path.write_text(path.read_text().replace("low = 1e-5, high = 0.01", "low = 1e-9, high = 1e-8"))
    assert command("sweep", path, "--trials", 1)[0] == 0
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'space.db'}")
    study = optuna.load_study(study_name="cnn sweep", storage=storage)
    for _ in range(4):  # with the first one, as many as the median wants
        figures = {0: 1.0, 1: 1.0}
        study.add_trial(optuna.create_trial(value=1.0, intermediate_values=figures, user_attrs={"settings": {}}))
    storage.engine.dispose()
    status, out, _ = command("sweep", path, "--trials", 6, "--pruner", pruner)
    assert status == 0
    last = trials_of(tmp_path / "space.db")[-1]
    assert last.state.name == ended
    assert list(last.intermediate_values) == ([0] if ended == "PRUNED" else [0, 1])
    assert (f"trial   5  {last.value:.2%}, pruned after epoch 1  " in out) == (ended == "PRUNED")


def test_a_trial_that_diverges_does_not_end_the_sweep(command, tmp_path, data_folder):
    path = write_space(tmp_path, data_folder)
    path.write_text(path.read_text().replace("{low = 1e-5, high = 0.01, log = true}", "[1e-3, 1e30]"))
    status, out, _ = command("sweep", path, "--trials", 3)
    assert status == 0
    assert re.search(r"^trial +\d  diverged: .*epoch 1.*  learning_rate 1e\+30  batch_size \d+$", out, re.M)
    assert re.search(r"^3 trials: [12] complete, [12] pruned, 0 failed$", out, re.M)
    assert command("sweep", path, "--trials", 3, "--plot", tmp_path / "trials.png")[0] == 0


def test_a_sweep_whose_first_trials_all_fail_is_ended(command, tmp_path, data_folder):
    (tmp_path / "mine.py").write_text(
        "import sys\nimport cnn\n\n"
        "def build(seed):\n"
        "    assert 'cnn.cli' in sys.modules, 'not\\nhere'\n"
        "    return cnn.models.tutorial(seed)\n"
    )
    path = write_space(tmp_path, data_folder)
    path.write_text(path.read_text().replace('"tutorial"', '"mine.py:build"'))
    status, out, err = command("sweep", path, "--workers", 2)
    assert status == 1
    assert err == "cnn: the first 3 trials have failed, the last one with AssertionError: not here\n"
    assert len(re.findall(r"^trial +\d  failed: AssertionError: not here  ", out, re.M)) == 3


# ---- what it refuses before the first trial --------------------------------------------------------------------


@pytest.fixture
def refused(command, tmp_path, data_folder):
    """What a sweep says that is refused, and leaves no file."""
    path = write_space(tmp_path, data_folder)

    def refused(*options, change=("", "")):
        path.write_text(path.read_text().replace(*change))
        before = sorted(os.listdir(tmp_path))
        status, out, err = command("sweep", path, *options)
        assert status == 1
        assert "trial" not in out
        assert sorted(os.listdir(tmp_path)) == before
        return err

    return refused


def test_an_error_in_the_file_is_one_line(refused, tmp_path):
    err = refused(change=("batch_size", "batchsize"))
    told = "there is no setting of this name; did you mean 'batch_size'?"
    assert err == f"cnn: {tmp_path / 'space.toml'}: batchsize in [space]: {told}\n"


def test_a_net_that_the_images_do_not_fit_is_told(refused, tmp_path):
    (tmp_path / "mine.py").write_text("def build(dense=3):\n    return dense\n")
    err = refused(change=('"tutorial"', '"mine.py:build"'))
    assert re.fullmatch(r"cnn: no net can be trained with .*: build must return a cnn.Sequential, got 3\n", err)


def test_settings_that_cannot_be_together_are_told(refused):
    err = refused(change=("[space]", "optimizer = 'adam'\nclip_norm = 1.0\nclip_value = 1.0\n[space]"))
    assert re.fullmatch(r"cnn: no net can be trained with .*: clip_norm and clip_value exclude each other.*\n", err)


def test_files_that_cannot_be_written_are_told_first(refused, tmp_path):
    assert "nowhere" in refused("--study", tmp_path / "nowhere" / "space.db")
    assert "nowhere" in refused("--save", tmp_path / "nowhere" / "net")
    assert "path must end in .png or .svg" in refused("--plot", tmp_path / "trials.pdf")
    assert "must be different files" in refused("--save", tmp_path / "space.db")


def test_without_optuna_it_says_how_to_install_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refused() == "cnn: a sweep needs the package optuna: pip install 'cnn-c[sweep]'\n"


def test_a_missing_file_is_named(command, tmp_path):
    status, _, err = command("sweep", tmp_path / "nowhere.toml")
    assert (status, err) == (1, f"cnn: {tmp_path / 'nowhere.toml'}: No such file or directory\n")


@pytest.mark.parametrize("options", [("--trials", 0), ("--workers", 0), ("--seed", -1), ("--pruner", "best")])
def test_a_wrong_option_returns_2(command, options):
    status, _, err = command("sweep", "space.toml", *options)
    assert status == 2
    assert options[0] in err
