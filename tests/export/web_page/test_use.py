"""How a web page is used: by finger, pen and keyboard, with a screen reader, on a phone, in the dark."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cnn
import cnn.models
from cnn.backends.parts import leaves
from cnn.datasets import load_strokes
from cnn.layers.registry import LAYERS

from ...plan.steps import teach
from .browser import SEVEN, opened, stroke

pytestmark = pytest.mark.usefixtures("one_thread")

PHONE = 390


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The page of LeNet-5 after a few steps, with images."""
    data = load_strokes(train=500, test=200, seed=0)
    net = cnn.models.lenet5(seed=0)
    net.fit(data.train_images, data.train_labels, optimizer=cnn.SGD(0.02, momentum=0.9), seed=0, progress=False)
    path = tmp_path_factory.mktemp("page") / "lenet5.html"
    net.export(path, images=data.test_images, labels=data.test_labels)
    return path


def is_read(page) -> bool:
    return page.locator("#answer b").inner_text() != "?"


def is_a_line_down(image: np.ndarray) -> bool:
    """Of 20 pixels, in the middle, but for its round ends."""
    return (image.max(axis=1) > 127).sum() in (18, 19, 20) and not image[:, :12].any() and not image[:, 17:].any()


def number(text: str) -> float:
    """The last number of a text, which the page tells with a minus sign."""
    return float(re.findall(r"-?[\d.]+", text.replace("\N{MINUS SIGN}", "-"))[-1])


# ---- finger, pen, keyboard -----------------------------------------------------------------------------------


def test_a_finger_draws_and_does_not_scroll(browser, path):
    with opened(browser, path, PHONE, has_touch=True) as page:
        page.locator("#clear").tap()
        assert not is_read(page)
        box = page.locator("#pad").bounding_box()
        touch = page.context.new_cdp_session(page)
        scrolled = page.evaluate("scrollY")
        for i in range(9):
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * (0.1 + 0.1 * i)
            kind = "touchMove" if i else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert page.evaluate("scrollY") == scrolled
        image = np.array(page.evaluate("cnn.input()")).reshape(28, 28)
        assert is_a_line_down(image)
        assert is_read(page)


def test_a_pen_draws(browser, path):
    with opened(browser, path) as page:
        page.locator("#clear").click()
        box = page.locator("#pad").bounding_box()
        pen = page.context.new_cdp_session(page)
        for i, kind in enumerate(["mousePressed", *["mouseMoved"] * 5, "mouseReleased"]):
            at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * (0.2 + 0.1 * i)}
            shared = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
            pen.send("Input.dispatchMouseEvent", {"type": kind, **at, **shared})
        assert is_read(page)


def test_a_second_finger_does_not_disturb_the_first(browser, path):
    with opened(browser, path, has_touch=True) as page:
        page.locator("#clear").click()
        asked = """(events) => {
          const pad = document.getElementById("pad"), { left, top } = pad.getBoundingClientRect();
          for (const [type, pointerId, x, y] of events) {
            pad.dispatchEvent(new PointerEvent(type, { pointerId, clientX: left + x, clientY: top + y, button: 0 }));
          }
          return cnn.input();
        }"""
        alone = [["pointerdown", 1, 50, 50], ["pointermove", 1, 50, 250], ["pointerup", 1, 50, 250]]
        image = page.evaluate(asked, alone)
        page.locator("#clear").click()
        other = [["pointerdown", 2, 200, 50], ["pointermove", 2, 200, 250], ["pointerup", 2, 200, 250]]
        assert page.evaluate(asked, [alone[0], *other[:2], alone[1], other[2], alone[2]]) == image


def test_one_can_draw_by_keyboard(browser, path):
    with opened(browser, path) as page:
        page.locator("#clear").click()
        page.locator("#pad").focus()
        for key in ["ArrowUp"] * 8:
            page.keyboard.press(key)
        assert not is_read(page)  # the pen is up
        page.keyboard.press("Space")
        assert page.locator("#said").inner_text() == "Pen down"
        for key in ["ArrowDown"] * 16:
            page.keyboard.press(key)
        image = np.array(page.evaluate("cnn.input()")).reshape(28, 28)
        assert is_a_line_down(image)
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        assert (np.array(page.evaluate("cnn.input()")).reshape(28, 28) == image).all()
        page.keyboard.press("Delete")
        assert not is_read(page)


