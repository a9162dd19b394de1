"""The host without a GPU: every plan of the engine passes, and each rule finds what breaks it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyengine.hosts.null as null
from pyengine.errors import PlanError
from pyengine.hosts.null import NullHost
from pyengine.plan import (
    CANVAS,
    DEFAULT_LIMITS,
    Adapter,
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Draw,
    Indirect,
    Part,
    Plan,
    Range,
    RenderPass,
    RenderPipeline,
    Texture,
)
from pyengine.scene_plan import scene_plan
from pyengine.structs import Frame
from tests.pyengine.plans import adapters, kind_of, real_plans, scene_of

COMPUTE = """// #struct Frame
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> a: array<vec4u>; // not @binding(7) var<uniform> x: u32;
@group(0) @binding(2)
var<storage, read_write> b: array<u32>;
override SIZE: u32 = 1u;
@compute @workgroup_size(1) fn main() {}
"""
RENDER = """
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var picture: texture_2d<f32>;
@vertex fn vertex_main() {}
@fragment fn fragment_main() {}
"""
SHARED = ("storage", "upload")

TWENTY_MILLION = 20_000_000
"""78,125 chunks: more workgroups than fit into one dimension."""


def small_plan() -> Plan:
    """Two passes that keep every rule, small enough to break one at a time."""
    return Plan.of(
        {
            "frame": (
                Part(
                    buffers=(
                        Buffer("frame", Frame.size_bytes, ("uniform", "upload")),
                        Buffer("a", 64, SHARED, source="a"),
                        Buffer("b", 64, ("storage",)),
                        Buffer("args", 32, ("storage", "indirect")),
                    ),
                    textures=(
                        Texture("picture", "rgba16float", ("render", "sample")),
                        Texture("depth", "depth32float", ("render",)),
                    ),
                    shaders={"compute": COMPUTE, "render": RENDER},
                    compute=(
                        ComputePipeline(
                            "c", "compute", ("uniform", "read", "read_write"), {"SIZE": 2.0}
                        ),
                    ),
                    render=(RenderPipeline("r", "render", ("uniform", "texture"), CANVAS),),
                    steps=(
                        ComputePass(
                            "work",
                            (
                                Dispatch("c", ("frame", "a", "b"), (1, 1, 1)),
                                Dispatch("c", ("frame", "a", "b"), Indirect("args", 0)),
                            ),
                        ),
                        RenderPass(
                            "show",
                            CANVAS,
                            (
                                Draw("r", ("frame", "picture"), (3, 1)),
                                Draw("r", ("frame", "picture"), Indirect("args", 16)),
                            ),
                        ),
                    ),
                ),
            )
        }
    )


def buffer(name: str, /, **changes: Any) -> Callable[[Plan], Plan]:
    """Change a buffer."""
    return lambda plan: replace(plan, buffers=_changed(plan.buffers, name, changes))


def texture(name: str, /, **changes: Any) -> Callable[[Plan], Plan]:
    """Change a texture."""
    return lambda plan: replace(plan, textures=_changed(plan.textures, name, changes))


def compute(**changes: Any) -> Callable[[Plan], Plan]:
    """Change the compute pipeline."""
    return lambda plan: replace(plan, compute=_changed(plan.compute, "c", changes))


def render(**changes: Any) -> Callable[[Plan], Plan]:
    """Change the render pipeline."""
    return lambda plan: replace(plan, render=_changed(plan.render, "r", changes))


def shader(name: str, old: str, new: str) -> Callable[[Plan], Plan]:
    """Change the text of a shader."""

    def change(plan: Plan) -> Plan:
        assert old in plan.shaders[name]
        return replace(plan, shaders={**plan.shaders, name: plan.shaders[name].replace(old, new)})

    return change


def dispatch(index: int, **changes: Any) -> Callable[[Plan], Plan]:
    """Change the direct (0) or the indirect (1) dispatch."""

    def change(plan: Plan) -> Plan:
        work, show = plan.schedules["frame"]
        assert isinstance(work, ComputePass)
        items = list(work.dispatches)
        items[index] = replace(items[index], **changes)
        return replace(plan, schedules={"frame": (replace(work, dispatches=tuple(items)), show)})

    return change


def draw(index: int = 0, **changes: Any) -> Callable[[Plan], Plan]:
    """Change the direct (0) or the indirect (1) draw."""

    def change(plan: Plan) -> Plan:
        work, show = plan.schedules["frame"]
        assert isinstance(show, RenderPass)
        items = list(show.draws)
        items[index] = replace(items[index], **changes)
        return replace(plan, schedules={"frame": (work, replace(show, draws=tuple(items)))})

    return change


def target(**changes: Any) -> Callable[[Plan], Plan]:
    """Change what the render pass draws to."""

    def change(plan: Plan) -> Plan:
        work, show = plan.schedules["frame"]
        return replace(plan, schedules={"frame": (work, replace(show, **changes))})

    return change


def both(*changes: Callable[[Plan], Plan]) -> Callable[[Plan], Plan]:
    """Several changes, in order."""

    def change(plan: Plan) -> Plan:
        for one in changes:
            plan = one(plan)
        return plan

    return change


def two_writes() -> Callable[[Plan], Plan]:
    """Make the read binding of the compute pipeline read_write."""
    return both(
        compute(layout=("uniform", "read_write", "read_write")),
        shader("compute", "var<storage, read> a", "var<storage, read_write> a"),
        dispatch(1, bindings=("frame", "a", "b")),
    )


def _changed(items: tuple[Any, ...], name: str, changes: dict[str, Any]) -> tuple[Any, ...]:
    assert any(item.name == name for item in items)
    return tuple(replace(item, **changes) if item.name == name else item for item in items)


MIB = 1 << 20

BROKEN: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "two buffers of one name": (buffer("a", name="b"), r"^the name 'b' is used twice$"),
    "a texture named as a buffer": (texture("picture", name="b"), r"^the name 'b' is used twice$"),
    "an empty buffer": (buffer("b", size_bytes=0), r"^buffer 'b': 0 bytes is not a multiple of 4$"),
    "an odd size": (buffer("b", size_bytes=62), r"^buffer 'b': 62 bytes is not a multiple of 4$"),
    "a buffer beyond the limit": (
        buffer("args", size_bytes=257 * MIB, usage=("indirect",)),
        r"^buffer 'args' has 269484032 bytes; maxBufferSize is 268435456$",
    ),
    "a storage binding beyond the limit": (
        buffer("b", size_bytes=129 * MIB),
        r"^buffer 'b' has 135266304 bytes; maxStorageBufferBindingSize is 134217728$",
    ),
    "a uniform binding beyond the limit": (
        buffer("frame", size_bytes=1 << 17),
        r"^buffer 'frame' has 131072 bytes; maxUniformBufferBindingSize is 65536$",
    ),
    "a source that cannot be uploaded": (
        buffer("a", usage=("storage",)),
        r"^buffer 'a' has a source but lacks usage upload$",
    ),
    "an unknown shader": (
        compute(shader="none"),
        r"^pipeline 'c': shader 'none' is not in the plan$",
    ),
    "nine storage buffers": (
        compute(layout=("read",) * 9),
        r"^pipeline 'c' binds 9 storage buffers$",
    ),
    "a vertex stage that writes": (
        render(layout=("uniform", "read_write")),
        r"^pipeline 'r': a vertex stage cannot write storage$",
    ),
    "blending into nothing": (
        render(blend="under", target=None, depth="write"),
        r"^pipeline 'r' blends without a target$",
    ),
    "an unknown entry point": (compute(entry="other"), r"^pipeline 'c': no entry point 'other'$"),
    "an unknown fragment stage": (render(fragment="f"), r"^pipeline 'r': no entry point 'f'$"),
    "an unknown override": (
        compute(constants={"SIZES": 1.0}),
        r"^pipeline 'c': no override 'SIZES' in its shader$",
    ),
    "a layout that is too short": (
        compute(layout=("uniform", "read")),
        r"^pipeline 'c' has bindings \[0, 1\], its shader \[0, 1, 2\]$",
    ),
    "a layout that is too long": (
        compute(layout=("uniform", "read", "read_write", "read")),
        r"^pipeline 'c' has bindings \[0, 1, 2, 3\], its shader \[0, 1, 2\]$",
    ),
    "a binding with another access": (
        compute(layout=("uniform", "read_write", "read_write")),
        r"^pipeline 'c': binding 1 is 'read_write', in its shader 'read'$",
    ),
    "a buffer where a texture is declared": (
        render(layout=("uniform", "read")),
        r"^pipeline 'r': binding 1 is 'read', in its shader 'texture'$",
    ),
    "a second group": (
        shader("compute", "@group(0) @binding(1)", "@group(1) @binding(1)"),
        r"^@group\(1\) @binding\(1\) is declared twice or not in group 0$",
    ),
    "a binding declared twice": (
        shader("compute", "@binding(1)", "@binding(0)"),
        r"^@group\(0\) @binding\(0\) is declared twice or not in group 0$",
    ),
    "too few bindings": (
        dispatch(0, bindings=("frame", "a")),
        r"^frame/work: 'c' takes 3 bindings, got 2$",
    ),
    "a texture that cannot be sampled": (
        texture("picture", usage=("render",)),
        r"^frame/show: 'r': 'picture' is not a texture with usage sample$",
    ),
    "a buffer bound as a texture": (
        draw(bindings=("frame", "a")),
        r"^frame/show: 'r': 'a' is not a texture with usage sample$",
    ),
    "an unknown buffer": (
        dispatch(0, bindings=("frame", "none", "b")),
        r"^frame/work: 'c': buffer 'none' is not in the plan$",
    ),
    "a usage that is lacking": (
        buffer("frame", usage=("storage", "upload")),
        r"^frame/work: 'c': buffer 'frame' lacks usage uniform$",
    ),
    "a buffer smaller than its struct": (
        buffer("frame", size_bytes=16),
        rf"^frame/work: 'c': buffer 'frame' has 16 bytes, Frame takes {Frame.size_bytes}$",
    ),
    "reading what is written": (
        dispatch(0, bindings=("frame", "b", "b")),
        r"^frame/work: 'c': buffer 'b' is written and bound twice$",
    ),
    "a range beyond the end": (
        dispatch(0, bindings=("frame", Range("a", 0, 68), "b")),
        r"^frame/work: 'c': bytes 0 to 68 of buffer 'a': it has 64$",
    ),
    "an empty range": (
        dispatch(0, bindings=("frame", Range("a", 0, 0), "b")),
        r"^frame/work: 'c': bytes 0 to 0 of buffer 'a': it has 64$",
    ),
    "a range off the grid of 256": (
        dispatch(0, bindings=("frame", Range("a", 32, 32), "b")),
        r"^frame/work: 'c': bytes 32 to 64 .*: the first is a multiple of 256, the size of 4$",
    ),
    "a range of an odd size": (
        dispatch(0, bindings=("frame", Range("a", 0, 30), "b")),
        r"^frame/work: 'c': bytes 0 to 30 .*: the first is a multiple of 256, the size of 4$",
    ),
    "a range larger than a binding": (
        both(
            buffer("b", size_bytes=256 * MIB),
            dispatch(0, bindings=("frame", "a", Range("b", 0, 129 * MIB))),
            dispatch(1, bindings=("frame", "a", Range("b", 0, 64))),
        ),
        r"^frame/work: 'c': bytes 0 to 135266304 .*: a binding takes 134217728 bytes at most$",
    ),
    "a range of an unknown buffer": (
        dispatch(0, bindings=("frame", Range("none", 0, 64), "b")),
        r"^frame/work: 'c': buffer 'none' is not in the plan$",
    ),
    "a range smaller than its struct": (
        dispatch(0, bindings=(Range("frame", 0, 16), "a", "b")),
        rf"^frame/work: 'c': buffer 'frame' has 16 bytes, Frame takes {Frame.size_bytes}$",
    ),
    "writing a part of what is read": (
        both(
            buffer("b", size_bytes=1024),
            dispatch(0, bindings=("frame", "b", Range("b", 256, 256))),
        ),
        r"^frame/work: 'c': buffer 'b' is written and bound twice$",
    ),
    "reading beside what is written": (
        both(
            buffer("b", size_bytes=1024),
            dispatch(0, bindings=("frame", Range("b", 0, 256), Range("b", 256, 256))),
        ),
        r"^frame/work: 'c': buffer 'b' is bound read and read_write; ranges do not part the two",
    ),
    "writing two overlapping ranges": (
        both(
            buffer("b", size_bytes=1024),
            two_writes(),
            dispatch(0, bindings=("frame", Range("b", 0, 260), Range("b", 256, 256))),
        ),
        r"^frame/work: 'c': buffer 'b' is written and bound twice$",
    ),
    "arguments in a buffer without the usage": (
        buffer("args", usage=("storage",)),
        r"^frame/work: 'args' is not a buffer with usage indirect$",
    ),
    "arguments in no buffer": (
        draw(1, count=Indirect("none", 0)),
        r"^frame/show: 'none' is not a buffer with usage indirect$",
    ),
    "dispatch arguments beyond the end": (
        dispatch(1, workgroups=Indirect("args", 24)),
        r"^frame/work: dispatch arguments at 24 do not fit$",
    ),
    "dispatch arguments off the grid of 4": (
        dispatch(1, workgroups=Indirect("args", 2)),
        r"^frame/work: dispatch arguments at 2 do not fit$",
    ),
    "draw arguments beyond the end": (
        draw(1, count=Indirect("args", 20)),
        r"^frame/show: draw arguments at 20 do not fit$",
    ),
    "writing one's own arguments": (
        dispatch(1, bindings=("frame", "a", "args")),
        r"^frame/work: 'args' is written and holds the dispatch's arguments$",
    ),
    "too many workgroups": (
        dispatch(0, workgroups=(65536, 1, 1)),
        r"^frame/work: \(65536, 1, 1\) workgroups; at most 65535 a dimension$",
    ),
    "sampling the target": (
        both(target(target="picture"), render(target="rgba16float")),
        r"^frame/show: 'picture' is sampled while it is drawn to$",
    ),
    "a second target that the pipeline lacks": (
        target(extra="depth"),
        r"^frame/show: 'r' draws to None too, not 'depth'$",
    ),
    "a depth of another size": (
        both(target(depth="depth"), render(depth="test"), texture("depth", size=(4, 4))),
        r"^frame/show: draws to textures of several sizes$",
    ),
    "a target of another format": (
        render(target="rgba16float"),
        r"^frame/show: 'r' draws to rgba16float, not 'canvas'$",
    ),
    "a depth test without depth": (
        render(depth="test"),
        r"^frame/show: 'r' has depth 'test', the pass differs$",
    ),
    "depth without a test": (
        target(depth="depth"),
        r"^frame/show: 'r' has depth 'none', the pass differs$",
    ),
    "depth in a colour": (
        both(
            render(depth="write", layout=("uniform",)),
            shader("render", "@group(0) @binding(1) var picture: texture_2d<f32>;", ""),
            draw(0, bindings=("frame",)),
            target(depth="picture"),
        ),
        r"^frame/show: 'picture' is no texture of depth32float$",
    ),
    "an unknown target": (
        target(target="none"),
        r"^frame/show: 'none' is not a texture with usage render$",
    ),
    "a target that cannot be drawn to": (
        both(texture("depth", usage=("sample",)), target(depth="depth"), render(depth="write")),
        r"^frame/show: 'depth' is not a texture with usage render$",
    ),
    "an unknown pipeline": (
        dispatch(0, pipeline="r"),
        r"^frame/work: pipeline 'r' is not in the plan$",
    ),
    "a draw with a compute pipeline": (
        draw(pipeline="c"),
        r"^frame/show: pipeline 'c' is not in the plan$",
    ),
}
"""What is broken: how, and the message that names it."""


def test_the_small_plan_passes() -> None:
    """Else every broken one below would prove nothing."""
    NullHost().build(small_plan())


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plan_is_refused(change: Callable[[Plan], Plan], message: str) -> None:
    """One rule broken, with a message that says where."""
    with pytest.raises(PlanError, match=message):
        NullHost().build(change(small_plan()))


def test_two_disjoint_ranges_of_one_buffer_may_be_written() -> None:
    """An operator reads and writes the arena; tests/page/test_ranges.py asks the compilers."""
    change = both(
        buffer("b", size_bytes=1024),
        two_writes(),
        dispatch(0, bindings=("frame", Range("b", 256, 260), Range("b", 0, 256))),
    )
    NullHost().build(change(small_plan()))


def test_a_buffer_larger_than_a_binding_may_be_bound_in_parts() -> None:
    """An arena of 256 MiB where a binding takes 128 MiB."""
    change = both(
        buffer("b", size_bytes=256 * MIB),
        dispatch(0, bindings=("frame", "a", Range("b", 128 * MIB, 128 * MIB))),
        dispatch(1, bindings=("frame", "a", Range("b", 0, 64))),
    )
    NullHost().build(change(small_plan()))


def use(action: Callable[[NullHost], None]) -> None:
    """Do something with a host that has taken the small plan."""
    host = NullHost()
    host.build(small_plan())
    action(host)


MISUSES: dict[str, tuple[Callable[[], None], str]] = {
    "write before build": (lambda: NullHost().write("a", b"1234"), r"^no plan was built$"),
    "run before build": (
        lambda: NullHost().run("frame"),
        r"^schedule 'frame' is not in the plan$",
    ),
    "an unknown schedule": (
        lambda: use(lambda host: host.run("none")),
        r"^schedule 'none' is not in the plan$",
    ),
    "an unknown buffer": (
        lambda: use(lambda host: host.write("none", b"1234")),
        r"^buffer 'none' is not in the plan$",
    ),
    "a buffer that takes no upload": (
        lambda: use(lambda host: host.write("b", b"1234")),
        r"^buffer 'b' is written but lacks usage upload$",
    ),
    "more than fits": (
        lambda: use(lambda host: host.write("a", bytes(64), 4)),
        r"^buffer 'a': 64 bytes at 4 do not fit$",
    ),
}


@pytest.mark.parametrize(("action", "message"), MISUSES.values(), ids=MISUSES)
def test_misuse_is_refused(action: Callable[[], None], message: str) -> None:
    """What a frame may ask of a host."""
    with pytest.raises(PlanError, match=message):
        action()


def test_every_rule_is_broken_once() -> None:
    """A rule added to the null host needs a plan above that breaks it."""
    source = Path(null.__file__)
    rules = {
        node.lineno
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
    }
    found = set()
    actions = [action for action, _ in MISUSES.values()]
    actions += [lambda c=c: NullHost().build(c(small_plan())) for c, _ in BROKEN.values()]
    for action in actions:
        with pytest.raises(PlanError) as caught:
            action()
        last = caught.traceback[-1]
        assert Path(last.path) == source
        found.add(last.lineno + 1)
    assert rules == found


def test_records_what_ran() -> None:
    """Uploads with offset and length, and schedules, in order."""
    host = NullHost()
    host.build(small_plan())
    host.write("a", bytes(8), 16)
    host.run("frame")
    assert host.written == [("a", 16, 8)]
    assert host.ran == ["frame"]


@pytest.mark.parametrize("plan", [pytest.param(plan, id=name) for name, plan in real_plans()])
def test_real_plans_pass(plan: Plan) -> None:
    """All adapters and all kinds of scene."""
    NullHost().build(plan)


@pytest.mark.parametrize("adapter", adapters(), ids=kind_of)
@pytest.mark.parametrize("sh_degree", range(4))
@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1 << 18, TWENTY_MILLION])
def test_sizes_pass(count: int, sh_degree: int, adapter: Adapter) -> None:
    """From nothing to more chunks than one dimension of a dispatch takes."""
    limits = {**DEFAULT_LIMITS, "maxBufferSize": 1 << 32, "maxStorageBufferBindingSize": 1 << 32}
    plan = scene_plan(scene_of(count, sh_degree), replace(adapter, limits=limits))
    NullHost(limits).build(plan)
    chunks = max(1, -(-count // 256))
    first = next(step for _, step in plan.passes() if isinstance(step, ComputePass))
    workgroups = first.dispatches[0].workgroups
    assert isinstance(workgroups, tuple)
    x, y, z = workgroups
    assert chunks <= x * y * z < chunks + y, "all chunks, and no more than a row to spare"
    assert (y > 1) == (count == TWENTY_MILLION)
