"""What a person sees of a command: progress, notices, and faults as one line on stderr."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pybuild.formats import DroppedSplats
from pybuild.onnx.problems import GraphError
from pybuild.pack import Report
from pyengine.errors import ContractError, VitrineError

__all__ = ["guarded", "notice", "progress"]

FAULT, INTERRUPTED, TERMINATED = 2, 130, 143


class Terminated(BaseException):
    """SIGTERM came; raised so that unfinished files are removed on the way out."""


def guarded(run: Callable[[], int]) -> int:
    """Run a command; turn every fault of the input or the machine into one line and a status.

    Returns
    -------
    int
        2 for a fault, 130 after Ctrl-C, 143 after SIGTERM, else what ``run`` returned.
    """
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DroppedSplats)
            warnings.showwarning = _show_warning
            return run()
    except (GraphError, ContractError) as error:  # a node or a tensor at fault a line
        return _fault(*str(error).splitlines())
    except VitrineError as error:
        return _fault(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        return FAULT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fault(f"{where}{error.strerror or error}")
    except MemoryError:
        return _fault("there is not enough memory for this")
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED


def notice(text: str) -> None:
    """Tell something on stderr that is no failure."""
    print(f"vitrine: {_line(text)}", file=sys.stderr)


@contextlib.contextmanager
def progress() -> Iterator[Report | None]:
    """A bar on stderr while the block runs; None where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, done: bar.update(task, description=what[:32], completed=done)


def _fault(text: str, *more: str) -> int:
    notice(text)
    for line in more:
        print(f"  {_line(line)}", file=sys.stderr)
    return FAULT


def _line(text: str) -> str:
    return " ".join(text.split())


def _show_warning(message: Warning | str, *_rest: object, **_named: object) -> None:
    notice(str(message))


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
