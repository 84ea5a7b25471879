"""The file of a study: which one is gone on with, and which is left as it is."""

import os
import sqlite3

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="sweeps need optuna")

from cnn.sweep.study import begun, done, give_up, opened  # noqa: E402

ASKED = {"[space]": {"epochs": [1, 2]}, "--seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "space.db"


def open_and_close(path, asked=ASKED):
    with opened(path, asked, "median"):
        pass


def ask(study, seed=0):
    """A trial with all of its parameters, as a sweep begins it."""
    trial = begun(study, seed)
    trial.suggest_float("rate", 0, 1)
    trial.suggest_categorical("size", [1, 2, 3])
    trial.set_user_attr("settings", trial.params)
    return trial


def test_a_study_is_made_once_and_gone_on_with(path):
    with opened(path, ASKED, "median") as study:
        study.tell(ask(study), 0.5)
    with opened(path, ASKED, "none") as study:
        assert [trial.value for trial in done(study)] == [0.5]
        assert study.direction.name == "MAXIMIZE"
    assert os.listdir(path.parent) == ["space.db"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"[space]": {"epochs": [1, 3]}},
            r"\[space\] = \{'epochs': \[1, 2\]\}, got \{.*3\]\}: name another",
        ),
        ({"--seed": 1}, "--seed = 0, got 1: name another file with --study"),
    ],
)
def test_a_study_of_something_else_is_not_gone_on_with(path, asked, told):
    open_and_close(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=told):
        open_and_close(path, ASKED | asked)
    assert path.read_bytes() == before


def test_a_file_that_holds_no_study_is_left_as_it_is(path):
    def refused():
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"space.db holds no study of cnn sweep.*: name another file with --study"):
            open_and_close(path)
        assert path.read_bytes() == before

    path.write_text("a year of work")
    refused()
    path.write_bytes(b"")
    refused()
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE work (year INTEGER)")
    refused()
    path.unlink()
    optuna.create_study(study_name="of mine", storage=optuna.storages.RDBStorage(f"sqlite:///{path}"))
    refused()


def test_two_sweeps_at_a_time_are_refused(path):
    with opened(path, ASKED, "median"):
        with pytest.raises(OSError, match="another cnn sweep is at work on it") as error:
            open_and_close(path)
        assert error.value.filename == str(path)
    open_and_close(path)


@pytest.mark.parametrize("name", ["what?.db", "100%20.db", "{a}.db"])
def test_a_path_that_would_mean_another_file_is_refused(path, name):
    with pytest.raises(ValueError, match=r"must not have any of \?, %, \{, \} in it, got .*db"):
        open_and_close(path.with_name(name))
    assert os.listdir(path.parent) == []


def test_a_study_with_other_letters_in_its_path_is_one(tmp_path):
    path = tmp_path / "my sweep's #1, ö & ü.db"
    for _ in range(2):
        open_and_close(path)
    assert os.listdir(tmp_path) == [path.name]


def test_a_fault_of_the_disk_names_the_file(path):
    def fail():
        with opened(path, ASKED, "median") as study:
            with sqlite3.connect(path) as connection:
                connection.execute("DROP TABLE trial_params")
            ask(study)

    with pytest.raises(OSError, match="the study cannot be read or written: ") as error:
        fail()
    assert error.value.filename == str(path)


# ---- which trial is next ----


@pytest.fixture
def study():
    """One in memory."""
    return new_study()


def new_study():
    return optuna.create_study(direction="maximize")


def test_trials_follow_from_the_seed_whatever_is_killed():
    def chosen(seed, killed):
        study, parameters = new_study(), []
        while len(done(study)) < 15:
            trial = ask(study, seed)
            if trial.number in killed:
                give_up(study, trial)
                continue
            parameters.append(trial.params)
            study.tell(trial, trial.params["rate"])
        return parameters

    assert chosen(0, ()) == chosen(0, (0, 5, 6, 14))
    assert chosen(1, ()) != chosen(0, ())


def test_a_trial_that_was_running_is_repeated_first(path):
    with opened(path, ASKED, "median") as study:
        first, second = ask(study), ask(study)
        study.tell(second, 0.5)
    with opened(path, ASKED, "median") as study:
        assert study.trials[0].state.name == "FAIL"
        again = begun(study, 0)
        assert again.user_attrs == {"repeats": [0], "deaths": 0}
        assert again.suggest_float("rate", 0, 1) == first.params["rate"]
        assert begun(study, 0).user_attrs == {}


def test_a_trial_that_was_killed_before_it_had_its_parameters_gets_those_it_would_have_had(study):
    expected = ask(new_study()).params
    trial = begun(study, 0)
    trial.suggest_float("rate", 0, 1)
    give_up(study, trial)
    assert ask(study).params == expected


def test_what_has_failed_for_a_reason_is_not_repeated(study):
    trial = ask(study)
    trial.set_user_attr("reason", "ValueError: too large")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert begun(study, 0).user_attrs == {}
    assert len(done(study)) == 1


def test_parallel_trials_differ(study):
    assert len(np.unique([ask(study).params["rate"] for _ in range(20)])) == 20
