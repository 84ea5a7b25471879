"""Augmented images: against the formula, against the reference, and as a fit reads them.

An image whose channels are its own rows and columns is a map of itself: interpolation keeps it exactly, so that what
comes out says from where every pixel was taken.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn
from cnn.backends import compiled
from cnn.backends.numpy import random
from cnn.backends.numpy.augment import augment as reference_augment

pytestmark = pytest.mark.usefixtures("two_threads")

OPTIONS = {
    "nothing": {},
    "shift": {"shift": 3},
    "rotate": {"rotate": 40},
    "scale": {"scale": 0.4},
    "shear": {"shear": 30},
    "elastic": {"elastic": 1.5},
    "noise": {"noise": 12},
    "all": {"shift": 2, "rotate": 180, "scale": 0.2, "shear": 20, "elastic": 1, "noise": 5},
}
SHAPES = [(1, 1, 1), (1, 6, 1), (5, 1, 3), (2, 2, 1), (17, 16, 3), (28, 28, 1), (40, 33, 3)]
KINDS = ["uint8", "float32", "float64"]
EVERY_OPTION = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
SEED = 3


def pictures(n: int, shape: tuple[int, ...], kind="uint8", seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return x if kind == "uint8" else (x - 100.5).astype(kind)


def warped(run, x, options, dtype, seed=SEED) -> np.ndarray:
    """By the reference or the kernels, as `run` says."""
    warp = cnn.Augment(**options).warp(x.shape[1:], np.dtype(dtype))
    return (reference_augment if run == "reference" else compiled.augment)(x, warp, seed)


def rounding(x, options, dtype) -> float:
    """How far off a pixel may be.

    A place is the sum of a shift, of rows and columns times a slope each, and of the bend, whose splines weigh its
    knots, none beyond 3.5 deviations, by four in sum: two dozen roundings, of numbers up to their magnitudes' sum. From
    place to place a picture changes by its range at most, a pixel; a dozen roundings make the pixel from four.
    """
    _, h, w, _ = x.shape
    slope = (1 + options.get("scale", 0)) * (2 + math.tan(math.radians(options.get("shear", 0))))
    place = options.get("shift", 0) + (h + w) * (1 + slope) + 14 * options.get("elastic", 0)
    x = x.astype(np.float64)
    largest = np.abs(x).max() + 4 * options.get("noise", 0)
    return float(np.finfo(dtype).eps) * (24 * place * 2 * float(np.ptp(x)) + 12 * largest)


def map_of_itself(n: int, h: int, w: int) -> np.ndarray:
    """Images (n, h, w, 2): each pixel's row and column."""
    i, j = np.indices((h, w))
    return np.broadcast_to(np.stack([i, j], axis=-1).astype(np.float64), (n, h, w, 2)).copy()


def drawn(n: int, seed=SEED) -> np.ndarray:
    """The uniform numbers of n images: shift down, shift across, angle, scale, shear, each (n,)."""
    return random.uniform(random.words(seed, np.arange(n), 0, 5)).T


# ---- kernels and reference ---------------------------------------------------------------------------------


@EVERY_OPTION
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_kernels_warp_as_numpy_does(level, dtype, options, shape):
    for kind in KINDS:
        x = pictures(5, shape, kind)
        ours, exact = (warped(run, x, options, precision) for run, precision in ((level, dtype), ("reference", "f8")))
        assert (ours.dtype, ours.shape) == (dtype, x.shape)
        tolerance = rounding(x, options, dtype)
        assert np.abs(ours - exact).max() <= tolerance
        assert tolerance < 10  # of 256 levels, or this would show nothing


@EVERY_OPTION
def test_any_number_of_threads_gives_the_same_bits(level, dtype, thread_counts, options):
    x = pictures(37, (11, 13, 2))
    assert len({warped(level, x, options, dtype).tobytes() for _ in thread_counts}) == 1


@pytest.mark.parametrize("run", ["reference", "kernels"])
def test_an_image_is_warped_by_its_own_numbers_alone(run, dtype):
    x = pictures(1, (12, 12, 1)).repeat(6, axis=0)
    whole = warped(run, x, OPTIONS["all"], dtype)
    for n in (1, 2, 5):
        assert warped(run, x[:n], OPTIONS["all"], dtype).tobytes() == whole[:n].tobytes()
    assert len({image.tobytes() for image in whole}) == 6
    assert warped(run, x, OPTIONS["all"], dtype, seed=SEED + 1).tobytes() != whole.tobytes()


