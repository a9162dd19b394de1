"""What a frame of each family dispatches: the table of docs/contract.md, by the plans. No GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from pybuild.generators.bundle import Made, make_generator
from pybuild.options import BuildOptions, GeneratorOptions
from pyengine.generator import GENERATE, RUNS
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter, ComputePass, Plan
from pyengine.scene_plan import FRAME, scene_plan

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "assets" / "generators"
HEADING = "## What a frame dispatches"
HARDWARE = Adapter(DEFAULT_LIMITS, subgroup_size=32)
PARTS = ("generator", "live", "project and sort", "splat and composite")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table."""

    model: str
    instances: int
    gaussians: int
    parts: tuple[int, ...]
    total: int


def table() -> dict[str, Line]:
    """Rows of the docs by their first column."""
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").split(HEADING)[1]
    lines = {}
    for name, model, rest in re.findall(r"^\| (`(\w+)`[^|]*) \|(.*)\|$", text, re.MULTILINE):
        gaussians, *numbers = (int(re.sub(r"\D", "", cell)) for cell in rest.split("|"))
        instances = 10 if "ten" in name else 1
        lines[name] = Line(model, instances, gaussians, tuple(numbers[:-1]), numbers[-1])
    return lines


TABLE = table()


@cache
def made(model: str, instances: int) -> Made:
    """Compiled once; several take the walk's poses."""
    options = GeneratorOptions()
    if instances > 1:
        track = f"joints={FOLDER / 'walk.npy'}@30"
        options = GeneratorOptions(tracks=(track,), instances=str(instances))
    return make_generator(FOLDER / f"{model}.onnx", BuildOptions(generator=options))


def plan_of(model: str, instances: int) -> Plan:
    """What a host takes; the null host has checked it."""
    generator = made(model, instances)
    network = generator.network
    plan = scene_plan(generator.scene, HARDWARE, network.program, network.shaders)
    NullHost().build(plan)
    return plan


def counts(plan: Plan, schedule: str) -> dict[str, int]:
    """Dispatches and draws of a schedule by the table's columns."""
    found = dict.fromkeys(PARTS, 0)
    for step in plan.schedules[schedule]:
        kind = step.label.split(".")[0]
        if kind in ("project", "sort"):
            kind = "project and sort"
        elif not isinstance(step, ComputePass):
            kind = "splat and composite"
        found[kind] += len(step.dispatches) if isinstance(step, ComputePass) else 1
    return found


@pytest.mark.parametrize("name", TABLE)
def test_the_table_is_what_plans_do(name: str) -> None:
    """Each part, their sum, and how many Gaussians."""
    line = TABLE[name]
    plan = plan_of(line.model, line.instances)
    schedules = [schedule for schedule in (GENERATE, *RUNS) if schedule in plan.schedules]
    for schedule in schedules:
        assert tuple(counts(plan, schedule).values()) == line.parts
        assert plan.count_dispatches(schedule) == line.total == sum(line.parts)
    assert plan.count_dispatches(FRAME) == sum(line.parts[2:])
    assert made(line.model, line.instances).scene.count == line.gaussians


def test_every_family_is_in_the_table() -> None:
    """And nothing else."""
    assert {line.model for line in TABLE.values()} == {path.stem for path in FOLDER.glob("*.onnx")}


def test_ten_walkers_take_what_one_takes() -> None:
    """Of everything, though there are ten times as many Gaussians to sort."""
    one, ten = TABLE["`avatar`"], TABLE["`avatar`, ten of them"]
    assert ten.gaussians == 10 * one.gaussians
    assert ten.parts == one.parts
