"""A scene to one HTML file that opens from disk: the page, the engine, Pyodide and the bundle.

Each file of a site lies in a script element of its own, as base64 text of its gzip stream:
browsers unpack gzip, and not Brotli. What reads them is web/held/.
"""

from __future__ import annotations

import base64
import hashlib
import html
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pybuild.atomic import replaced, unwritable
from pybuild.gaussians import Gaussians
from pybuild.held import held_script, packed, write_held_engine, write_held_scene
from pybuild.options import BuildOptions
from pybuild.pack import Report
from pybuild.page import POSTER, About, metadata
from pybuild.publishing import files_in
from pybuild.report import megabytes
from pybuild.scene_file import SceneFile
from pybuild.site import recorded_options
from pyengine.bundle import Scene
from pyengine.errors import InputError

__all__ = ["MAX_BYTES", "Export", "export_page"]

MAX_BYTES = 512_000_000
"""Browsers hold no text of more than 2^29 characters."""
_BUILT = 0.8
"""Share of the work that is done when all files are there."""
_STYLE = """
      html, body { margin: 0; height: 100%; overflow: hidden; background: BACKGROUND; }
      vitrine-view { display: block; position: relative; overflow: hidden;
        width: 100vw; height: 100vh; height: 100dvh; }
      vitrine-view > img { position: absolute; top: 0; left: 50%; height: 100%;
        transform: translateX(-50%); }
      vitrine-view > p { position: absolute; inset: auto 0 0; margin: 0; padding: 12px 16px;
        background: #101216; color: #f2f3f5; font: 14px/1.5 system-ui, sans-serif; }
"""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes
    ----------
    path : Path
    scene : Scene
    size_bytes : int
        Of the file.
    engine_bytes : int
        Of it, what is not the scene.
    notices : tuple of str
        What the user should know.
    """

    path: Path
    scene: Scene
    size_bytes: int
    engine_bytes: int
    notices: tuple[str, ...]


def export_page(
    source: Path | Gaussians | SceneFile,
    out: Path,
    options: BuildOptions | None = None,
    report: Report | None = None,
) -> Export:
    """Write a page of one file, or leave what was there.

    Parameters
    ----------
    source : Path, Gaussians or SceneFile
        As `pybuild.site.build_site` takes it; or the folder of a built site.
    out : Path
        The .html file.
    options : BuildOptions, optional
        Of a site only what is said of the page: title, description, poster, url.

    Raises
    ------
    InputError
        The scene cannot be read, Pyodide is missing, the page would be larger than `MAX_BYTES`, or
        ``out`` cannot be written.
    """
    options = options or BuildOptions()
    tell = report or (lambda _what, _done: None)
    _check_target(out)
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vitrine-") as name:
        folder = Path(name)
        building = _scaled(tell, _BUILT)
        scene, title = write_held_scene(source, folder, options, building, notices)
        tell("Pyodide (fetched once)", _BUILT)
        if not write_held_engine(folder, notices):
            raise InputError(f"a page of one file needs Pyodide in it: {' '.join(notices)}")
        with replaced(out) as temporary:
            with unwritable(out), temporary.open("wb") as file:
                about = About(_description(source, options), options.url)
                engine_bytes = _write_page(file, folder, title, scene, about, tell)
            size_bytes = temporary.stat().st_size
    tell("done", 1.0)
    return Export(out, scene, size_bytes, engine_bytes, tuple(notices))


def _description(source: Path | Gaussians | SceneFile, options: BuildOptions) -> str | None:
    """What is said of the page; of a built site what was said then."""
    if options.description is None and isinstance(source, Path) and source.is_dir():
        recorded = recorded_options(source)
        return recorded.description if recorded else None
    return options.description


def _write_page(
    file: IO[bytes], folder: Path, title: str, scene: Scene, about: About, report: Report
) -> int:
    """Write all; returns how many bytes are not the scene."""
    poster = (folder / POSTER).read_bytes()
    head, foot = _frame(title, scene.background, poster, metadata(title, about, image=False))
    file.write(head)
    paths = [path for path in files_in(folder) if path.suffix != ".br"]
    names = [path.relative_to(folder).as_posix() for path in paths]
    total = sum(path.stat().st_size for path in paths)
    read = scene_bytes = 0
    for name, path in zip(names, paths, strict=True):
        report(f"packing {path.name}", _BUILT + (1 - _BUILT) * read / total)
        if name != POSTER:
            data = path.read_bytes()
            read += len(data)
            element = _element(name, data)
            file.write(element)
            scene_bytes += len(element) if name.startswith("scene/") else 0
        if file.tell() > MAX_BYTES:
            raise InputError(_too_large(file.tell() / max(read, 1) * total))
    file.write(foot)
    if file.tell() > MAX_BYTES:
        raise InputError(_too_large(file.tell()))
    return file.tell() - scene_bytes


def _too_large(size_bytes: float) -> str:
    return (
        f"the page would have about {megabytes(size_bytes)}; browsers open one file of up to "
        f"{megabytes(MAX_BYTES)}. Make a folder with vitrine build and host it, or leave out "
        "filters or Gaussians"
    )


def _element(name: str, data: bytes) -> bytes:
    """A file in a script element."""
    stream, zipped = packed(data)
    packing = ' data-packing="gzip"' if zipped else ""
    start = f'    <script type="text/plain" data-file="{html.escape(name)}"{packing}>'
    return start.encode() + base64.b64encode(stream) + b"</script>\n"


def _frame(
    title: str, background: Sequence[float], poster: bytes, said: str
) -> tuple[bytes, bytes]:
    """What comes before and after the files; ``said`` of the page, in its head."""
    rgb = " ".join(str(round(255 * min(max(part, 0.0), 1.0))) for part in background)
    style = _STYLE.replace("BACKGROUND", f"rgb({rgb})")
    script = "\n" + held_script("page.mjs")
    policy = _policy(style, script)
    picture = f"data:image/webp;base64,{base64.b64encode(poster).decode()}"
    head = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="{policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="generator" content="Vitrine">
    <title>{html.escape(title)}</title>
{said}    <link rel="icon" href="data:,">
    <style>{style}</style>
  </head>
  <body>
    <vitrine-view autoplay hash aria-label="{html.escape(title)}"><img alt="" src="{picture}">
      <noscript><p>The scene needs JavaScript; this is a picture of it.</p></noscript>
    </vitrine-view>
"""
    foot = f"""    <script type="module">{script}</script>
  </body>
</html>
"""
    return head.encode(), foot.encode()


def _policy(style: str, script: str) -> str:
    """What the page may do: nothing beyond itself; the browser sees to it."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{script_hash}' blob: data: 'wasm-unsafe-eval'",
            "worker-src blob:",
            f"style-src 'sha256-{style_hash}'",
            "img-src data: blob:",
            "media-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _check_target(out: Path) -> None:
    if out.is_dir():
        raise InputError(f"{out}: is a folder; -o wants the name of a file, page.html")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out}: -o wants a name that ends in .html, so that a browser opens it")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder; make it first")


def _scaled(report: Report, share: float) -> Report:
    return lambda what, done: report(what, share * done)