# ---- what is done ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_augmentation_is_the_identity(implementation, dtype, shape):
    for kind in KINDS:
        x = pictures(4, shape, kind)
        assert np.array_equal(warped(implementation, x, {}, dtype), x.astype(dtype))


@pytest.mark.parametrize("pixels", [1, 3, 20])
def test_a_shift_by_whole_pixels_moves_an_image_and_repeats_its_border(implementation, dtype, pixels):
    for axis in (0, 1):
        shape = (9, 1, 2) if axis == 0 else (1, 9, 2)
        x = pictures(1, shape)
        u = drawn(1)[axis, 0]
        shifted = warped(implementation, x, {"shift": pixels / abs(u)}, dtype)
        moved = x.reshape(9, 2)[np.clip(np.arange(9) + pixels * int(np.sign(u)), 0, 8)]
        tolerance = rounding(x, {"shift": pixels / abs(u)}, dtype)
        np.testing.assert_allclose(shifted.reshape(9, 2), moved, rtol=0, atol=tolerance)


def test_a_rotation_by_a_right_angle_turns_an_image(implementation, dtype):
    u = drawn(40)[2]
    image = int(np.argmax(np.abs(u) > 0.5))
    x = pictures(image + 1, (8, 8, 3))
    options = {"rotate": 90 / abs(u[image])}
    turned = np.rot90(x[image], int(np.sign(u[image])))
    np.testing.assert_allclose(
        warped(implementation, x, options, dtype)[image], turned, rtol=0, atol=rounding(x, options, dtype)
    )


@pytest.mark.parametrize("name", ["shift", "rotate", "scale", "shear", "affine"])
def test_pixels_come_from_where_the_formula_says(implementation, dtype, name):
    options = OPTIONS.get(name, {"shift": 1, "rotate": 100, "scale": 0.3, "shear": 25})
    h, w, n = 15, 20, 30
    x = map_of_itself(n, h, w)
    down, across, angle, factor, slant = drawn(n)
    angle = math.radians(options.get("rotate", 0)) * angle
    factor = (1 + options.get("scale", 0)) ** factor
    slant = np.tan(math.radians(options.get("shear", 0)) * slant)
    centre = np.array([(h - 1) / 2, (w - 1) / 2])
    shift = options.get("shift", 0) * np.stack([down, across], axis=1)
    one, zero = np.ones(n), np.zeros(n)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shear = np.array([[one, zero], [slant, one]])
    matrix = np.einsum("abn,bcn->nac", shear, turn) * factor[:, None, None]
    places = np.einsum("nab,ijb->nija", matrix, x[0] - centre) + centre + shift[:, None, None]
    expected = np.clip(places, 0, [h - 1, w - 1])
    tolerance = rounding(x, options, dtype)
    np.testing.assert_allclose(warped(implementation, x, options, dtype), expected, rtol=0, atol=tolerance)


def test_an_elastic_field_is_smooth_and_has_the_deviation_asked_for(dtype):
    n, side, elastic = 3000, 20, 0.5
    x = map_of_itself(n, side, side)
    inner = slice(4, side - 4)  # eight deviations from the border, which no pixel comes from beyond
    field = (warped("kernels", x, {"elastic": elastic}, dtype) - x)[:, inner, inner].astype(np.float64)
    # A mean of n, and a variance of n: normal numbers' have the variances 1 / n and 2 / n, these have less.
    assert np.abs(field.mean(axis=0)).max() < 5 * elastic / np.sqrt(n)
    assert np.abs(field.var(axis=0) / elastic**2 - 1).max() < 5 * np.sqrt(2 / n)
    # Down and across have nothing to do with each other; neighbours do, for the knots are five pixels apart.
    assert abs(np.corrcoef(field[:, 5, 5, 0], field[:, 5, 5, 1])[0, 1]) < 5 / np.sqrt(n)
    assert np.corrcoef(field[:, 5, 5, 0], field[:, 5, 6, 0])[0, 1] > 0.9


@pytest.mark.parametrize("size", [1, 2, 5, 20, 28])
def test_an_elastic_field_bends_both_halves_of_an_image_alike(size):
    warp = cnn.Augment(elastic=1).warp((size, size + 3, 1), np.dtype("float64"))
    # Knots in reverse order give the field in reverse order; a weight is a dozen roundings, of numbers below 30.
    tolerance = 12 * 30 * np.finfo(float).eps
    for weights in (warp.rows, warp.columns):
        np.testing.assert_allclose(weights, weights[::-1, ::-1], rtol=0, atol=tolerance)
        assert np.ptp(weights) > 0.1


