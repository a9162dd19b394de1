"""Real networks on this machine's adapter: the numbers of other runtimes, in few dispatches."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybuild.runner import NativeRunner
from tests.shared_models import DISPATCHES, case

pytest.importorskip("onnxruntime")

ARENA_SHARE = 1.1
"""Of the least memory that any arena could do with."""


@pytest.fixture(scope="module")
def models(shared: Path) -> Path:
    """Their folder."""
    return shared / "models"


def test_all_models_are_tested(models: Path) -> None:
    """None was added without a line in the table."""
    found = {p.relative_to(models).with_suffix("").as_posix() for p in models.rglob("*.onnx")}
    assert found == set(DISPATCHES)


@pytest.mark.parametrize("name", DISPATCHES)
def test_few_dispatches_and_little_memory(models: Path, name: str) -> None:
    """What a run costs before any arithmetic; the arena holds little but what must live."""
    program = case(models / f"{name}.onnx").compiled.program
    most = DISPATCHES[name]
    assert most is None or len(program.dispatches) <= most
    assert program.report["arena_bytes"] <= ARENA_SHARE * program.report["arena_bound_bytes"]


@pytest.mark.gpu
@pytest.mark.parametrize("name", DISPATCHES)
def test_numbers_are_those_of_other_runtimes(models: Path, runner: NativeRunner, name: str) -> None:
    """Those of onnxruntime on random inputs; for our own nets PyTorch's too."""
    tested = case(models / f"{name}.onnx")
    with runner.prepare(tested.compiled.program, tested.compiled.files, timed=False) as program:
        for who, inputs, wanted in tested.runs:
            tested.check(who, program.run(inputs), wanted)