def test_tab_goes_to_one_map_of_each_layer_and_enter_explains(browser, path):
    with opened(browser, path) as page:
        page.locator(".example").last.focus()
        reached = []
        for _ in range(25):
            page.keyboard.press("Tab")
            asked = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName"
            reached.append(page.evaluate(asked))
        assert sum(name.endswith("Enter explains it.") for name in reached) == page.locator(".card").count()
        card = page.locator(".card").nth(2)
        card.locator("canvas[tabindex='0']").focus()
        page.keyboard.press("Escape")
        assert card.locator(".panel").is_hidden()
        page.keyboard.press("ArrowRight")
        assert re.match(r"map 1, row 13, column 14: ", page.locator("#said").inner_text())
        page.keyboard.press("PageDown")
        page.keyboard.press("Enter")
        assert card.locator(".panel h4").inner_text().startswith("Map 2, row 13, column 14 is ")
        page.keyboard.press("ArrowDown")
        assert card.locator(".panel h4").inner_text().startswith("Map 2, row 14, column 14 is ")


# ---- screen readers ------------------------------------------------------------------------------------------


def test_a_screen_reader_finds_everything_by_its_role_and_name(browser, path):
    with opened(browser, path) as page:
        assert page.get_by_role("application", name=re.compile("^Pad to draw on. Arrow keys move")).count() == 1
        assert page.get_by_role("button", name="Clear").count() == 1
        assert [page.get_by_role("meter", name=str(digit), exact=True).count() for digit in range(10)] == [1] * 10
        assert page.get_by_role("button", name="A picture of 4").count() == 2
        assert page.get_by_role("button", name=re.compile("^., which the net takes for .$")).count() > 0
        assert page.get_by_role("application", name=re.compile(r"^6 maps of 24...24$")).count() == 2
        assert page.get_by_role("img", name=re.compile("^Map 3 of 5...5 convolution, 16 filters.")).count() == 1
        assert page.get_by_role("heading", level=1).count() == 1
        headings = page.get_by_role("heading", level=3).all_inner_texts()
        assert headings[0] == "The picture"
        assert headings[-1] == "Softmax"
        assert page.locator("html").get_attribute("lang") == "en"


def test_everything_that_can_be_pressed_or_focused_has_a_name(browser, path):
    with opened(browser, path) as page:
        asked = """() => [...document.querySelectorAll("button, [tabindex], summary, [role]")]
          .filter((element) => !(element.getAttribute("aria-label") ?? element.textContent).trim())
          .filter((element) => element.getAttribute("role") !== "status").map((element) => element.outerHTML)"""
        assert page.evaluate(asked) == []


def test_the_answer_is_told_once_the_drawing_rests(browser, path):
    with opened(browser, path) as page:
        page.locator("#clear").click()
        stroke(page, *SEVEN)
        status = page.get_by_role("status").first
        page.wait_for_function("() => document.getElementById('spoken').textContent.startsWith('It reads ')")
        assert re.match(r"^It reads \d, [>\d.]+.%$", status.inner_text())


# ---- how a number came about ---------------------------------------------------------------------------------


def net_of_all_kinds() -> cnn.Sequential:
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(6, 3, padding=1, stride=(1, 2)), cnn.BatchNorm(), cnn.LeakyReLU(0.1),
        cnn.DepthwiseConv2D((2, 3), multiplier=2, bias=False), cnn.GELU(), cnn.AvgPool2D(3, stride=2, padding=1),
        cnn.Residual([cnn.Conv2D(8, 3, padding=1), cnn.LayerNorm(), cnn.Residual([cnn.Tanh()])], cnn.Conv2D(8, 1)),
        cnn.Conv2D(8, 3, groups=2, dilation=2, padding=2), cnn.Softplus(), cnn.MaxPool2D(2, padding=1), cnn.SiLU(),
        cnn.Conv2D(12, 1), cnn.ReLU(), cnn.Flatten(), cnn.Dropout(0.5), cnn.Dense(40), cnn.BatchNorm(), cnn.Sigmoid(),
        cnn.LayerNorm(), cnn.Dense(3, bias=False),
    ]  # fmt: skip
    return cnn.Sequential(layers, (17, 18, 2), seed=0)


def net_of_global_poolings() -> cnn.Sequential:
    layers = [cnn.Conv2D(5, 3), cnn.GlobalAvgPool2D(), cnn.Dense(3)]
    return cnn.Sequential(layers, (9, 9, 1), seed=0)


def net_of_global_maximum() -> cnn.Sequential:
    return cnn.Sequential([cnn.Conv2D(40, 3), cnn.GlobalMaxPool2D(), cnn.Dense(3)], (9, 9, 1), seed=0)


def outputs(layers, x) -> tuple[list, np.ndarray]:
    """What each card shows, in the page's order, and what the last layer gives."""
    shown = []
    for layer in layers:
        if isinstance(layer, cnn.Residual):
            branch, y = outputs(layer.layers, x)
            shortcut, s = outputs(layer.shortcut, x)
            shown += [*branch, *shortcut]
            x = y + s
        else:
            x = layer.forward(x, training=False)
        shown.append(x[0])
    return shown, x


