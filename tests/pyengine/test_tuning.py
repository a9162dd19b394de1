"""What is measured, chosen and remembered: with a clock and times that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from pybuild.runner import shader_texts
from pyengine.errors import BundleError
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.tuning import Task, choices_text, chosen_of, parse_choices, tasks_of, tune
from tests.small_programs import add, perceptron

GPU = Adapter(DEFAULT_LIMITS, 32)
SOFTWARE = Adapter(DEFAULT_LIMITS, 0, software=True)


class Bench:
    """Kernels with given times; measuring takes a second of the clock."""

    def __init__(self, times_ms: dict[tuple[str, int], float | None]) -> None:
        self.times_ms = times_ms
        self.now_s = 100.0
        self.measured: list[tuple[str, int]] = []

    def measure(self, task: Task, candidate: int) -> float | None:
        """The next measurement of a kernel."""
        self.now_s += 1
        self.measured.append((task.key, candidate))
        return self.times_ms[task.key, candidate]

    def tune(self, *tasks: Task, known: dict[str, int] | None = None, budget_s: float = 1e9):
        """`tune` with this bench."""
        return tune(tasks, known or {}, self.measure, lambda: self.now_s, budget_s)


A = Task("a", (0, 2), (1, 0, 3))
B = Task("b", (1,), (0, 1))
FAST: dict[tuple[str, int], float | None] = {
    ("a", 1): 4.0,
    ("a", 0): 2.0,
    ("a", 3): 3.0,
    ("b", 0): 100.0,
    ("b", 1): 99.0,
}


def test_the_fastest_is_chosen() -> None:
    """Unless it is hardly faster than the default."""
    bench = Bench(FAST)
    assert bench.tune(A, B) == {"a": 0, "b": 0}
    assert bench.tune(A, B) == {"a": 0, "b": 0}, "and again the same"


def test_noise_only_adds() -> None:
    """The smallest of a kernel's measurements counts."""
    bench = Bench(FAST)
    times = iter([9.0, 5.0, 4.0, 4.5, 3.9, 2.0])
    measure: Callable[[Task, int], float] = lambda _task, _candidate: next(times)  # noqa: E731
    assert tune([B], {}, measure, lambda: bench.now_s, 1e9) == {"b": 1}


def test_what_is_known_is_not_measured() -> None:
    """Unless that kernel cannot be run here."""
    bench = Bench(FAST)
    assert bench.tune(A, B, known={"a": 3, "b": 1, "c": 7}) == {"a": 3, "b": 1}
    assert bench.measured == []
    assert bench.tune(A, known={"a": 2}) == {"a": 0}
    assert bench.measured


def test_the_budget_is_kept() -> None:
    """Defaults first, then the most expensive task; half measured is not chosen."""
    bench = Bench(FAST)
    assert bench.tune(A, B, budget_s=0) == {}
    assert bench.measured == []
    assert bench.tune(A, B, budget_s=2) == {}
    assert bench.measured == [("a", 1), ("b", 0)]
    bench = Bench(FAST)
    assert bench.tune(A, B, budget_s=3) == {"b": 0}
    assert bench.measured[2] == ("b", 1)
    bench = Bench(FAST)
    assert bench.tune(A, B, budget_s=9) == {"b": 0, "a": 0}
    bench = Bench({**FAST, ("a", 1): 60.0, ("a", 0): 1.0})
    bench.tune(A, B, budget_s=3)
    assert bench.measured[2][0] == "a", "twice 60 is more than 100"


def test_the_hopeless_is_measured_once() -> None:
    """Time is for those that are near."""
    bench = Bench({**FAST, ("a", 3): 50.0})
    assert bench.tune(A) == {"a": 0}
    assert bench.measured.count(("a", 3)) == 1
    assert bench.measured.count(("a", 0)) == 3


