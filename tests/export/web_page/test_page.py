"""Web pages in a real browser: what their nets compute, what is drawn on them, and that nothing leaves them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings

import cnn
import cnn.export
import cnn.models
from cnn.datasets import load_images, load_strokes
from cnn.export.web_page.net import page_net
from cnn.layers.registry import LAYERS

from ...plan.nets import MODELS
from ..random_nets import trained_nets
from .browser import DIGITS, SEVEN, opened, stroke

pytestmark = pytest.mark.usefixtures("one_thread")

CLOSE = 1e-4  # of logits in the page and here
MOST_BYTES = 350_000  # of LeNet-5's page


@pytest.fixture(scope="module")
def strokes():
    return load_strokes(train=500, test=300, seed=0)


@pytest.fixture(scope="module")
def written(strokes, tmp_path_factory):
    """LeNet-5 after a few steps, and its page with images."""
    net = cnn.models.lenet5(seed=0)
    net.fit(strokes.train_images, strokes.train_labels, optimizer=cnn.SGD(0.02, momentum=0.9), seed=0, progress=False)
    path = tmp_path_factory.mktemp("page") / "lenet5.html"
    net.export(path, images=strokes.test_images, labels=strokes.test_labels)
    return net, path


@pytest.fixture(scope="module")
def page(browser, written):
    with opened(browser, written[1]) as shown:
        yield shown


def drawn(page) -> np.ndarray:
    """The input that the page's net reads now."""
    return np.array(page.evaluate("cnn.input()"), np.float32)


# ---- what the net computes -----------------------------------------------------------------------------------


def test_every_layer_of_the_package_can_be_on_a_page():
    assert [name for name, layer in LAYERS.items() if not hasattr(layer, "to_page")] == []


@settings(max_examples=30)
@given(trained_nets())
def test_a_random_net_gives_the_same_logits_in_the_page(page, trained):
    net, x = trained
    expected = net.predict_logits(x)
    asked = "([net, images]) => { const other = cnn.open(net); return images.map((image) => other.predict(image)); }"
    logits = np.array(page.evaluate(asked, [page_net(net), [image.ravel().tolist() for image in x]]))
    assert np.abs(logits - expected).max() <= CLOSE * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", MODELS)
def test_the_models_read_two_hundred_images_of_mnist_alike(page, mnist_dataset, name):
    net = MODELS[name](seed=0)
    net.fit(mnist_dataset.train_images[:2000], mnist_dataset.train_labels[:2000], seed=0, progress=False)
    x = mnist_dataset.test_images[:200]
    asked = "([net, images]) => { const other = cnn.open(net); return images.map((image) => other.predict(image)); }"
    logits = np.array(page.evaluate(asked, [page_net(net), [image.ravel().tolist() for image in x]]))
    assert np.abs(logits - net.predict_logits(x)).max() <= CLOSE


def test_gelu_is_exact_to_seven_digits(page):
    net = cnn.Sequential([cnn.GELU(), cnn.Flatten()], (1, 1000, 1))
    x = np.linspace(-8, 8, 1000, dtype=np.float32)
    asked = "([net, image]) => cnn.open(net).predict(image)"
    y = np.array(page.evaluate(asked, [page_net(net), x.tolist()]))
    assert np.abs(y - cnn.functional.gelu_forward(x.astype(np.float64))).max() <= 1e-7 * 8


# ---- what is drawn -------------------------------------------------------------------------------------------


def test_a_stroke_is_read_as_python_reads_the_same_image(page, written):
    net, _ = written
    page.locator("#clear").click()
    stroke(page, *SEVEN)
    image = drawn(page).reshape(1, 28, 28, 1)
    assert image.max() > 200
    logits = np.array(page.evaluate("cnn.predict(cnn.input())"))
    expected = net.predict_logits(image)[0]
    assert np.abs(logits - expected).max() <= CLOSE
    values = [float(meter.get_attribute("aria-valuenow")) for meter in page.get_by_role("meter").all()]
    np.testing.assert_allclose(values, net.predict_proba(image)[0], atol=CLOSE)
    assert page.locator("#answer b").inner_text() == str(expected.argmax())


READ_INK = """() => {
  const pad = document.getElementById("pad"), { data } = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height);
  return Array.from(data).filter((_, i) => i % 4 === 3);
}"""


def ink_of(page) -> np.ndarray:
    """What is on the pad."""
    return np.array(page.evaluate(READ_INK), np.uint8).reshape(280, 280)


