"""Pictures of the gallery, of every demo and of the controls, for docs/gallery.md.

Each is taken in Chromium at the size of a desk and of a phone, and written to docs/images as WebP.
Nothing plays or fades while a picture is taken: clips stand at a time, and visitors' preference
for reduced motion is told. Figures of frame times are those of the machine.
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby, product
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from PIL import Image

from bench.chromium import TIMEOUT_MS, add_browser, chromium, within
from bench.command import names_of
from bench.shots import CLEAN, DEVICES, OPEN, SHOTS, Device, Shot
from pybuild.atomic import write_bytes
from pybuild.server import serving
from pybuild.terminal import guarded
from pyengine.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / ".cache" / "gallery"
IMAGES = ROOT / "docs" / "images"
QUALITY = 80
EPILOG = """
examples:
  make screenshots                            builds the demos, makes all pictures
  bench/screenshots.py --only ui-help,pond         four of them, of a gallery that is there
  bench/screenshots.py --only pond --device phone -o /tmp/look
"""


def file_name(shot: Shot, device: Device) -> str:
    """Of a picture."""
    return f"{shot.name}-{device.name}.webp"


def webp(png: bytes) -> bytes:
    """A picture again, in far fewer bytes."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(out, "WEBP", quality=QUALITY, method=6)
    return out.getvalue()


@contextmanager
def page_of(browser: Browser, device: Device) -> Iterator[Page]:
    """An empty page of a device, in a profile of its own."""
    context = browser.new_context(
        viewport={"width": device.width, "height": device.height},
        device_scale_factor=device.ratio,
        has_touch=device.touch,
        is_mobile=device.touch,
        reduced_motion="reduce",
        service_workers="block",
    )
    try:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        yield page
    finally:
        with suppress(Exception):  # Ctrl-C has ended it already
            context.close()


def pictures(
    browser: Browser, url: str, device: Device, shots: Sequence[Shot]
) -> Iterator[tuple[Shot, bytes]]:
    """Take pictures of one demo in one page; each goes on from the one before.

    Raises
    ------
    InputError
        What is to be shown did not come; says which, and why.
    """
    from playwright.sync_api import Error

    now = shots[0]
    try:
        with page_of(browser, device) as page:
            page.goto(f"{url}{now.demo}/" if now.demo else url)
            view = page.evaluate_handle("document.querySelector('vitrine-view')")
            page.evaluate(within_page(OPEN), view)
            for now in shots:
                page.evaluate(within_page(now.steps), view)
                yield now, webp(page.screenshot(style=CLEAN, animations="disabled"))
    except Error as error:
        reason = error.message.splitlines()[0]
        raise InputError(f"no picture {file_name(now, device)}: {reason}") from None


def within_page(steps: str) -> str:
    """A function of ``view`` for `Page.evaluate` around lines of JavaScript."""
    return within(f"(async () => {{\n{steps}\n}})()")


def check_gallery(folder: Path, shots: Iterable[Shot]) -> None:
    """All that is to be shown is there.

    Raises
    ------
    InputError
        A page is missing.
    """
    for shot in shots:
        page = folder / shot.demo / "index.html"
        if not page.is_file():
            raise InputError(
                f"{page}: it is missing; make screenshots builds the gallery first, and so does "
                "python -m pybuild.gallery assets/demos.toml FOLDER"
            )


def make(given: argparse.Namespace, devices: Sequence[Device]) -> None:
    """Take the pictures that are asked for; each is written whole or not at all."""
    given.out.mkdir(parents=True, exist_ok=True)
    count, sizes = len(given.only) * len(devices), []
    with serving(given.gallery) as url, chromium(given.gpu, given.chromium) as browser:
        for device, shots in product(devices, chains(given.only)):
            began = time.perf_counter()
            for shot, data in pictures(browser, url, device, shots):
                if shot.name not in given.only:
                    continue
                path = given.out / file_name(shot, device)
                write_bytes(path, data)
                sizes.append(len(data))
                done = f"{len(data) / 1000:.0f} kB, {time.perf_counter() - began:.1f} s"
                print(f"{len(sizes)}/{count} {path.name}: {done}", flush=True)
                began = time.perf_counter()
    print(f"{given.out}: {len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB")


def chains(names: Collection[str]) -> list[list[Shot]]:
    """Of each demo its shots, until the last one that is asked for: each needs those before it."""
    found = []
    for _, group in groupby(SHOTS, key=lambda shot: shot.demo):
        shots = list(group)
        while shots and shots[-1].name not in names:
            shots.pop()
        if shots:
            found.append(shots)
    return found


def main() -> int:
    """Read the command line, and make what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [shot.name for shot in SHOTS]
    parser.add_argument(
        "gallery", type=Path, nargs="?", default=GALLERY, help="a built one (.cache/gallery)"
    )
    parser.add_argument("-o", "--out", type=Path, default=IMAGES, help="folder (docs/images)")
    parser.add_argument(
        "--only", type=names_of(names, names), default=names, metavar="NAMES", help=", ".join(names)
    )
    parser.add_argument("--device", choices=[device.name for device in DEVICES], help="one of both")
    add_browser(parser)
    given = parser.parse_args()
    check_gallery(given.gallery, [shot for shot in SHOTS if shot.name in given.only])
    try:
        make(given, [device for device in DEVICES if given.device in (None, device.name)])
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # playwright's unheard futures
        raise
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
