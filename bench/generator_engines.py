"""What `bench.generators` runs beside the rivals: a site's frames; each kernel by its clock."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.chromium import within
from bench.frame import OURS as SITE
from bench.frame import Engine as SitePage
from bench.frame import open_engine
from bench.net_engines import Engine, Opened, Unavailable
from bench.nets import Array
from pybuild.runner import shader_texts, stored_inputs
from pyengine.hosts.native import NativeDevice, NativeHost
from pyengine.plan import ComputePass, Plan, RenderPass
from pyengine.program import Program, program_part

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = [
    "Kernels",
    "SiteEngine",
    "Spent",
    "Under",
    "commands",
    "descendants_s",
    "file_bytes",
    "kernels",
]


@dataclass
class Spent:
    """Processor time of what an engine ran: of a software adapter, all of its work.

    Unlike the clock's it is the same on a busy machine.
    """

    spent_s: float = field(default=0.0, init=False)
    runs: int = field(default=0, init=False)

    @property
    def cpu_ms(self) -> float:
        """Milliseconds a run, of all cores; NaN where that cannot be told."""
        return 1000 * self.spent_s / self.runs if self.spent_s else math.nan

    def counted(self, turn: Callable[[], list[float]], more: int = 0) -> list[float]:
        """Do a turn of runs, ``more`` of which it does not return."""
        before = descendants_s()
        times = turn()
        self.spent_s += descendants_s() - before
        self.runs += len(times) + more
        return times


def descendants_s() -> float:
    """Processor seconds of all processes that this one started; 0 where there is no /proc."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    total = sum(ticks.get(number, 0) for number in found - {os.getpid()})
    return total / os.sysconf("SC_CLK_TCK") if total else 0.0


@dataclass
class Under(Spent):
    """An engine under another name, whose outputs are read as Gaussians."""

    name: str
    engine: Engine
    gaussians: Callable[[list[Array]], list[Array]]

    def open(self) -> Opened:
        """The engine's own."""
        return self.engine.open()

    def turn(self, seconds: float) -> list[float]:
        """The engine's own."""
        return self.counted(lambda: self.engine.turn(seconds))

    def outputs(self) -> list[Array]:
        """Centres and covariances."""
        return self.gaussians(self.engine.outputs())

    def close(self) -> None:
        """The engine's own."""
        self.engine.close()


@dataclass
class SiteEngine(Spent):
    """The whole page: a run is a frame for which the generator runs anew.

    Attributes
    ----------
    name : str
    browser : Browser
    url : str
        Of the site's page.
    messages : sequence of dict
        Told to the page's worker in turn, each before a frame.
    limit_s : float
        For a frame.
    frames : list of dict
        What the page measured of each.
    """

    name: str
    browser: Browser
    url: str
    messages: Sequence[Mapping[str, Any]]
    limit_s: float
    frames: list[dict[str, Any]] = field(default_factory=list, init=False)
    opened: SitePage | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)

    def open(self) -> Opened:
        """A new page; its clip is paused, and a frame drawn."""
        self.close()
        self.opened = open_engine(self.browser, SITE, self.url)
        assert self.opened is not None
        self.opened.page.evaluate("document.querySelector('vitrine-view').pause()")
        first_ms = self._frame()["frameMs"]
        return Opened(first_ms, self.opened.info["adapter"])

    def turn(self, seconds: float) -> list[float]:
        """Frames from their message to the end of the GPU's work on them."""
        return self.counted(lambda: self._turn(seconds), more=1)

    def _turn(self, seconds: float) -> list[float]:
        assert self.opened is not None
        self.opened.page.bring_to_front()
        self._frame()  # warms it up again
        found: list[dict[str, Any]] = []
        while not found or sum(frame["frameMs"] for frame in found) < 1000 * seconds:
            found.append(self._frame())
        self.frames += found
        return [frame["frameMs"] for frame in found]

    def _frame(self) -> dict[str, Any]:
        assert self.opened is not None
        message = self.messages[self._asked % len(self.messages)]
        self._asked += 1
        work = within("bench.after(view)", int(1000 * self.limit_s))
        try:
            told: dict[str, Any] = self.opened.page.evaluate(work, message)
        except Exception as error:  # of the page, in any way
            raise Unavailable(str(error).splitlines()[0]) from None
        return told

    def outputs(self) -> list[Array]:
        """None: it draws them."""
        return []

    def passes(self) -> dict[str, float]:
        """Medians of all frames: ms of each stage, ms of the CPU, and Gaussians drawn."""
        found: dict[str, float] = {}
        stamped = [frame["gpuMs"] for frame in self.frames if frame.get("gpuMs")]
        for name in stamped[0] if stamped else ():
            found[name.split(".")[0]] = statistics.median(times[name] for times in stamped)
        for key in ("cpuMs", "drawn"):
            values = [frame[key] for frame in self.frames if frame.get(key) is not None]
            if values:
                found[key] = statistics.median(values)
        return found

    def close(self) -> None:
        """Close the page and its profile."""
        if self.opened is not None:
            self.opened.page.context.close()
            self.opened = None


