"""The command in this process, as tests run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pybuild.cli import main

__all__ = ["Run", "command"]

Run = Callable[..., tuple[int, str, str]]
"""Arguments to status, stdout and stderr."""


def command(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command: nothing of before is in what it printed."""

    def call(*argv: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(item) for item in argv])
        out, err = capfd.readouterr()
        return status, out, err

    return call
