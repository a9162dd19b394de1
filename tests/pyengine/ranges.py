"""Plans whose dispatch binds two ranges of one buffer, for both compilers to take or refuse."""

from __future__ import annotations

import struct

from pyengine.plan import (
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Part,
    Plan,
    Range,
)

__all__ = ["BUFFER", "SCHEDULE", "START", "ranges_plan", "result_of"]

BUFFER, SCHEDULE = "arena", "work"
_WORDS = 64
START = struct.pack(f"<{_WORDS}I", *range(7, 7 + _WORDS))
"""What the first range holds at the start: 7, 8, 9, ..."""

_ADD = """
@group(0) @binding(0) var<storage, {access}> a: array<u32>;
@group(0) @binding(1) var<storage, read_write> b: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {{
  if (id.x < arrayLength(&a)) {{ b[id.x] = a[id.x] + {addend}u; }}
}}
"""


def ranges_plan(access: str = "read_write") -> Plan:
    """Two dispatches: range 1 is range 0 plus 1; range 0 is range 1 plus 10."""
    first, second = (Range(BUFFER, 256 * i, 4 * _WORDS) for i in range(2))
    layout = ("read" if access == "read" else "read_write", "read_write")
    return Plan.of(
        {
            SCHEDULE: (
                Part(
                    steps=(
                        ComputePass(
                            "add",
                            (
                                Dispatch("add_1", (first, second), (1, 1, 1)),
                                Dispatch("add_10", (second, first), (1, 1, 1)),
                            ),
                        ),
                    ),
                    buffers=(Buffer(BUFFER, 512, ("storage", "upload", "readback")),),
                    shaders={f"add_{n}": _ADD.format(access=access, addend=n) for n in (1, 10)},
                    compute=tuple(ComputePipeline(f"add_{n}", f"add_{n}", layout) for n in (1, 10)),
                ),
            )
        }
    )


def result_of(data: bytes | memoryview) -> tuple[list[int], list[int]]:
    """What the two ranges hold minus what the first held at the start."""
    words = struct.unpack("<128I", data)
    start = struct.unpack(f"<{_WORDS}I", START)
    first, second = words[:_WORDS], words[_WORDS:]
    return (
        sorted({a - b for a, b in zip(first, start, strict=True)}),
        sorted({a - b for a, b in zip(second, start, strict=True)}),
    )
