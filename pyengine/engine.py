"""The frame: inputs become uniforms, and the host replays the plan if anything changed.

An `Engine` makes the plan of a scene once and hands it to a host. After that a frame is: pack one
struct, compare it with the last one, upload it, run a schedule; nothing is allocated on the GPU. A
scene whose Gaussians a network makes has more schedules, which run the network first; they are
chosen when one of its inputs changed (`pyengine.generator`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from pyengine.bundle import Scene
from pyengine.camera_inputs import JACOBIAN_LIMIT
from pyengine.errors import BundleError, InputError
from pyengine.generator import CLEAR, GENERATE, RESTART, RUNS, STEPS, Generator
from pyengine.generator_spec import INPUTS
from pyengine.passes.composite import composite
from pyengine.passes.generated import SORT_ARGUMENTS, generated, live
from pyengine.passes.network import network
from pyengine.passes.project import project
from pyengine.passes.sort import DIGIT_BITS, Sort, passes_for, variant_for
from pyengine.passes.splat import splat, vertices_for
from pyengine.plan import Adapter, Part, Plan
from pyengine.program import Program
from pyengine.program import required_limits as limits_of
from pyengine.structs import Frame
from pyengine.timeline import Timeline
from pyengine.view import View

__all__ = ["FRAME", "NEAR", "Engine", "Host", "required_limits", "scene_plan"]

FRAME = "frame"
"""The schedule that draws the scene."""

NEAR = 0.2
"""World units; centres nearer than this are not drawn (INRIA rasteriser)."""


class Host(Protocol):
    """What the engine needs of a host while frames run; see `pyengine.hosts.null`."""

    def write(self, buffer: str, data: bytearray, offset_bytes: int = 0) -> None:
        """Upload bytes into a buffer with usage upload."""

    def run(self, schedule: str) -> None:
        """Replay a schedule."""


def scene_plan(
    scene: Scene,
    adapter: Adapter,
    program: Program | None = None,
    shaders: Mapping[str, str] | None = None,
) -> Plan:
    """The plan that draws a packed scene, or one that a generator makes.

    Parameters
    ----------
    program : Program, optional
        The generator's.
    shaders : mapping, optional
        Text of each of the program's shaders by its name.

    Raises
    ------
    BundleError
        The scene and the program do not fit together.
    DeviceError
        A kernel of the program that the adapter cannot run.
    """
    spec = scene.generator
    variant = variant_for(adapter)
    sort = Sort(
        chunks=max(scene.chunk_count, 1),
        passes=passes_for(scene.count),
        splat_vertices=vertices_for(adapter),
        variant=variant,
        arguments=SORT_ARGUMENTS if spec is not None and spec.counted else None,
    )
    after = (sort.part(), splat(sort.order, adapter), composite())
    if spec is None:
        return Plan.of({FRAME: (project(scene), *after)})
    if program is None:
        raise BundleError("scene.json: its Gaussians come of a generator, whose program is missing")
    made = network(scene, program, shaders or {}, adapter)
    drawn = (generated(scene, spec, made.outputs), *after)
    counts: tuple[Part, ...] = ()
    if made.outputs.count is not None:
        counts = (live(spec, made.outputs.count, variant),)
    schedules: dict[str, tuple[Part, ...]] = {FRAME: drawn}
    if made.clear is None:
        return Plan.of({**schedules, GENERATE: (*made.runs, *counts, *drawn)})
    for name, run in zip(RUNS, made.runs, strict=True):
        schedules[name] = (run, *counts, *drawn)
    for name, run in zip(STEPS, made.runs, strict=True):
        schedules[name] = (run,)
    schedules[RESTART] = (made.clear, *schedules[RUNS[0]])
    schedules[CLEAR] = (made.clear,)
    return Plan.of(schedules)


def required_limits(plan: Plan, adapter: Adapter) -> dict[str, int]:
    """Limits to ask of the adapter for a plan, by WebGPU's names.

    Raises
    ------
    DeviceError
        A buffer is beyond what the adapter offers.
    """
    if any(buffer.name == INPUTS for buffer in plan.buffers):
        return limits_of(plan, adapter, "the generator")
    return limits_of(
        plan, adapter, "the scene", "a scene with fewer Gaussians or a lower SH degree"
    )


class Engine:
    """Draws one scene on one host.

    Parameters
    ----------
    scene : Scene
    host : Host
        Has already taken `scene_plan` of the same scene.

    Attributes
    ----------
    generator : Generator or None
        The inputs of the network that makes the Gaussians.
    timeline : Timeline
        When the generator is; at first paused at 0.
    """

    def __init__(self, scene: Scene, host: Host) -> None:
        self.scene = scene
        self.sh_degree = scene.sh_degree
        self.background: Sequence[float] = scene.background
        self.splat_scale = 1.0
        spec = scene.generator
        clip = spec.clip if spec is not None else None
        self.generator = None if spec is None else Generator(spec)
        self.timeline = Timeline(*((clip.duration_s, clip.loop) if clip else (None,)))
        self._host = host
        self._key_bits = passes_for(scene.count) * DIGIT_BITS
        self.frame_bytes = bytearray(Frame.size_bytes)
        self._drawn = bytearray(Frame.size_bytes)

    def draw(self, view: View) -> bool:
        """Draw the scene from ``view`` unless the canvas already shows just that.

        Returns
        -------
        bool
            Whether anything was dispatched.
        """
        self._pack(view)
        generator = self.generator
        if generator is not None:
            generator.splat_scale = self.splat_scale
        run = generator.next(view, self.timeline) if generator is not None else None
        if run is None and self.frame_bytes == self._drawn:
            return False
        self._host.write("frame", self.frame_bytes)
        if generator is not None and run is not None:
            self._host.write(INPUTS, generator.input_bytes)
        self._host.run(run or FRAME)
        if generator is not None and run is not None:
            generator.done(run)
        self._drawn[:] = self.frame_bytes
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass: the timeline goes on if it plays."""
        if self.generator is not None:
            self.generator.advance(seconds, self.timeline)
        self.timeline.advance(seconds)

    def skip(self, view: View, seconds: float) -> None:
        """Let time pass in which nothing is drawn, playing or not; a state does all its steps."""
        generator, timeline = self.generator, self.timeline
        playing, timeline.playing = timeline.playing, True
        if generator is None or not generator.spec.stateful:
            timeline.advance(seconds)
        else:
            for index in range(round(seconds / generator.step_s)):
                if index or generator.steps:
                    self.advance(generator.step_s)
                run = generator.next(view, timeline)
                if run is not None:
                    self._host.write(INPUTS, generator.input_bytes)
                    if run == RESTART:
                        self._host.run(CLEAR)
                    self._host.run(STEPS[RUNS.index(run) if run in RUNS else 0])
                    generator.done(run)
            generator.touch()
        timeline.playing = playing and timeline.playing

    def set_input(self, name: str, values: object) -> None:
        """Give an input of the generator its values; see `Generator.set_input`.

        Raises
        ------
        InputError
            There is no generator, no such input, or not so many finite numbers.
        """
        if self.generator is None:
            raise InputError(f"input {name!r}: the scene has no generator")
        self.generator.set_input(name, values)

    def take_over(self, other: Engine) -> None:
        """Go on where another engine of the same scene was; the GPU's buffers are new."""
        self.generator, self.timeline = other.generator, other.timeline
        if self.generator is not None:
            self.generator.forget()

    def forget(self) -> None:
        """Draw the next frame whatever it is: the canvas was resized or lost."""
        self._drawn[:] = bytes(len(self._drawn))

    def _pack(self, view: View) -> None:
        put, frame = Frame.pack_into, self.frame_bytes
        width, height = view.width, view.height
        x, y, z = view.position
        near, far = depth_range(self.scene.bounds, view)
        key_max = float((1 << self._key_bits) - 1)
        put(frame, "view", *view.view)
        put(frame, "camera_position", x, y, z, 0.0)
        put(frame, "focal_px", view.fx, view.fy)
        put(frame, "principal_px", view.cx, view.cy)
        put(frame, "viewport_px", width, height)
        put(
            frame,
            "tangent_limit",
            JACOBIAN_LIMIT * width / (2 * view.fx),
            JACOBIAN_LIMIT * height / (2 * view.fy),
        )
        put(frame, "background", *self.background, 0.0)
        put(frame, "key_scale", key_max / max(math.log2(far / near), 1e-6))
        put(frame, "key_near", near)
        put(frame, "key_max", key_max)
        put(frame, "splat_scale", self.splat_scale)
        put(frame, "chunk_count", self.scene.chunk_count)
        put(frame, "sh_degree", min(self.sh_degree, self.scene.sh_degree))


def depth_range(bounds: Sequence[Sequence[float]], view: View) -> tuple[float, float]:
    """Nearest and farthest depth that a centre inside ``bounds`` can have, from `NEAR` on.

    Parameters
    ----------
    bounds : two points
        Smallest and largest coordinates, world units.
    view : View

    Returns
    -------
    (near, far), world units along the camera's axis; near < far
    """
    m = view.view
    low = high = m[14]
    for axis in range(3):
        a, b = m[4 * axis + 2] * bounds[0][axis], m[4 * axis + 2] * bounds[1][axis]
        low += min(a, b)
        high += max(a, b)
    near = max(low * 0.9999, NEAR)
    return near, max(high * 1.0001, near * 1.0001)
