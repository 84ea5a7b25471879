"""`OptunaPruning` against Optuna: what a study is told, when it prunes, and what is left of the net."""

from __future__ import annotations

import sys

import pytest

import cnn

from .killed_fits import bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")
optuna = pytest.importorskip("optuna", reason="optuna is not installed")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def study_of(pruner, direction="maximize"):
    return optuna.create_study(direction=direction, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0))


def fitted(trial, monitor="val_accuracy", epochs=4, callbacks=(), net=None):
    net = small() if net is None else net
    x, y = data(30)
    pruning = cnn.OptunaPruning(trial, monitor)
    options = {"epochs": epochs, "batch_size": 8, "seed": 0, "progress": False, "validation_data": (x, y)}
    return net.fit(x, y, callbacks=[pruning, *callbacks], **options)


@pytest.mark.parametrize(("monitor", "direction"), [("val_accuracy", "maximize"), ("loss", "minimize")])
def test_a_study_has_the_figure_of_every_epoch_counted_from_0(monitor, direction):
    study, histories = study_of(optuna.pruners.NopPruner(), direction), []

    def objective(trial):
        histories.append(fitted(trial, monitor))
        return getattr(histories[-1], monitor)[-1]

    study.optimize(objective, n_trials=1)
    assert study.trials[0].state == optuna.trial.TrialState.COMPLETE
    assert study.trials[0].intermediate_values == dict(enumerate(getattr(histories[0], monitor)))


def test_it_prunes_after_the_epoch_where_optunas_pruner_does():
    study = study_of(optuna.pruners.ThresholdPruner(lower=1.1, n_warmup_steps=2))  # which no accuracy reaches
    study.optimize(lambda trial: fitted(trial).val_accuracy[-1], n_trials=1)
    assert study.trials[0].state == optuna.trial.TrialState.PRUNED
    assert list(study.trials[0].intermediate_values) == [0, 1, 2]


def test_a_trial_worse_than_the_others_is_pruned_and_the_best_one_is_not():
    study = study_of(optuna.pruners.MedianPruner(n_startup_trials=1), "minimize")
    study.enqueue_trial({"rate": 0.1})
    study.enqueue_trial({"rate": 0.0})

    def objective(trial):
        net, (x, y) = small(), data(30)
        rate = trial.suggest_float("rate", 0.0, 0.1)
        pruning = cnn.OptunaPruning(trial, "loss")
        history = net.fit(x, y, epochs=6, batch_size=8, optimizer=cnn.SGD(rate), callbacks=[pruning], progress=False)
        return history.loss[-1]

    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED"]


def test_a_net_whose_fit_was_pruned_has_that_of_its_epochs_and_can_be_used(tmp_path):
    study, net, expected = study_of(optuna.pruners.ThresholdPruner(lower=1.1, n_warmup_steps=1)), small(), small()
    seen = []

    class Seen(cnn.Callback):
        def on_epoch_end(self, net, logs):
            seen.append(logs["epoch"])

    study.optimize(lambda trial: fitted(trial, net=net, callbacks=[Seen()]).val_accuracy[-1], n_trials=1)
    x, y = data(30)
    expected.fit(x, y, epochs=2, batch_size=8, seed=0, progress=False)
    assert seen == [1, 2]  # the other callbacks come before the pruning
    assert bits(net) == bits(expected)
    assert len(net.history.loss) == 2
    assert net.current_fit is None
    net.save(tmp_path / "net")
    assert (cnn.load(tmp_path / "net").predict(x) == net.predict(x)).all()
    net.fit(x, y, progress=False)


def test_a_fixed_trial_is_never_pruned():
    assert len(fitted(optuna.trial.FixedTrial({})).loss) == 4


@pytest.mark.parametrize(("monitor", "direction"), [("val_accuracy", "minimize"), ("val_loss", "maximize")])
def test_a_study_with_the_other_direction_is_refused_before_the_first_epoch(monitor, direction):
    study = study_of(optuna.pruners.NopPruner(), direction)
    with pytest.raises(ValueError, match=rf"monitor '{monitor}' needs a study with direction='.*', got '{direction}'"):
        study.optimize(lambda trial: fitted(trial, monitor).loss[-1], n_trials=1)
    assert study.trials[0].intermediate_values == {}


def test_wrong_arguments_are_named():
    trial = optuna.trial.FixedTrial({})
    with pytest.raises(TypeError, match="monitor must be the name of a figure, got 3"):
        cnn.OptunaPruning(trial, 3)
    with pytest.raises(ValueError, match=r"monitor must be one of epoch, epochs, .*, got 'f1'"):
        fitted(trial, "f1")
    with pytest.raises(ValueError, match="monitor 'val_loss' needs validation_data, got none"):
        small().fit(*data(30), callbacks=[cnn.OptunaPruning(trial, "val_loss")], progress=False)


def test_without_optuna_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"OptunaPruning needs optuna: pip install 'cnn-c\[sweep\]'"):
        fitted(optuna.trial.FixedTrial({}))
