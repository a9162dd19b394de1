"""What tests of the build share: the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pybuild.command import Run, command


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, in a folder of its own: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return command(capfd)
