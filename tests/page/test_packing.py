"""Packed weights in Chromium: Tint compiles how they are read, and reads what naga's kernels do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from pybuild.onnx.compile import compile_graph
from pybuild.onnx.ir import Packing
from pybuild.onnx.oracle import difference, reference
from tests.packed_models import CASES, graph_of, made, packed_model
from tests.page.programs import ProgramPage, arrays_of, job_of

pytestmark = pytest.mark.page

SUMS = 2e-5
"""Sums of products in another order, of a result's largest magnitude."""
PACKINGS: tuple[Packing, ...] = ("f16", "i8", "i4")


@pytest.fixture(scope="module")
def programs(browser: Browser) -> Iterator[ProgramPage]:
    """One page for all."""
    with ProgramPage(browser) as programs:
        yield programs


@pytest.mark.parametrize("kind", ["processors", "GPUs"])
def test_kernels_compute_with_what_packing_leaves(kind: str, programs: ProgramPage) -> None:
    """Every case in every packing, with the kernels that each kind of adapter prefers."""
    first = dict.fromkeys(range(9), 0) if kind == "GPUs" else None
    asked = []
    for name in CASES:
        for packing in PACKINGS:
            case = made(name)
            compiled = compile_graph(graph_of(case.model), weights=packing)
            asked.append((name, packing, case, compiled))
    jobs = [
        job_of(compiled.program, compiled.files, case.inputs, programs.adapter, chosen=first)
        for _, _, case, compiled in asked
    ]
    wrong = []
    for (name, packing, case, compiled), answer in zip(asked, programs.run(jobs), strict=True):
        found = arrays_of(compiled.program, answer)["y"]
        wanted = reference(packed_model(case, packing), case.inputs, ["y"])["y"]
        apart = difference(found, wanted).max_rel
        if apart > SUMS:
            wrong.append(f"{name} {packing}: {apart}")
    assert not wrong, "\n".join(wrong)
