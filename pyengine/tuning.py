"""Which kernel of several is fastest here: what to measure, what to choose, what to remember.

Pure: a host brings the measuring and the clock, and keeps the choices where it can. A choice is
remembered by the adapter's name and by a digest of everything that the speed depends on: the
kernels' text and constants, the workgroups and the sizes of what is bound; so a program that is
compiled again finds the choices of all its unchanged dispatches, and other programs do too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyengine.errors import BundleError
from pyengine.fields import Fields, document
from pyengine.plan import Adapter, Indirect, Range
from pyengine.program import Program, eligible

__all__ = [
    "DEFAULT_BUDGET_S",
    "Task",
    "choices_text",
    "chosen_of",
    "parse_choices",
    "tasks_of",
    "tune",
]

VERSION = 1
DEFAULT_BUDGET_S = 2.0
MARGIN = 0.95
"""Another kernel than the default must take less than this part of its time: less is noise."""
HOPELESS = 2.0
"""A kernel that took so many times the best is not measured again."""
ROUNDS = 3
"""Measurements of a kernel; the smallest counts, since noise only adds."""
_MOST = 1 << 20

Choices = dict[str, dict[str, int]]
"""By the adapter's name and the digest of a task: the index of the candidate."""


@dataclass(frozen=True, slots=True)
class Task:
    """A choice to make once for all dispatches that are alike.

    Attributes
    ----------
    key : str
        The digest.
    dispatches : tuple of int
        Their indices in the program.
    candidates : tuple of int
        Indices that the adapter can run, the default first.
    """

    key: str
    dispatches: tuple[int, ...]
    candidates: tuple[int, ...]


def tasks_of(program: Program, shaders: Mapping[str, str], adapter: Adapter) -> tuple[Task, ...]:
    """Choices that a program leaves to an adapter: none where one kernel alone can run."""
    texts = {name: _digest(text) for name, text in shaders.items()}
    pipelines = {pipeline.name: pipeline for pipeline in program.pipelines}
    alike: dict[str, tuple[list[int], tuple[int, ...]]] = {}
    for index, dispatch in enumerate(program.dispatches):
        usable = eligible(program, index, shaders, adapter)
        if len(usable) == 1:
            continue
        sizes = [part.size_bytes if isinstance(part, Range) else None for part in dispatch.bindings]
        described: list[object] = [sizes, usable]
        for candidate in dispatch.candidates:
            pipeline = pipelines[candidate.pipeline]
            groups = candidate.workgroups
            described.append(
                [
                    texts[pipeline.shader],
                    sorted(pipeline.constants.items()),
                    pipeline.entry,
                    pipeline.layout,
                    "indirect" if isinstance(groups, Indirect) else groups,
                ]
            )
        alike.setdefault(_digest(json.dumps(described)), ([], usable))[0].append(index)
    return tuple(Task(key, tuple(found), usable) for key, (found, usable) in alike.items())


def tune(
    tasks: Sequence[Task],
    known: Mapping[str, int],
    measure: Callable[[Task, int], float | None],
    clock: Callable[[], float],
    budget_s: float = DEFAULT_BUDGET_S,
) -> dict[str, int]:
    """Choose a candidate for each task, by measuring those that are not known.

    The defaults are measured first; then the others, task by task, the most expensive first, until
    the budget is spent. A measurement that has begun is not interrupted.

    Parameters
    ----------
    tasks : sequence of Task
    known : mapping
        Choices of before by key; one that cannot be run here counts as none.
    measure : callable
        Milliseconds of a task's candidate, or None where it fails.
    clock : callable
        Seconds.
    budget_s : float
        0 measures nothing.

    Returns
    -------
    dict
        The choice by key, of the tasks that were known or measured to the end: to be remembered.
        All others take their default.
    """
    chosen = {t.key: known[t.key] for t in tasks if known.get(t.key) in t.candidates}
    open_tasks = [task for task in tasks if task.key not in chosen]
    end = clock() + budget_s
    costs: dict[str, float] = {}
    for task in open_tasks:
        if clock() >= end:
            break
        cost = measure(task, task.candidates[0])
        costs[task.key] = float("inf") if cost is None else cost

    def total(task: Task) -> float:
        return costs[task.key] * len(task.dispatches)

    measured = [task for task in open_tasks if task.key in costs]
    for task in sorted(measured, key=total, reverse=True):
        if clock() >= end:
            break
        best = _fastest(task, costs[task.key], measure, clock, end)
        if best is not None:
            chosen[task.key] = best
    return chosen


def chosen_of(tasks: Sequence[Task], choices: Mapping[str, int]) -> dict[int, int]:
    """Index of each dispatch to index of its candidate, for `pyengine.program.program_part`."""
    return {
        index: choices[task.key]
        for task in tasks
        if task.key in choices
        for index in task.dispatches
    }


def choices_text(choices: Choices) -> str:
    """Choices as JSON, to keep."""
    return json.dumps({"vitrine_tuning": VERSION, "adapters": choices}, sort_keys=True)


def parse_choices(text: str | bytes, where: str) -> Choices:
    """Read what `choices_text` wrote.

    Raises
    ------
    BundleError
        Anything else.
    """
    data = Fields(
        document(text, where, "a file of Vitrine's"), where, ("vitrine_tuning", "adapters")
    )
    data.integer("vitrine_tuning", VERSION, VERSION)
    adapters = data.mapping("adapters", _MOST, 1000)
    for name, found in adapters.items():
        if not isinstance(found, dict) or not all(
            isinstance(index, int) and not isinstance(index, bool) and index >= 0
            for index in found.values()
        ):
            raise BundleError(f"{where}: adapter {name!r}: wanted numbers of kernels")
    return adapters


def _fastest(
    task: Task,
    first_ms: float,
    measure: Callable[[Task, int], float | None],
    clock: Callable[[], float],
    end: float,
) -> int | None:
    """The choice, or None where time ran out before all were seen once or none runs."""
    best_ms = {task.candidates[0]: first_ms}
    for round_ in range(ROUNDS):
        hopeless = HOPELESS * min(best_ms.values())
        for candidate in task.candidates[1:] if round_ == 0 else task.candidates:
            if clock() >= end:
                if round_ == 0:
                    return None
                break
            if round_ and best_ms[candidate] > hopeless:
                continue
            ms = measure(task, candidate)
            found = float("inf") if ms is None else ms
            best_ms[candidate] = min(best_ms.get(candidate, found), found)
    default, *others = task.candidates
    fastest = min(others, key=lambda candidate: best_ms[candidate])
    if best_ms[fastest] < MARGIN * best_ms[default]:
        return fastest
    return default if best_ms[default] < float("inf") else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
