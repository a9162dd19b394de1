"""The frame: inputs become uniforms, and the host replays the plan if anything changed.

An `Engine` makes the plan of a scene once and hands it to a host. After that a frame is: pack one
struct, compare it with the last one, upload it, run a schedule; nothing is allocated on the GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from pyengine.bundle import Scene
from pyengine.errors import DeviceError
from pyengine.passes.composite import composite
from pyengine.passes.project import project
from pyengine.passes.sort import DIGIT_BITS, Sort, passes_for, variant_for
from pyengine.passes.splat import splat, vertices_for
from pyengine.plan import DEFAULT_LIMITS, Adapter, Plan
from pyengine.structs import Frame
from pyengine.view import View

__all__ = ["FRAME", "NEAR", "Engine", "Host", "required_limits", "scene_plan"]

FRAME = "frame"
"""The schedule that draws the scene."""

NEAR = 0.2
"""World units; centres nearer than this are not drawn (INRIA rasteriser)."""

JACOBIAN_LIMIT = 1.3


class Host(Protocol):
    """What the engine needs of a host while frames run; see `pyengine.hosts.null`."""

    def write(self, buffer: str, data: bytearray, offset_bytes: int = 0) -> None:
        """Upload bytes into a buffer with usage upload."""

    def run(self, schedule: str) -> None:
        """Replay a schedule."""


def scene_plan(scene: Scene, adapter: Adapter) -> Plan:
    """The plan that draws a packed scene."""
    sort = Sort(
        chunks=max(scene.chunk_count, 1),
        passes=passes_for(scene.count),
        splat_vertices=vertices_for(adapter),
        variant=variant_for(adapter),
    )
    parts = (project(scene), sort.part(), splat(sort.order, adapter), composite())
    return Plan.of({FRAME: parts})


def required_limits(plan: Plan, adapter: Adapter) -> dict[str, int]:
    """Limits to ask of the adapter for a plan, by WebGPU's names.

    Raises
    ------
    DeviceError
        The largest buffer is beyond what the adapter offers.
    """
    largest = max(plan.buffers, key=lambda buffer: buffer.size_bytes)
    required = {}
    for limit in ("maxBufferSize", "maxStorageBufferBindingSize"):
        if largest.size_bytes > adapter.limits[limit]:
            raise DeviceError(
                f"the scene needs a GPU buffer of {largest.size_bytes >> 20} MiB "
                f"({largest.name!r}); this adapter offers {adapter.limits[limit] >> 20} MiB "
                f"({limit}). Use a scene with fewer Gaussians or a lower SH degree, or another GPU."
            )
        required[limit] = max(largest.size_bytes, DEFAULT_LIMITS[limit])
    return required


class Engine:
    """Draws one scene on one host.

    Parameters
    ----------
    scene : Scene
    host : Host
        Has already taken `scene_plan` of the same scene.
    """

    def __init__(self, scene: Scene, host: Host) -> None:
        self.scene = scene
        self.sh_degree = scene.sh_degree
        self.background: Sequence[float] = scene.background
        self.splat_scale = 1.0
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
        if self.frame_bytes == self._drawn:
            return False
        self._host.write("frame", self.frame_bytes)
        self._host.run(FRAME)
        self._drawn[:] = self.frame_bytes
        return True

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
