"""Opens every page of the built site in Chromium, on a phone's width and a desk's, and says what is wrong with it.

    python docs/check_pages.py build/site [--pictures FOLDER]

Wrong are: a page that must be scrolled sideways, an error in the console, a request to another host, a picture that is
not shown. With `--pictures` each page is photographed. Needs playwright and a Chromium.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

WIDTHS = (390, 1280)
LOCAL = ("file:", "data:", "blob:")
SKIPPED = ("_downloads", "_sources", "_static")  # no pages of the site
LAID_OUT = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  return {
    over: Math.max(...["html", ".content"].map((name) => document.querySelector(name)).map(
      (box) => box.scrollWidth - box.clientWidth)),  // the theme's content scrolls, the page does not
    broken: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
  };
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    site = given.site.resolve()
    pages = [page for page in sorted(site.rglob("*.html")) if page.relative_to(site).parts[0] not in SKIPPED]
    if not pages:
        parser.error(f"{site} holds no pages")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        faults = [fault for width in WIDTHS for fault in faults_at(browser, width, site, pages, given.pictures)]
        browser.close()
    print("\n".join([*faults, f"{len(pages)} pages at {WIDTHS} px: {len(faults)} faults"]))
    return bool(faults)


def faults_at(browser: Browser, width: int, site: Path, paths: list[Path], pictures: Path | None) -> Iterator[str]:
    """What is wrong with the pages at a width."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    told: list[str] = []
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("console", lambda message: told.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("request", lambda made: None if made.url.startswith(LOCAL) else told.append(f"asks for {made.url}"))
    for path in paths:
        page.goto(path.as_uri())
        laid_out = page.evaluate(LAID_OUT)
        if laid_out["over"] > 0:
            told.append(f"{laid_out['over']} px too wide")
        told += [f"not shown: {source}" for source in laid_out["broken"]]
        if pictures:
            page.screenshot(path=picture(pictures, site, path, width), full_page=True)
        yield from (f"{path.relative_to(site)}, {width} px: {each}" for each in told)
        told.clear()
    page.close()


def picture(folder: Path, site: Path, page: Path, width: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    name = "_".join(page.relative_to(site).with_suffix("").parts)
    return folder / f"{name}_{width}.png"


if __name__ == "__main__":
    sys.exit(main())
