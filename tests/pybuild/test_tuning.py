"""Kernels measured on the native adapter; the file of choices; one result whatever is chosen."""

from __future__ import annotations

import itertools
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pybuild.programs import NativeRunner
from pybuild.tuning import ChoiceCache, cache_path, tuned
from pyengine.plan import ComputePipeline
from pyengine.program import Candidate
from tests.small_programs import Case, add, assert_outputs, counted, perceptron

SLOW = b"""
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&c)) { return; }
  var sum = 0.0;
  for (var i = 0u; i < 2000u; i++) { sum += a[(id.x + i) % arrayLength(&a)]; }
  c[id.x] = a[id.x] + b[id.x] + 0.0 * sum;
}
"""
BROKEN = b"@group(0) @binding(0) var<storage, read> a: array<f32>; fn main() { nonsense"


def with_slow(case: Case, first: bool, text: bytes = SLOW) -> Case:
    """The sum with one more kernel, as the default or as the last choice."""
    program = case.program
    dispatch = program.dispatches[0]
    size = case.inputs["a"].size
    slow = Candidate("slow", (size, 1, 1))
    fast = dispatch.candidates
    return replace(
        case,
        program=replace(
            program,
            shaders={**program.shaders, "slow": "kernels/slow.wgsl"},
            pipelines=(
                *program.pipelines,
                ComputePipeline("slow", "slow", ("read", "read", "read_write")),
            ),
            dispatches=(replace(dispatch, candidates=(slow, *fast) if first else (*fast, slow)),),
        ),
        files={**case.files, "kernels/slow.wgsl": text},
    )


@pytest.mark.gpu
@pytest.mark.parametrize("first", [True, False], ids=["default", "last"])
def test_a_slow_kernel_is_not_chosen(runner: NativeRunner, first: bool) -> None:
    """Though it is the default."""
    case = with_slow(add((5000,)), first)
    chosen = tuned(runner, case.program, case.files, case.inputs, budget_s=10)
    assert chosen.keys() == {0}
    assert case.program.dispatches[0].candidates[chosen[0]].pipeline != "slow"


@pytest.mark.gpu
def test_the_result_is_one_whatever_is_chosen(runner: NativeRunner) -> None:
    """All combinations, the tuned one, and none."""
    case = with_slow(add((300,)), True)
    program = replace(case.program, dispatches=case.program.dispatches * 2)
    chosen = [dict(enumerate(c)) for c in itertools.product(range(3), repeat=2)]
    chosen += [tuned(runner, program, case.files), {}]
    for choice in chosen:
        with runner.prepare(program, case.files, choice) as prepared:
            assert_outputs(prepared.run(case.inputs), case)


@pytest.mark.gpu
def test_what_was_chosen_is_not_measured_again(
    runner: NativeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another program with the same dispatch either; without a budget nothing is."""
    case = with_slow(add((5000,)), True)
    cache = ChoiceCache(tmp_path / "deep" / "tuning.json")
    assert tuned(runner, case.program, case.files, budget_s=0, cache=cache) == {}
    assert not (tmp_path / "deep").exists()
    first = tuned(runner, case.program, case.files, budget_s=10, cache=cache)
    assert first.keys() == {0}
    assert list(cache.known(runner.name).values()) == [first[0]]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(NativeRunner, "prepare", fail)
    again = replace(case.program, name="again")
    assert tuned(runner, again, case.files, budget_s=10, cache=cache) == first
    assert tuned(runner, again, case.files, budget_s=0, cache=cache) == first


@pytest.mark.gpu
def test_a_kernel_that_fails_is_passed_over(runner: NativeRunner) -> None:
    """Tuning goes on with the others."""
    case = with_slow(add((5000,)), False, BROKEN)
    chosen = tuned(runner, case.program, case.files, budget_s=10)
    assert chosen[0] in (0, 1)


@pytest.mark.gpu
@pytest.mark.parametrize("make", [perceptron, counted])
def test_programs_without_a_choice(runner: NativeRunner, make: Any) -> None:
    """Nothing to do."""
    case = make()
    assert tuned(runner, case.program, case.files) == {}


@pytest.mark.gpu
def test_counts_are_needed_to_measure(runner: NativeRunner) -> None:
    """Kernels that see a count of 0 do nothing, all equally fast."""
    case = counted()
    double = case.program.dispatches[1]
    both = (*double.candidates, Candidate("double", (4, 1, 1)))
    dispatches = (case.program.dispatches[0], replace(double, candidates=both))
    program = replace(case.program, dispatches=dispatches)
    assert tuned(runner, program, case.files, case.inputs) == {}
    chosen = tuned(runner, program, case.files, case.inputs, case.counts, budget_s=10)
    assert chosen.keys() == {1}
    for choice in ({1: 0}, {1: 1}, chosen):
        with runner.prepare(program, case.files, choice) as prepared:
            assert_outputs(prepared.run(case.inputs, case.counts), case)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe", b'{"vitrine_tuning": 7}'])
def test_a_damaged_file_is_told_and_replaced(tmp_path: Path, text: bytes) -> None:
    """No reason to stop."""
    path = tmp_path / "tuning.json"
    path.write_bytes(text)
    notes: list[str] = []
    cache = ChoiceCache(path, notes.append)
    assert cache.known("a") == {}
    assert "tuning.json" in notes[0]
    assert "measured again" in notes[0]
    cache.remember("a", {"k": 1})
    assert ChoiceCache(path).known("a") == {"k": 1}


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Nor is that."""
    (tmp_path / "file").write_text("")
    notes: list[str] = []
    cache = ChoiceCache(tmp_path / "file" / "tuning.json", notes.append)
    cache.remember("a", {"k": 1})
    assert "is not kept" in notes[-1]
    (tmp_path / "folder").mkdir()
    cache = ChoiceCache(tmp_path / "folder", notes.append)
    assert cache.known("a") == {}
    cache.remember("a", {"k": 1})
    assert "is not kept" in notes[-1]


def _write_some(path: Path, number: int) -> None:
    cache = ChoiceCache(path)
    for i in range(20):
        cache.remember(f"adapter {i % 3}", {f"{number}.{i}": i})


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Four processes, eighty choices; and each read finds a whole file."""
    path = tmp_path / "tuning.json"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_some, args=(path, n)) for n in range(4)]
    for process in processes:
        process.start()
    notes: list[str] = []
    while any(process.is_alive() for process in processes):
        ChoiceCache(path, notes.append).known("adapter 0")
    for process in processes:
        process.join()
    assert notes == []
    found = [ChoiceCache(path).known(f"adapter {i}") for i in range(3)]
    assert sum(map(len, found)) == 80


def test_where_choices_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG specification has it, or where the user says."""
    for name in ("VITRINE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_path() == tmp_path / ".cache/vitrine/tuning.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_path() == tmp_path / ".cache/vitrine/tuning.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_path() == Path("/x/vitrine/tuning.json")
    monkeypatch.setenv("VITRINE_CACHE", "/y")
    assert cache_path() == Path("/y/tuning.json")
