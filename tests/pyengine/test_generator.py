"""A generator's inputs and when it runs: without a GPU; and states on the native host."""

from __future__ import annotations

import json
import math
import struct
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pybuild.networks import Network
from pybuild.render import Renderer
from pyengine.contract import Clip, Control
from pyengine.engine import Engine
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec, Track
from pyengine.generator import CLEAR, GENERATE, RESTART, RUNS, STEPS, Generator
from pyengine.generator_spec import HEADER_BYTES, INPUTS, GeneratorSpec
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import FRAME
from pyengine.structs import BATCHES, Frame
from pyengine.timeline import Timeline
from pyengine.view import WORLD_UP, View
from tests.pyengine.generators import gaussians, generator, placed

HARDWARE = Adapter(DEFAULT_LIMITS, subgroup_size=32)
VIEW = View.look_at((0.3, -1.0, -5.0), (0.1, 0.0, 0.0), WORLD_UP, 50, 320, 200)
DRAWN = 1 + 3 * 2 + BATCHES + (BATCHES - 1) + 1
"""Dispatches and draws of a frame that only draws, with 16 bits of depth."""
MAX_KEPT_BYTES = 4096
"""Python's floats and tuples of one frame."""


def look(x: float) -> View:
    return View.look_at((x, -1.0, -5.0), (0.1, 0.0, 0.0), WORLD_UP, 50, 320, 200)


def started(**options: Any) -> tuple[Engine, NullHost]:
    """An engine on a host that has taken its plan."""
    made, host = generator(300, **options), NullHost()
    host.build(made.plan(HARDWARE))
    return Engine(made.scene, host), host


def spec_of(*feeds: FeedSpec, instances: int = 1, **more: Any) -> GeneratorSpec:
    """A generator of these inputs, its instances a unit apart."""
    apart = placed(*[(float(index), 0, 0) for index in range(instances)])
    return GeneratorSpec("generator", instances, 10, False, apart, feeds, **more)


def values_of(made: Generator, name: str, code: str = "f") -> tuple[float, ...]:
    """What an input holds."""
    at = made.spec.layout()[name]
    return struct.unpack_from(f"<{at.size_bytes // 4}{code}", made.input_bytes, at.offset_bytes)


def filled(*feeds: FeedSpec, at: float = 0.0, view: View = VIEW, **more: Any) -> Generator:
    """A generator that has been asked what to run."""
    spec = spec_of(*feeds, **more)
    made = Generator(spec)
    timeline = Timeline(*((spec.clip.duration_s, spec.clip.loop) if spec.clip else (None,)))
    timeline.seek(at)
    assert made.next(view, timeline) is not None
    return made


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {GENERATE: 0}),
        ({"counted": True}, {GENERATE: 1}),
        ({"counted": True, "instances": 10}, {GENERATE: 1}),
        ({"stateful": True}, dict.fromkeys(RUNS, 0) | {RESTART: 1}),
    ],
    ids=["plain", "counted", "ten of them", "stateful"],
)
def test_commands_of_each_schedule(options: dict[str, Any], more: dict[str, int]) -> None:
    """The program's own, one more that follows a count or clears a state, and those of a frame."""
    made = generator(300, **options)
    plan = made.plan(HARDWARE)
    kernels = len(made.compiled.program.dispatches)
    wanted = {FRAME: DRAWN} | {name: DRAWN + kernels + count for name, count in more.items()}
    if options.get("stateful"):
        wanted |= {**dict.fromkeys(STEPS, kernels), CLEAR: 1}
    assert {name: plan.count_dispatches(name) for name in plan.schedules} == wanted
    assert next(iter(plan.schedules)) == FRAME


def test_it_runs_when_an_input_changed_and_only_then() -> None:
    """The camera alone draws what was made before; the same values again do nothing."""
    engine, host = started(timed=True)
    assert engine.draw(look(0.0))
    assert not engine.draw(look(0.0))
    assert engine.draw(look(0.1))
    engine.set_input("packed", np.ones((300, 10)).tolist())
    assert engine.draw(look(0.1))
    engine.set_input("packed", np.ones((300, 10)).tolist())
    assert not engine.draw(look(0.1))
    engine.advance(0.5)
    assert not engine.draw(look(0.1)), "the timeline is paused"
    engine.timeline.play()
    engine.advance(0.5)
    assert engine.draw(look(0.1))
    engine.timeline.pause()
    engine.timeline.seek(0.5)
    assert not engine.draw(look(0.1)), "there it is already"
    assert host.ran == [GENERATE, FRAME, GENERATE, GENERATE]
    sizes = [("frame", Frame.size_bytes), (INPUTS, len(engine.generator.input_bytes))]  # type: ignore[union-attr]
    told = [(name, size) for name, _, size in host.written]
    assert told == [*sizes, sizes[0], *sizes, *sizes]


