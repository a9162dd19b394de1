"""Rebuild when a source changes, and tell the pages that are open.

Sources are polled: it needs no dependency, sees network folders, and costs under a millisecond
for the few hundred files there are. The build runs as a process of its own, so that it uses the
engine as it is now and stops with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aiohttp import web

from pybuild.page import WEB_FOLDER
from pybuild.scene_file import files_of, is_scene_file
from pyengine.errors import InputError

__all__ = ["Reloads", "rebuild_on_change", "snapshot", "sources"]

POLL_S = 0.3
SETTLE_S = 0.2
"""A file that grew within this time is still being written."""
HEARTBEAT_S = 15
CHECKOUT_FOLDERS = ("web", "pyengine", "pybuild", "shaders")
CHECKOUT_SUFFIXES = (".py", ".wgsl", ".mjs", ".css")

Snapshot = dict[Path, tuple[int, int]]


class Reloads:
    """The pages that listen, as server-sent events."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Queue[str]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One page's stream; ends with the page or the server."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listening.add(queue)
        message = ": listening\n\n"
        try:
            while message:
                await response.write(message.encode())
                try:
                    message = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    message = ": still there\n\n"
        except ConnectionError:
            pass
        finally:
            self._listening.discard(queue)
        return response

    def send(self) -> None:
        """Have every page load itself anew."""
        for queue in self._listening:
            queue.put_nowait("data: reload\n\n")

    async def close(self, _app: web.Application) -> None:
        """End every stream, so that the server can stop."""
        for queue in self._listening:
            queue.put_nowait("")


def sources(scene: Path) -> list[Path]:
    """What a site is made from: the scene, files that it names; in a checkout Vitrine itself."""
    root = WEB_FOLDER.parent
    named: list[Path] = []
    if is_scene_file(scene):
        with contextlib.suppress(InputError):  # the build tells what is wrong with it
            named = files_of(scene)
    return [scene, *named, *(root / name for name in CHECKOUT_FOLDERS)]


def snapshot(paths: Iterable[Path]) -> Snapshot:
    """Date and size of every file among ``paths`` and below its folders."""
    found: Snapshot = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = [file for file in path.rglob("*") if file.suffix in CHECKOUT_SUFFIXES]
        for file in files:
            with contextlib.suppress(OSError):
                stat = file.stat()
                found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


def _now(scene: Path) -> Snapshot:
    return snapshot(sources(scene))


async def rebuild_on_change(
    scene: Path,
    command: Sequence[str],
    on_built: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Run ``python -m pybuild.cli COMMAND`` whenever a source changes; never returns.

    Parameters
    ----------
    scene : Path
    command : sequence of str
    on_built : callable
        Called after a build that went well.
    say : callable
        Told a line for the user.
    """
    seen = await asyncio.to_thread(_now, scene)
    while True:
        await asyncio.sleep(POLL_S)
        now = await asyncio.to_thread(_now, scene)
        if now == seen or scene not in now:
            continue
        await asyncio.sleep(SETTLE_S)
        settled = await asyncio.to_thread(_now, scene)
        if settled != now:
            continue
        changed = sorted(
            path.name for path in now.keys() | seen.keys() if now.get(path) != seen.get(path)
        )
        seen = now
        say(f"{', '.join(changed[:3])} changed: building")
        status, message = await _run([sys.executable, "-m", "pybuild.cli", *command])
        if status == 0:
            say("built; reloading pages")
            on_built()
        else:
            say(message or f"the build failed with exit status {status}")


async def _run(command: Sequence[str]) -> tuple[int, str]:
    """Exit status and the last line that a process wrote to stderr; it ends with this task."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            await process.wait()
        raise
    lines = errors.decode(errors="replace").strip().splitlines()
    return process.returncode or 0, lines[-1] if lines else ""
