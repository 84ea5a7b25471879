"""What a trial's process does with a job, here in this process, and what it is given."""

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="sweeps need optuna")

from cnn.sweep.images import received, shared, split  # noqa: E402
from cnn.sweep.training import Training  # noqa: E402
from cnn.sweep.worker import Job, Outcome, outcome  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"net": "tutorial", "epochs": 3, "learning_rate": 0.01}


class Listener:
    """A reporter to whom the study says when to stop."""

    number = 0

    def __init__(self, last=99):
        self.reports, self.last = {}, last

    def report(self, value, step):
        self.reports[step] = value

    def should_prune(self):
        return max(self.reports) >= self.last


@pytest.fixture
def job(bars, tmp_path):
    """A job with these settings."""
    file, _ = shared(split(bars, 0.1, 0))
    yield lambda **settings: Job(0, SETTINGS | settings, Training(str(tmp_path), (28, 28, 1), 10, 0), file.fileno())
    file.close()


def test_each_epoch_is_reported_and_the_last_one_is_the_value(job):
    listener = Listener()
    result = outcome(job(), listener)
    assert result == Outcome("COMPLETE", listener.reports[2])
    assert list(listener.reports) == [0, 1, 2]


def test_a_trial_is_pruned_after_the_epoch_where_the_study_says_so(job):
    listener = Listener(last=1)
    assert outcome(job(), listener) == Outcome("PRUNED")
    assert list(listener.reports) == [0, 1]


def test_a_trial_that_diverges_is_pruned_with_the_reason(job):
    result = outcome(job(learning_rate=1e30), Listener())
    assert (result.state, result.value) == ("PRUNED", None)
    assert "epoch 1" in result.reason


def test_an_error_is_a_failed_trial_with_the_reason_in_one_line(job):
    result = outcome(job(net="lenet5.py:build"), Listener())
    assert result.state == "FAIL"
    assert result.reason.startswith("ValueError: net must name a file that is there")


def test_the_same_job_comes_to_the_same_figures(job):
    first, second = Listener(), Listener()
    assert outcome(job(), first) == outcome(job(), second)
    assert first.reports == second.reports


# ---- images ----


def test_a_part_of_every_class_of_the_training_images_is_for_validation(bars):
    images = split(bars, 0.1, 0)
    assert np.bincount(images.y_val).tolist() == [2] * 10
    assert np.bincount(images.y).tolist() == [18] * 10
    both = np.concatenate([images.x, images.x_val])
    assert sorted(map(bytes, both)) == sorted(map(bytes, bars.train_images))


def test_the_split_follows_from_the_seed(bars):
    assert (split(bars, 0.1, 1).x_val == split(bars, 0.1, 1).x_val).all()
    assert (split(bars, 0.1, 1).x_val != split(bars, 0.1, 2).x_val).any()


def test_a_split_that_leaves_nothing_is_refused(bars):
    one_each = bars._replace(train_images=bars.train_images[:10], train_labels=bars.train_labels[:10])
    with pytest.raises(ValueError, match=r"validation_fraction 0.1 of 10 training images leaves none in one part"):
        split(one_each, 0.1, 0)


def test_images_are_shared_as_they_are_without_the_test_images(bars):
    images = split(bars, 0.1, 0)
    file, digest = shared(images)
    with file:
        for _ in range(2):  # whoever reads leaves the file as it was
            for ours, theirs in zip(received(file.fileno()), images, strict=True):
                np.testing.assert_array_equal(ours, theirs, strict=True)
        content = file.seek(0), file.read()
        assert bars.test_images.tobytes() not in content[1]
    again, same = shared(images)
    again.close()
    other, another = shared(split(bars, 0.1, 1))
    other.close()
    assert same == digest != another