def test_time_that_no_input_wants_runs_nothing() -> None:
    """A clip may play; what does not look at it stays."""
    engine, host = started()
    engine.draw(VIEW)
    engine.timeline.play()
    engine.advance(0.5)
    assert not engine.draw(VIEW)
    assert host.ran == [GENERATE]


def test_a_camera_that_an_input_wants_runs_it() -> None:
    """Once a view."""
    made = filled(FeedSpec("eye", "camera.position", (3,), "float32"))
    made.done(GENERATE)
    assert made.next(VIEW, Timeline()) is None
    assert made.next(look(1.0), Timeline()) == GENERATE
    assert made.next(look(1.0), Timeline()) == GENERATE, "until it is done"
    made.done(GENERATE)
    assert made.next(look(1.0), Timeline()) is None


def test_bytes_written_in_place() -> None:
    """JavaScript writes into the memory, and says so."""
    made = filled(FeedSpec("mel", "audio.mel", (8,), "float32"))
    made.done(GENERATE)
    at = made.spec.layout()["mel"].offset_bytes
    made.input_bytes[at : at + 4] = struct.pack("<f", 0.5)
    made.touch()
    assert made.next(VIEW, Timeline()) == GENERATE
    assert values_of(made, "mel")[:2] == (0.5, 0.0)


