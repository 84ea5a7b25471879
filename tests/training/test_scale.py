"""The scale of images: what a net was fitted on, and warnings where it is given another or does not learn."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import cnn
from cnn.training.scale import ImageRange, image_range

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
BYTES = RNG.integers(0, 256, (60, 6, 6, 1), dtype=np.uint8)
FRACTIONS = (BYTES / 255).astype(np.float32)


def net(*first, backend="compiled", classes=3):
    layers = [*first, cnn.Flatten(), cnn.Dense(8), cnn.ReLU(), cnn.Dense(classes)]
    return cnn.Sequential(layers, input_shape=(6, 6, 1), seed=0, backend=backend)


def fitted(x, *first, **options):
    made = net(*first)
    made.fit(x, LABELS, seed=0, progress=False, optimizer=cnn.SGD(1e-6), **options)
    return made


def scale_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in caught if warning.category is cnn.ScaleWarning]


@pytest.mark.parametrize("images", [BYTES, FRACTIONS, FRACTIONS.astype(np.float64) * 3 - 1])
def test_a_net_remembers_dtype_and_range_of_the_images_of_its_last_fit_in_its_file_too(images, tmp_path):
    made = net(cnn.Rescaling(1 / 255))
    assert made.image_range is None
    made.fit(images, LABELS, progress=False)
    assert made.image_range == (images.dtype.name, images.min(), images.max())
    made.save(tmp_path / "net")
    assert cnn.load(tmp_path / "net").image_range == made.image_range


def test_a_net_that_was_trained_on_batches_remembers_the_first():
    made = net(cnn.Rescaling(1 / 255))
    made.train_on_batch(BYTES, LABELS, cnn.SGD(0.1))
    assert made.image_range == ("uint8", BYTES.min(), BYTES.max())


@pytest.mark.parametrize("ask", ["predict", "predict_proba", "predict_logits"])
@pytest.mark.parametrize(("seen", "given"), [(BYTES, FRACTIONS), (FRACTIONS, BYTES), (FRACTIONS, 255 * FRACTIONS)])
def test_images_on_another_scale_are_warned_of_once_with_both_ranges(seen, given, ask):
    made = fitted(seen, cnn.Rescaling(1 / seen.max()))
    (message,) = scale_warnings(lambda: [getattr(made, ask)(given) for _ in range(3)])
    for images in (seen, given[:8]):
        assert f"{images.dtype.name} images from {images.min():g} to {images.max():g}" in message


@pytest.mark.parametrize("ask", ["evaluate", "score"])
def test_evaluations_warn_too_also_of_a_net_from_a_file(tmp_path, ask):
    fitted(BYTES, cnn.Rescaling(1 / 255)).save(tmp_path / "net")
    made = cnn.load(tmp_path / "net")
    assert len(scale_warnings(lambda: getattr(made, ask)(FRACTIONS, LABELS))) == 1


def test_the_warning_names_the_line_that_asked():
    made = fitted(BYTES, cnn.Rescaling(1 / 255))
    for ask in (made.predict, made.predict_proba, lambda x: made.predict(x, 2), lambda x: made.evaluate(x, LABELS)):
        made.inputs.has_warned = False
        with pytest.warns(cnn.ScaleWarning) as caught:
            ask(FRACTIONS)
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "given",
    [
        BYTES,
        BYTES // 200,  # bytes are bytes, however dark
        BYTES.astype(np.float64),
        np.zeros((2, 6, 6, 1), np.float32),  # blank
        np.full((2, 6, 6, 1), np.nan),
        BYTES[:0],
        BYTES / 8,
    ],
)
def test_images_that_may_be_on_the_same_scale_are_not_warned_of(given):
    made = fitted(BYTES, cnn.Rescaling(1 / 255))
    assert scale_warnings(lambda: made.predict(given)) == []


def test_a_new_fit_counts_and_warns_anew():
    made = fitted(BYTES, cnn.Rescaling(1 / 255))
    assert len(scale_warnings(lambda: made.predict(FRACTIONS))) == 1
    made.fit(FRACTIONS, LABELS, progress=False)
    assert scale_warnings(lambda: made.predict(FRACTIONS)) == []
    assert len(scale_warnings(lambda: made.predict(BYTES))) == 1


def test_a_range_is_that_of_a_sample_and_of_finite_pixels():
    images = np.zeros((5000, 2, 2, 1), np.float32)
    images[0, 0, 0], images[1], images[5] = -2, 99, 3
    images[10] = np.nan
    images[15] = np.inf
    assert image_range(images) == ("float32", -2, 3)
    assert image_range(images[:0]) == ("float32", 0, 0)


@pytest.mark.parametrize(
    ("seen", "expected"), [(("uint8", 0, 255), (0, 255)), (("float32", 0, 1), (0, 1)), (("float64", -1, 1), (-1, 1))]
)
def test_bytes_are_brought_to_the_scale_of_a_range(seen, expected):
    scaled = ImageRange(*seen).scaled(np.array([0, 255], np.uint8))
    assert scaled.tolist() == list(expected)


# ---- during a fit ----


def test_pixels_that_reach_the_first_layer_unscaled_are_warned_of():
    (message,) = scale_warnings(lambda: fitted(BYTES, epochs=3))
    assert "of epoch 1 is" in message
    assert "the first layer, Dense, unscaled" in message
    assert "log(3) = 1.1" in message
    assert "Rescaling(1 / 255)" in message


@pytest.mark.parametrize("first", [(cnn.Rescaling, 1 / 255), (cnn.BatchNorm,), (cnn.LayerNorm,)])
def test_scaled_pixels_are_not_warned_of(first):
    assert scale_warnings(lambda: fitted(BYTES, first[0](*first[1:]), epochs=3)) == []


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_finite_loss_that_diverges_is_warned_of_once():
    made = net()
    with pytest.warns(RuntimeWarning, match=r"that of guessing log\(3\)") as caught:
        made.fit(FRACTIONS, LABELS, epochs=4, optimizer=cnn.SGD(30.0, momentum=0.9), seed=0, progress=False)
    assert max(made.history.loss) > 10 * math.log(3)
    assert len([each for each in caught if "guessing" in str(each.message)]) == 1


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_what_is_said_of_a_loss_that_is_nan_begins_with_the_scale(backend):
    made = net(backend=backend)
    with pytest.raises(FloatingPointError, match=r"look at the scale first: uint8 images .* unscaled"):
        made.fit(BYTES, LABELS, epochs=50, optimizer=cnn.SGD(1e20), progress=False)
    made.set_parameters({"dense_2.bias": np.full(3, np.nan, np.float32)})
    with pytest.raises(FloatingPointError, match="unscaled"):
        made.train_on_batch(BYTES, LABELS, cnn.SGD(0.1))


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_an_image_of_nan_is_never_right_and_has_probabilities_of_nan(backend):
    made = net(backend=backend)
    images = np.full((4, 6, 6, 1), np.nan)
    assert made.evaluate(images, [0, 1, 2, 0]).accuracy == 0
    assert made.score(images, [0, 0, 0, 0]) == 0
    assert np.isnan(made.predict_proba(images)).all()
    half = np.concatenate([images, FRACTIONS[:4]])
    right = made.evaluate(FRACTIONS[:4], [0, 1, 2, 0]).accuracy
    assert made.evaluate(half, [0, 1, 2, 0] * 2).accuracy == right / 2