def laid_out(cv2, darkness: np.ndarray) -> np.ndarray:
    """The layout of a drawing, with OpenCV's average over areas."""
    ink = np.rint(((darkness / darkness.max() - 0.25) * 255 / 0.45).clip(0, 255)).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(cv2.compare(ink, 127, cv2.CMP_GT))
    size = [max(1, round(20 * side / max(width, height))) for side in (width, height)]
    small = cv2.resize(ink[top : top + height, left : left + width], size, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((36, 36), np.uint8)
    first, before = (36 - size[1]) // 2, (36 - size[0]) // 2
    canvas[first : first + size[1], before : before + size[0]] = small
    centre = [np.average(np.arange(36), weights=canvas.sum(axis=axis)) for axis in (1, 0)]
    row, column = (np.clip(round(place) - 14, 0, 8) for place in centre)
    return canvas[row : row + 28, column : column + 28]


@pytest.mark.parametrize("counts", [[1], [2], [5], [2, 1], [3, 3]], ids=str)
def test_a_drawing_is_laid_out_by_averages_over_areas(page, counts):
    """Strokes through so many random points; of one point, a dot."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, to compare with, is not installed")
    rng = np.random.default_rng(counts)
    page.locator("#clear").click()
    for points in counts:
        stroke(page, *rng.uniform(0.1, 0.9, (points, 2)))
    expected = laid_out(cv2, ink_of(page)).astype(int)
    # OpenCV sums in float32: where a mean lies in the middle of two greys, it may round to the other one.
    assert np.abs(drawn(page).reshape(28, 28) - expected).max() <= 1


@pytest.mark.parametrize("name", DIGITS)
def test_a_digit_is_laid_out_much_as_a_picture_file_of_it(page, tmp_path, name):
    Image = pytest.importorskip("PIL.Image")
    page.locator("#clear").click()
    for points in DIGITS[name]:
        stroke(page, *points)
    Image.fromarray(ink_of(page)).save(tmp_path / "drawing.png")
    expected = load_images(tmp_path / "drawing.png", digits=True)[0].astype(float).ravel()
    # Of a photograph, paper and shades of ink are estimated: edges differ, and no more than an eighth of all ink.
    assert np.abs(drawn(page) - expected).sum() <= expected.sum() / 8


def test_an_empty_pad_is_not_read(page):
    page.locator("#clear").click()
    assert page.locator("#answer b").inner_text() == "?"
    assert not drawn(page).any()
    assert page.locator("#hint").is_visible()
    assert {row.inner_text() for row in page.locator("#bars .value").all()} == {"\N{EN DASH}"}


def test_an_example_is_read_as_it_is(page, written, strokes):
    net, _ = written
    page.get_by_role("button", name="A picture of 3").first.click()
    image = strokes.test_images[strokes.test_labels == 3][0]
    assert (drawn(page).reshape(28, 28) == image).all()
    logits = np.array(page.evaluate("cnn.predict(cnn.input())"))
    assert np.abs(logits - net.predict_logits(image[None])[0]).max() <= CLOSE


def test_the_mistakes_are_those_with_the_least_probability_of_the_truth(page, written, strokes):
    net, _ = written
    x, y = strokes.test_images, strokes.test_labels
    probabilities = net.predict_proba(x)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != y)
    worst = wrong[np.argsort(probabilities[wrong, y[wrong]])][:10]
    names = [button.get_attribute("aria-label") for button in page.locator("#mistakes button").all()]
    assert names == [f"{y[i]}, which the net takes for {probabilities[i].argmax()}" for i in worst]
    page.locator("#mistakes button").first.click()
    assert (drawn(page).reshape(28, 28) == x[worst[0]]).all()


# ---- other nets ----------------------------------------------------------------------------------------------


def test_a_drawing_is_only_scaled_to_images_of_another_size(browser, tmp_path):
    layers = [cnn.Conv2D(4, 3, stride=2), cnn.ReLU(), cnn.GlobalAvgPool2D(), cnn.Dense(3)]
    net = cnn.Sequential(layers, (20, 30, 3), seed=0)
    rng = np.random.default_rng(0)
    images = rng.random((9, 20, 30, 3), np.float32)
    net.fit(images, rng.integers(0, 3, 9), seed=0, progress=False)
    net.classes = ["<cat>", "dog & bone", "</script><script>document.title = 'hurt'</script>"]
    net.export(tmp_path / "cats.html", images=images, title="Cats & <dogs>")
    with opened(browser, tmp_path / "cats.html") as page:
        assert page.title() == "Cats & <dogs>"
        assert [row.inner_text() for row in page.locator("#bars .name").all()] == list(net.classes)
        assert page.locator("#examples button").count() == 9
        image = drawn(page).reshape(20, 30, 3)
        assert (image == images[0]).all()
        page.locator("#clear").click()
        stroke(page, (0.5, 0.1), (0.5, 0.9))
        image = drawn(page).reshape(20, 30, 3)
        low, high = net.image_range.minimum, net.image_range.maximum
        assert image.min() == pytest.approx(low, abs=1e-6)
        assert image.max() == pytest.approx(high, abs=1e-6)
        assert (image[:, 14:16].mean(axis=(1, 2)) > 0.5).sum() >= 16  # where the line is, at its place
        assert (image[:, :12] == np.float32(low)).all()
        logits = np.array(page.evaluate("cnn.predict(cnn.input())"))
        assert np.abs(logits - net.predict_logits(image[None])[0]).max() <= CLOSE


@pytest.mark.parametrize("loss", [cnn.losses.BinaryCrossEntropy(), cnn.losses.MeanSquaredError()])
def test_outputs_of_other_losses_are_told_as_what_they_are(browser, tmp_path, loss):
    net = cnn.Sequential([cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(4)], (28, 28, 1), seed=0, loss=loss)
    net.export(tmp_path / "net.html")
    with opened(browser, tmp_path / "net.html") as page:
        stroke(page, *SEVEN)
        image = drawn(page).reshape(1, 28, 28, 1)
        values = [float(meter.get_attribute("aria-valuenow")) for meter in page.get_by_role("meter").all()]
        expected = net.predict_proba(image) if loss.targets == "bits" else net.predict_logits(image)
        np.testing.assert_allclose(values, expected[0], atol=CLOSE)


class Mirrored(cnn.ReLU):
    def apply(self, x, training):
        return x[:, :, ::-1], None

    def apply_gradient(self, dy, kept):
        return dy[:, :, ::-1]


def test_what_cannot_be_a_page_is_refused(tmp_path, strokes):
    path = tmp_path / "net.html"
    rows = cnn.Sequential([cnn.Dense(3)], (5,))
    with pytest.raises(ValueError, match=r"net must take images .*, and takes inputs of shape \(5,\)"):
        cnn.export.html(rows, path)
    own = cnn.Sequential([Mirrored(), cnn.Flatten(), cnn.Dense(3)], (4, 4, 1))
    with pytest.raises(ValueError, match="mirrored_1, a Mirrored, cannot be written as a web page"):
        cnn.export.html(own, path)
    net = cnn.models.tutorial(seed=0)
    with pytest.raises(ValueError, match=r"labels must have shape \(0,\)"):
        cnn.export.html(net, path, labels=[1, 2])
    with pytest.raises(ValueError, match="images must have shape"):
        cnn.export.html(net, path, np.zeros((2, 9, 9, 1)))
    values = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (4, 4, 1), loss=cnn.losses.MeanSquaredError())
    with pytest.raises(ValueError, match="labels must be None for a net trained by MeanSquaredError"):
        cnn.export.html(values, path, np.zeros((2, 4, 4, 1)), [0, 1])
    with pytest.raises(OSError, match="cannot be written"):
        cnn.export.html(net, tmp_path / "nowhere" / "net.html")
    assert not any(tmp_path.iterdir())


# ---- the file ------------------------------------------------------------------------------------------------


def test_lenet5s_page_with_images_and_mistakes_is_small(written):
    assert written[1].stat().st_size <= MOST_BYTES


def test_the_page_forbids_itself_every_request(page):
    asked = "() => fetch('https://example.com/').then(() => 'sent', (error) => error.name)"
    context = page.context.browser.new_context()
    other = context.new_page()
    sent, refused = [], []
    other.on("requestfinished", lambda request: sent.append(request.url))
    other.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    other.goto(page.url)
    assert other.evaluate(asked) == "TypeError"
    other.evaluate("() => { document.body.append(Object.assign(new Image(), { src: 'https://example.com/a.png' })); }")
    foreign = "Object.assign(document.createElement('script'), { textContent: 'window.foreign = true' })"
    other.evaluate(f"() => {{ document.body.append({foreign}); }}")
    assert other.evaluate("() => window.foreign") is None
    other.wait_for_timeout(100)
    assert sent == [page.url]
    assert {failure for _, failure in refused} <= {"csp"}  # the page's own policy, before anything is sent
    context.close()


def test_the_page_is_one_file_of_plain_parts(written):
    page = written[1].read_text(encoding="utf-8")
    assert page.count("<script") == 2
    assert "http://www.w3.org/2000/svg" in page  # the name of a format, which is no address to load from
    assert page.replace("http://www.w3.org/2000/svg", "").count("http") == 1  # http-equiv
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(io.StringIO(data).read())["net"]["input"] == [28, 28, 1]
