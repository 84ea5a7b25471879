"""Files of results, to which runs are added, and the page and the charts that are made of them."""

from __future__ import annotations

import sys

import pytest

MACHINE = {"processor": "a processor", "level": "v3", "cores": 2, "versions": {"python": "3.11.7"}}


@pytest.fixture
def results(module):
    """Us and two peers in net A, one of them not timed at batch 32, and our ladder on one thread."""
    kinds = module("peers.results")
    made = kinds.Results(MACHINE, ["training.py --nets A"])
    times = {"ours": (2.0, 1.0), "torch": (40.0, 20.0), "jax": (30.0, None)}
    for name, medians in times.items():
        for batch, time in zip((1, 32), medians, strict=True):
            cell = kinds.Cell("A", "training", batch, 2, name)
            if time is None:
                made.leave_out(cell, "not installed: jax")
            else:
                made.add(kinds.Result(*cell, "Way", time, time / 2, time * 2, 7, 0.0))
    for name, batch in (("pure", 1), ("layers", 1), ("ours", 1), ("ours", 32)):
        made.add(kinds.Result("A", "training", batch, 1, name, "Way", 100.0, 90.0, 110.0, 7, 0.0))
    return made


def test_a_file_holds_all_of_them(module, results, tmp_path):
    results.write(tmp_path / "training.json")
    assert module("peers.results").Results.read(tmp_path / "training.json") == results


def test_a_new_result_replaces_the_old_one(module, results):
    kinds = module("peers.results")
    cell = kinds.Cell("A", "training", 32, 2, "jax")
    results.add(kinds.Result(*cell, "Way", 7.0, 6.0, 8.0, 7, 0.0))
    assert results.median(*cell) == 7.0
    assert cell not in results.left_out
    results.leave_out(cell, "its process ended with 1")
    assert results.median(*cell) is None


def test_the_ratio_is_that_of_the_fastest_peer(results):
    assert results.ratio("A", "training", 1, 2) == (15.0, "JAX")
    assert results.ratio("A", "training", 32, 2) == (20.0, "PyTorch eager")
    assert results.ratio("A", "training", 1, 1) is None


def test_the_page_has_every_figure_and_says_who_has_none(module, results):
    text = module("page").page([results])
    assert "| A: the tutorial's net | 15.00x (JAX) | 20.00x (PyTorch eager) |" in text
    assert "| **cnn-c** | 2.00 | 1.00 | 100 | 100 |" in text
    assert "| JAX | **30.0** |  |  |  |" in text
    assert "JAX was not timed at batch 32: not installed: jax." in text
    assert "a processor, 2 cores, level v3 of our kernels; python 3.11.7." in text
    assert "python training.py --nets A" in text


def test_charts_are_made_of_the_same_file(module, results, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    file = tmp_path / "training.json"
    results.write(file)
    monkeypatch.setattr(sys, "argv", ["charts.py", str(file), "--folder", str(tmp_path)])
    module("charts").main()
    assert "15.0x" in (tmp_path / "training.svg").read_text()
    assert (tmp_path / "ladder.svg").exists()


def test_results_of_another_machine_are_not_mixed(module, results, tmp_path):
    results.write(tmp_path / "training.json")
    with pytest.raises(SystemExit, match="name another file"):
        module("peers.command").begun(tmp_path / "training.json")


def test_quick_says_what_it_leaves_out(module, monkeypatch):
    asked = module("peers.options")
    monkeypatch.setattr(sys, "argv", ["training.py", "--quick", "--rounds", "2"])
    options = asked.parse("training", "")
    assert (options.batches, options.rounds) == ([32], 2)  # what is asked for goes before
    assert set(options.nets) < set(module("peers.nets").NETS)
    said = asked.left_out(options)
    assert all(title in said for title in ("resnet_small_32", "torch.compile", "JAX", "TensorFlow", "tinygrad"))
