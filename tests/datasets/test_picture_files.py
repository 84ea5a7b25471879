"""Picture files of all kinds as arrays, and folders of them as data sets."""

import io
import os
import sys
import zlib

import numpy as np
import pytest

from cnn.datasets import load_folder, load_images, load_strokes
from cnn.datasets.folder import image_files

Image = pytest.importorskip("PIL.Image")

WHITE, BLACK = 255, 0


def digit(background=BLACK, ink=WHITE, size=28):
    """A bar on a plain background, uint8 (size, size)."""
    image = np.full((size, size), background, np.uint8)
    image[size // 4 : 3 * size // 4, 3 * size // 7 : 4 * size // 7] = ink
    return image


@pytest.fixture
def save(tmp_path):
    def save(image, name="digit.png", **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return path

    return save


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "pgm"])
def test_a_picture_of_the_right_size_keeps_its_pixels(save, suffix):
    (image,) = load_images(save(digit(), f"digit.{suffix}"))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, digit())


@pytest.mark.parametrize("name", ["digit.jpg", "digit.JPEG", "digit.webp"])
def test_a_picture_that_was_compressed_with_losses_is_nearly_what_it_was(save, name):
    (image,) = load_images(save(digit(), name, quality=95))
    assert np.abs(image.astype(int) - digit()).max() <= 32


def test_mnist_survives_a_stay_in_picture_files(save, mnist_dataset):
    images = mnist_dataset.test_images[:20]
    files = [save(image, f"{i}.png") for i, image in enumerate(images)]
    np.testing.assert_array_equal(load_images(files), images)


@pytest.mark.parametrize(
    ("invert", "background", "expected"),
    [
        ("auto", WHITE, digit()),
        ("auto", BLACK, digit()),
        ("auto", 128, 255 - digit(128)),
        ("auto", 127, digit(127)),
        (True, BLACK, digit(WHITE, BLACK)),
        (False, WHITE, digit(WHITE, BLACK)),
    ],
)
def test_dark_ink_on_light_paper_is_made_light_on_dark(save, invert, background, expected):
    ink = BLACK if background == WHITE else WHITE
    (image,) = load_images(save(digit(background, ink)), invert=invert)
    np.testing.assert_array_equal(image, expected)


def test_the_border_and_not_the_whole_picture_says_what_is_the_paper(save):
    mostly_ink = np.full((28, 28), WHITE, np.uint8)
    mostly_ink[[0, -1]] = mostly_ink[:, [0, -1]] = BLACK
    np.testing.assert_array_equal(load_images(save(mostly_ink))[0], mostly_ink)


@pytest.mark.parametrize(("light", "turned"), [(53, False), (55, True)])
def test_every_pixel_of_the_border_counts_once(save, light, turned):
    image = np.zeros((28, 28), np.uint8)  # of 108 pixels around it, the four corners are among the light ones
    image[0] = image[-1, [0, -1]] = WHITE
    image[1 : light - 29, 0] = WHITE
    np.testing.assert_array_equal(load_images(save(image))[0], 255 - image if turned else image)


def test_every_picture_is_looked_at_alone(save):
    files = [save(digit(), "dark.png"), save(digit(WHITE, BLACK), "light.png")]
    np.testing.assert_array_equal(*load_images(files))


def as_16_bits():
    return Image.fromarray(digit().astype(np.uint16) * 257)


def as_32_bits():
    return Image.fromarray(digit().astype(np.int32) * 257)


def as_palette():
    return Image.fromarray(digit()).convert("RGB").quantize(4)


def on_nothing(ink):
    """Ink of one grey on nothing: that is the colour everywhere, and alpha is the ink."""
    return Image.merge("LA", [Image.new("L", (28, 28), ink), Image.fromarray(digit())])


def as_alpha():
    return on_nothing(BLACK)


