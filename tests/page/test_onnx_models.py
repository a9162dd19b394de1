"""Real networks in Chromium: the numbers of other runtimes, in one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.page.programs import ProgramPage, arrays_of, job_of
from tests.shared_models import DISPATCHES, case

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.page

TIMEOUT_S = 600.0
"""SwiftShader takes minutes for the largest kernels when both cores are busy."""


@pytest.fixture(scope="module")
def programs(browser: Browser) -> Iterator[ProgramPage]:
    """One page for all."""
    with ProgramPage(browser, timeout_s=TIMEOUT_S) as programs:
        yield programs


@pytest.mark.parametrize("name", DISPATCHES)
def test_numbers_are_those_of_other_runtimes(
    shared: Path, programs: ProgramPage, name: str
) -> None:
    """Those of onnxruntime on random inputs; for our own nets PyTorch's too."""
    tested = case(shared / "models" / f"{name}.onnx")
    program, files = tested.compiled.program, tested.compiled.files
    jobs = [job_of(program, files, inputs, programs.adapter) for _, inputs, _ in tested.runs]
    answers = programs.run(jobs)
    for (who, _, wanted), answer in zip(tested.runs, answers, strict=True):
        tested.check(who, arrays_of(program, answer), wanted)
