"""Processes of a sweep that are killed, or interrupted: what is lost is repeated, and nobody is left behind."""

import os
import random
import re
import signal
import time

import pytest

optuna = pytest.importorskip("optuna", reason="sweeps need optuna")

from ..datasets.cases import fill  # noqa: E402
from .cases import LONG, children, is_alive, outcomes, started, trials_of, wait_until, write_space  # noqa: E402


def run(*arguments):
    """A whole sweep."""
    with started(*arguments) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, bars):
    """What three trials of one worker come to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = write_space(folder, fill(folder / "bars", dataset=bars))
    run(path, "--trials", 3)
    found = outcomes(folder / "space.db")
    assert len({value for _, value, _ in found}) > 1
    return path, found


def test_a_sweep_that_was_killed_goes_on_with_the_trials_that_it_would_have_had(tmp_path, undisturbed):
    path, expected = undisturbed
    study = tmp_path / "killed.db"
    with started(path, "--trials", 3, "--study", study) as process:
        for line in process.stdout:
            if line.startswith("trial   0"):
                break
        pids = wait_until(lambda: children(process.pid))
        process.kill()
    wait_until(lambda: not any(map(is_alive, pids)))
    out = run(path, "--trials", 3, "--study", study)
    assert f"trials in {study} so far: 1\n" in out
    assert re.findall(r"^trial +(\d)", out, re.M)[-3:] == ["2", "3"]
    assert outcomes(study) == expected
    assert [trial.state.name for trial in trials_of(study)].count("FAIL") == 1


def test_a_trial_whose_process_was_killed_is_repeated_with_the_same_parameters(tmp_path, undisturbed):
    path, expected = undisturbed
    study = tmp_path / "killed.db"
    with started(path, "--trials", 3, "--study", study) as process:
        os.kill(wait_until(lambda: children(process.pid))[0], signal.SIGKILL)
        process.communicate()
    assert process.returncode == 0
    assert outcomes(study) == expected
    assert [trial.state.name for trial in trials_of(study)] == ["FAIL", *["COMPLETE"] * 3]


def test_a_trial_that_is_killed_again_and_again_has_failed(tmp_path, data_folder):
    (tmp_path / "deadly.py").write_text(
        "import os, signal, sys\nimport cnn\n\n"
        "def build(seed):\n"
        "    if 'cnn.cli' not in sys.modules:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return cnn.models.tutorial(seed)\n"
    )
    path = write_space(tmp_path, data_folder)
    path.write_text(path.read_text().replace('"tutorial"', '"deadly.py:build"'))
    with started(path, "--trials", 1) as process:
        out, err = process.communicate()
    assert process.returncode == 1
    assert re.search(r"^trial   2  failed: killed by signal 9  ", out, re.M)
    assert err == "cnn: no trial was trained to the end, so that there is no best one: 0 complete, 0 pruned, 1 failed\n"
    trials = trials_of(tmp_path / "space.db")
    assert [trial.user_attrs.get("repeats") for trial in trials] == [None, [0], [0, 1]]
    assert trials[0].params == trials[1].params == trials[2].params


def test_ctrl_c_ends_all_processes_and_tells_how_to_go_on(tmp_path, data_folder):
    path = write_space(tmp_path, data_folder, epochs=LONG)
    with started(path, "--trials", 4, "--workers", 2) as process:
        pids = wait_until(lambda: len(found := children(process.pid)) == 2 and found)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert time.monotonic() - begun < 5
    assert (process.returncode, err) == (
        130,
        f"cnn: interrupted; the same command goes on from {tmp_path / 'space.db'}\n",
    )
    assert not any(map(is_alive, pids))
    assert {trial.state.name for trial in trials_of(tmp_path / "space.db")} == {"FAIL"}
    assert sorted(os.listdir(tmp_path)) == ["bars", "space.db", "space.toml"]


def test_no_process_outlives_a_sweep_that_was_killed(tmp_path, data_folder):
    path = write_space(tmp_path, data_folder, epochs=LONG)
    with started(path, "--workers", 2) as process:
        pids = wait_until(lambda: len(found := children(process.pid)) == 2 and found)
        process.kill()
    wait_until(lambda: not any(map(is_alive, pids)), seconds=5)


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path, undisturbed):
    """Of the sweep, or of a trial's process and then of the sweep, twenty-five times, each before the same command."""
    path, _ = undisturbed
    drawn, study = random.Random(0), tmp_path / "killed.db"
    for _ in range(25):
        with started(path, "--trials", 40, "--study", study) as process:
            time.sleep(drawn.uniform(0.5, 3))
            found = children(process.pid)
            if found and drawn.random() < 0.5:
                os.kill(found[0], signal.SIGKILL)
                time.sleep(drawn.uniform(0, 1))
            assert process.poll() is None
            process.kill()
    run(path, "--trials", 40, "--study", study)
    run(path, "--trials", 40, "--study", tmp_path / "whole.db")
    assert outcomes(study) == outcomes(tmp_path / "whole.db")
