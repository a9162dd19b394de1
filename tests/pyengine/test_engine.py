"""The frame's contract, on the host that executes nothing: what is written, run, and when."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from pyengine.engine import Engine, depth_range
from pyengine.errors import DeviceError, PlanError
from pyengine.hosts.null import NullHost
from pyengine.passes.splat import vertices_for
from pyengine.plan import DEFAULT_LIMITS, Adapter, ComputePass
from pyengine.scene_plan import FRAME, required_limits, scene_plan
from pyengine.structs import BATCHES, Frame
from pyengine.view import WORLD_UP, View
from tests.pyengine.plans import THREE_PASSES, TWO_PASSES, scene_of

MIB = 1 << 20
HARDWARE = Adapter(DEFAULT_LIMITS, subgroup_size=32)

RADIX_PASSES = {TWO_PASSES: 2, THREE_PASSES: 3}
COMMANDS = {passes: 1 + 3 * passes + BATCHES + (BATCHES - 1) + 1 for passes in (2, 3)}
"""Dispatches and draws of a frame, by radix passes: project; count, scan and scatter a pass; the
batches of splats with a mask between two; composite. docs/performance.md has the same numbers."""

MAX_DOUBLE_ALLOCATION_BYTES = 2048
"""Python's floats and tuples of one frame; far less than the 64 KiB of any buffer."""


def started(count: int = TWO_PASSES, sh_degree: int = 0) -> tuple[Engine, NullHost]:
    """An engine on a host that has taken its plan."""
    scene, host = scene_of(count, sh_degree), NullHost()
    host.build(scene_plan(scene, HARDWARE))
    return Engine(scene, host), host


def look(x: float = 0.0, width: int = 320, height: int = 200) -> View:
    return View.look_at((x, -1.0, -5.0), (0.0, 0.0, 0.0), WORLD_UP, 50, width, height)


def test_a_still_camera_dispatches_nothing() -> None:
    """A view that is equal, not the same object; however often it is asked for."""
    engine, host = started()
    assert engine.draw(look())
    host.ran.clear()
    host.written.clear()
    for _ in range(100):
        assert not engine.draw(look())
    assert host.ran == []
    assert host.written == []


@pytest.mark.parametrize(
    "change",
    [
        lambda engine, view: (engine, look(1e-3)),
        lambda engine, view: (engine, replace(view, width=321)),
        lambda engine, view: (engine, replace(view, height=201)),
        lambda engine, view: (engine, replace(view, fx=view.fx * 1.001)),
        lambda engine, view: (engine, replace(view, fy=view.fy * 1.001)),
        lambda engine, view: (engine, replace(view, cx=view.cx + 0.25)),
        lambda engine, view: (engine, replace(view, cy=view.cy + 0.25)),
        lambda engine, view: (setattr(engine, "background", (0.0, 0.0, 0.1)), view),
        lambda engine, view: (setattr(engine, "splat_scale", 0.5), view),
        lambda engine, view: (setattr(engine, "sh_degree", 2), view),
    ],
    ids=[
        "eye",
        "width",
        "height",
        "fx",
        "fy",
        "cx",
        "cy",
        "background",
        "splat_scale",
        "sh_degree",
    ],
)
def test_any_input_that_changes_draws_once(
    change: Callable[[Engine, View], tuple[object, View]],
) -> None:
    """One frame for the change, then none; and one more for the way back."""
    engine, host = started(sh_degree=3)
    before = {name: getattr(engine, name) for name in ("background", "splat_scale", "sh_degree")}
    engine.draw(look())
    host.ran.clear()
    _, view = change(engine, look())
    assert engine.draw(view)
    assert not engine.draw(view)
    for name, value in before.items():
        setattr(engine, name, value)
    assert engine.draw(look())
    assert not engine.draw(look())
    assert host.ran == [FRAME, FRAME]


def test_redraw_draws_the_same_again() -> None:
    """The canvas is new: its pixels are gone though no input changed."""
    engine, host = started()
    engine.draw(look())
    engine.redraw()
    assert engine.draw(look())
    assert not engine.draw(look())
    assert host.ran == [FRAME, FRAME]


def test_a_frame_that_failed_is_drawn_again() -> None:
    """What was not drawn is not remembered as drawn."""
    engine, host = started()
    run, host.run = host.run, lambda schedule: host_fails()  # type: ignore[method-assign]
    with pytest.raises(PlanError):
        engine.draw(look())
    host.run = run  # type: ignore[method-assign]
    assert engine.draw(look())


def host_fails() -> None:
    raise PlanError("the device is lost")


def test_a_steady_frame_writes_the_uniforms_and_runs_one_schedule() -> None:
    """Two calls to the host, of which one carries the bytes of one struct."""
    engine, host = started()
    for step in range(5):
        engine.draw(look(step * 0.1))
    assert host.written == [("frame", 0, Frame.size_bytes)] * 5
    assert host.ran == [FRAME] * 5


def test_a_steady_frame_keeps_no_memory() -> None:
    """The struct is packed in place; a frame leaves nothing behind for a collector."""
    engine, host = started()
    views = [look(step * 0.01) for step in range(20)]
    for view in views:
        engine.draw(view)
    buffer = engine.frame_bytes
    host.ran.clear()
    host.written.clear()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for view in views:
        engine.draw(view)
        host.ran.clear()
        host.written.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < MAX_DOUBLE_ALLOCATION_BYTES
    assert engine.frame_bytes is buffer