def test_noise_has_the_deviation_asked_for_and_is_another_in_every_pixel(implementation, dtype):
    x = np.full((50, 20, 21, 2), 100, np.uint8)
    noise = warped(implementation, x, {"noise": 7}, dtype).astype(np.float64) - 100
    assert abs(noise.mean()) < 5 * 7 / np.sqrt(noise.size)
    assert abs(noise.var() / 49 - 1) < 5 * np.sqrt(1.7 / noise.size)  # of a fourth moment of 2.7
    for neighbour in (noise[1:], noise[:, 1:], noise[:, :, 1:], noise[..., 1:]):
        same = noise[tuple(slice(0, size) for size in neighbour.shape)]
        assert abs(np.mean(neighbour * same)) < 5 * 49 / np.sqrt(same.size)


def test_a_nan_pixel_stays_between_its_neighbours(implementation, dtype):
    x = pictures(1, (9, 9, 2), "float64")
    x[0, 4, 5, 0] = np.nan
    y = warped(implementation, x, {"shift": 2, "noise": 1}, dtype)
    rows, columns, channels = np.nonzero(np.isnan(y[0]))
    assert 1 <= len(rows) <= 4
    assert np.ptp(rows) <= 1
    assert np.ptp(columns) <= 1
    assert set(channels) == {0}


@pytest.mark.parametrize(
    "options",
    [
        {"shift": 1e300},
        {"scale": 1e300},
        {"shear": 89.9999999999999},
        {"elastic": 1e300},
        {"scale": 1e38, "shift": 1e38},
    ],
)
def test_places_beyond_any_number_are_still_in_the_image(level, dtype, options):
    x = pictures(4, (7, 9, 1), "float64")
    y = warped(level, x, options, dtype)
    tolerance = 12 * np.finfo(dtype).eps * np.abs(x).max()
    for warped_image, image in zip(y, x, strict=True):
        assert image.min() - tolerance <= warped_image.min() <= warped_image.max() <= image.max() + tolerance


# ---- called by a user --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 8, 9), (3, 8, 9, 1), (3, 8, 9, 4), (1, 1, 1), (0, 5, 5), (0, 5, 5, 3)])
@pytest.mark.parametrize("kind", ["uint8", "bool", "float16", "float64", ">i4"])
def test_a_call_gives_float32_images_of_the_same_shape(shape, kind):
    x = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    before = x.copy()
    y = cnn.Augment(shift=1, noise=0.1)(x, seed=0)
    assert (y.shape, y.dtype) == (shape, np.float32)
    assert np.array_equal(y, cnn.Augment(shift=1, noise=0.1)(x.astype("float32"), seed=0))
    assert np.array_equal(x, before)
    assert not np.shares_memory(x, y)


def test_a_seed_repeats_a_call_and_another_does_not():
    augment, x = cnn.Augment(rotate=30), pictures(3, (9, 9, 1))
    first, again, other, drawn_anew = (augment(x, seed=seed) for seed in (1, 1, 2, None))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(drawn_anew, augment(x))


def test_images_in_any_memory_layout_are_taken_and_left_unchanged():
    x = pictures(4, (8, 10, 3))
    expected = cnn.Augment(shift=2)(x, seed=1)
    for changed in (np.asfortranarray(x), x[::-1].copy()[::-1], np.moveaxis(np.moveaxis(x, -1, 1).copy(), 1, -1)):
        changed.flags.writeable = False
        assert np.array_equal(cnn.Augment(shift=2)(changed, seed=1), expected)


def test_it_says_what_it_does():
    assert repr(cnn.Augment(shift=2, rotate=10.5)) == "Augment(shift=2, rotate=10.5)"
    assert repr(cnn.Augment()) == "Augment()"


@pytest.mark.parametrize("shape", [(9, 9), (9,), (2, 9, 9, 1, 1), (2, 0, 9), (2, 9, 9, 0), ()])
def test_what_is_no_batch_of_images_is_a_value_error(shape):
    with pytest.raises(ValueError, match="images must have shape"):
        cnn.Augment(shift=1)(np.zeros(shape))


@pytest.mark.parametrize("bad", [None, "image", [None], 1j, np.ma.masked_array(np.zeros((2, 3, 3)), mask=True)])
def test_what_is_no_array_of_real_numbers_is_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^images "):
        cnn.Augment()(bad)