def as_palette_with_a_transparent_colour():
    image = Image.fromarray(digit() // 255).convert("P")
    image.putpalette([9, 9, 9, 0, 0, 0])
    image.info["transparency"] = 0
    return image


def as_one_bit():
    return Image.fromarray(digit()).convert("1")


def as_colour():
    return Image.fromarray(digit()).convert("RGB")


def as_cmyk():
    return Image.fromarray(digit()).convert("RGB").convert("CMYK")


KINDS = {
    as_16_bits: ("png", "tif"),
    as_32_bits: ("tif",),
    as_palette: ("png", "gif", "bmp"),
    as_alpha: ("png", "webp"),
    as_palette_with_a_transparent_colour: ("png", "gif"),
    as_one_bit: ("png", "tif"),
    as_colour: ("png", "bmp"),
    as_cmyk: ("tif",),
}


@pytest.mark.parametrize(
    ("kind", "suffix"), [(kind, suffix) for kind, suffixes in KINDS.items() for suffix in suffixes]
)
def test_every_kind_of_picture_gives_the_same_pixels(save, kind, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    np.testing.assert_array_equal(load_images(save(kind(), f"digit.{suffix}", **options))[0], digit())


def test_half_transparent_ink_is_grey_on_white(save):
    image = Image.new("RGBA", (28, 28), (0, 0, 0, 128))
    assert np.unique(load_images(save(image), invert=False)).tolist() == [127]


@pytest.mark.parametrize(("ink", "paper"), [(WHITE, BLACK), (WHITE, 128), (BLACK, WHITE), (BLACK, 128)])
@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_ink_is_not_lost_where_the_grey_of_its_paper_is_transparent(save, dtype, scale, ink, paper):
    image = digit(paper, ink).astype(dtype) * dtype(scale)
    (read,) = load_images(save(image, transparency=paper * scale))
    np.testing.assert_array_equal(read, digit())


@pytest.mark.parametrize("ink", [0, 60, 127, 128, 200, 255])
def test_ink_on_nothing_lies_on_the_paper_that_it_is_not(save, ink):
    (read,) = load_images(save(on_nothing(ink)), invert=False)
    np.testing.assert_array_equal(read, digit(WHITE if ink < 128 else BLACK, ink))


def test_sixteen_bits_tell_the_transparent_grey_from_its_neighbour(save):
    image = Image.fromarray(np.where(digit() > 0, 65534, 65535).astype(np.uint16))
    np.testing.assert_array_equal(load_images(save(image, transparency=65535))[0], digit())


@pytest.mark.parametrize(("ink", "paper"), [(20, 240), (240, 20)])
def test_paper_with_transparent_corners_goes_on_behind_them(save, ink, paper):
    page = digit(paper, ink, size=56)
    distance = np.abs(np.indices(page.shape) - 27.5).sum(axis=0)
    image = Image.merge("LA", [Image.fromarray(page), Image.fromarray(np.uint8(255) * (distance < 42))])
    (read,) = load_images(save(image), size=56)
    assert read[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [BLACK] * 4
    assert read[28, 28] > 200


def test_a_picture_of_which_nothing_can_be_seen_is_blank(save):
    (read,) = load_images(save(Image.new("RGBA", (28, 28), (255, 0, 0, 0))))
    assert not read.any()


def test_of_an_animation_the_first_frame_counts(save):
    frames = [Image.fromarray(digit(ink=ink)) for ink in (WHITE, 90, 200)]
    for name in ("moving.gif", "moving.png"):
        path = save(frames[0], name, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(load_images(path)[0], digit())


def test_a_photograph_is_turned_as_its_camera_says(save):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right
    lying = np.rot90(digit())
    np.testing.assert_array_equal(load_images(save(lying, "photo.png", exif=exif))[0], digit())


def test_floating_point_pixels_are_refused_because_their_range_is_unknown(save):
    with pytest.raises(ValueError, match=r"digit\.tif: .*floating-point"):
        load_images(save(digit().astype(np.float32), "digit.tif"))


@pytest.mark.parametrize(("factor", "range_"), [(100_000, "0 to 25500000"), (-1, "-255 to 0")])
def test_pixels_that_no_picture_has_are_refused(save, factor, range_):
    with pytest.raises(ValueError, match=rf"digit\.tif: .*pixels from {range_}, expected 0 to 65,535"):
        load_images(save(digit().astype(np.int32) * factor, "digit.tif"))


def test_sixteen_bits_are_rounded_to_eight(save):
    values = np.repeat(np.array([[0, 128, 129, 1000, 65406, 65407, 65535]], np.uint16), 7, axis=0)
    (image,) = load_images(save(values), size=7, invert=False)
    assert image[0].tolist() == [0, 0, 1, 4, 254, 255, 255]  # 128 / 257 is less than a half


@pytest.mark.parametrize("size", [14, 56, 300])
def test_a_picture_is_fitted_into_the_size(save, size):
    (image,) = load_images(save(digit(size=size)))
    assert image.shape == (28, 28)
    assert image[8:20, 13:15].min() > 200
    assert image[:5].max() == image[:, :9].max() == BLACK


@pytest.mark.parametrize("background", [BLACK, WHITE, 60])
def test_a_picture_that_is_no_square_keeps_its_shape_between_borders_of_its_own_grey(save, background):
    narrow = np.full((56, 28), background, np.uint8)
    narrow[8:48, 8:20] = 255 - background
    (image,) = load_images(save(narrow), invert=False)
    assert np.unique(image[:, [*range(7), *range(21, 28)]]).tolist() == [background]
    assert abs(int(image[14, 14]) - (255 - background)) <= 2  # shrunk with a filter that overshoots a little


def test_the_size_is_height_and_width(save):
    path = save(digit())
    assert load_images(path, size=(20, 12)).shape == (1, 20, 12)
    assert load_images(path, size=32).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"size": 0}, ValueError, "size must be at least 1"),
        ({"size": (28, 28, 1)}, ValueError, "size must be an int or a pair"),
        ({"size": 2.5}, TypeError, "size must be an integer"),
        ({"invert": "no"}, ValueError, 'invert must be True, False or "auto"'),
    ],
)
def test_a_bad_argument_is_named(save, arguments, error, reason):
    with pytest.raises(error, match=reason):
        load_images(save(digit()), **arguments)


