"""A server for the pages of `bench.onnx`: isolated from other origins, as threads in wasm need it.

The first part of a path names who asks, so that the bytes of each engine can be told apart.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli

from bench.measured import CACHE
from pybuild.serve import CONTENT_TYPES, resolve

__all__ = ["NetServer", "brotli_bytes", "serving_nets"]

QUALITY = 9
_SIZES = CACHE / "bench" / f"brotli-{QUALITY}.json"
_KEPT = 2000


class NetServer:
    """Files that are served, who took which, and what was sent back.

    Attributes
    ----------
    folders : dict of str to Path
        By the second part of a path: ``web``, ``ort``.
    files : dict of str to bytes
        By what follows the engine's name.
    taken : dict of str to dict of str to bytes
        By engine: what it fetched, each path once.
    put : dict of str to bytes
        By path, the engine's name included.
    url : str
    """

    def __init__(self, folders: Mapping[str, Path], page: Path) -> None:
        self.folders = dict(folders)
        self.page = page
        self.files: dict[str, bytes] = {}
        self.taken: dict[str, dict[str, bytes]] = {}
        self.put: dict[str, bytes] = {}
        self.url = ""

    def find(self, path: str) -> bytes | None:
        """Content of a path without the engine's name."""
        if path in self.files:
            return self.files[path]
        head, _, rest = path.partition("/")
        folder, name = (self.folders[head], rest) if head in self.folders else (self.page, path)
        file = resolve(folder, name)
        return file.read_bytes() if file else None


@contextmanager
def serving_nets(server: NetServer) -> Iterator[None]:
    """Serve while the block runs; sets its ``url``, with a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            engine, _, path = self.path.split("?")[0].lstrip("/").partition("/")
            data = server.find(path)
            if data is None:
                self._answer(404, b"not found")
                return
            server.taken.setdefault(engine, {})[path] = data
            self._answer(200, data, CONTENT_TYPES.get(Path(path).suffix))

        def do_PUT(self) -> None:
            size = int(self.headers["Content-Length"])
            server.put[self.path.lstrip("/")] = self.rfile.read(size)
            self._answer(200, b"")

        def _answer(self, status: int, data: bytes, kind: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/"
    thread = threading.Thread(target=listening.serve_forever, name="bench-nets", daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def brotli_bytes(contents: Mapping[str, bytes]) -> int:
    """Bytes of files over the wire, each as a brotli stream of quality 9; remembered by content."""
    try:
        known: dict[str, int] = json.loads(_SIZES.read_text())
    except (OSError, ValueError):
        known = {}
    total, added = 0, False
    for data in contents.values():
        key = hashlib.sha256(data).hexdigest()[:24]
        if key not in known:
            known[key] = min(len(data), len(brotli.compress(data, quality=QUALITY)))
            added = True
        total += known[key]
    if added:
        _SIZES.parent.mkdir(parents=True, exist_ok=True)
        _SIZES.write_text(json.dumps(dict(list(known.items())[-_KEPT:])))
    return total
