"""What a generator's inputs hold, and whether it has to run.

All inputs that the host fills lie in one bytearray, laid out as the buffer `INPUTS`. A generator
runs when a byte of an input changed, and one with a state when its next step is due.
"""

from __future__ import annotations

import math
import struct

from pyengine.camera_inputs import Space
from pyengine.generator_spec import HEADER_BYTES, INSTANCE_BYTES, GeneratorSpec, inverse_of
from pyengine.inputs import DEFAULT_FRAME_HZ, Inputs
from pyengine.timeline import Timeline
from pyengine.view import View

__all__ = [
    "CLEAR",
    "DEFAULT_FRAME_HZ",
    "DEFAULT_RATE_HZ",
    "GENERATE",
    "RESTART",
    "RUNS",
    "STEPS",
    "Generator",
]

GENERATE = "generate"
"""Schedule of a generator without state: run it, then draw."""
RUNS = ("generate_0", "generate_1")
"""Those of one with a state, which take turns; a second run of the same one repeats the step."""
RESTART = "restart"
"""The first of them, from states of zero."""
STEPS, CLEAR = ("step_0", "step_1"), "clear"
"""As `RUNS`, without drawing; and zeros into the states that the first of them reads."""

DEFAULT_RATE_HZ = 60.0
_EARLY = 0.1
"""Share of a step's time that it may come early: screens are not as regular as clocks."""
_HEADER = struct.Struct("<4fI")
_INSTANCE = struct.Struct("<32f")


class Generator(Inputs):
    """The inputs of one generator.

    Attributes
    ----------
    spec : GeneratorSpec
    steps : int
        Steps that a generator with state has done since it began.
    """

    def __init__(self, spec: GeneratorSpec) -> None:
        self.spec = spec
        self.steps = 0
        self._ran: int | None = None  # which of RUNS holds the last step
        self._wait_s = 0.0
        self._place: Space | None = None
        spaces = self._own_spaces = [
            Space(matrix, inverse_of(matrix)) for matrix in spec.transforms
        ]
        super().__init__(spec.feeds, spec.layout(), spec.input_bytes, spaces)
        for index, space in enumerate(spaces):
            at = HEADER_BYTES + index * INSTANCE_BYTES
            _INSTANCE.pack_into(self.input_bytes, at, *space.to_world, *space.to_model)

    def place(self, space: Space) -> None:
        """Stand, with all instances, where an object of the scene does.

        Only the camera's inputs follow from that: the Gaussians are moved where they are drawn.
        """
        if space != self._place:
            self._place = space
            self._spaces = [_within(space, own) for own in self._own_spaces]
            self._seen = ()

    def forget(self) -> None:
        """The GPU's buffers are new: run before the next frame, and begin states anew."""
        self._changed = True
        self.reset_state()

    def reset_state(self) -> None:
        """States are zero before the next step."""
        self._ran = None
        self._wait_s = 0.0
        self.steps = 0

    def advance(self, seconds: float, timeline: Timeline) -> None:
        """Let time pass for a generator with state; call before the timeline's own."""
        if timeline.playing:
            self._wait_s += seconds * abs(timeline.speed)

    def next(self, view: View, timeline: Timeline) -> str | None:
        """Fill the inputs; the schedule to run, or None where the last run still holds.

        `done` remembers that it ran; until then the answer stays.
        """
        stepping = self.spec.stateful and (self._ran is None or self._is_due(timeline))
        if stepping or not self.spec.stateful:
            self._fill_time(timeline)
        self._fill_camera(view)
        done = self.steps + stepping
        phase = timeline.phase
        _HEADER.pack_into(
            self.input_bytes, 0, timeline.time_s, phase, timeline.playing, timeline.speed, done
        )
        if not self.spec.stateful:
            return GENERATE if self._changed else None
        if self._ran is None:
            return RESTART
        if stepping:
            return RUNS[1 - self._ran]
        return RUNS[self._ran] if self._changed else None

    def done(self, schedule: str) -> None:
        """A schedule of `next` was run."""
        self._changed = False
        if schedule == GENERATE:
            return
        which = 0 if schedule == RESTART else RUNS.index(schedule)
        if self._ran != which:
            self._wait_s = min(self._wait_s - self.step_s, self.step_s) if self.steps else 0.0
            self._ran = which
            self.steps += 1

    @property
    def step_s(self) -> float:
        """Seconds from one step of a state to the next."""
        return 1 / (self.spec.rate_hz or DEFAULT_RATE_HZ)

    def _is_due(self, timeline: Timeline) -> bool:
        return timeline.playing and self._wait_s >= (1 - _EARLY) * self.step_s

    def _count(self) -> int:
        return self.steps

    def _frame(self, time_s: float) -> float:
        if self.spec.stateful:
            return float(self.steps)
        return math.floor(time_s * (self.spec.rate_hz or DEFAULT_FRAME_HZ) + 1e-6)


def _within(outer: Space, inner: Space) -> Space:
    """A space of a space."""
    to_world = _product(outer.to_world, inner.to_world)
    return Space(to_world, _product(inner.to_model, outer.to_model))


def _product(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, ...]:
    """Of matrices of 16 numbers, column-major: first ``b``, then ``a``."""
    return tuple(
        sum(a[4 * k + row] * b[4 * column + k] for k in range(4))
        for column in range(4)
        for row in range(4)
    )
