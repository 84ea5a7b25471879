"""The programs of docs/extend.md, run one after the other in one namespace, and what the page says of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import cnn

from .fences import FENCES

PAGE = Path(__file__).parent.parent / "docs" / "extend.md"

pytestmark = pytest.mark.usefixtures("one_thread")


def blocks():
    """Each program with the text that follows it, which is what it prints, or the figure of something else."""
    found = FENCES.findall(PAGE.read_text(encoding="utf-8"))
    after = [*found[1:], ("", "")]
    return [
        (program, text if kind == "text" else "")
        for (language, program), (kind, text) in zip(found, after, strict=True)
        if language == "python"
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The names that the programs leave behind, and what each has printed."""
    import contextlib
    import io
    import os

    namespace, printed, before = {"__name__": "extend"}, [], Path.cwd()
    os.chdir(tmp_path_factory.mktemp("page"))
    try:
        for program, text in blocks():
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(program, PAGE.name, "exec"), namespace)
            printed.append((out.getvalue(), text))
    finally:
        os.chdir(before)
    return namespace, printed


def test_the_page_shows_what_its_programs_print(page):
    _, printed = page
    shown = [(out, text) for out, text in printed if out]
    assert len(shown) == 2
    for out, text in shown:
        assert text == out


def test_nets_of_ones_own_layer_loss_and_optimiser_learn(page):
    names, _ = page
    assert names["Scale"].in_python
    assert "in Python" in [operation.label for operation in names["hinge_net"].executor.plan(32, True).operations]
    for accuracy in ("accuracy", "hinge_accuracy", "sign_accuracy"):
        assert names[accuracy] > 0.8, accuracy


def test_the_layer_has_learned_and_is_right(page):
    names, _ = page
    factor = names["hinge_net"].parameters()["scale_1.factor"]
    assert factor.shape == (8,)
    assert (np.abs(factor - 1) > 1e-3).all()
    cnn.check_layer(names["Scale"](2.0), (3, 3, 5))


def test_the_losses_are_right(page):
    names, _ = page
    outputs, labels = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 2, 1, 1])
    for loss, targets in ((names["SquaredHinge"](), labels), (names["absolute_error"], np.eye(3)[labels])):
        value, gradient = loss(outputs, targets)
        step = 1e-6
        for at in np.ndindex(outputs.shape):
            moved = outputs.copy()
            moved[at] += step
            assert (loss(moved, targets)[0] - value) / step == pytest.approx(gradient[at], abs=1e-5)


def test_the_callback_ends_the_fit(page):
    names, _ = page
    accuracies = names["history"].val_accuracy
    assert 1 <= len(accuracies) < 50
    assert accuracies[-1] >= 0.8 > max(accuracies[:-1], default=0)


def test_the_optimiser_keeps_its_state_and_clips(page, tmp_path):
    names, _ = page
    x, y = names["data"].train_images[:200], names["data"].train_labels[:200]

    def fitted(epochs, **given):
        net = names["small_net"]()
        rule = names["SignMomentum"](0.01, clip_norm=5.0)
        net.fit(x, y, epochs=epochs, optimizer=rule, seed=0, progress=False, **given)
        return net

    class Stop:
        def on_epoch_end(self, net, logs):
            net.stop_training = logs["epoch"] == 1

    fitted(2, callbacks=[cnn.Checkpoint(tmp_path / "run"), Stop()])
    resumed, whole = fitted(2, resume=tmp_path / "run"), fitted(2)
    for name, value in whole.parameters().items():
        assert value.tobytes() == resumed.parameters()[name].tobytes()


def test_the_file_gives_the_same_net(page):
    names, _ = page
    loaded, saved = names["loaded"], names["hinge_net"]
    x = names["data"].test_images
    assert loaded.predict_logits(x).tobytes() == saved.predict_logits(x).tobytes()
    assert repr(loaded.layers) == repr(saved.layers)


def test_a_residual_block_is_the_operations_of_the_figure(page):
    names, _ = page
    labels = [operation.label for operation in names["residual_net"].executor.plan(32, True).operations]
    assert labels[:8] == ["load", "fork", "conv", "relu", "conv", "rewind", "conv", "add"]
    figure = next(text for _, text in FENCES.findall(PAGE.read_text(encoding="utf-8")) if "rewind <==" in text)
    assert re.findall(r"^   (?!operation)(\w+(?: \w+)?)\b", figure, re.MULTILINE) == labels[:9]
