"""The real Chromium, through playwright: WebGPU in software unless a GPU is asked for."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measured import CACHE
from pyengine.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize
    from playwright.sync_api._context_manager import PlaywrightContextManager

__all__ = [
    "SIZE",
    "PackageMissing",
    "add_browser",
    "chromium",
    "npm_package",
    "page",
    "page_script",
    "profile",
    "within",
]

SIZE = (640, 360)
"""Canvas, pixels."""
PAGES = Path(__file__).resolve().parent / "pages"
NPM_TIMEOUT_S = 180
TIMEOUT_MS = 120_000

_ALWAYS = ("--no-sandbox", "--disable-background-networking", "--enable-unsafe-webgpu")
_SOFTWARE = (
    "--use-webgpu-adapter=swiftshader",
    "--ignore-gpu-blocklist",
    "--use-vulkan=swiftshader",
    "--enable-features=Vulkan",
    "--use-angle=swiftshader",
)
_GPU = ("--ignore-gpu-blocklist", "--use-angle=vulkan", "--enable-features=Vulkan")


class PackageMissing(Exception):
    """An npm package cannot be had; says why."""


def add_browser(parser: argparse.ArgumentParser) -> None:
    """Arguments of the benches that start a browser."""
    parser.add_argument(
        "--gpu", action="store_true", help="use the machine's GPU, not Chromium's software one"
    )
    parser.add_argument(
        "--chromium", metavar="PATH", help="the browser's program (default: chromium of the PATH)"
    )


@contextmanager
def chromium(gpu: bool = False, program: str | None = None) -> Iterator[Browser]:
    """A headless Chromium while the block runs; its profiles live in memory.

    Raises
    ------
    InputError
        Chromium or playwright is missing; says how to get it.
    """
    with _playwright() as playwright:
        browser = playwright.chromium.launch(**_launch(gpu, program))
        try:
            yield browser
        finally:
            with suppress(Exception):  # Ctrl-C has ended it already
                browser.close()


@contextmanager
def profile(gpu: bool = False, program: str | None = None) -> Iterator[BrowserContext]:
    """A headless Chromium with a new profile on disk, HTTP cache included, as a visitor has it.

    Playwright's usual profiles live in memory and cache no large file.

    Raises
    ------
    InputError
        As `chromium`.
    """
    width, height = SIZE
    viewport: ViewportSize = {"width": width, "height": height}
    with _playwright() as playwright, _folder() as folder:
        context = playwright.chromium.launch_persistent_context(
            folder, viewport=viewport, device_scale_factor=1, **_launch(gpu, program)
        )
        try:
            yield context
        finally:
            with suppress(Exception):  # Ctrl-C has ended it already
                context.close()


@contextmanager
def _folder() -> Iterator[str]:
    """A temporary folder that Chromium may still write to while it is removed."""
    folder = tempfile.mkdtemp(prefix="vitrine-bench-")
    try:
        yield folder
    finally:
        for _ in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not Path(folder).exists():
                break
            time.sleep(0.1)


def _playwright() -> PlaywrightContextManager:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError(
            "playwright is missing; .venv/bin/python -m pip install -e '.[dev]'"
        ) from None
    return sync_playwright()


def _launch(gpu: bool, program: str | None) -> dict[str, Any]:
    found = program or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None or not Path(found).is_file():
        raise InputError(
            f"Chromium is missing ({found or 'not on the PATH'}); apt-get install chromium, or "
            "--chromium PATH"
        )
    flags = [*_ALWAYS, *(_GPU if gpu else _SOFTWARE)]
    return {"executable_path": found, "args": flags, "headless": True}


def page(browser: Browser, script: str = "", **options: Any) -> Page:
    """A page of `SIZE` in a profile of its own, with ``script`` before any of its own."""
    width, height = SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=1, **options
    )
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    if script:
        opened.add_init_script(script)
    return opened


def within(expression: str, timeout_ms: int = TIMEOUT_MS) -> str:
    """A function of ``view`` for `Page.evaluate`, which itself would wait for ever."""
    late = f"{expression} did not end within {timeout_ms // 1000} s"
    return (
        f"view => Promise.race([{expression}, new Promise((_, reject) => "
        f"setTimeout(() => reject(new Error({late!r})), {timeout_ms}))])"
    )


def page_script(name: str) -> str:
    """Text of a script in bench/pages."""
    return (PAGES / name).read_text(encoding="utf-8")


def npm_package(name: str, *packages: str) -> Path:
    """Folder ``node_modules`` that holds packages from npm, newest versions; installed once.

    Parameters
    ----------
    name : str
        Of the folder in .cache/npm.
    *packages : str
        As npm is told them.

    Raises
    ------
    PackageMissing
        npm is missing or failed.
    """
    prefix = CACHE / "npm" / name
    modules = prefix / "node_modules"
    names = [f"@{p[1:].split('@')[0]}" if p.startswith("@") else p.split("@")[0] for p in packages]
    if all((modules / package / "package.json").is_file() for package in names):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise PackageMissing("npm is not installed")
    prefix.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--silent")
    command = [npm, "install", "--prefix", str(prefix), *quiet, *packages]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageMissing(f"npm failed: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "code" in line or "rror" in line]
        reason = lines[0] if lines else f"exit status {done.returncode}"
        raise PackageMissing(f"npm could not install {' '.join(packages)} ({reason})")
    return modules