@pytest.mark.parametrize("load", [load_images, load_folder])
@pytest.mark.parametrize("size", [10**9, 2**40, 10**30, (28, 2**26), (8192, 8193)])
def test_a_size_that_no_image_has_is_refused_before_any_file_is_looked_for(load, size):
    with pytest.raises(ValueError, match=r"^size must be of at most 67,108,864 pixels, got [0-9,]+ x [0-9,]+$"):
        load("absent", size=size)


@pytest.mark.parametrize("load", [load_images, load_folder])
@pytest.mark.parametrize("size", [-1, (28, -(10**9))])
def test_a_negative_size_is_refused_before_any_file_is_looked_for(load, size):
    with pytest.raises(ValueError, match=r"^size must be at least 1, got -"):
        load("absent", size=size)


def encoded(format, image=None):
    buffer = io.BytesIO()
    (image or Image.fromarray(digit())).save(buffer, format)
    return buffer.getvalue()


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png_header(width, height):
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + bytes([8, 0, 0, 0, 0]))


UNREADABLE = {
    "empty": b"",
    "text": b"not a picture",
    "an IDX file": bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]),
    "a header alone": png_header(28, 28),
    "half of a PNG file": encoded("PNG")[:-40],
    "half of a JPEG file": encoded("JPEG")[:300],
    "a PNG file with a bad checksum": encoded("PNG").replace(b"IDAT", b"IDAU"),
    "a picture without pixels": png_header(0, 28),
    "a format that few have heard of": encoded("PCX"),
    "PostScript, which would be a program": encoded("EPS"),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_holds_no_whole_picture_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.png: not a picture that can be read: .+"):
        load_images(tmp_path / "bad.png")


