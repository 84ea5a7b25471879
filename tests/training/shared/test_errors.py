"""What is wrong on one rank is told on all of them: the argument, what was expected, and what was given."""

from __future__ import annotations

import pytest

from . import mpi

SAME = "ValueError: fit with comm must be given the same on all ranks: rank 0 has "
NAN = "FloatingPointError: the loss became NaN or infinite in epoch 1, step "
SHARDS = "ValueError: x must be shards that together hold "

# On all ranks alike, whose arguments were compared or whose sums were shared.
ON_ALL = {
    "other_epochs": f"{SAME}epochs 2, not 3 (rank 1)",
    "other_batch_size": f"{SAME}batch_size 16, not 8 (rank 1)",
    "other_seed": f"{SAME}seed 3, not 4 (rank 1)",
    "other_seed_generator": f"{SAME}seed 3, not an array or generator (rank 1)",
    "other_shuffle": f"{SAME}shuffle true, not false (rank 1)",
    "other_x": f"{SAME}another x (rank 1)",
    "other_x_dtype": f"{SAME}another x (rank 1)",
    "other_images": f"{SAME}images 40, not 39; another x; another y (rank 1)",
    "other_y": f"{SAME}another y (rank 1)",
    "other_weights": f"{SAME}weights of images null, not an array or generator (rank 1)",
    "other_validation": f"{SAME}validation_data[0] null, not an array or generator; validation_data[1] null",
    "other_augment": f'{SAME}augment null, not {{"name": "Augment", "shift": 1.0',
    "other_optimizer": f'{SAME}optimizer {{"name": "SGD", "learning_rate": 0.1',
    "other_learning_rate": f"{SAME}optimizer.learning_rate 0.1, not 0.2 (rank 1)",
    "other_another_net": f"{SAME}layers[1].filters 3, not 8; layers[1].kernel_size [5, 5], not [3, 3]",
    "other_layers": f'{SAME}layers[0] {{"layer": "Rescaling"',
    "other_dtype": f'{SAME}dtype "float32", not "float64" (rank 1)',
    "other_loss": f'{SAME}loss null, not {{"loss": "SoftmaxCrossEntropy", "label_smoothing": 0.1}} (rank 1)',
    "other_shard": f'{SAME}x an array or generator, not "a Shard of images (28, 28, 1) in uint8" (rank 1)',
    "root_has_shard": f'{SAME}x "a Shard of images (28, 28, 1) in uint8", not an array or generator (rank 1, 2)',
    "versions": f'{SAME}cnn-c version "0.0", not "0.1" (rank 2)',
    "numpy_version": f'{SAME}NumPy version "2.0", not "2.1" (rank 1), and rank 0 has NumPy version "2.0", not "2.2"',
    "level": f"{SAME}CNN_C_LEVEL ",
    "no_comm": "TypeError: comm must be a communicator such as mpi4py.MPI.COMM_WORLD, got int",
    "shards_overlap": f"{SHARDS}all images, in the order of ranks: x.first of rank 1 must be 40, got 10",
    "shards_leave_out_the_first": f"{SHARDS}all images, in the order of ranks: x.first of rank 0 must be 0, got 10",
    "shards_leave_out_the_last": f"{SHARDS}as many images as x.y has targets, 40, got 30",
    "shards_in_another_order": f"{SHARDS}all images, in the order of ranks: x.first of rank 0 must be 0, got 20",
    "shard_of_another_dtype": f'{SAME}x "a Shard of images (28, 28, 1) in uint8", not "a Shard of images (28, 28, 1) in'
    ' float32" (rank 2)',
    "shard_with_other_labels": f"{SAME}another y (rank 2)",
    "shard_without_comm": "ValueError: x is a Shard, so comm must be given: other processes hold the other images",
    "shard_with_nan": NAN,
    "diverges": NAN,
    "nan_in_one_image": NAN,
    "layer_differs": "RuntimeError: the parameters differ between ranks after epoch 1: a layer, loss or optimizer in",
    "resume_of_one_rank": "no error",  # rank 0 says from where
}

# On one rank, and on the others a RuntimeError that says so.
ON_ONE = {
    "other_y_out_of_range": (1, "ValueError: y[12] must be a whole number from 0 to 9, got 10"),
    "other_no_optimizer": (1, "TypeError: optimizer must be an optimiser, such as cnn.SGD(0.1), got 'sgd'"),
    "other_backend": (1, "ValueError: comm needs a net with backend='compiled', got 'numpy'"),
    "other_batches": (1, "TypeError: x must be an array, with y, or a Shard where comm is given, got batches"),
    "shard_with_too_few_labels": (2, "ValueError: x.y must be the targets of all images, got 30 for images 26 to 40"),
    "shard_without_a_file": (1, "FileNotFoundError: [Errno 2] No such file or directory: 'FOLDER/nothing'"),
    "on_fit_begin": (0, "ValueError: on_fit_begin of rank 0"),
    "on_epoch_begin": (0, "ValueError: on_epoch_begin of rank 0"),
    "on_batch_end": (0, "ValueError: on_batch_end of rank 0"),
    "on_epoch_end": (0, "ValueError: on_epoch_end of rank 0"),
    "on_fit_end": (0, "ValueError: on_fit_end of rank 0"),
    "interrupted_callback": (0, "KeyboardInterrupt"),
    "exit_in_callback": (0, "SystemExit: 3"),
    "layer_forward": (1, "ZeroDivisionError: apply of rank 1"),
    "layer_backward": (2, "ZeroDivisionError: apply_gradient of rank 2"),
    "layer_of_the_root": (0, "ZeroDivisionError: apply of rank 0"),
    "loss_in_python": (1, "ZeroDivisionError: loss of rank 1"),
    "optimizer_in_python": (1, "ZeroDivisionError: update of rank 1"),
    "rate_function": (2, "ZeroDivisionError: float division by zero"),
    "nothing_to_resume": (0, "FileNotFoundError: [Errno 2] No such file or directory: 'FOLDER/nothing'"),
    "resume_of_another_fit": (0, "ValueError: resume: the run in 'FOLDER/another' had epochs 2, not 3"),
    "no_folder_for_the_checkpoint": (0, "FileNotFoundError: [Errno 2] No such file or directory: 'FOLDER/nowhere/"),
    "full_disk": (0, "OSError: [Errno 27] cannot be written: File too large: 'FOLDER/full'"),
}


@pytest.fixture(scope="module")
def errors() -> dict[str, list[str]]:
    """Those of each of three ranks, by what is wrong."""
    return mpi.result("errors.py", 3, limit=60)


@pytest.mark.parametrize("name", ON_ALL)
def test_all_ranks_raise_the_same_error(errors, name):
    assert len(set(errors[name])) == 1
    assert errors[name][0].startswith(ON_ALL[name])


@pytest.mark.parametrize("name", ON_ONE)
def test_one_rank_raises_and_the_others_say_which_and_why(errors, name):
    rank, cause = ON_ONE[name]
    for other, told in enumerate(errors[name]):
        assert told.startswith(cause if other == rank else f"RuntimeError: rank {rank} failed with {cause}")


def test_every_failure_is_expected_here_and_nets_of_other_seeds_are_one_after_a_fit_after_all_of_them(errors):
    assert set(errors) == {*ON_ALL, *ON_ONE, "after all"}
    assert len(set(errors["after all"])) == 1
