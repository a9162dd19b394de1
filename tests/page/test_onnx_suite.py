"""ONNX's backend suites in Chromium: Tint and SwiftShader give what lavapipe gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from pybuild.onnx.backend import compile_for
from pyengine.plan import Adapter, Plan
from pyengine.program import Program
from tests.page.programs import Answer, Job, ProgramPage, arrays_of, job_of
from tests.pybuild.onnx.suite import SUITES, Case, assert_similar, excluded, load_cases

pytestmark = pytest.mark.page

JOBS_A_PAGE = 600
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """A test's data set, and the job that computes it."""

    case: Case
    index: int
    program: Program
    job: Job

    @property
    def key(self) -> bytes:
        """The same for jobs that do the same."""
        plan = self.job.plan
        assert isinstance(plan, Plan)
        digest = hashlib.sha256(json.dumps([plan.to_dict(), self.job.reads]).encode())
        for name, data in self.job.writes:
            digest.update(name.encode() + data)
        return digest.digest()


def runs_of(suite: str, adapter: Adapter) -> Iterator[Run]:
    """Every data set of the tests that Vitrine takes."""
    for case in load_cases(suite):
        if case.name in excluded()[suite]:
            continue
        fixed = {tensor.name for tensor in case.model.graph.initializer}
        names = [value.name for value in case.model.graph.input if value.name not in fixed]
        for index, (given, _) in enumerate(case.data):
            feeds = dict(zip(names, given, strict=True))
            compiled, constants = compile_for(case.model, feeds)
            feeds = {name: array for name, array in feeds.items() if name not in constants}
            job = job_of(compiled.program, compiled.files, feeds, adapter)
            yield Run(case, index, compiled.program, job)


def fault(run: Run, answer: Answer) -> str | None:
    """What is wrong with an answer."""
    try:
        got = arrays_of(run.program, answer)
        wanted = run.case.data[run.index][1]
        assert_similar(run.case, wanted, [got[tensor.name] for tensor in run.program.outputs])
    except AssertionError as error:
        return f"{run.case.name}: {error}"
    return None


@pytest.mark.timeout(900)
def test_the_suites_in_chromium(browser: Browser) -> None:
    """All that runs natively, in few page loads."""
    with ProgramPage(browser, JOBS_A_PAGE, TIMEOUT_S) as page:
        runs = [run for suite in SUITES for run in runs_of(suite, page.adapter)]
        unique = {run.key: run.job for run in runs}
        answers = dict(zip(unique, page.run(list(unique.values())), strict=True))
    faults = [found for run in runs if (found := fault(run, answers[run.key]))]
    assert not faults, "\n".join(faults)