def test_what_the_camera_fills() -> None:
    """x_cam = M x_world by rows; clip = P x_cam; or both for row vectors."""
    roles = {
        "camera.view": (4, 4),
        "camera.projection": (1, 4, 4),
        "camera.position": (3,),
        "viewport": (4,),
    }
    feeds = [FeedSpec(role, role, shape, "float32") for role, shape in roles.items()]
    turned = [replace(feed, name=f"{feed.name} turned", transposed=True) for feed in feeds[:2]]
    view = replace(VIEW, cx=150.0, cy=90.0)
    made = filled(*feeds, *turned, view=view)
    m = np.reshape(values_of(made, "camera.view"), (4, 4))
    p = np.reshape(values_of(made, "camera.projection"), (4, 4))
    np.testing.assert_allclose(m, np.reshape(view.view, (4, 4)).T, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(np.reshape(values_of(made, "camera.view turned"), (4, 4)), m.T)
    np.testing.assert_array_equal(
        np.reshape(values_of(made, "camera.projection turned"), (4, 4)), p.T
    )
    assert values_of(made, "camera.position") == pytest.approx(view.position, abs=1e-6)
    assert values_of(made, "viewport") == pytest.approx((320, 200, view.fx, view.fy))
    point = m @ (0.7, 0.2, 0.4, 1.0)
    x, y, z = point[:3]
    clip = p @ point
    pixel = (clip[:2] / clip[3] * (0.5, -0.5) + 0.5) * (320, 200)
    assert pixel == pytest.approx((view.fx * x / z + 150, view.fy * y / z + 90), rel=1e-5)
    assert clip[3] == pytest.approx(z)
    for depth, wanted in ((0.2, 0.0), (1000.0, 1.0)):
        near = p @ (0, 0, depth, 1)
        assert near[2] / near[3] == pytest.approx(wanted, abs=1e-5)


def test_each_instance_sees_the_camera_from_its_own_space() -> None:
    """A batched input has a row an instance; one that is shared has the world's."""
    feeds = (
        FeedSpec("own", "camera.position", (2, 3), "float32", batched=True),
        FeedSpec("views", "camera.view", (2, 4, 4), "float32", batched=True),
        FeedSpec("world", "camera.position", (3,), "float32"),
    )
    made = filled(*feeds, instances=2)
    x, y, z = VIEW.position
    assert values_of(made, "world") == pytest.approx((x, y, z), abs=1e-6)
    assert values_of(made, "own") == pytest.approx((x, y, z, x - 1, y, z), abs=1e-6)
    first, second = np.reshape(values_of(made, "views"), (2, 4, 4))
    np.testing.assert_allclose(second @ (0, 0, 0, 1), first @ (1, 0, 0, 1), atol=1e-6)


def test_what_time_fills() -> None:
    """Seconds, the place in the clip, a whole number of frames."""
    feeds = (
        FeedSpec("t", "time", (), "float32"),
        FeedSpec("p", "phase", (1,), "float32"),
        FeedSpec("f", "frame", (1,), "int64"),
        FeedSpec("late", "time", (2, 1), "float32", batched=True, offsets_s=(0.0, 1.5)),
    )
    made = filled(*feeds, at=0.75, instances=2, clip=Clip(2.0, True))
    assert values_of(made, "t") == (0.75,)
    assert values_of(made, "p") == (0.375,)
    assert values_of(made, "f", "i") == (22,)
    assert values_of(made, "late") == (0.75, 0.25)
    time, phase, playing, speed, steps = struct.unpack_from("<4fI", made.input_bytes)
    assert (time, phase, playing, speed, steps) == (0.75, 0.375, 0, 1, 0)


def test_tracks() -> None:
    """Between two frames linearly, round the end where they loop, each instance at its own time."""
    track = Track("track-1.bin", 4, 2.0, True)
    pose = FeedSpec("pose", "joints", (2, 1, 3), "float32", batched=True, track=track)
    pose = replace(pose, offsets_s=(0.0, 1.0))
    rows = np.arange(12, dtype="<f4").reshape(4, 3)
    made = Generator(spec_of(pose, instances=2))
    made.set_track("pose", rows.tobytes())
    timeline = Timeline()

    def at(time_s: float) -> tuple[float, ...]:
        timeline.seek(time_s)
        made.next(VIEW, timeline)
        return values_of(made, "pose")

    assert at(0.25) == (1.5, 2.5, 3.5, 7.5, 8.5, 9.5)
    assert at(0.75 + 2 * 17) == (4.5, 5.5, 6.5, 4.5, 5.5, 6.5)
    made.set_input("pose", [1, 2, 3])
    assert at(0.0) == (1, 2, 3, 1, 2, 3), "what is set holds"
    made.set_input("pose", None)
    assert at(0.0)[:3] == (0, 1, 2)
    with pytest.raises(InputError, match=r"^track-1\.bin: wanted 48 bytes, 4 frames of 3 numbers"):
        made.set_track("pose", b"1234")
    with pytest.raises(InputError, match="not finite"):
        made.set_track("pose", np.full((4, 3), np.nan, "<f4").tobytes())
    still = Generator(spec_of(replace(pose, batched=False, shape=(1, 3), offsets_s=None)))
    still.set_track("pose", rows.tobytes())
    still.next(VIEW, timeline)
    assert values_of(still, "pose") == (0, 1, 2)


def test_a_track_that_does_not_loop_stays_at_its_end() -> None:
    """And is not read beyond."""
    feed = FeedSpec("w", "weights", (1,), "float32", track=Track("t.bin", 3, 1.0, False))
    made = Generator(spec_of(feed))
    made.set_track("w", np.array([1, 2, 4], "<f4").tobytes())
    timeline = Timeline()
    timeline.seek(99.0)
    made.next(VIEW, timeline)
    assert values_of(made, "w") == (4,)


@pytest.mark.parametrize(
    ("feed", "code", "wanted"),
    [
        (FeedSpec("x", "latent", (2,), "float32"), "f", (0, 0)),
        (FeedSpec("x", "latent", (2,), "float16", default=(1, -2.5)), "f", (1, -2.5)),
        (FeedSpec("x", "joints", (1, 4, 4), "float32"), "f", tuple(np.eye(4).ravel())),
        (FeedSpec("x", "control", (1,), "float32", control=Control("a", 0, 2, 0.5)), "f", (0.5,)),
        (FeedSpec("x", "latent", (2, 1), "int64", batched=True, default=(7,)), "i", (7, 7)),
        (FeedSpec("x", "image", (1, 2), "uint32"), "I", (0, 0)),
    ],
)
def test_defaults(feed: FeedSpec, code: str, wanted: Sequence[float]) -> None:
    """What the model says; identities for joints that are matrices; nothing otherwise."""
    instances = 2 if feed.batched else 1
    assert values_of(filled(feed, instances=instances), "x", code) == tuple(wanted)


@pytest.mark.parametrize(
    ("feed", "given", "code", "wanted"),
    [
        (FeedSpec("x", "latent", (2, 2), "float32"), [[1, 2], [3, 4]], "f", (1, 2, 3, 4)),
        (FeedSpec("x", "latent", (1,), "float32"), 3, "f", (3,)),
        (FeedSpec("x", "latent", (2,), "int8"), [1.6, -3e12], "i", (2, -(2**31))),
        (FeedSpec("x", "latent", (2,), "bool"), [0.5, 0], "I", (1, 0)),
        (FeedSpec("x", "latent", (2, 1), "float32", batched=True), [5], "f", (5, 5)),
        (FeedSpec("x", "latent", (2, 1), "float32", batched=True), [5, 6], "f", (5, 6)),
        (FeedSpec("x", "image", (1, 2), "uint32"), b"\1\2\3\4\5\0\0\0", "I", (0x04030201, 5)),
        (
            FeedSpec("x", "control", (1,), "float32", control=Control("a", 0, 2, 0.5)),
            [9],
            "f",
            (2,),
        ),
    ],
)
def test_set_input(feed: FeedSpec, given: object, code: str, wanted: tuple[float, ...]) -> None:
    """Nested or flat, of one instance or of all, kept within a type and a slider's ends."""
    made = filled(feed, instances=2 if feed.batched else 1)
    before = values_of(made, "x", code)
    made.set_input("x", given)
    assert values_of(made, "x", code) == wanted
    made.set_input("x", None)
    assert values_of(made, "x", code) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1], r"^input 'x': wanted 2 numbers, got 1$"),
        ([1, 2, 3], r"^input 'x': wanted 2 finite numbers: got more$"),
        ([1, math.nan], "got nan"),
        ([1, math.inf], "got inf"),
        ([1, 10**400], "too large"),
        (["a", 1], "got str"),
        ({"a": 1}, "got dict"),
        ([None, 1], "NoneType"),
        (b"1234", r"^input 'x': wanted 8 bytes, got 4$"),
        (json.loads("[" * 500 + "]" * 500), "got 0$"),
    ],
)
def test_values_that_are_none(given: object, message: str) -> None:
    """Whatever a page hands over; what was there stays."""
    made = filled(FeedSpec("x", "latent", (2,), "float32", default=(3, 4)))
    with pytest.raises(InputError, match=message):
        made.set_input("x", given)
    assert values_of(made, "x") == (3, 4)