def test_a_jpeg_file_cut_anywhere_is_refused_or_whole(tmp_path):
    whole = encoded("JPEG")
    (tmp_path / "whole.jpg").write_bytes(whole)
    expected = load_images(tmp_path / "whole.jpg")
    for length in range(0, len(whole), 7):
        (tmp_path / "cut.jpg").write_bytes(whole[:length])
        try:
            image = load_images(tmp_path / "cut.jpg")
        except ValueError as error:
            assert "cut.jpg" in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("times", [1, 2], ids=["of which Pillow warns", "which Pillow refuses"])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, times):
    side = int((times * Image.MAX_IMAGE_PIXELS) ** 0.5) + 1
    (tmp_path / "bomb.png").write_bytes(png_header(side, side) + chunk(b"IDAT", zlib.compress(bytes(1000))))
    with pytest.raises(ValueError, match=r"bomb\.png: .*decompression bomb"):
        load_images(tmp_path / "bomb.png")


# ---- digits laid out as MNIST's -------------------------------------------------------------------------------


def on_a_page(image, scale, side, place, paper=240, ink=30):
    """An image of MNIST, light on dark, as ink on a page (side, side), `scale` times as large, from `place` on."""
    large = np.array(Image.fromarray(image).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC))
    page = np.zeros((side, side))
    page[place[0] : place[0] + 28 * scale, place[1] : place[1] + 28 * scale] = large
    return (paper - (paper - ink) * page / 255).astype(np.uint8)


