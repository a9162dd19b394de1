"""Axes that follow a count, in Chromium: Tint's kernels, Dawn's indirect dispatches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from pybuild.onnx.compile import compile_graph
from tests.counted_models import MODELS, assert_live, counted_graph, padded, wanted
from tests.page.programs import ProgramPage, arrays_of, job_of

pytestmark = pytest.mark.page

CAPACITY = 200
NAMES = ("generator", "wide_generator", "attention", "softmax_over_rows", "ramps", "differences")


@pytest.fixture(scope="module")
def programs(browser: Browser) -> Iterator[ProgramPage]:
    """One page for all."""
    with ProgramPage(browser) as programs:
        yield programs


@pytest.mark.parametrize("name", NAMES)
def test_kernels_compute_what_a_model_of_that_size_does(name: str, programs: ProgramPage) -> None:
    """At counts of nothing, of one, about the capacity; see tests/pybuild/onnx/test_dynamic.py."""
    compiled = compile_graph(counted_graph(name, n=CAPACITY))
    sizes = [n for n in (0, 1, 65, CAPACITY - 1, CAPACITY) if n > 1 or name != "ramps"]
    given = [padded(MODELS[name], {"n": CAPACITY}, {"n": n}) for n in sizes]
    most = max(len(dispatch.candidates) for dispatch in compiled.program.dispatches)
    for number in range(most):  # one candidate of each kernel after the other
        chosen = {
            index: min(number, len(dispatch.candidates) - 1)
            for index, dispatch in enumerate(compiled.program.dispatches)
        }
        jobs = [
            job_of(compiled.program, compiled.files, large, programs.adapter, {"n": n}, chosen)
            for n, (_, large) in zip(sizes, given, strict=True)
        ]
        for n, (small, _), answer in zip(sizes, given, programs.run(jobs), strict=True):
            found = arrays_of(compiled.program, answer)
            assert_live(found, wanted(MODELS[name], small), f"{name} of {n}, candidate {number}")
