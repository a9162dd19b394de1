"""What an element of the page shows: a plan's engine on its host, and the camera before it.

`pyengine.hosts.page` draws frames of it; the files beside it put another one in its place.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyengine.bundle import OBJECTS, Scene
from pyengine.camera_rig import Rig
from pyengine.engine import Engine
from pyengine.errors import PlanError
from pyengine.filter import Filter
from pyengine.filter_spec import FILTER_INPUTS
from pyengine.generator_spec import INPUTS
from pyengine.governor import Governor
from pyengine.passes.filter import FAULTS
from pyengine.passes.similar import FRAME as FILTER_FRAME
from pyengine.plan import Plan
from pyengine.program import Program

__all__ = ["IDLE", "STATUS", "PageHost", "Stage", "staged"]

IDLE = -1
"""What a frame returns when the canvas already shows the current state."""

STATUS = struct.Struct("<6i")
"""What a frame tells beside its schedule; see `pyengine.hosts.page.Display.status`."""

_UPLOADED = ("frame", INPUTS, OBJECTS, FILTER_FRAME, FILTER_INPUTS, FAULTS)


class PageHost:
    """Remembers what JavaScript is to upload and replay after the call returns.

    Attributes
    ----------
    before, pending : int
        Indices of the schedules to replay, in this order; `IDLE` where there is none.
    moved : bool
        The buffer of objects is to be uploaded first.
    """

    def __init__(self, plan: Plan) -> None:
        self.schedules = list(plan.schedules)
        self.before = self.pending = IDLE
        self.moved = False

    def write(self, buffer: str, data: bytearray, offset_bytes: int = 0) -> None:
        """These lie where JavaScript reads them; anything else has no way out."""
        if buffer not in _UPLOADED or offset_bytes:
            raise PlanError(f"the page uploads {', '.join(_UPLOADED)} only, not {buffer!r}")
        self.moved = self.moved or buffer == OBJECTS

    def run(self, schedule: str) -> None:
        """Note the schedule."""
        self.before, self.pending = self.pending, self.schedules.index(schedule)

    def rest(self) -> None:
        """A frame begins: nothing is noted."""
        self.before = self.pending = IDLE
        self.moved = False


@dataclass(slots=True)
class Stage:
    """What is shown: the engine on its host, and the camera before it.

    ``program`` and ``shaders`` are the generator's, from which another plan can be made.
    ``filters`` remembers, by their names, those that were on; ``governor`` keeps the rate of the
    one that is, whose sizes are ``ladder``. ``status`` is what `STATUS` packs.
    """

    host: PageHost
    engine: Engine
    camera: Rig
    program: Program | None = None
    shaders: Mapping[str, str] = field(default_factory=dict)
    filters: dict[str, Filter] = field(default_factory=dict)
    governor: Governor | None = None
    ladder: list[int] = field(default_factory=list)
    status: bytearray = field(default_factory=lambda: bytearray(STATUS.size))


def staged(
    scene: Scene,
    plan: Plan,
    before: Stage | None,
    program: Program | None = None,
    shaders: Mapping[str, str] | None = None,
) -> Stage:
    """An engine on its host, with the camera of the one before if its scene was the same one."""
    host = PageHost(plan)
    made = Stage(host, Engine(scene, host), Rig(scene.pose), program, shaders or {})
    if before is not None and before.engine.scene == scene:  # the device was lost, not the visitor
        made.camera, made.filters = before.camera, before.filters
        made.engine.take_over(before.engine)
    return made