def test_an_input_that_there_is_not() -> None:
    """With the names that there are."""
    with pytest.raises(InputError, match=r"^input 'y': there is none of that name; there are: x$"):
        filled(FeedSpec("x", "latent", (2,), "float32")).set_input("y", 1)
    static, _ = started()
    static.generator = None
    with pytest.raises(InputError, match=r"^input 'y': the scene has no generator$"):
        static.set_input("y", 1)


def test_a_state_steps_at_its_rate() -> None:
    """One step a frame at most, none while paused; a change while paused repeats the last step."""
    engine, host = started(stateful=True)
    for _ in range(3):
        engine.draw(VIEW)
    assert host.ran == [RESTART], "the first step shows something"
    engine.set_input("drive", [1, 0, 0, 0])
    engine.draw(VIEW)
    assert host.ran[1:] == [RUNS[0]], "the same step from the same state"
    host.ran.clear()
    engine.timeline.play()
    for _ in range(4):
        engine.advance(1 / 60)
        engine.draw(VIEW)
    assert host.ran == [RUNS[1], RUNS[0], RUNS[1], RUNS[0]]
    host.ran.clear()
    for _ in range(24):
        engine.advance(1 / 240)
        engine.draw(VIEW)
    assert len(host.ran) == 6
    host.ran.clear()
    engine.advance(10.0)
    for _ in range(3):
        engine.draw(VIEW)
    assert len(host.ran) == 2, "a long pause is not made up for"
    engine.timeline.pause()
    host.ran.clear()
    engine.generator.reset_state()  # type: ignore[union-attr]
    engine.draw(VIEW)
    engine.draw(look(0.0))
    assert host.ran == [RESTART, FRAME]


