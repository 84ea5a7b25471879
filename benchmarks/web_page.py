"""Exported web pages in a browser: how far their logits are from Python's, how soon they answer; their pictures.

    python benchmarks/web_page.py [--folder docs]

Trains the tutorial's net (A), the one with two convolutions (B) and LeNet-5 (L) on MNIST, writes the page of each, and
draws on it with real pointer events in headless Chromium. An answer's time goes from the pointer's event to bars that
are up to date: that of the page's own code, and from the moment at which the browser made the event. Pictures of
LeNet-5's page are written to the folder. Needs playwright, Pillow and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import cnn
from cnn import models
from cnn.datasets import Dataset, load_mnist

NETS = {"A": models.tutorial, "B": models.two_conv, "L": models.lenet5}
IMAGES = 200  # of MNIST's test images
WIDTHS = (390, 1280)
FRAME = 16  # milliseconds: an answer in the same frame
COLOURS = 256  # of a picture
DIGIT = [(0.33, 0.32), (0.45, 0.22), (0.62, 0.26), (0.64, 0.4), (0.5, 0.55), (0.34, 0.76), (0.5, 0.76), (0.7, 0.75)]
MEASURE = """() => {
  window.times = [];
  let started;
  addEventListener("pointermove", () => (started = performance.now()), true);
  addEventListener("pointermove", (event) => {
    if (event.buttons) times.push([performance.now() - started, performance.now() - event.timeStamp]);
  });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "docs")
    folder = parser.parse_args().folder
    data = load_mnist()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as pages:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, make in NETS.items():
            net = make(seed=0)
            optimizer = cnn.SGD(cnn.schedules.Cosine(0.03), momentum=0.9, nesterov=True)
            net.fit(data.train_images, data.train_labels, 3, optimizer=optimizer, seed=0, progress=False)
            path = Path(pages) / f"{name}.html"
            net.export(path, images=data.test_images, labels=data.test_labels)
            print(f"{name}: {path.stat().st_size:,} bytes; " + compared(browser, path, net, data), flush=True)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                photograph(browser, path, width, scheme, folder / f"page_{width}_{scheme}.png")
        browser.close()


def compared(browser: Browser, path: Path, net: cnn.Sequential, data: Dataset) -> str:
    """The page's logits beside Python's, and the times of its answers to a digit that is drawn ten times."""
    page = browser.new_page(viewport={"width": WIDTHS[-1], "height": 900})
    page.goto(path.as_uri())
    x = data.test_images[:IMAGES]
    logits = page.evaluate("(images) => images.map((image) => cnn.predict(image))", [i.ravel().tolist() for i in x])
    furthest = np.abs(np.array(logits) - net.predict_logits(x)).max()
    page.evaluate(MEASURE)
    drawn = 0.0
    for _ in range(10):
        page.locator("#clear").click()
        draw(page)
        image = np.array(page.evaluate("cnn.input()"), np.float32).reshape(1, *net.input_shape)
        logits = page.evaluate("cnn.predict(cnn.input())")
        drawn = max(drawn, float(np.abs(np.array(logits) - net.predict_logits(image)[0]).max()))
    own, whole = np.array(page.evaluate("times")).T
    page.close()
    return (
        f"logits off by at most {furthest:.1e} on {IMAGES} images, {drawn:.1e} on what is drawn; {len(own)} answers, "
        f"median {np.median(own):.1f} ms, at most {own.max():.1f}, {(own <= FRAME).mean():.1%} within {FRAME}; from "
        f"the event on {np.median(whole):.1f}, at most {whole.max():.1f} ms"
    )


def draw(page: Page) -> None:
    """A digit on the pad, with the mouse."""
    box: Any = page.locator("#pad").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in DIGIT]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def photograph(browser: Browser, path: Path, width: int, scheme: Any, picture: Path) -> None:
    """The page after a digit was drawn, in few colours: on a phone the pad, on a wide screen the first layers, too."""
    height = 844 if width < 600 else 1600
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator("#clear").click()
    draw(page)
    page.wait_for_timeout(200)
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        few = taken.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(picture, optimize=True)
    context.close()


if __name__ == "__main__":
    main()
