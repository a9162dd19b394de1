"""A scene file, opened without a build: a plan that unpacks it, and the scene that comes of it.

A host takes `decode_plan`, uploads the file's bytes and the table, runs `DECODE` and reads back
`READBACK`: a few hundred KiB. `decoded_scene` makes a `Scene` of that; its buffers are those that
the plan wrote, which `scene_plan`'s host takes over as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from pyengine.bundle import MAX_COUNT, BufferFile, Pose, Scene
from pyengine.errors import FormatError
from pyengine.framing import default_pose
from pyengine.passes.decode import BOUNDS, SAMPLES, decode, sample_stride
from pyengine.passes.sort import variant_for
from pyengine.plan import Adapter, Plan
from pyengine.scene_plan import required_limits, scene_plan
from pyengine.sources import Source
from pyengine.structs import SortState

__all__ = ["DECODE", "READBACK", "decode_limits", "decode_plan", "decoded_scene", "table_bytes"]

DECODE = "decode"
"""The schedule that unpacks the file."""
READBACK = (BOUNDS, "sort_state", SAMPLES)
"""Buffers that `decoded_scene` wants to see."""

_SAMPLE = struct.Struct("<4f")
Box = tuple[tuple[float, float, float], tuple[float, float, float]]
_NO_BOX: Box = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
_ANY_POSE = Pose((0.0, 0.0, -3.0), (0.0, 0.0, 0.0), 50.0)


def decode_plan(source: Source, adapter: Adapter) -> Plan:
    """The plan whose schedule `DECODE` fills the buffers of a scene.

    Raises
    ------
    FormatError
        The file has more splats than a scene may.
    """
    if source.count > MAX_COUNT:
        raise FormatError(
            f"{source.name}: too many splats; wanted at most {MAX_COUNT}; got {source.count}. "
            "Split the scene."
        )
    return Plan.of({DECODE: decode(source, variant_for(adapter))})


def decode_limits(source: Source, adapter: Adapter) -> dict[str, int]:
    """Limits to ask of the adapter for unpacking a file and for drawing it.

    Raises
    ------
    DeviceError
        The largest buffer is beyond what the adapter offers.
    """
    plans = (decode_plan(source, adapter), scene_plan(_scene(source, source.count), adapter))
    needed = [required_limits(plan, adapter) for plan in plans]
    return {name: max(each[name] for each in needed) for name in needed[0]}


def table_bytes(source: Source) -> bytes:
    """What the buffer ``source_table`` holds."""
    return source.table(sample_stride(source))


def decoded_scene(source: Source, readback: Mapping[str, bytes | memoryview]) -> Scene:
    """The scene that was unpacked.

    Parameters
    ----------
    source : Source
    readback : mapping
        Bytes of the buffers of `READBACK`.

    Raises
    ------
    FormatError
        The file holds splats, but none that can be drawn.
    """
    count = int(SortState.unpack(readback["sort_state"], "key_count")[0])
    if source.count and not count:
        raise FormatError(
            f"{source.name}: none of its {source.count} splats can be drawn; wanted finite "
            "positions, sizes and rotations. The file is damaged."
        )
    stride = sample_stride(source)
    rows = -(-count // stride)
    sample = list(_SAMPLE.iter_unpack(bytes(readback[SAMPLES][: rows * _SAMPLE.size])))
    return _scene(source, count, _bounds(readback[BOUNDS]), default_pose(sample, count))


def _scene(
    source: Source,
    count: int,
    bounds: Box = _NO_BOX,
    pose: Pose = _ANY_POSE,
) -> Scene:
    scene = Scene(count, source.sh_degree, source.antialiased, bounds, pose, (0.0, 0.0, 0.0), {})
    buffers = {name: BufferFile(name, size) for name, size in scene.expected_sizes().items()}
    return replace(scene, buffers=buffers)


def _bounds(data: bytes | memoryview) -> Box:
    """The box in shaders/decode/bounds.wgsl's integers; all zero where there was no splat."""
    keys = struct.unpack_from("<6I", data)
    if not any(keys):
        return _NO_BOX
    high = [_from_ordered(key) for key in keys[:3]]
    low = [_from_ordered(~key & 0xFFFFFFFF) for key in keys[3:]]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _from_ordered(key: int) -> float:
    """Undo `ordered` of shaders/decode/ordered.wgsl."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value