NAMES = ["shift", "rotate", "scale", "shear", "elastic", "noise"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_a_number_that_is_negative_or_none_is_a_value_error(name, bad):
    with pytest.raises(ValueError, match=f"^{name} must be finite"):
        cnn.Augment(**{name: bad})


@pytest.mark.parametrize(("name", "bad"), [("rotate", 180.1), ("shear", 90), ("shear", 1000)])
def test_an_angle_too_large_is_a_value_error(name, bad):
    with pytest.raises(ValueError, match=f"^{name} must be finite and between 0 and"):
        cnn.Augment(**{name: bad})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [None, "far", [1, 2], 1j])
def test_a_number_of_another_type_is_a_type_error(name, bad):
    with pytest.raises(TypeError, match=f"^{name} must be a number"):
        cnn.Augment(**{name: bad})


# ---- in a fit ----------------------------------------------------------------------------------------------


def small_net(dtype="float64", backend="compiled", channels=1):
    layers = [
        cnn.Rescaling(1 / 128, -1.0), cnn.Conv2D(4, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(5),
    ]  # fmt: skip
    return cnn.Sequential(layers, (12, 11, channels), dtype=dtype, seed=0, backend=backend)


def training_data(n=37, channels=1) -> tuple[np.ndarray, np.ndarray]:
    return pictures(n, (12, 11, channels)), np.random.default_rng(1).integers(0, 5, n)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [OPTIONS["all"], OPTIONS["shift"]], ids=["all", "shift"])
def test_a_fit_trains_on_the_references_images_step_by_step(implementation, options, channels):
    backend = "numpy" if implementation == "reference" else "compiled"
    fitted, by_hand = (small_net(backend=backend, channels=channels) for _ in range(2))
    x, y = training_data(channels=channels)
    augment, optimizer = cnn.Augment(**options), cnn.SGD(0.05, momentum=0.9)
    history = fitted.fit(
        x, y, 2, batch_size=8, optimizer=cnn.SGD(0.05, momentum=0.9), seed=5, augment=augment, progress=False
    )
    rng, losses = np.random.default_rng(5), []
    for _ in range(2):
        order = rng.permutation(37)
        images = reference_augment(x[order], augment.warp(x.shape[1:], np.dtype("float64")), int(rng.integers(2**63)))
        total = 0.0
        for first in range(0, 37, 8):
            part = slice(first, first + 8)
            total += by_hand.train_on_batch(images[part], y[order][part], optimizer) * len(order[part])
        losses.append(total / 37)
    # A pixel of 256 levels is off by `rounding`, a 128th of that when rescaled; ten small steps enlarge it, and sums of
    # fewer than 1000 terms, less than a hundredfold.
    tolerance = 100 * (rounding(x, options, "f8") / 128 + 1000 * float(np.finfo(float).eps))
    assert tolerance < 1e-7
    assert history.loss == pytest.approx(losses, abs=tolerance)
    np.testing.assert_allclose(
        fitted.executor.learned.parameters, by_hand.executor.learned.parameters, rtol=0, atol=tolerance
    )


def test_a_fit_with_augmentation_is_the_same_bits_for_any_number_of_threads(level, dtype, thread_counts):
    runs = set()
    for _ in thread_counts:
        net = small_net(dtype)
        history = net.fit(*training_data(), 2, batch_size=16, seed=1, augment=cnn.Augment(**OPTIONS["all"]))
        runs.add((net.executor.learned.parameters.tobytes(), *history.loss))
    assert len(runs) == 1


def test_images_are_changed_anew_in_every_epoch_and_validated_as_they_are(level):
    net, (x, y) = small_net(), training_data()
    options = {"optimizer": cnn.SGD(0.0), "shuffle": False, "progress": False, "validation_data": (x, y)}
    before = x.copy()
    history = net.fit(x, y, 3, seed=1, augment=cnn.Augment(rotate=90), **options)
    assert len(set(history.loss)) == 3
    assert history.val_loss == [net.evaluate(x, y).loss] * 3
    assert np.array_equal(x, before)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_inputs_that_are_no_images_cannot_be_augmented(backend):
    net = cnn.Sequential([cnn.Dense(3)], (7,), backend=backend)
    with pytest.raises(ValueError, match=r"augment needs images \(h, w, c\), .* shape \(7,\)"):
        net.fit(np.zeros((4, 7)), [0, 1, 2, 0], augment=cnn.Augment(shift=1))


@pytest.mark.parametrize("bad", [True, 2, "rotate", {"shift": 2}, cnn.Augment])
def test_what_is_no_augmentation_is_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^augment must be a cnn\.Augment or None"):
        small_net().fit(*training_data(), augment=bad)