@pytest.mark.parametrize("count", RADIX_PASSES)
def test_commands_of_a_frame(count: int) -> None:
    """A number that no machine changes; the docs state it."""
    plan = scene_plan(scene_of(count), HARDWARE)
    assert plan.count_dispatches(FRAME) == COMMANDS[RADIX_PASSES[count]]


def test_a_plan_writes_nothing_that_is_not_in_it() -> None:
    """One schedule, whose first pass is compute and whose last one draws the canvas."""
    plan = scene_plan(scene_of(TWO_PASSES), HARDWARE)
    assert list(plan.schedules) == [FRAME]
    first, *_, last = plan.schedules[FRAME]
    assert isinstance(first, ComputePass)
    assert not isinstance(last, ComputePass)
    assert last.target == "canvas"


def test_uniforms_hold_the_inputs() -> None:
    """Each number where the shader reads it."""
    engine, _ = started(sh_degree=3)
    engine.background, engine.splat_scale, engine.sh_degree = (0.25, 0.5, 0.75), 2.0, 9
    view = replace(look(width=640, height=400), cx=300.0, cy=190.0)
    engine.draw(view)

    def got(name: str) -> tuple[float, ...]:
        return Frame.unpack(engine.frame_bytes, name)

    assert got("view") == pytest.approx(view.view, rel=1e-6, abs=1e-6)
    assert got("camera_position") == pytest.approx((0, -1, -5, 0), abs=1e-6)
    assert got("focal_px") == pytest.approx((view.fx, view.fy))
    assert got("principal_px") == (300, 190)
    assert got("viewport_px") == (640, 400)
    assert got("tangent_limit") == pytest.approx(
        (1.3 * 320 / view.fx, 1.3 * 200 / view.fy), rel=1e-6
    )
    assert got("background") == (0.25, 0.5, 0.75, 1), "opaque"
    assert got("splat_scale") == (2,)
    assert got("sh_degree") == (3,), "no more than the scene has"
    assert got("chunk_count") == (2,)
    assert got("key_max") == (65535,)


def test_keys_span_the_depths_of_the_scene() -> None:
    """The nearest possible centre gets key 0, the farthest the largest."""
    bounds = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    view = View.look_at((0.0, 0.0, -5.0), (0.0, 0.0, 0.0), WORLD_UP, 50, 64, 64)
    assert depth_range(bounds, view) == pytest.approx((4, 6), rel=1e-3)
    inside = View.look_at((0.0, 0.0, 0.5), (0.0, 0.0, 1.0), WORLD_UP, 50, 64, 64)
    assert depth_range(bounds, inside) == pytest.approx((0.2, 0.5), rel=1e-3)
    away = View.look_at((0.0, 0.0, 5.0), (0.0, 0.0, 9.0), WORLD_UP, 50, 64, 64)
    near, far = depth_range(bounds, away)
    assert 0.2 <= near < far


def test_default_limits_suffice_for_a_small_scene() -> None:
    """What is asked for is never less than the default, which every adapter has."""
    plan = scene_plan(scene_of(TWO_PASSES), HARDWARE)
    assert required_limits(plan, HARDWARE) == {
        "maxBufferSize": 256 * MIB,
        "maxStorageBufferBindingSize": 128 * MIB,
    }


def big_adapter(mib: int) -> Adapter:
    """An adapter whose buffers and bindings may be this large."""
    limits = {"maxBufferSize": mib * MIB, "maxStorageBufferBindingSize": mib * MIB}
    return replace(HARDWARE, limits={**DEFAULT_LIMITS, **limits})


SIX_MILLION = 6_000_000
"""With degree 3, 275 MiB of SH: beyond the default of 128 MiB."""


def test_more_than_128_mib_where_the_adapter_allows_it() -> None:
    """The limits that are asked for are what the largest buffer needs; the plan keeps them."""
    scene, adapter = scene_of(SIX_MILLION, sh_degree=3), big_adapter(1024)
    plan = scene_plan(scene, adapter)
    needed = required_limits(plan, adapter)
    sh_bytes = scene.expected_sizes()["sh"]
    assert sh_bytes > 256 * MIB
    assert needed == {"maxBufferSize": sh_bytes, "maxStorageBufferBindingSize": sh_bytes}
    NullHost({**DEFAULT_LIMITS, **needed}).build(plan)
    with pytest.raises(PlanError, match="maxBufferSize is 268435456"):
        NullHost().build(plan)


@pytest.mark.parametrize(
    ("limit", "mib"), [("maxBufferSize", 256), ("maxStorageBufferBindingSize", 128)]
)
def test_more_than_the_adapter_has_is_told_with_both_sizes(limit: str, mib: int) -> None:
    """What is needed, for what, what there is, and what to do."""
    scene = scene_of(SIX_MILLION, sh_degree=3)
    adapter = replace(HARDWARE, limits={**big_adapter(1024).limits, limit: DEFAULT_LIMITS[limit]})
    with pytest.raises(DeviceError) as caught:
        required_limits(scene_plan(scene, adapter), adapter)
    assert str(caught.value) == (
        f"the scene needs a GPU buffer of 274 MiB ('sh'); this adapter offers {mib} MiB ({limit}). "
        "Use a scene with fewer Gaussians or a lower SH degree, or another GPU."
    )


def test_software_adapters_get_triangles() -> None:
    """Half the set-up for 30 % more pixels."""
    assert vertices_for(HARDWARE) == 6
    assert vertices_for(replace(HARDWARE, software=True)) == 3