@pytest.mark.parametrize("place", [(0, 0), (170, 30), (119, 220)])
def test_a_digit_anywhere_on_a_page_is_laid_out_as_mnist_has_it(save, place):
    for image in load_strokes(train=20, test=0, seed=3).train_images:
        (read,) = load_images(save(on_a_page(image, 10, 500, place)), digits=True)
        shifted = [np.roll(image.astype(int), (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)]
        off_by_one = np.abs(shifted[5] - image).mean()
        assert min(np.abs(near - read).mean() for near in shifted) < off_by_one
        assert read.max() > 200
        sides = [np.ptp(np.flatnonzero((read > 80).any(axis=axis))) + 1 for axis in (0, 1)]
        assert 19 <= max(sides) <= 20


@pytest.mark.parametrize("margin", [0, 5, 60])
def test_margins_make_no_difference_to_a_digit(save, margin):
    bare = np.zeros((80, 60), np.uint8)
    bare[:20] = bare[:, 20:40] = 255
    (expected,) = load_images(save(np.pad(bare, 20)), digits=True)
    (read,) = load_images(save(np.pad(bare, [(margin, 7), (3, margin)])), invert=False, digits=True)
    assert np.abs(read.astype(int) - expected).max() <= 8  # the light is looked for in pixels of other places
    rows, columns = (np.flatnonzero(read.any(axis=axis)) for axis in (1, 0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 15)
    centre = [(read.sum(axis=axis) * np.arange(28)).sum() / read.sum() for axis in (0, 1)]
    assert np.abs(np.subtract(centre, 14)).max() <= 0.5


def test_grey_paper_becomes_black_and_faint_ink_white(save):
    faint = np.where(digit() > 0, 150, 200).astype(np.uint8)
    (read,) = load_images(save(faint), digits=True)
    assert (read.min(), read.max()) == (0, 255)


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_page_without_ink_is_named(save, paper):
    page = np.full((40, 30), paper, np.uint8)
    page[20, 20] ^= 7  # dust
    with pytest.raises(ValueError, match=r"empty\.png: it shows no digit"):
        load_images(save(page, "empty.png"), digits=True)


def test_of_several_digits_none_is_chosen(save):
    page = np.hstack([digit(WHITE, BLACK, 100)] * 3)
    with pytest.raises(ValueError, match=r"three\.png: it shows 3 digits, expected one; cnn\.recognise"):
        load_images(save(page, "three.png"), digits=True)


def test_digits_are_not_read_in_colour(save):
    with pytest.raises(ValueError, match="expected digits or color, got both"):
        load_images(save(digit()), digits=True, color=True)


def test_what_is_lighter_than_the_paper_is_no_ink(save):
    page = np.full((60, 60), 200, np.uint8)
    page[10:50, 10:20] = page[40:50, 10:50] = 20
    (expected,) = load_images(save(page), digits=True)
    page[15:30, 25:45] = 255
    (read,) = load_images(save(page), digits=True)
    assert np.abs(read.astype(int) - expected).max() <= 8  # the light is a little brighter beside it


def test_thin_lines_are_not_lost_in_a_large_digit(save):
    ring = np.full((400, 400), 255, np.uint8)
    ring[3:-3, 3:-3] = 0
    (read,) = load_images(save(np.pad(ring, 200)), digits=True)
    assert [np.count_nonzero(read.any(axis=axis)) for axis in (0, 1)] == [20, 20]
    with pytest.raises(ValueError, match="it shows no digit"):  # but a frame around the page is none
        load_images(save(np.pad(ring, 20)), digits=True)


def test_a_digit_that_is_heavy_at_one_end_is_shown_whole(save):
    for turns in range(4):
        heavy = np.zeros((20, 20), np.uint8)
        heavy[:4] = heavy[:, 10] = 255
        (read,) = load_images(save(np.pad(np.rot90(heavy, turns), 5), "heavy.png"), digits=True)
        assert [np.count_nonzero(read.any(axis=axis)) for axis in (0, 1)] == [20, 20]


def test_a_digit_fits_nets_of_other_sizes(save):
    (small,) = load_images(save(digit(size=90)), size=14, digits=True)
    assert small.shape == (14, 14)
    assert np.flatnonzero((small > 60).any(axis=1)).size == 10


# ---- colours -------------------------------------------------------------------------------------------------


def flag(size=28):
    """Red above blue, uint8 (size, size, 3)."""
    image = np.zeros((size, size, 3), np.uint8)
    image[: size // 2, :, 0] = image[size // 2 :, :, 2] = 200
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_a_picture_in_colour_keeps_its_pixels(save, suffix):
    (image,) = load_images(save(flag(), f"flag.{suffix}"), color=True)
    np.testing.assert_array_equal(image, flag())
    (negative,) = load_images(save(flag(), f"flag.{suffix}"), color=True, invert=True)
    np.testing.assert_array_equal(negative, 255 - flag())


def test_a_grey_picture_in_colour_has_three_channels_that_are_the_same(save):
    for image in (digit(), as_16_bits(), as_one_bit()):
        (read,) = load_images(save(image, "grey.png"), color=True)
        np.testing.assert_array_equal(read, np.repeat(digit()[..., None], 3, axis=2))


def test_behind_transparent_colours_lies_white(save):
    image = Image.fromarray(flag()).convert("RGBA")
    image.putalpha(Image.fromarray(np.where(np.arange(28) < 14, np.uint8(255), np.uint8(0))[None].repeat(28, 0)))
    (read,) = load_images(save(image), color=True)
    np.testing.assert_array_equal(read[:, :14], flag()[:, :14])
    assert (read[:, 14:] == WHITE).all()


def test_a_picture_that_is_no_square_is_fitted_between_its_border_s_colour(save):
    (read,) = load_images(save(flag(56)[:, :28]), color=True)
    assert read.shape == (28, 28, 3)
    assert np.abs(read[:14, :6].astype(int) - np.median(read[:14, :6], axis=(0, 1))).max() == 0


def test_a_folder_in_colour(save, tmp_path):
    for name in ("red/1.png", "blue/1.png"):
        save(flag() if name[0] == "r" else flag()[::-1], name)
    data = load_folder(tmp_path, color=True)
    assert (data.images.shape, data.classes, data.labels.tolist()) == ((2, 28, 28, 3), ("blue", "red"), [0, 1])
    np.testing.assert_array_equal(data.images[1], flag())


# ---- files ---------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_opened_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        load_images(tmp_path / "absent.png")


def test_too_little_memory_is_no_fault_of_the_picture(save, monkeypatch):
    def no_memory(*arguments, **options):
        raise MemoryError

    path = save(digit())
    monkeypatch.setattr(Image, "open", no_memory)
    with pytest.raises(MemoryError):
        load_images(path)


def test_without_pillow_the_error_says_what_to_install(save, monkeypatch):
    path = save(digit())
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'cnn-c\[images\]'"):
        load_images(path)


def test_files_and_folders_are_read_in_the_order_that_is_given_and_a_folder_by_names(save, tmp_path):
    for name in ("b/2.PNG", "b/10.png", "a.png", "b/.hidden.png", "b/notes.txt.png/x.png"):
        save(digit(), name)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    files = image_files([tmp_path / "b", str(tmp_path / "a.png")])
    assert files == [tmp_path / "b/10.png", tmp_path / "b/2.PNG", tmp_path / "a.png"]
    assert load_images([tmp_path / "b", tmp_path / "a.png"]).shape == (3, 28, 28)


def test_a_tilde_stands_for_the_users_own_folder(save, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = save(digit(), "pictures/7/a.png")
    assert image_files(["~/pictures/7", "~/pictures/7/a.png"]) == [path, path]
    assert load_folder("~/pictures").labels.tolist() == [7]


@pytest.mark.usefixtures("hang_guard")
def test_what_would_never_end_is_not_opened(save, tmp_path):
    (tmp_path / "3").mkdir()
    os.mkfifo(tmp_path / "3" / "pipe.png")
    with pytest.raises(FileNotFoundError, match=r"pipe\.png does not exist, or is neither a file nor a folder"):
        load_images(tmp_path / "3" / "pipe.png")
    save(digit(), "3/digit.png")
    assert load_folder(tmp_path).labels.tolist() == [3]


def test_paths_without_a_picture_are_refused(tmp_path):
    for paths in ([], tmp_path):
        with pytest.raises(ValueError, match="paths must name pictures, got none"):
            load_images(paths)


def test_what_is_no_path_is_refused_by_the_argument_s_name():
    for paths in (5, None, [5], b"digit.png"):
        with pytest.raises(TypeError, match=r"paths must be a str or a pathlib\.Path"):
            load_images(paths)
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got 5"):
        load_folder(5)


def test_the_sub_folders_of_a_folder_are_the_classes(save, tmp_path):
    for name in ("dog/1.png", "dog/2.png", "cat/1.jpg", ".trash/1.png", "readme.png"):
        save(digit(), name)
    (tmp_path / "empty").mkdir()
    images, labels, classes = load_folder(tmp_path)
    assert images.shape == (3, 28, 28)
    assert labels.dtype == images.dtype == np.uint8
    assert classes == ("cat", "dog", "empty")
    assert labels.tolist() == [0, 1, 1]


def test_folders_of_digits_have_the_labels_of_their_names(save, tmp_path):
    for name in ("7/a.png", "3/a.png", "3/b.png"):
        save(digit(ink=100 + int(name[0])), name)
    images, labels, classes = load_folder(tmp_path)
    assert labels.tolist() == [3, 3, 7]
    assert classes == tuple("0123456789")
    assert images.max((1, 2)).tolist() == [103, 103, 107]


def test_a_folder_of_pictures_without_classes_is_refused(save, tmp_path):
    save(digit())
    with pytest.raises(ValueError, match="holds no pictures in sub-folders"):
        load_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(tmp_path / "nowhere")


def test_more_classes_than_labels_are_refused(tmp_path):
    for i in range(257):
        (tmp_path / f"class {i}").mkdir()
    with pytest.raises(ValueError, match="257 sub-folders, expected at most 256"):
        load_folder(tmp_path)


def test_a_damaged_file_among_good_ones_is_named(save, tmp_path):
    save(digit(), "1/good.png")
    (tmp_path / "1" / "bad.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1/bad\.png"):
        load_folder(tmp_path)
