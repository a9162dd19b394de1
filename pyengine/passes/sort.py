"""A stable LSD radix sort of the survivors, 8 bits a pass, reduce-then-scan.

Three dispatches a pass: count the digits of each tile, scan the counts, scatter. The first pass
reads the keys as the project stage left them, packed chunk by chunk, so that it compacts as it
sorts; later passes are dispatched indirectly over the survivors. No workgroup waits for another.
The oracle is ``numpy.argsort(kind="stable")``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyengine.passes.project import grid
from pyengine.plan import Buffer, ComputePass, ComputePipeline, Dispatch, Indirect, Part
from pyengine.shaders import assemble
from pyengine.structs import DrawArgs, SortState

__all__ = ["DIGIT_BITS", "TILE_ROUNDS", "Sort", "passes_for", "subgroup_threads"]

DIGIT_BITS = 8
TILE_ROUNDS = 8
TILE = 256 * TILE_ROUNDS
_SCAN_WORKGROUPS = 16
_SLOTS = 16
"""Subgroups a workgroup at most: their counters take 512 bytes each of workgroup memory."""


def passes_for(count: int) -> int:
    """Radix passes for a scene: 16 bits of depth up to 2**18 Gaussians, 24 above."""
    return 2 if count <= 1 << 18 else 3


def subgroup_threads(subgroup_size: int) -> int:
    """Lanes a workgroup for the subgroup variant, or 0 where it cannot run.

    Parameters
    ----------
    subgroup_size : int
        The smallest that the adapter may use; 0 when it does not say.
    """
    if subgroup_size not in (4, 8, 16, 32, 64, 128):
        return 0
    return min(256, _SLOTS * subgroup_size)


@dataclass(frozen=True, slots=True)
class Sort:
    """The sort of up to ``chunks * 256`` keys.

    Attributes
    ----------
    chunks : int
        Capacity in chunks of 256 rows.
    passes : int
        Radix passes; 8 bits of the key each.
    threads : int
        `subgroup_threads`, or 0 for the portable variant.
    splat_vertices : int
        Vertices that the draw spends on a key.
    """

    chunks: int
    passes: int
    threads: int = 0
    splat_vertices: int = 6

    @property
    def order(self) -> str:
        """Name of the buffer that holds the sorted rows."""
        return f"values_{(self.passes - 1) % 2}"

    def part(self) -> Part:
        """The stage: reads ``keys`` and ``chunk_counts``; writes `order` and ``draw_args``."""
        rows = self.chunks * 256
        tiles = -(-self.chunks // TILE_ROUNDS)
        constants = {"TILE_ROUNDS": TILE_ROUNDS}
        scatter, scatter_constants = "sort/scatter.wgsl", constants
        if self.threads:
            scatter = "sort/scatter_subgroup.wgsl"
            scatter_constants = constants | {"SLOTS": _SLOTS, "THREADS": self.threads}
        pipelines: list[ComputePipeline] = []
        dispatches: list[Dispatch] = []
        keys, values = "keys", "chunk_counts"  # the first pass makes its values itself
        for index in range(self.passes):
            overrides = {
                "SHIFT": float(index * DIGIT_BITS),
                "SPARSE_CHUNKS": float(self.chunks if index == 0 else 0),
            }
            last = {"IS_LAST": float(index == self.passes - 1)}
            names = [f"sort.{stage}_{index}" for stage in ("histogram", "scan", "scatter")]
            pipelines += [
                ComputePipeline(
                    names[0], "sort.histogram", ("read", "read", "read", "read_write"), overrides
                ),
                ComputePipeline(
                    names[1],
                    "sort.scan",
                    ("read_write", "read_write", "read", "read_write", "read_write"),
                    overrides,
                ),
                ComputePipeline(
                    names[2],
                    "sort.scatter",
                    ("read",) * 6 + ("read_write",) * 2,
                    overrides | last,
                ),
            ]
            work = grid(tiles) if index == 0 else Indirect("draw_args", 0)
            keys_out = "keys" if keys == "keys_0" else "keys_0"
            values_out = f"values_{index % 2}"
            counts, state = "chunk_counts", "sort_state"
            dispatches += [
                Dispatch(names[0], (keys, counts, state, "sort_histogram"), work),
                Dispatch(
                    names[1],
                    ("sort_histogram", "sort_totals", counts, state, "draw_args"),
                    (_SCAN_WORKGROUPS, 1, 1),
                ),
                Dispatch(
                    names[2],
                    (
                        *(keys, values, counts, state, "sort_histogram", "sort_totals"),
                        *(keys_out, values_out),
                    ),
                    work,
                ),
            ]
            keys, values = keys_out, values_out
        return Part(
            buffers=(
                Buffer("keys_0", rows * 4, ("storage",)),
                Buffer("values_0", rows * 4, ("storage", "readback")),
                Buffer("values_1", rows * 4, ("storage", "readback")),
                Buffer("sort_histogram", tiles * 256 * 4, ("storage",)),
                Buffer("sort_totals", 256 * 4, ("storage",)),
                Buffer("sort_state", SortState.size_bytes, ("storage", "readback", "upload")),
                Buffer("draw_args", DrawArgs.size_bytes, ("storage", "indirect", "readback")),
            ),
            shaders={
                "sort.histogram": assemble("sort/histogram.wgsl", constants),
                "sort.scan": assemble(
                    "sort/scan.wgsl", constants | {"SPLAT_VERTICES": self.splat_vertices}
                ),
                "sort.scatter": assemble(scatter, scatter_constants),
            },
            compute=tuple(pipelines),
            steps=(ComputePass("sort", tuple(dispatches)),),
            subgroups=("sort.scatter",) if self.threads else (),
        )
