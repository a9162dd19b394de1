"""Unpack a scene file on the GPU: its bytes in, the packed buffers of a scene out.

Which splats can be drawn and the box around them; their places on a Z curve; the radix sort of
`pyengine.passes.sort`; then a workgroup a chunk quantises. The shaders are shaders/decode; their
oracle is `pybuild.formats` and `pybuild.pack`.
"""

from __future__ import annotations

from pyengine.bundle import CHUNK_SIZE, SH_WORDS
from pyengine.passes.project import grid
from pyengine.passes.sort import Sort, Variant
from pyengine.plan import Access, Buffer, ComputePass, ComputePipeline, Dispatch, Part
from pyengine.shaders import assemble
from pyengine.sources import Source
from pyengine.structs import ChunkBox, SourceTable

__all__ = ["BOUNDS", "SAMPLES", "SAMPLE_COUNT", "SOURCE", "TABLE", "decode", "sample_stride"]

SOURCE, TABLE = "source", "source_table"
"""Buffers that the host fills: the file's bytes, and `Source.table`."""
BOUNDS, SAMPLES = "decode_bounds", "decode_samples"
"""Buffers that the host reads back, with ``sort_state``."""

SAMPLE_COUNT = 8192
"""Centres that are read back at most, 16 bytes each."""

KEY_PASSES = 4
"""Radix passes: a Z curve's 30 bits."""

_FORMATS = {"ply": 0, "splat": 1, "spz": 2, "compressed_ply": 3}
"""FORMAT of shaders/decode/source.wgsl."""

_READS: tuple[Access, ...] = ("read", "uniform")


def sample_stride(source: Source) -> int:
    """Sorted rows from one that is read back to the next."""
    return max(1, -(-source.count // SAMPLE_COUNT))


def decode(source: Source, variant: Variant) -> tuple[Part, ...]:
    """The stages: they write ``chunks``, ``geometry``, ``color`` and, above degree 0, ``sh``."""
    sort = Sort(source.chunk_count, KEY_PASSES, splat_vertices=0, variant=variant)
    return _placed(source), sort.part(), _packed(source, sort.order)


def _constants(source: Source) -> dict[str, int]:
    return {
        "CHUNK_SIZE": CHUNK_SIZE,
        "FORMAT": _FORMATS[source.shader],
        "SH_COEFFICIENTS": (source.sh_degree + 1) ** 2 - 1,
    }


def _placed(source: Source) -> Part:
    """Bounds and Z curve: what the sort needs."""
    chunks = source.chunk_count
    constants = _constants(source)
    bounds = (SOURCE, TABLE, "keys", "chunk_live", BOUNDS)
    return Part(
        buffers=(
            Buffer(SOURCE, max(4, -(-source.size_bytes // 4) * 4), ("storage", "upload")),
            Buffer(TABLE, SourceTable.size_bytes, ("uniform", "upload")),
            Buffer("keys", chunks * CHUNK_SIZE * 4, ("storage",)),
            Buffer("chunk_live", chunks * 4, ("storage",)),
            Buffer(BOUNDS, 32, ("storage", "readback")),
        ),
        shaders={
            f"decode.{name}": assemble(f"decode/{name}.wgsl", constants)
            for name in ("bounds", "morton")
        },
        compute=(
            ComputePipeline("decode.bounds", "decode.bounds", (*_READS, *("read_write",) * 3)),
            ComputePipeline("decode.morton", "decode.morton", (*_READS, "read", "read_write")),
        ),
        steps=(
            ComputePass(
                "place",
                (
                    Dispatch("decode.bounds", bounds, grid(chunks)),
                    Dispatch("decode.morton", (SOURCE, TABLE, BOUNDS, "keys"), grid(chunks)),
                ),
            ),
        ),
    )


def _packed(source: Source, order: str) -> Part:
    """The packed buffers, from the sorted rows."""
    chunks, words = source.chunk_count, SH_WORDS[source.sh_degree]
    rows = chunks * CHUNK_SIZE
    constants = _constants(source)
    reads = (SOURCE, TABLE, order, "sort_state")
    layout: tuple[Access, ...] = (*_READS, "read", "read")
    sizes = {"chunks": chunks * ChunkBox.size_bytes, "geometry": rows * 16, "color": rows * 4}
    shaders = {"decode.pack": assemble("decode/pack.wgsl", constants)}
    pipelines = [ComputePipeline("decode.pack", "decode.pack", (*layout, *("read_write",) * 4))]
    outputs = ("chunks", "geometry", "color", SAMPLES)
    dispatches = [Dispatch("decode.pack", (*reads, *outputs), grid(chunks))]
    if words:
        sizes["sh"] = rows * 4 * words
        shaders["decode.sh"] = assemble("decode/sh.wgsl", constants | {"SH_WORDS": words})
        pipelines.append(
            ComputePipeline("decode.sh", "decode.sh", (*layout, "read_write", "read_write"))
        )
        dispatches.append(Dispatch("decode.sh", (*reads, "geometry", "sh"), grid(chunks)))
    return Part(
        buffers=(
            *(Buffer(name, size, ("storage", "readback")) for name, size in sizes.items()),
            Buffer(SAMPLES, SAMPLE_COUNT * 16, ("storage", "readback")),
        ),
        shaders=shaders,
        compute=tuple(pipelines),
        steps=(ComputePass("pack", tuple(dispatches)),),
    )
