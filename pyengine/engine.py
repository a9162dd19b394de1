"""The frame: inputs become uniforms, and the host replays the plan if anything changed.

An `Engine` makes the plan of a scene once and hands it to a host. After that a frame is: pack one
struct, compare it with the last one, upload it, run a schedule; nothing is allocated on the GPU. A
scene whose Gaussians a network makes has more schedules, which run the network first; they are
chosen when one of its inputs changed (`pyengine.generator`). Where a filter is on, each of them
ends with its networks, and two more run those alone, or only show again what they made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pyengine.bundle import OBJECTS, Scene
from pyengine.camera_inputs import JACOBIAN_LIMIT
from pyengine.errors import InputError
from pyengine.filter import Filter
from pyengine.filter_spec import FILTER_INPUTS
from pyengine.generator import CLEAR, RESTART, RUNS, STEPS, Generator
from pyengine.generator_spec import INPUTS
from pyengine.passes.filter import FAULTS
from pyengine.passes.similar import FRAME as FILTER_FRAME
from pyengine.passes.sort import DIGIT_BITS, passes_for
from pyengine.scene_plan import CHECK, FILTER, FRAME, FRESH, OTHER, PRESENT
from pyengine.structs import Frame
from pyengine.timeline import Timeline
from pyengine.view import View

if TYPE_CHECKING:  # a page with one file's scene need not compile it
    from pyengine.objects import Objects

__all__ = ["NEAR", "Engine", "Host"]

NEAR = 0.2
"""World units; centres nearer than this are not drawn (INRIA rasteriser)."""


class Host(Protocol):
    """What the engine needs of a host while frames run; see `pyengine.hosts.null`."""

    def write(self, buffer: str, data: bytearray, offset_bytes: int = 0) -> None:
        """Upload bytes into a buffer with usage upload."""

    def run(self, schedule: str) -> None:
        """Replay a schedule."""


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
    filter : Filter or None
        The filter that is on.
    objects : Objects or None
        Where the objects stand, in a scene of several.
    timeline : Timeline
        When the generator is; at first paused at 0.
    bands_there : bool
        Whether the coefficients of SH are on the GPU; until then colours are those of no direction.
    opaque : bool
        Whether the background is drawn; without it what is not covered is transparent.
    whole : (width, height), optional
        Of the image that a view is a tile of.
    """

    def __init__(self, scene: Scene, host: Host, filter_: Filter | None = None) -> None:
        self.scene = scene
        self.filter = filter_
        self.sh_degree = scene.sh_degree
        self.bands_there = True
        self.background: Sequence[float] = scene.background
        self.splat_scale = 1.0
        self.antialiased = scene.antialiased
        self.opaque = True
        self.whole: tuple[int, int] | None = None
        spec = scene.generator
        clip = spec.clip if spec is not None else None
        self.generator = None if spec is None else Generator(spec)
        self.objects = _objects_of(scene)
        self.timeline = Timeline(*((clip.duration_s, clip.loop) if clip else (None,)))
        self._host = host
        self._key_bits = passes_for(scene.count) * DIGIT_BITS
        self.frame_bytes = bytearray(Frame.size_bytes)
        self._drawn = bytearray(Frame.size_bytes)
        self.held = False

    def draw(self, view: View) -> bool:
        """Draw the scene from ``view`` unless the canvas already shows just that.

        Returns
        -------
        bool
            Whether anything was dispatched; where not, `held` says whether more is to come.
        """
        shown, self.held = self.filter, False
        seen = view if shown is None else shown.drawn(view)
        self._pack(seen)
        generator = self.generator
        if generator is not None:
            generator.splat_scale = self.splat_scale
        objects, run = self.objects, None
        if generator is not None and self._place(generator):
            run = generator.next(seen, self.timeline)
        moved = objects is not None and objects.changed
        is_new = run is not None or moved or self.frame_bytes != self._drawn
        if shown is not None:
            return self._draw_filtered(view, run, is_new, shown)
        if is_new:
            self._run(run, run or FRAME)
        return is_new

    def _draw_filtered(self, view: View, run: str | None, is_new: bool, shown: Filter) -> bool:
        due = shown.fill(view, self.timeline, self.background)
        if is_new and shown.hold():
            self.held, is_new = True, False
        runs = is_new or due
        if not (runs or shown.must_show):
            return False
        if due and shown.is_new and shown.spec.stateful:
            self._host.run(FRESH)
        end = OTHER if shown.turn(runs) else ""
        self._host.write(FILTER_FRAME, shown.frame_bytes)
        if runs:
            self._host.write(FILTER_INPUTS, shown.input_bytes)
        if is_new:
            self._run(run, (run or FRAME) + end)
        else:
            self._host.run((FILTER if runs else PRESENT) + end)
        if runs:
            shown.ran()
        shown.showed()
        return True

    def _run(self, run: str | None, schedule: str) -> None:
        """Draw the scene anew, with what the generator has to do for it."""
        generator, objects = self.generator, self.objects
        self._host.write("frame", self.frame_bytes)
        if objects is not None and objects.changed:
            self._host.write(OBJECTS, objects.object_bytes)
            objects.changed = False
        if generator is not None and run is not None:
            self._host.write(INPUTS, generator.input_bytes)
        self._host.run(schedule)
        if generator is not None and run is not None:
            generator.done(run)
        self._drawn[:] = self.frame_bytes

    def _place(self, generator: Generator) -> bool:
        """Tell a generator where its object stands; whether that can be seen, and it has to run."""
        space = self.objects.generator_space if self.objects is not None else None
        if space is None:
            return True
        generator.place(space[0])
        return space[1]

    def check_filter(self) -> None:
        """Count the pixels of the filter's image that are not finite, into `FAULTS`."""
        shown = self.filter
        if shown is not None:
            self._host.write(FAULTS, bytearray(4))
            self._host.run(CHECK + (OTHER if shown.turn(runs=False) else ""))

    def advance(self, seconds: float) -> None:
        """Let time pass: the timeline goes on if it plays."""
        if self.generator is not None:
            self.generator.advance(seconds, self.timeline)
        self.timeline.advance(seconds)

    def skip(self, view: View, seconds: float) -> None:
        """Let time pass in which nothing is drawn, playing or not; a state does all its steps."""
        generator, timeline = self.generator, self.timeline
        playing, timeline.playing = timeline.playing, True
        if generator is not None:
            self._place(generator)
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
        """Give an input of the generator or of the filter its values; see `Inputs.set_input`.

        Raises
        ------
        InputError
            There is no such input, or not so many finite numbers.
        """
        shown = self.filter
        if shown is not None and any(feed.name == name for feed in shown.feeds):
            shown.set_input(name, values)
        elif self.generator is not None:
            self.generator.set_input(name, values)
        elif shown is not None:
            shown.set_input(name, values)
        else:
            raise InputError(f"input {name!r}: the scene has no generator")

    def take_over(self, other: Engine) -> None:
        """Go on where another engine of the same scene was; the GPU's buffers are new."""
        self.generator, self.timeline = other.generator, other.timeline
        self._look_like(other)
        if self.objects is not None and other.objects is not None:
            self.objects.take_over(other.objects)
        if self.generator is not None:
            self.generator.forget()

    def go_on(self, other: Engine) -> None:
        """Go on where another engine of the same scene was, with its buffers: another filter."""
        self.generator, self.timeline = other.generator, other.timeline
        self.objects = other.objects
        if self.objects is not None:
            self.objects.changed = True
        self._look_like(other)
        shown, before = self.filter, other.filter
        if shown is not None and before is not None and shown.spec.name == before.spec.name:
            shown.take_over(before)

    def redraw(self) -> None:
        """Draw the next frame whatever it is: the canvas is another one, or is to be timed.

        The buffers are those that there were, so that states go on.
        """
        self._drawn[:] = bytes(len(self._drawn))
        if self.filter is not None:
            self.filter.redraw()

    @property
    def drawn_frame(self) -> bytearray:
        """Bytes of the struct of the picture that is there, whose splats the GPU still holds."""
        return self._drawn if any(self._drawn) else self.frame_bytes

    def _look_like(self, other: Engine) -> None:
        """Draw as another one does."""
        self.sh_degree, self.background = other.sh_degree, other.background
        self.splat_scale, self.antialiased = other.splat_scale, other.antialiased

    def _pack(self, view: View) -> None:
        put, frame = Frame.pack_into, self.frame_bytes
        width, height = view.width, view.height
        x, y, z = view.position
        bounds = self.objects.bounds if self.objects is not None else None
        near, far = depth_range(bounds or self.scene.bounds, view)
        key_max = float((1 << self._key_bits) - 1)
        put(frame, "view", *view.view)
        put(frame, "camera_position", x, y, z, 0.0)
        put(frame, "focal_px", view.fx, view.fy)
        put(frame, "principal_px", view.cx, view.cy)
        put(frame, "viewport_px", width, height)
        whole = self.whole or (width, height)
        put(
            frame,
            "tangent_limit",
            JACOBIAN_LIMIT * whole[0] / (2 * view.fx),
            JACOBIAN_LIMIT * whole[1] / (2 * view.fy),
        )
        put(frame, "background", *self.background, float(self.opaque))
        put(frame, "key_scale", key_max / max(math.log2(far / near), 1e-6))
        put(frame, "key_near", near)
        put(frame, "key_max", key_max)
        put(frame, "splat_scale", self.splat_scale)
        put(frame, "chunk_count", self.scene.chunk_count)
        put(frame, "sh_degree", min(self.sh_degree, self.scene.sh_degree) * self.bands_there)
        put(frame, "antialiased", int(self.antialiased))


def _objects_of(scene: Scene) -> Objects | None:
    if not scene.objects:
        return None
    from pyengine.objects import Objects

    return Objects(scene.objects)


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
