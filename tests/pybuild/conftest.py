"""What tests of the build share: the command, and a device to run programs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pybuild.runner import NativeRunner
from tests.pybuild.command import Run, command


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, in a folder of its own: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return command(capfd)


@pytest.fixture(scope="module")
def runner(adapter: Any) -> Iterator[NativeRunner]:
    """One device for all tests of a file."""
    with NativeRunner(adapter) as runner:
        yield runner
