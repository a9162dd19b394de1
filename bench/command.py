"""A bench as a command: its arguments, what it ran on, its JSON, and its end by one line."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pyengine.errors import VitrineError

__all__ = ["bench_parser", "machine", "names_of", "native_adapter", "run", "size_of", "write_json"]

_EXIT_INTERRUPTED = 130


def bench_parser(about: str | None, epilog: str) -> argparse.ArgumentParser:
    """Arguments of a bench, of which all have ``--json``; both texts are shown as they stand."""
    parser = argparse.ArgumentParser(
        description=about, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there too")
    return parser


def native_adapter() -> tuple[Any, dict[str, Any]]:
    """The adapter of wgpu-py, which is named on the terminal; and what JSON is told of it."""
    from pyengine.hosts.native import open_adapter

    adapter = open_adapter()
    info = dict(adapter.info)
    print(f"{info['device']} ({info['backend_type']}, {info['description']})", flush=True)
    return adapter, json.loads(json.dumps(info, default=str))


def size_of(text: str) -> tuple[int, int]:
    """``WxH`` of a command line."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 640x360")
    return int(width), int(height)


def names_of(every: Iterable[str], usual: Iterable[str]) -> Callable[[str], list[str]]:
    """A reader of ``--rivals``: usual, all, none, or names with commas between them."""
    words = {"usual": list(usual), "all": list(every), "none": []}

    def chosen(text: str) -> list[str]:
        if text in words:
            return words[text]
        names = text.split(",")
        for name in names:
            if name not in words["all"]:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(words['all'])}")
        return names

    return chosen


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and how busy it was."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "cores": os.cpu_count(),
        "load_1min": round(load, 2),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def write_json(path: Path | None, results: dict[str, Any]) -> None:
    """Write the results with `machine`; does nothing without a path."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")
        print(f"\n{path}: written")


def run(main: Callable[[], None]) -> None:
    """Run a bench's main: Ctrl-C and faults of the input end it with one line."""
    start = machine()
    print(f"{start['cores']} cores, load {start['load_1min']} at the start", flush=True)
    try:
        main()
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # playwright's unheard futures
        print("\ninterrupted", file=sys.stderr)
        sys.exit(_EXIT_INTERRUPTED)
    except VitrineError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"load {machine()['load_1min']} at the end")
