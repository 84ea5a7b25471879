"""The picture of a sweep: each trial where it belongs, and a panel for each of the most important settings."""

from pathlib import Path

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="sweeps need optuna")
pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from cnn.plot.style import Picture  # noqa: E402
from cnn.sweep.picture import importances, sweep_picture  # noqa: E402
from cnn.sweep.space import Space  # noqa: E402

RANGES = {
    "learning_rate": {"low": 1e-3, "high": 1.0, "log": True, "step": None},
    "dense": {"low": 8, "high": 64, "log": False, "step": None},
    "optimizer": ["sgd", "adam"],
    "beta1": [0.8, 0.9],
    "momentum": {"low": 0.5, "high": 0.9, "log": False, "step": None},
}
SPACE = Space(Path(), {}, RANGES)
STATES = optuna.trial.TrialState


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws a study, and gives the figure."""

    def draw(study):
        kept = []
        monkeypatch.setattr(Picture, "write", lambda picture, path: kept.append(picture))
        sweep_picture(study, SPACE, str(tmp_path / "trials.svg"))
        return kept[0]

    return draw


def study_of(trials):
    """Trials by their errors in percent; a dict says how a trial ended otherwise."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for error in trials:
        trial = study.ask()
        names = ("learning_rate", "dense", "optimizer")
        chosen = Space(Path(), {}, {name: RANGES[name] for name in names}).suggested(trial)
        rest = "beta1" if chosen["optimizer"] == "adam" else "momentum"
        values = RANGES[rest]
        if isinstance(values, list):
            trial.suggest_categorical(rest, values)
        else:
            trial.suggest_float(rest, values["low"], values["high"])
        if isinstance(error, int):
            study.tell(trial, 1 - error / 100)
        else:
            if error["reached"] is not None:
                trial.report(1 - error["reached"] / 100, 0)
            study.tell(trial, state=error["state"])
    return study


def test_each_trial_is_where_its_error_is(drawn):
    pruned = {"state": STATES.PRUNED, "reached": 50}
    diverged = {"state": STATES.PRUNED, "reached": None}
    failed = {"state": STATES.FAIL, "reached": None}
    picture = drawn(study_of([8, pruned, 4, diverged, 6, failed, 2]))
    lines = {line.get_label(): line.get_xydata() for line in picture.axes[0].lines}
    np.testing.assert_allclose(lines["pruned"], [[1, 50]])
    np.testing.assert_allclose(lines["trained to the end"], [[0, 8], [2, 4], [4, 6], [6, 2]])
    np.testing.assert_allclose(lines["best so far"], [[0, 8], [2, 4], [4, 4], [6, 2], [6, 2]])


def test_the_most_important_settings_have_a_panel(drawn):
    study = study_of([9, 5, 7, 3, 8, 4, 6, 2, 1, 10])
    order = list(importances(study))
    panels = drawn(study).axes[1:]
    assert len(panels) == 4
    for axes, name in zip(panels, order, strict=False):
        assert axes.texts[0].get_text() == name
        having = [trial for trial in study.trials if name in trial.params]
        assert len(axes.lines[0].get_xdata()) == len(having)
        assert axes.get_xscale() == ("log" if name == "learning_rate" else "linear")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_one_trial_is_a_picture(tmp_path, suffix):
    path = tmp_path / f"trials{suffix}"
    sweep_picture(study_of([0]), SPACE, str(path))
    assert path.stat().st_size > 1000