@dataclass(frozen=True, slots=True)
class Kernels:
    """A program, dispatch by dispatch.

    Attributes
    ----------
    ms : dict
        Of each dispatch by its label, medians; empty where the adapter has no clock.
    counts : dict
        The program's live counts.
    rows : int or None
        Gaussians that are alive, of the output ``gaussian.count``.
    """

    ms: dict[str, float]
    counts: dict[str, int]
    rows: int | None


def kernels(
    program: Program,
    files: Mapping[str, bytes],
    inputs: Mapping[str, Array],
    adapter: Any,
    runs: int = 5,
) -> Kernels:
    """Run a program natively, every dispatch in a pass of its own."""
    offered = NativeHost.describe(adapter)
    part = program_part(program, shader_texts(program, files), offered)
    (whole,) = part.steps
    assert isinstance(whole, ComputePass)
    labels = [f"{k}. {dispatch.label}" for k, dispatch in enumerate(program.dispatches)]
    steps = tuple(
        ComputePass(label, (dispatch,))
        for label, dispatch in zip(labels, whole.dispatches, strict=True)
    )
    plan = Plan.of({"program": (replace(part, steps=steps),)})
    raised = ("maxBufferSize", "maxStorageBufferBindingSize")
    device = NativeDevice(adapter, {name: offered.limits[name] for name in raised}, timed=True)
    found: dict[str, list[float]] = {}
    try:
        host = NativeHost(1, 1, timed=True, shared=device)
        host.build(plan, files.__getitem__)
        for buffer, data in stored_inputs(program, inputs):
            host.write(buffer, data)
        for turn in range(runs + 1):
            host.run("program")
            for label, ms in host.timings_ms().items() if turn else ():
                found.setdefault(label, []).append(ms)
        words = {name: host.read(buffer) for name, buffer in program.counts.items()}
        alive = next((t for t in program.outputs if t.name == "gaussian.count"), None)
        rows = None
        if alive is not None:
            rows = int(np.frombuffer(host.read(alive.buffer), "<i4").sum())
        host.close()
    finally:
        device.close()
    return Kernels(
        {label: statistics.median(times) for label, times in found.items()},
        {name: int(np.frombuffer(data, "<u4")[0]) for name, data in words.items()},
        rows,
    )


def commands(plan: Plan, schedule: str) -> dict[str, int]:
    """Dispatches and draws of a schedule by their stage: project, sort, splat, ..."""
    counts: dict[str, int] = {}
    for step in plan.schedules[schedule]:
        stage = step.label.split(".")[0].split("_")[0]
        several = step.draws if isinstance(step, RenderPass) else step.dispatches
        counts[stage] = counts.get(stage, 0) + len(several)
    return counts


def file_bytes(folder: Path) -> int:
    """Bytes of all files below a folder, compressed copies aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".br")
    return sum(path.stat().st_size for path in files)
