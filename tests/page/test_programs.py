"""Programs in a real Chromium: the same results as natively, and errors that name their cause."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.programs import write_program
from pyengine.plan import Plan
from tests.page.programs import Answer, ProgramPage, arrays_of, job_of
from tests.small_programs import CASES, Case, add, assert_outputs, counted, perceptron

pytestmark = pytest.mark.page

SUM_RTOL = 1e-5
"""Sums of a few products in another order."""
FEW_S = 5.0


@pytest.fixture(scope="module")
def programs(browser: Browser) -> Iterator[ProgramPage]:
    """One page for all tests here, but for those that spoil it."""
    with ProgramPage(browser) as programs:
        yield programs


def job(case: Case, programs: ProgramPage, **options: Any) -> Any:
    """A case as a job."""
    return job_of(case.program, case.files, case.inputs, programs.adapter, case.counts, **options)


def check(case: Case, answer: Answer) -> None:
    """No error, and what numpy says."""
    assert_outputs(arrays_of(case.program, answer), case)


def test_programs_do_what_numpy_does(programs: ProgramPage) -> None:
    """All of them in one page."""
    before = programs.loads
    cases = [make() for make in CASES.values()]
    answers = programs.run([job(case, programs) for case in cases])
    for case, answer in zip(cases, answers, strict=True):
        check(case, answer)
    assert programs.loads == before + 1


def broken(text: bytes) -> Case:
    """The sum with something else for a kernel."""
    case = add()
    kernel = case.files["kernels/k.wgsl"].replace(b"c[id.x] =", text)
    return replace(case, files={"kernels/k.wgsl": kernel})


def test_a_failure_is_told_and_the_next_goes_on(programs: ProgramPage) -> None:
    """What Tint says of a shader, what Dawn says of a plan, and what has no bounds."""
    good = add((1000,))
    bad = broken(b"if (id.x == 0u) { workgroupBarrier(); } c[id.x] =")
    unknown = broken(b"c[id.x] = nothing +")
    whole = job(good, programs)
    assert isinstance(whole.plan, Plan)
    overlapping = replace(whole, plan={**whole.plan.to_dict(), "shaders": {"k": "fn f() {}"}})
    large = whole.plan.to_dict()
    large["buffers"][0]["size_bytes"] = 1 << 50
    jobs = [
        whole,
        job(bad, programs),
        job(unknown, programs),
        overlapping,
        replace(whole, plan=large),
        whole,
    ]
    answers = programs.run(jobs)
    check(good, answers[0])
    assert "'workgroupBarrier' must only be called from uniform" in str(answers[1].error)
    assert "unresolved value 'nothing'" in str(answers[2].error)
    assert "main" in str(answers[3].error)
    assert answers[4].error
    check(good, answers[5])


def test_pages_are_taken_anew(browser: Browser) -> None:
    """After some jobs."""
    with ProgramPage(browser, jobs_a_page=3) as programs:
        case = add()
        for answer in programs.run([job(case, programs)] * 7):
            check(case, answer)
        assert programs.loads == 1 + 3


def test_a_job_that_never_ends_is_given_up(browser: Browser) -> None:
    """And the page with it; the next one has a page of its own."""
    with ProgramPage(browser, timeout_s=FEW_S) as programs:
        case = add()
        endless = replace(job(case, programs), runs=10**9)
        answers = programs.run([job(case, programs), endless, job(case, programs)])
        check(case, answers[0])
        assert answers[1].error == f"no answer in {FEW_S:g} s"
        check(case, answers[2])


def test_runs_have_times(programs: ProgramPage) -> None:
    """One of each."""
    case = perceptron(rows=64, inner=64, hidden=64, columns=64)
    (answer,) = programs.run([job(case, programs, runs=3)])
    check(case, answer)
    assert len(answer.runs_ms) == 3
    assert all(ms > 0 for ms in (answer.compile_ms, *answer.runs_ms))


def test_a_thousand_buffers_are_freed(programs: ProgramPage) -> None:
    """Ten GiB, were they kept."""
    case = add((1 << 20,))
    for answer in programs.run([job(case, programs)] * 60):
        check(case, answer)


LOAD = """async ([url, inputs, counts]) => {
    const { loadProgram, programDevice } = await import('/web/program.mjs');
    const device = await programDevice(await navigator.gpu.requestAdapter());
    const program = await loadProgram(device, new URL(url, location.href));
    const outputs = await program.run(inputs, counts);
    const told = Object.entries(outputs).map(([name, values]) =>
        [name, values.constructor.name, [...values]]);
    let refused = '';
    await program.run({ nothing: [1] }).catch((error) => { refused = error.message; });
    let short = '';
    const first = Object.keys(inputs)[0];
    if (first) await program.run({ [first]: [] }).catch((error) => { short = error.message; });
    program.destroy();
    device.destroy();
    return { told, refused, short };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs and the modules of web/, to be served."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "index.html").write_text("<!doctype html>")
    shutil.copytree(Path(__file__).resolve().parents[2] / "web", folder / "web")
    return folder


@pytest.mark.parametrize("make", [add, perceptron, counted, CASES["int64"]])
def test_a_page_loads_a_program_by_its_url(
    page: Page, folder: Path, serve: Callable[[Path], str], make: Callable[[], Case]
) -> None:
    """web/program.mjs alone: description, kernels, weights, choice of kernels, run."""
    case = make()
    name = case.program.name.replace(" ", "-")
    write_program(folder / name, case.program, case.files)
    page.goto(serve(folder))
    inputs = {key: array.ravel().tolist() for key, array in case.inputs.items()}
    answer = page.evaluate(LOAD, [f"{name}/", inputs, dict(case.counts)])
    arrays = {"f32": "Float32Array", "i32": "Int32Array", "u32": "Uint32Array"}
    for tensor, (name, kind, values) in zip(case.program.outputs, answer["told"], strict=True):
        assert (name, kind) == (tensor.name, arrays[tensor.storage])
        np.testing.assert_allclose(values, case.outputs[name].ravel(), rtol=SUM_RTOL)
    assert answer["refused"] == f"{case.program.name}: there is no input nothing"
    first = case.program.inputs[0]
    size = first.size_bytes // 4
    assert answer["short"] == f"{case.program.name}: input {first.name} has {size} elements, got 0"