def test_a_lost_device_keeps_what_was_set() -> None:
    """The inputs and the time stay; the buffers, and with them the states, are new."""
    engine, host = started(stateful=True)
    engine.set_input("drive", [1, 2, 3, 4])
    engine.timeline.seek(3.0)
    engine.draw(VIEW)
    other = Engine(engine.scene, host)
    other.take_over(engine)
    host.ran.clear()
    other.draw(VIEW)
    assert host.ran == [RESTART]
    assert other.timeline.time_s == 3.0
    assert values_of(other.generator, "drive") == (1, 2, 3, 4)  # type: ignore[arg-type]


def test_a_run_that_failed_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken for done that was not."""
    engine, host = started(stateful=True)

    def lost(schedule: str) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as broken:
        broken.setattr(host, "run", lost)
        with pytest.raises(RuntimeError):
            engine.draw(VIEW)
    engine.draw(VIEW)
    assert host.ran == [RESTART]


def test_a_steady_frame_keeps_no_memory() -> None:
    """Inputs are packed in place."""
    engine, host = started(timed=True)
    engine.timeline.play()

    def frames() -> None:
        for step in range(20):
            engine.advance(1 / 60)
            engine.draw(look(step * 0.01))
        assert host.ran == [GENERATE] * 20
        host.ran.clear()
        host.written.clear()

    frames()
    memory = engine.generator.input_bytes  # type: ignore[union-attr]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    frames()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < MAX_KEPT_BYTES
    assert engine.generator.input_bytes is memory  # type: ignore[union-attr]


def test_the_transforms_lie_behind_the_header() -> None:
    """Both ways."""
    made = Generator(spec_of(instances=2))
    both = struct.unpack_from("<32f", made.input_bytes, HEADER_BYTES + 128)
    assert both[12:15] == (1, 0, 0)
    assert both[28:31] == (-1, 0, 0)


@pytest.mark.gpu
def test_a_state_goes_to_and_fro(adapter: Any) -> None:
    """Five steps, skipped and drawn, against a loop in numpy; nothing is made on the way, and a
    reset begins anew.
    """
    made = generator(300, stateful=True)
    network = Network(made.compiled.program, made.compiled.files)
    small = VIEW.scaled(64, 64)
    drive = np.array([0.5, -1, 2, 0.25], np.float32)
    packed, shade = gaussians(300)
    files = made.compiled.files.__getitem__
    with Renderer(made.scene, files, 64, 64, network, adapter) as renderer:
        renderer.set_input("packed", packed)
        renderer.set_input("shade", shade)
        renderer.set_input("drive", drive)
        buffers = [
            tensor.buffer for tensor in made.compiled.program.inputs if tensor.name == "memory"
        ]
        buffers += [t.buffer for t in made.compiled.program.outputs if t.name == "state.memory"]

        def newest() -> list[float]:
            """The state after the last step, which lies in one buffer or the other."""
            ran = renderer.engine.generator._ran  # type: ignore[union-attr]
            assert ran is not None
            return renderer.read(f"generator.{buffers[1 - ran]}")[:4].tolist()

        engine = renderer.engine
        engine.timeline.play()
        memory = np.zeros(4, np.float32)
        created = Creations(renderer)
        for step in range(5):
            engine.advance(1 / 60 if step else 0.0)
            engine.draw(small)
            memory = memory * 0.5 + drive
            assert newest() == memory.tolist(), step
        assert created.counted() == 0
        image = renderer.draw(small, 5 / 60)
        assert engine.generator is not None
        assert engine.generator.steps == 5
        assert newest() == memory.tolist(), "skipped and repeated: the same"
        engine.generator.reset_state()
        assert (renderer.draw(small, 0.0) != image).any()
        assert newest() == drive.tolist()


class Creations:
    """Counts what a device makes: buffers, textures, bind groups and pipelines."""

    def __init__(self, renderer: Renderer) -> None:
        self._count = 0
        device = renderer.host.device
        for name in ("create_buffer", "create_texture", "create_bind_group"):
            setattr(device, name, self._counting(getattr(device, name)))

    def _counting(self, make: Any) -> Any:
        def counted(*args: Any, **more: Any) -> Any:
            self._count += 1
            return make(*args, **more)

        return counted

    def counted(self) -> int:
        """Since it began."""
        return self._count
