"""Measure a program's kernels on this machine's adapter, and remember the fastest in a file."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pybuild.atomic import write_bytes
from pybuild.runner import SCHEDULE, Files, NativeRunner, PreparedProgram, shader_texts
from pybuild.tensors import Array
from pyengine.errors import BundleError, DeviceError, InputError
from pyengine.hosts.native import NativeHost
from pyengine.plan import ComputePass, Plan
from pyengine.program import Program, program_part
from pyengine.tuning import (
    DEFAULT_BUDGET_S,
    Choices,
    Task,
    choices_text,
    chosen_of,
    parse_choices,
    tasks_of,
    tune,
)

__all__ = ["ChoiceCache", "cache_path", "tuned"]

MEASURED_MS = 1.0
"""A kernel faster than this is dispatched several times in the pass that is timed."""
MOST_REPEATS = 64
MAX_CACHE_BYTES = 64 << 20


def cache_path() -> Path:
    """``tuning.json`` in $VITRINE_CACHE, else in ``vitrine`` in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("VITRINE_CACHE")
    if own:
        return Path(own) / "tuning.json"
    user = Path(os.environ.get("XDG_CACHE_HOME", ""))  # one that is not absolute does not count
    return (user if user.is_absolute() else Path.home() / ".cache") / "vitrine" / "tuning.json"


class ChoiceCache:
    """Choices in a file; whoever writes adds to what others wrote meanwhile.

    Parameters
    ----------
    path : Path, optional
        `cache_path` unless given.
    note : callable, optional
        Told that the file is damaged or cannot be written: choices are then measured again.
    """

    def __init__(
        self, path: Path | None = None, note: Callable[[str], None] = lambda _text: None
    ) -> None:
        self._path = path or cache_path()
        self._note = note

    def known(self, adapter: str) -> dict[str, int]:
        """Choices by key for an adapter."""
        return self._read(self._note).get(adapter, {})

    def remember(self, adapter: str, choices: Mapping[str, int]) -> None:
        """Add choices to the file; a file that cannot be written is told and not needed."""
        if not choices:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path.with_suffix(".lock")):
                all_choices = self._read(lambda _text: None)  # told before, if at all
                all_choices.setdefault(adapter, {}).update(choices)
                write_bytes(self._path, choices_text(all_choices).encode())
        except (OSError, InputError) as error:
            self._note(f"{self._path}: the choice of kernels is not kept: {error}")

    def _read(self, note: Callable[[str], None]) -> Choices:
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_CACHE_BYTES)
        except FileNotFoundError:
            return {}
        except OSError as error:
            note(f"{self._path}: {error.strerror}; kernels are measured again")
            return {}
        try:
            return parse_choices(text, str(self._path))
        except BundleError as error:
            note(f"{error}; it is ignored, and kernels are measured again")
            return {}


def tuned(
    runner: NativeRunner,
    program: Program,
    files: Files,
    inputs: Mapping[str, Array] | None = None,
    counts: Mapping[str, int] | None = None,
    budget_s: float = DEFAULT_BUDGET_S,
    cache: ChoiceCache | None = None,
) -> dict[int, int]:
    """Choose the kernels of a program, for `NativeRunner.prepare`.

    Buffers of its own are measured on, after one run of the program with ``inputs`` (zeros where
    they are not given), so that counts and indirect arguments are real ones. A program with counts
    is only measured where some are given.

    Parameters
    ----------
    runner : NativeRunner
    program, files : as `NativeRunner.prepare`
    inputs, counts : as `PreparedProgram.run`, optional
    budget_s : float
        Seconds to measure for, at most, beyond the measurement that has begun.
    cache : ChoiceCache, optional
        Where choices are found and kept.

    Returns
    -------
    dict
        Index of a dispatch to index of its candidate; dispatches that were not measured are left
        out and take their default.
    """
    texts = shader_texts(program, files)
    tasks = tasks_of(program, texts, runner.adapter)
    known = cache.known(runner.name) if cache else {}
    blind = bool(program.counts) and not counts
    all_known = all(known.get(task.key) in task.candidates for task in tasks)
    if all_known or blind or budget_s <= 0:
        return chosen_of(tasks, tune(tasks, known, _never, time.monotonic, 0))
    with runner.prepare(program, files, timed=False) as prepared:
        prepared.warm_up(inputs or {}, counts)
        bench = _Bench(runner, prepared, texts)
        choices = tune(tasks, known, bench.measure_ms, time.monotonic, budget_s)
    if cache:
        new = {key: choice for key, choice in choices.items() if known.get(key) != choice}
        cache.remember(runner.name, new)
    return chosen_of(tasks, choices)


class _Bench:
    """Times single dispatches on the buffers of a program that ran."""

    def __init__(
        self, runner: NativeRunner, prepared: PreparedProgram, texts: Mapping[str, str]
    ) -> None:
        self._runner, self._texts = runner, texts
        self._program, self._buffers = prepared.program, prepared.host
        self._repeats: dict[tuple[str, int], int] = {}

    def measure_ms(self, task: Task, candidate: int) -> float | None:
        """Milliseconds of one dispatch; None where the kernel fails."""
        try:
            if (task.key, candidate) not in self._repeats:
                first_ms = self._time_ms(task, candidate, 1)  # compiles, too
                first_ms = min(first_ms, self._time_ms(task, candidate, 1))
                repeats = math.ceil(MEASURED_MS / max(first_ms, 1e-6))
                self._repeats[task.key, candidate] = min(repeats, MOST_REPEATS)
            repeats = self._repeats[task.key, candidate]
            return self._time_ms(task, candidate, repeats) / repeats
        except DeviceError:
            return None

    def _time_ms(self, task: Task, candidate: int, repeats: int) -> float:
        dispatch = self._program.dispatches[task.dispatches[0]]
        alone = replace(dispatch, candidates=(dispatch.candidates[candidate],))
        program = replace(self._program, dispatches=(alone,))
        part = program_part(program, self._texts, self._runner.adapter)
        (step,) = part.steps
        assert isinstance(step, ComputePass)
        steps = (replace(step, dispatches=step.dispatches * repeats),)
        host = NativeHost(1, 1, timed=True, shared=self._runner.device, adopted=self._buffers)
        try:
            host.build(Plan.of({SCHEDULE: (replace(part, steps=steps),)}))
            start = time.perf_counter()
            host.run(SCHEDULE)
            host.wait()
            wall_ms = (time.perf_counter() - start) * 1e3
            return next(iter(host.timings_ms().values()), wall_ms)
        finally:
            host.close()


def _never(_task: Task, _candidate: int) -> None:
    raise AssertionError("nothing is measured without a budget")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; without one where the system has none."""
    try:
        import fcntl
    except ImportError:  # Windows: the last writer's choices win
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
