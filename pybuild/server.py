"""Run the server: in the foreground until Ctrl-C, or in a thread for tests."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from aiohttp import web

from pybuild.serve import make_app
from pybuild.watch import Reloads, rebuild_on_change
from pyengine.errors import InputError

__all__ = ["bind", "serve_forever", "serving"]

SHUTDOWN_S = 1.0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Parameters
    ----------
    host : str
        A name or an address; loopback unless the network shall see the site.
    port : int
        0 takes a free one.

    Raises
    ------
    InputError
        The port is taken or not allowed, or the host is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"--host {host}: {error.strerror or error}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use; choose another with --port") from None
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return sock


def url_of(sock: socket.socket) -> str:
    """Where a browser finds a listening socket."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve_forever(
    folder: Path,
    sock: socket.socket,
    say: Callable[[str], None],
    watch: tuple[Path, Sequence[str]] | None = None,
) -> None:
    """Serve a folder until SIGINT or SIGTERM.

    Parameters
    ----------
    folder : Path
    sock : socket
        Of `bind`; closed at the end.
    say : callable
        Told a line for the user; the URL first.
    watch : (scene, command), optional
        The scene file to watch and the arguments of ``vitrine`` that build it.
    """
    asyncio.run(_serve(folder, sock, say, watch))


async def _serve(
    folder: Path,
    sock: socket.socket,
    say: Callable[[str], None],
    watch: tuple[Path, Sequence[str]] | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reloads = Reloads() if watch else None
    async with _running(folder, sock, reloads):
        say(url_of(sock))
        task = None
        if watch and reloads:
            task = asyncio.create_task(rebuild_on_change(*watch, reloads.send, say))
        waiting = {asyncio.create_task(stop.wait())} | ({task} if task else set())
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def _running(
    folder: Path, sock: socket.socket, reloads: Reloads | None
) -> AsyncIterator[None]:
    app = make_app(folder, reloads.handle if reloads else None)
    if reloads:
        app.on_shutdown.append(reloads.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        await runner.cleanup()
        sock.close()


@contextlib.contextmanager
def serving(
    folder: Path, host: str = "127.0.0.1", port: int = 0, watched: bool = False
) -> Iterator[str]:
    """Serve a folder from a thread while the block runs; gives the URL, with a slash at its end.

    Parameters
    ----------
    folder : Path
    host : str
    port : int
        0 takes a free one.
    watched : bool
        As under --watch, though nothing is built.
    """
    sock = bind(host, port)
    url = url_of(sock)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with _running(folder, sock, Reloads() if watched else None):
            started.set()
            await stop.wait()

    def work() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(run())

    thread = threading.Thread(target=work, name="vitrine-serve", daemon=True)
    thread.start()
    started.wait()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