def test_the_nets_below_have_all_layers_of_the_package():
    nets = [make() for make in (net_of_all_kinds, net_of_global_poolings, net_of_global_maximum)]
    assert {type(layer).__name__ for net in nets for layer in leaves(net.layers)} | {"Residual"} == LAYERS.keys()


@pytest.mark.parametrize("make", [net_of_all_kinds, net_of_global_poolings, net_of_global_maximum])
def test_every_kind_of_layer_explains_a_number_that_is_pythons(browser, tmp_path, make):
    net = make()
    teach(net, 0)
    images = np.random.default_rng(0).integers(0, 256, (1, *net.input_shape), dtype=np.uint8)
    net.export(tmp_path / "net.html", images=images)
    expected, _ = outputs(net.layers, images.astype(np.float32))
    with opened(browser, tmp_path / "net.html") as page:
        cards = page.locator(".card").all()[1:-1]  # without the picture and the softmax
        assert len(cards) == len(expected)
        for card, values in zip(cards, expected, strict=True):
            card.locator(".frame canvas").first.click()
            heading = card.locator(".panel h4").inner_text()
            assert number(heading) == pytest.approx(float(named(heading, values)), rel=1e-2, abs=6e-4)


def named(heading: str, values: np.ndarray) -> np.floating:
    """The value that a heading such as "Map 1, row 3, column 4 is 0.25", "Number 7 is 0" or "Score of 2 is 5" names."""
    place = [int(digits) for digits in re.findall(r"\d+", heading.split(" is ")[0])]
    if heading.startswith("Score"):
        return values[place[0]]
    if heading.startswith("Number"):
        return values[place[0] - 1]
    row, column = place[-2:]
    return values[row - 1, column - 1, place[0] - 1 if heading.startswith("Map") else 0]


def test_the_sum_of_a_convolution_is_followed_down_to_the_picture(browser, path):
    with opened(browser, path) as page:
        cards = page.locator(".card")
        cards.nth(5).locator(".frame canvas").first.click()
        panel = cards.nth(5).locator(".panel")
        assert panel.locator(".grid").count() == 9  # of three of the six maps: window, filter, products
        panel.get_by_role("button", name="Show all 6 maps").click()
        assert panel.locator(".grid").count() == 18
        sums = [number(text) for text in panel.locator(".grid caption").all_inner_texts() if text.startswith("sum")]
        bias = number(re.search(r"(. [\d.]+) \(bias\)", panel.locator(".line").inner_text())[1].replace(" ", ""))
        assert sum(sums) + bias == pytest.approx(number(panel.locator("h4").inner_text()), abs=0.005)
        cell = panel.locator("td[data-place]").first
        told = number(cell.get_attribute("title"))
        cell.click()
        assert number(cards.nth(4).locator(".panel h4").inner_text()) == pytest.approx(told, abs=6e-4)
        assert cards.nth(4).locator(".winner").count() == 1
        assert page.locator(".window").count() > 0


def test_the_maps_and_the_explanation_follow_the_drawing(browser, path):
    with opened(browser, path) as page:
        card = page.locator(".card").nth(2)
        asked = "(canvas) => Array.from(canvas.getContext('2d').getImageData(0, 0, 24, 24).data)"
        before = card.locator(".frame canvas").first.evaluate(asked), card.locator(".panel").inner_text()
        stroke(page, *SEVEN)
        page.wait_for_timeout(100)
        after = card.locator(".frame canvas").first.evaluate(asked), card.locator(".panel").inner_text()
        assert before[0] != after[0]
        assert before[1] != after[1]


# ---- a phone, the dark, and rest -----------------------------------------------------------------------------


def test_the_page_fits_the_screen(browser, path):
    with opened(browser, path) as page:
        for card in (4, 5, 9, 13):
            page.locator(".card").nth(card).locator(".frame canvas").first.click()
        for width in (320, PHONE, 768, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("#pad").bounding_box()["width"] >= 280


def test_the_page_is_dark_where_the_system_is(browser, path):
    colours = {}
    with opened(browser, path) as page:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(100)  # for the maps to be drawn anew
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            corner = page.locator(".card").nth(3).locator(".frame canvas").first  # of what a ReLU has made zero
            zero = corner.evaluate(
                "(map) => Array.from(map.getContext('2d').getImageData(0, 0, 1, 1).data.slice(0, 3))"
            )
            colours[scheme] = sum(map(int, re.findall(r"\d+", paper))), sum(zero)
    assert max(colours["dark"]) < 150
    assert min(colours["light"]) > 700


def test_nothing_moves_where_the_system_wants_no_motion(browser, path):
    with opened(browser, path) as page:
        for motion, duration in (("no-preference", "0.08s"), ("reduce", "0s")):
            page.emulate_media(reduced_motion=motion)
            assert page.locator(".fill").first.evaluate("(e) => getComputedStyle(e).transitionDuration") == duration
