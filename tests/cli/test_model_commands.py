"""The commands that take a saved net: `cnn evaluate`, `cnn predict`, `cnn plot`."""

import json
import os
import pickle
import re
import sys

import numpy as np
import pytest

import cnn
import cnn.plot
from cnn.cli.commands import evaluate

from ..datasets.cases import fill

Image = pytest.importorskip("PIL.Image")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def fitted(bars, tmp_path_factory):
    """A net that has learned a little, its file, its checkpoint and its log."""
    folder = tmp_path_factory.mktemp("net")
    net = cnn.models.tutorial(seed=0)
    callbacks = [cnn.Checkpoint(folder / "digits.run"), cnn.CSVLogger(folder / "log.csv")]
    validation = bars.test_images, bars.test_labels
    net.fit(
        bars.train_images, bars.train_labels, 2, optimizer=cnn.SGD(0.002), seed=0, progress=False,
        validation_data=validation, callbacks=callbacks,
    )  # fmt: skip
    net.save(folder / "digits.safetensors")
    assert 0 < net.score(*validation) < 1
    return folder


@pytest.fixture
def model(fitted):
    return fitted / "digits.safetensors"


@pytest.fixture
def pictures(bars, tmp_path):
    """The first three test images as picture files in a folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(bars.test_images[i]).save(folder / f"{i}.png")
    return folder


# ---- files of nets -------------------------------------------------------------------------------------------


COMMANDS = [("evaluate", "{}"), ("predict", "{}", "0.png"), ("plot", "filters", "{}"), ("plot", "curves", "{}")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("content", ["missing", "empty", "text", "cut short", "one bit flipped", "pickle"])
def test_a_file_that_holds_no_net_is_one_line_that_names_it(command, fitted, tmp_path, words, content):
    file = tmp_path / "file.net"
    whole = (fitted / "digits.run").read_bytes()
    contents = {
        "empty": b"",
        "text": b"a letter to a friend",
        "cut short": whole[:-9],
        "one bit flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "pickle": pickle.dumps({"weights": 1}),
    }
    if content in contents:
        file.write_bytes(contents[content])
    status, out, err = command(*(word.format(file) for word in words))
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: .*file\.net.*\n", err)


def test_a_missing_net_comes_with_how_to_make_one(command):
    _, _, err = command("evaluate", "digits.safetensors")
    assert err == "cnn: digits.safetensors does not exist; cnn train --save digits.safetensors writes a net\n"


def test_the_command_that_makes_a_net_can_be_pasted_into_a_shell(command):
    _, _, err = command("evaluate", "my net.safetensors")
    assert "; cnn train --save 'my net.safetensors' writes a net" in err


# ---- cnn evaluate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits.safetensors", "digits.run"])
def test_evaluate_tells_accuracy_and_the_worst_mistakes(command, fitted, data_folder, bars, name):
    status, out, err = command("evaluate", fitted / name, "--data", data_folder)
    assert (status, err) == (0, "")
    net = cnn.load(fitted / name)
    loss, accuracy = net.evaluate(bars.test_images, bars.test_labels)
    errors = round((1 - accuracy) * 40)
    origin, figures, heading, *pairs = out.splitlines()
    assert origin == f"data: images from {data_folder}"
    assert figures == f"test accuracy {accuracy:.2%}: {errors} errors in 40 images; loss {loss:.4f}"
    assert heading.split() == ["true", "read", "as", "images"]
    predictions = net.predict(bars.test_images)
    for pair in pairs:
        y, read_as, images = map(int, pair.split())
        assert y != read_as
        assert images == np.sum((bars.test_labels == y) & (predictions == read_as))


def test_evaluate_as_json(command, model, data_folder, bars):
    status, out, err = command("evaluate", model, "--data", data_folder, "--json")
    assert (status, err) == (0, f"data: images from {data_folder}\n")
    result = json.loads(out)
    evaluation = cnn.load(model).evaluate(bars.test_images, bars.test_labels)
    counts = np.array(result.pop("confusion"))
    assert counts.shape == (10, 10)
    assert counts.sum(axis=1).tolist() == np.bincount(bars.test_labels).tolist()
    assert result == {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "errors": counts.sum() - counts.trace(),
        "images": 40,
        "data": f"images from {data_folder}",
    }


def test_the_commonest_mistakes_come_first_and_the_right_ones_never():
    counts = np.diag([90, 80, 70, 60])
    counts[2, 1], counts[0, 3], counts[3, 0] = 4, 9, 4
    assert evaluate.worst_pairs(counts) == [(0, 3, 9), (2, 1, 4), (3, 0, 4)]


def test_of_mistakes_as_common_five_are_told_in_the_order_of_the_classes():
    pairs = [(0, read_as, 3) for read_as in (1, 2, 3, 4, 5)]
    assert evaluate.worst_pairs(np.full((10, 10), 3)) == pairs


def test_without_a_mistake_there_is_no_table(command, model, data_folder, bars):
    net = cnn.load(model)
    read = net.predict(bars.test_images).astype(np.uint8)
    cnn.datasets.save_idx(data_folder / cnn.datasets.mnist_files.TEST_LABELS, read)
    _, out, _ = command("evaluate", model, "--data", data_folder)
    figures = f"test accuracy 100.00%: 0 errors in 40 images; loss {net.evaluate(bars.test_images, read).loss:.4f}"
    assert out.splitlines() == [f"data: images from {data_folder}", figures]


def test_data_of_another_size_is_one_line_with_both_shapes(command, tmp_path, bars):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (14, 14, 1), seed=0)
    net.save(tmp_path / "small.net")
    fill(tmp_path, dataset=bars)
    status, _, err = command("evaluate", tmp_path / "small.net", "--data", tmp_path)
    assert status == 1
    assert re.fullmatch(r"cnn: x must have shape \(N, 14, 14, 1\) = .*, got \(40, 28, 28\)\n", err)


@pytest.mark.parametrize("words", [("evaluate",), ("plot", "confusion"), ("plot", "mistakes")], ids=" ".join)
def test_data_of_more_classes_is_one_line_with_both_numbers(command, tmp_path, data_folder, words):
    file = tmp_path / "nine.net"
    cnn.Sequential([cnn.Flatten(), cnn.Dense(9)], (28, 28, 1), seed=0).save(file)
    status, _, err = command(*words, file, "--data", data_folder)
    expected = f"cnn: {file} holds a net for 9 classes, but labels go up to 9 in images from {data_folder}\n"
    assert (status, err) == (1, expected)


# ---- cnn predict ---------------------------------------------------------------------------------------------


def test_predict_reads_files_and_folders_in_a_table(command, model, pictures, bars):
    status, out, err = command("predict", model, pictures / "2.png", pictures)
    assert (status, err) == (0, "")
    heading, *rows = (re.split("  +", line) for line in out.splitlines())
    assert heading == ["file", "label", "probability", "otherwise", "warning"]
    probabilities = cnn.load(model).predict_proba(bars.test_images[:3])
    for (file, label, probability, otherwise, warning), i in zip(rows, [2, 0, 1], strict=True):
        second, first = np.argsort(probabilities[i])[-2:]
        assert file == str(pictures / f"{i}.png")
        assert label == str(first)
        assert probability == f"{probabilities[i, first]:.2%}"
        assert otherwise == f"{second} ({probabilities[i, second]:.2%})"
        assert warning == "the net is unsure"


def test_predict_as_json_tells_as_many_classes_as_asked_for(command, model, pictures, bars):
    status, out, err = command("predict", model, pictures, "--json", "--top", 3)
    assert (status, err) == (0, "")
    predictions = json.loads(out)
    probabilities = cnn.load(model).predict_proba(bars.test_images[:3])
    for i, prediction in enumerate(predictions):
        choices = prediction["choices"]
        warnings = ["the net is unsure"]
        assert prediction == {
            "file": str(pictures / f"{i}.png"),
            **choices[0],
            "choices": choices,
            "warnings": warnings,
        }
        assert [choice["label"] for choice in choices] == np.argsort(-probabilities[i])[:3].tolist()
        assert [choice["probability"] for choice in choices] == np.sort(probabilities[i])[:-4:-1].tolist()


def test_predict_fits_pictures_to_nets_that_are_higher_than_wide(command, pictures, tmp_path):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (30, 20, 1), seed=0)
    net.save(tmp_path / "high.net")
    predictions = json.loads(command("predict", tmp_path / "high.net", pictures, "--json")[1])
    images = cnn.datasets.load_images(pictures, (30, 20))
    assert [prediction["probability"] for prediction in predictions] == net.predict_proba(images).max(axis=1).tolist()


def test_no_line_of_predict_ends_with_a_space(command, model, pictures):
    _, out, _ = command("predict", model, pictures, "--top", 1)
    assert len(out.splitlines()) == 4
    assert not re.search(r" $", out, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_text_is_told_with_marks_in_it(command, model, pictures):
    odd = (pictures / "0.png").rename(pictures / os.fsdecode(b"\xff.png"))
    status, out, err = command("predict", model, odd)
    assert (status, err) == (0, "")
    assert out.splitlines()[1].startswith(f"{pictures}{os.sep}\N{REPLACEMENT CHARACTER}.png  ")


def test_of_classes_as_likely_the_first_is_told(command, pictures, tmp_path):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(200)], (28, 28, 1), seed=0)
    net.layers[1].weights[...] = 0
    net.layers[1].bias[10:] = 1
    net.save(tmp_path / "even.net")
    (prediction,) = json.loads(command("predict", tmp_path / "even.net", pictures / "0.png", "--json", "--top", 5)[1])
    assert [choice["label"] for choice in prediction["choices"]] == [10, 11, 12, 13, 14]


@pytest.fixture
def page(tmp_path):
    """A scan of a large page, with a digit of seven strokes in one of its corners."""
    page = np.full((300, 200), 240, np.uint8)
    page[200:280, 40:60] = page[200:220, 40:90] = 20
    Image.fromarray(page).save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_predict_lays_digits_out_when_asked_to(command, model, page):
    net = cnn.load(model)
    for options, digits in ((), False), (("--digits",), True):
        (prediction,) = json.loads(command("predict", model, page, "--json", *options)[1])
        images = cnn.datasets.load_images(page, digits=digits)
        assert prediction["probability"] == net.predict_proba(images).max()


@pytest.fixture
def sure(tmp_path):
    """A net that reads everything as a 3, for certain."""
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), seed=0)
    net.layers[1].weights[...] = 0
    net.layers[1].bias[3] = 20
    net.save(tmp_path / "sure.net")
    return tmp_path / "sure.net"


def test_there_is_a_column_for_warnings_only_where_there_is_one(command, sure, pictures, tmp_path):
    Image.fromarray(np.full((60, 40), 250, np.uint8)).save(pictures / "blank.png")
    _, out, _ = command("predict", sure, pictures / "0.png")
    assert out.splitlines()[0].split() == ["file", "label", "probability", "otherwise"]
    _, out, _ = command("predict", sure, pictures / "0.png", pictures / "blank.png")
    heading, good, blank = out.splitlines()
    assert heading.split() == ["file", "label", "probability", "otherwise", "warning"]
    assert good.endswith(")")
    assert blank.endswith("  it shows no ink")
    predictions = json.loads(command("predict", sure, pictures / "0.png", pictures / "blank.png", "--json")[1])
    assert [prediction["warnings"] for prediction in predictions] == [[], ["it shows no ink"]]


@pytest.fixture
def numbers(tmp_path):
    """A page with the strokes of 17 in its first line, and of 4 and 1 far from each other in its second."""
    page = np.full((300, 600), 240, np.uint8)
    page[30:90, 40:48] = page[30:90, 80:88] = page[30:38, 70:88] = 10
    page[180:240, 60:68] = page[210:218, 40:80] = page[180:240, 400:408] = 10
    Image.fromarray(page).save(tmp_path / "numbers.png")
    return tmp_path / "numbers.png"


def test_the_digits_of_a_page_are_answers_of_their_own_in_reading_order(command, sure, numbers):
    answers = json.loads(command("predict", sure, numbers, "--digits", "--json")[1])
    assert [answer["number"] for answer in answers] == ["33", "33", "3", "3"]
    assert [answer["place"] for answer in answers] == [1, 1, 2, 3]
    assert [answer["label"] for answer in answers] == [3] * 4
    tops_and_lefts = [answer["box"][:2] for answer in answers]
    np.testing.assert_allclose(tops_and_lefts, [(30, 40), (30, 70), (180, 40), (180, 400)], atol=2)
    assert all(answer["warnings"] == [] and answer["file"] == str(numbers) for answer in answers)
    _, out, _ = command("predict", sure, numbers, "--digits")
    heading, *rows = (line.split() for line in out.splitlines())
    assert heading == ["file", "number", "box", "label", "probability", "otherwise"]
    assert [row[1] for row in rows] == ["33", "33", "3", "3"]


def test_show_writes_the_page_with_boxes_and_what_the_net_reads(command, sure, numbers, tmp_path):
    (tmp_path / "more").mkdir()
    other = tmp_path / "more" / "numbers.png"
    other.write_bytes(numbers.read_bytes())
    assert command("predict", sure, numbers, "--digits", "--show", tmp_path / "seen")[0] == 0
    names = {"numbers.png.digits.png", *(f"numbers.png.digit-{i}.png" for i in (1, 2, 3, 4))}
    assert {file.name for file in (tmp_path / "seen").iterdir()} == names
    image = np.asarray(Image.open(tmp_path / "seen" / "numbers.png.digit-2.png"))
    assert (image.shape, image.max()) == ((28, 28), 255)
    page = np.asarray(Image.open(tmp_path / "seen" / "numbers.png.digits.png")).astype(int)
    assert page.shape == (300, 600, 3)
    red = (page[..., 0] - page[..., 1]) > 100
    assert red[28, 40:48].all()  # the upper side of the first box
    assert command("predict", sure, numbers, other, "--digits", "--show", tmp_path / "both")[0] == 0
    expected = {f"{i}-{name}" for i in (1, 2) for name in names}
    assert {file.name for file in (tmp_path / "both").iterdir()} == expected


def test_show_without_digits_is_refused(command, sure, numbers, tmp_path):
    status, _, err = command("predict", sure, numbers, "--show", tmp_path / "seen")
    assert status == 2
    assert "--show" in err


def test_a_face_is_warned_of_or_refused(command, sure, tmp_path):
    y, x = np.mgrid[:400, :300]
    page = np.full((400, 300), 190.0)
    page[(x - 150) ** 2 / 100**2 + (y - 210) ** 2 / 140**2 < 1] = 140
    page[((x - 150) ** 2 / 115**2 + (y - 160) ** 2 / 110**2 < 1) & (y < 130)] = 40
    for side in (-40, 40):
        page[(x - 150 - side) ** 2 / 22**2 + (y - 190) ** 2 / 11**2 < 1] = 240
        page[(x - 150 - side) ** 2 + (y - 190) ** 2 < 9**2] = 20
    page[(x - 150) ** 2 / 40**2 + (y - 280) ** 2 / 12**2 < 1] = 80
    page += np.random.default_rng(0).normal(0, 3, page.shape)
    Image.fromarray(page.astype(np.uint8)).save(tmp_path / "face.png")
    status, out, err = command("predict", sure, tmp_path / "face.png", "--digits", "--json")
    answers = json.loads(out)
    assert answers or (status == 1 and "it shows no digit" in err)
    assert all("most of what the picture shows is no digit" in answer["warnings"] for answer in answers)


@pytest.mark.parametrize("paper", [0, 30, 128, 250])
def test_a_page_without_ink_is_told_and_the_others_are_predicted(command, model, page, tmp_path, paper):
    noise = np.random.default_rng(0).normal(0, 2, (300, 200))
    Image.fromarray(np.clip(paper + noise, 0, 255).astype(np.uint8)).save(tmp_path / "empty.png")
    status, out, err = command("predict", model, tmp_path / "empty.png", page, "--digits")
    assert (status, err) == (1, f"cnn: {tmp_path / 'empty.png'}: it shows no digit\n")
    assert [line.split()[0] for line in out.splitlines()[1:]] == [str(page)]
    assert command("predict", model, tmp_path / "empty.png", "--digits", "--json")[:2] == (1, "[]\n")


def test_a_picture_that_cannot_be_read_is_told_and_the_others_are_predicted(command, model, pictures):
    (pictures / "1.png").write_bytes(b"no picture")
    status, out, err = command("predict", model, pictures, pictures / "9.png")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()[1:]] == [str(pictures / f"{i}.png") for i in (0, 2)]
    damaged, missing = err.splitlines()
    assert damaged.startswith(f"cnn: {pictures / '1.png'}: not a picture")
    assert missing.startswith(f"cnn: {pictures / '9.png'} does not exist")


def test_one_damaged_picture_among_good_ones_returns_1(command, model, pictures):
    (pictures / "1.png").write_bytes(b"no picture")
    status, out, _ = command("predict", model, pictures, "--json")
    assert status == 1
    assert len(json.loads(out)) == 2


def test_without_any_picture_there_is_no_table(command, model, tmp_path):
    (tmp_path / "empty").mkdir()
    status, out, err = command("predict", model, tmp_path / "empty")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: .*empty\n", err)


@pytest.mark.parametrize("shape", [(28, 28, 2), (784,)])
def test_a_net_for_anything_but_pictures_is_refused(command, pictures, tmp_path, shape):
    cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], shape, seed=0).save(tmp_path / "other.net")
    status, _, err = command("predict", tmp_path / "other.net", pictures)
    net = f"the net in {tmp_path / 'other.net'}"
    assert (status, err) == (1, f"cnn: {net} must be for pictures (height, width, 1 or 3), got one for {shape}\n")


def test_digits_are_not_read_by_a_net_for_colours(command, pictures, tmp_path):
    cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (28, 28, 3), seed=0).save(tmp_path / "other.net")
    status, _, err = command("predict", tmp_path / "other.net", pictures, "--digits")
    expected = f"{tmp_path / 'other.net'} must hold a net for grey pictures (height, width, 1), got one for (28, 28, 3)"
    assert (status, err) == (1, f"cnn: {expected}\n")


def test_without_pillow_predict_says_what_to_install(command, model, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    expected = "cnn: reading pictures needs Pillow: pip install 'cnn-c[images]'\n"
    assert command("predict", model, pictures) == (1, "", expected)


# ---- cnn plot ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["filters", "feature-maps", "confusion", "mistakes"])
def test_plot_writes_a_picture_and_says_where(command, model, data_folder, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    data = () if what == "filters" else ("--data", data_folder)
    status, out, err = command("plot", what, model, *data)
    assert (status, err) == (0, "")
    assert out.endswith(f"picture written to {what}.png\n")
    assert (tmp_path / f"{what}.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_has_the_format_of_its_name(command, model, tmp_path):
    assert command("plot", "filters", model, "-o", tmp_path / "filters.svg")[0] == 0
    assert (tmp_path / "filters.svg").read_bytes().startswith(b"<?xml")
    status, out, err = command("plot", "filters", model, "-o", tmp_path / "filters")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"cnn: path must end in \.png or \.svg, got .*\n", err)
    assert not (tmp_path / "filters").exists()


@pytest.fixture
def drawn(monkeypatch):
    """What is given to the functions that draw."""
    drawn = []
    for name in ("feature_maps", "training_curves", "worst_mistakes"):
        monkeypatch.setattr(cnn.plot, name, lambda *arguments: drawn.append(arguments))
    return drawn


def test_feature_maps_are_those_of_the_image_that_is_named(command, model, data_folder, bars, pictures, drawn):
    assert command("plot", "feature-maps", model, "--data", data_folder)[0] == 0
    assert command("plot", "feature-maps", model, "--data", data_folder, "--image", 7)[0] == 0
    assert command("plot", "feature-maps", model, "--file", pictures / "2.png")[0] == 0
    for (_, image, _), i in zip(drawn, [0, 7, 2], strict=True):
        np.testing.assert_array_equal(image, bars.test_images[i])


def test_feature_maps_of_a_file_lay_digits_out_when_asked_to(command, model, page, drawn):
    assert command("plot", "feature-maps", model, "--file", page, "--digits")[0] == 0
    np.testing.assert_array_equal(drawn[0][1], cnn.datasets.load_images(page, digits=True)[0])
    status, _, err = command("plot", "feature-maps", model, "--digits")
    assert status == 2
    assert "--file" in err


def test_feature_maps_fit_a_file_to_the_net(command, pictures, tmp_path, drawn):
    cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (30, 20, 1), seed=0).save(tmp_path / "high.net")
    assert command("plot", "feature-maps", tmp_path / "high.net", "--file", pictures / "2.png")[0] == 0
    np.testing.assert_array_equal(drawn[0][1], cnn.datasets.load_images(pictures / "2.png", (30, 20))[0])


def test_as_many_mistakes_are_drawn_as_asked_for(command, model, data_folder, bars, drawn):
    assert command("plot", "mistakes", model, "--data", data_folder, "--count", 3)[0] == 0
    _, x, y, count, _ = drawn[0]
    np.testing.assert_array_equal(x, bars.test_images)
    np.testing.assert_array_equal(y, bars.test_labels)
    assert count == 3


def test_an_image_that_is_not_there_is_one_line(command, model, data_folder):
    status, _, err = command("plot", "feature-maps", model, "--data", data_folder, "--image", 40)
    assert (status, err) == (1, "cnn: --image must be below 40, the number of test images, got 40\n")


def test_feature_maps_are_of_one_image(command, model):
    status, out, err = command("plot", "feature-maps", model, "--image", 1, "--file", "0.png")
    assert (status, out) == (2, "")
    assert "--file" in err


def test_curves_come_from_a_checkpoint_or_a_log(command, fitted, drawn, tmp_path):
    (tmp_path / "LOG.CSV").write_bytes((fitted / "log.csv").read_bytes())
    for file in (fitted / "digits.run", fitted / "log.csv", tmp_path / "LOG.CSV"):
        assert command("plot", "curves", file)[0] == 0
    (of_checkpoint, _), (of_log, _), (of_capitals, _) = drawn
    assert of_log == of_capitals == of_checkpoint
    assert len(of_log.val_loss) == 2


def test_a_net_without_a_history_has_no_curves_and_is_told_where_one_comes_from(command, model):
    status, out, err = command("plot", "curves", model)
    assert (status, out) == (1, "")
    expected = "holds a net, but no history to draw: cnn train --checkpoint FILE writes one, and so does cnn.CSVLogger"
    assert err == f"cnn: {model} {expected}\n"


@pytest.mark.usefixtures("hang_guard")
def test_a_log_that_would_never_end_is_one_line(command, tmp_path):
    os.mkfifo(tmp_path / "log.csv")
    expected = f"cnn: {tmp_path / 'log.csv'} is no log of a CSVLogger: it is no regular file\n"
    assert command("plot", "curves", tmp_path / "log.csv") == (1, "", expected)


def test_curves_of_a_log_without_validation(command, drawn, tmp_path, bars):
    net = cnn.models.tutorial(seed=0)
    log = tmp_path / "log.csv"
    history = net.fit(bars.train_images, bars.train_labels, progress=False, callbacks=[cnn.CSVLogger(log)])
    assert command("plot", "curves", log)[0] == 0
    assert drawn[0][0] == history


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "history must hold at least one epoch, got none"),
        ("epoch,loss\n1,0.5\n", "must have the columns of a CSVLogger, and lacks accuracy"),
        ("loss,accuracy,seconds,images_per_second\n0.5,high,1,1\n", "is no log of a CSVLogger: could not convert"),
        ("loss,accuracy,seconds,images_per_second\n0.5\n", "is no log of a CSVLogger: "),
        ("x" * 200_000, "is no log of a CSVLogger: field larger than"),
    ],
)
def test_a_log_that_is_none_is_one_line(command, tmp_path, content, problem):
    log = tmp_path / "log.csv"
    log.write_text(content)
    status, out, err = command("plot", "curves", log, "-o", tmp_path / "curves.png")
    assert (status, out) == (1, "")
    assert problem in err
    assert err.count("\n") == 1


# ---- scales --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::cnn.ScaleWarning")
def test_files_are_brought_to_the_scale_of_the_net(command, bars, data_folder, pictures, tmp_path):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], input_shape=(28, 28, 1), seed=0)
    net.fit(bars.train_images / np.float32(127.5) - 1, bars.train_labels, optimizer=cnn.SGD(0.1), progress=False)
    net.save(tmp_path / "net")
    images = bars.test_images / np.float32(127.5) - 1
    status, out, _ = command("evaluate", tmp_path / "net", "--data", data_folder, "--json")
    assert status == 0
    assert json.loads(out)["loss"] == pytest.approx(net.evaluate(images, bars.test_labels).loss, rel=1e-5)
    status, out, _ = command("predict", tmp_path / "net", pictures, "--json")
    assert status == 0
    probabilities = net.predict_proba(images[:3]).max(axis=1)
    assert [each["probability"] for each in json.loads(out)] == pytest.approx(probabilities, rel=1e-5)
