"""A static server for one folder: ranges, ETags, precompressed files, and nothing outside of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from pybuild.offline import OFFLINE_FILE, clearing_script, is_lasting

__all__ = ["RELOAD_PATH", "accepted", "make_app", "resolve"]

RELOAD_PATH = "/.vitrine/reload"
"""Server-sent events under --watch. Names that begin with a dot are never served from disk."""

CONTENT_TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".wgsl": "text/plain; charset=utf-8",
    ".zip": "application/zip",
}
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Content codings with their siblings' suffixes, the better one first."""

_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_NOT_KEPT = {hdrs.CACHE_CONTROL: "no-store"}
_SCRIPT = (
    f'<script>new EventSource("{RELOAD_PATH}").onmessage = () => location.reload();</script>\n'
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file to send: its name in the site, and the variant of it that the client takes."""

    path: Path
    sent: Path
    encoding: str | None


def make_app(
    folder: Path, reload: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
) -> web.Application:
    """An application that serves a folder.

    Parameters
    ----------
    folder : Path
    reload : handler, optional
        Sends the events of `RELOAD_PATH`; index.html then listens to them.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        return _respond(request, folder, watched=reload is not None)

    app = web.Application()
    if reload is not None:
        app.router.add_get(RELOAD_PATH, reload)
    app.router.add_get("/{path:.*}", handle)
    return app


def resolve(folder: Path, path: str) -> Path | None:
    """File of ``folder`` that a decoded URL path names; None for anything else.

    Refused: parts that begin with a dot (so ``..`` too), backslashes, drive letters, NUL, and
    symbolic links that lead out of the folder.
    """
    parts = path.lstrip("/").split("/")
    if parts[-1] == "":
        parts[-1] = "index.html"
    if any(not part or part.startswith(".") or set(part) & set("\\:\0") for part in parts):
        return None
    root = folder.resolve()
    try:
        file = root.joinpath(*parts).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # a name that is too long, a loop of links
        return None


def accepted(header: str) -> dict[str, float]:
    """Content codings of an Accept-Encoding header with their weights (RFC 9110 §12.5.3)."""
    weights = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if name:
            weights[name] = weight
    return weights


def _respond(request: web.Request, folder: Path, watched: bool) -> web.StreamResponse:
    path = resolve(folder, request.match_info["path"])
    if path is None:
        return web.Response(status=404, text="404: not found\n")
    if watched and path == folder.resolve() / "index.html":
        text = path.read_text(encoding="utf-8").replace("</body>", f"{_SCRIPT}</body>")
        return web.Response(text=text, content_type="text/html", headers=_NOT_KEPT)
    if watched and path == folder.resolve() / OFFLINE_FILE:
        return web.Response(  # what is built again and again is kept by no browser
            body=clearing_script(), content_type="text/javascript", headers=_NOT_KEPT
        )
    found = _variant(path, request)
    name = path.relative_to(folder.resolve()).as_posix()
    headers = {
        hdrs.CONTENT_TYPE: CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        hdrs.CACHE_CONTROL: _FOREVER if is_lasting(name) else _ASK,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        "X-Content-Type-Options": "nosniff",
    }
    if found.encoding:
        headers[hdrs.CONTENT_ENCODING] = found.encoding
    return _File(found.sent, headers=headers)


def _variant(path: Path, request: web.Request) -> Found:
    """The sibling that the client likes best; the file itself for a range of it."""
    weights = accepted(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    if hdrs.RANGE not in request.headers:
        for encoding, suffix in ENCODINGS.items():
            sibling = path.with_name(path.name + suffix)
            if weights.get(encoding, 0) > 0 and not sibling.is_symlink() and sibling.is_file():
                return Found(path, sibling, encoding)
    return Found(path, path, None)


class _File(web.FileResponse):
    """aiohttp's file response (ranges, conditions, HEAD, sendfile), with two corrections.

    The variant is chosen already, so it must look for none; and it knows If-Range only with a
    date, so that with an ETag it would send a range of a file that has changed meanwhile.
    """

    def __init__(self, path: Path, headers: dict[str, str]) -> None:
        super().__init__(path, headers=headers)
        self._sent = path

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        headers = request.headers.copy()
        headers.popall(hdrs.ACCEPT_ENCODING, None)
        if_range = headers.get(hdrs.IF_RANGE, "")
        if if_range.startswith(('"', "W/")):
            del headers[hdrs.IF_RANGE]
            stat = self._sent.stat()
            if if_range != f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"':
                headers.popall(hdrs.RANGE, None)
        return await super().prepare(request.clone(headers=headers))