def test_what_fails_is_not_chosen() -> None:
    """Nor remembered, where all fail."""
    assert Bench({**FAST, ("a", 0): None}).tune(A) == {"a": 3}
    assert Bench({**FAST, ("a", 1): None}).tune(A) == {"a": 0}
    assert Bench({**FAST, ("b", 0): None, ("b", 1): None}).tune(B) == {}


def test_dispatches_that_are_alike_are_one_task() -> None:
    """By what their speed depends on: kernels, workgroups, sizes; not labels, buffers, offsets."""
    case = add((1000,))
    texts = shader_texts(case.program, case.files)
    dispatch = case.program.dispatches[0]
    parts = [replace(part, offset_bytes=0, buffer="t.a") for part in dispatch.bindings]
    twin = replace(dispatch, label="another", bindings=tuple(parts))
    shorter = replace(
        dispatch,
        bindings=(*dispatch.bindings[:2], replace(dispatch.bindings[2], size_bytes=400)),
    )
    program = replace(case.program, dispatches=(dispatch, twin, shorter))
    tasks = tasks_of(program, texts, GPU)
    assert [task.dispatches for task in tasks] == [(0, 1), (2,)]
    assert [task.candidates for task in tasks] == [(0, 1)] * 2
    assert chosen_of(tasks, {tasks[0].key: 1}) == {0: 1, 1: 1}


def test_keys_change_with_what_they_stand_for() -> None:
    """A text, a constant, workgroups, the kernels that an adapter can run."""
    case = add((1000,))
    program, texts = case.program, shader_texts(case.program, case.files)

    def key(program=program, texts=texts, adapter=GPU) -> str:
        return tasks_of(program, texts, adapter)[0].key

    dispatch = program.dispatches[0]
    half = replace(dispatch.candidates[0], workgroups=(8, 1, 1))
    others = [
        key(texts={"k": texts["k"] + " "}),
        key(
            program=replace(
                program,
                pipelines=(
                    replace(program.pipelines[0], constants={"WORKGROUP": 128}),
                    program.pipelines[1],
                ),
            )
        ),
        key(
            program=replace(
                program, dispatches=(replace(dispatch, candidates=(half, dispatch.candidates[1])),)
            )
        ),
        key(adapter=SOFTWARE),
    ]
    assert len({key(), *others}) == 5
    assert key() == key(program=replace(program, name="other", report={"a": 1}))


def test_one_kernel_is_no_choice() -> None:
    """Nor one that alone can be run."""
    case = perceptron()
    assert tasks_of(case.program, shader_texts(case.program, case.files), GPU) == ()
    case = add()
    program = replace(
        case.program,
        subgroups=("s",),
        shaders={"k": "k", "s": "s"},
        pipelines=(
            case.program.pipelines[0],
            replace(case.program.pipelines[1], shader="s"),
        ),
    )
    assert tasks_of(program, {"k": "", "s": ""}, SOFTWARE) == ()
    assert len(tasks_of(program, {"k": "", "s": ""}, GPU)) == 1


def test_choices_are_kept_as_json() -> None:
    """And read back."""
    choices = {"llvmpipe | 15": {"0123": 2, "4567": 0}, "another": {}}
    assert parse_choices(choices_text(choices), "tuning.json") == choices


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"vitrine_tuning": 2, "adapters": {}}),
        json.dumps({"vitrine_tuning": 1, "adapters": []}),
        json.dumps({"vitrine_tuning": 1, "adapters": {"a": 3}}),
        json.dumps({"vitrine_tuning": 1, "adapters": {"a": {"k": "0"}}}),
        json.dumps({"vitrine_tuning": 1, "adapters": {"a": {"k": -1}}}),
        json.dumps({"vitrine_tuning": 1, "adapters": {"a": {"k": True}}}),
        json.dumps({"vitrine_tuning": 1, "adapters": {}, "more": 1}),
    ],
)
def test_damaged_choices_are_refused(text: str) -> None:
    """With the file's name."""
    with pytest.raises(BundleError, match=r"^tuning\.json: "):
        parse_choices(text, "tuning.json")
