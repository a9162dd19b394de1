"""A stable LSD radix sort of the survivors, 8 bits a pass, reduce-then-scan.

Three dispatches a pass: count the digits of each tile, scan the counts, scatter. The first pass
reads the keys row for row as the project stage left them and passes the dead ones over, so that it
compacts as it sorts; later passes are dispatched indirectly over the survivors. No workgroup waits
for another. Three variants of one data layout (`Variant`): portable, subgroups, serial.
The oracle is ``numpy.argsort(kind="stable")``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyengine.passes.project import grid
from pyengine.plan import (
    Access,
    Adapter,
    Buffer,
    ComputePass,
    ComputePipeline,
    Dispatch,
    Indirect,
    Part,
)
from pyengine.shaders import assemble
from pyengine.structs import BATCHES, DrawArgs, SortState

__all__ = ["DIGIT_BITS", "PORTABLE", "SERIAL", "Sort", "Variant", "passes_for", "variant_for"]

DIGIT_BITS = 8
_SLOTS = 16
"""Subgroups a workgroup at most: their counters take 512 bytes each of workgroup memory."""

_HISTOGRAM: tuple[Access, ...] = ("read", "read", "read", "read_write", "read_write")
_SCAN: tuple[Access, ...] = ("read_write", "read_write", "read", "read_write", "read_write")
_SCATTER: tuple[Access, ...] = ("read", "read", "read", "read")
_OUT: tuple[Access, ...] = ("read", "read_write", "read_write")


@dataclass(frozen=True, slots=True)
class Variant:
    """How the tiles are worked on; all variants give the same bytes.

    Attributes
    ----------
    histogram, scan, scatter : str
        Shader files.
    tile_rounds : int
        Tiles are this many times 256 rows.
    tiles_a_workgroup : int
        1 where a workgroup shares a tile; more where each lane has its own.
    scan_workgroups : int
    threads : int
        Lanes of the subgroup variant's scatter; 0 elsewhere.
    """

    histogram: str
    scan: str
    scatter: str
    tile_rounds: int
    tiles_a_workgroup: int = 1
    scan_workgroups: int = 16
    threads: int = 0


PORTABLE = Variant("sort/histogram.wgsl", "sort/scan.wgsl", "sort/scatter.wgsl", 8)
"""Ranks by bit masks in workgroup memory: runs on every adapter."""

SERIAL = Variant(
    "sort/serial_histogram.wgsl",
    "sort/serial_scan.wgsl",
    "sort/serial_scatter.wgsl",
    tile_rounds=4,
    tiles_a_workgroup=4,
    scan_workgroups=64,
)
"""A lane a tile, without barriers: for adapters that are processors."""


def subgroup_variant(size: int) -> Variant:
    """Ranks by ballots; ``size`` is the smallest subgroup that the adapter may use (4 to 128)."""
    threads = min(256, _SLOTS * size)
    return Variant(
        "sort/histogram.wgsl",
        "sort/scan.wgsl",
        "sort/scatter_subgroup.wgsl",
        tile_rounds=8,
        threads=threads,
    )


def variant_for(adapter: Adapter) -> Variant:
    """The fastest variant that ``adapter`` runs; some report a subgroup size that is none."""
    if adapter.software:
        return SERIAL
    if adapter.subgroup_size in (4, 8, 16, 32, 64, 128):
        return subgroup_variant(adapter.subgroup_size)
    return PORTABLE


def passes_for(count: int) -> int:
    """Radix passes for a scene: 16 bits of depth up to 2**18 Gaussians, 24 above."""
    return 2 if count <= 1 << 18 else 3


@dataclass(frozen=True, slots=True)
class Sort:
    """The sort of up to ``chunks * 256`` keys.

    Attributes
    ----------
    chunks : int
        Capacity in chunks of 256 rows.
    passes : int
        Radix passes; 8 bits of the key each.
    splat_vertices : int
        Vertices that the draw spends on a key.
    variant : Variant
    arguments : Indirect, optional
        Where a count on the GPU rules: workgroups over the tiles of ``sort_state.live_chunks``,
        which alone hold keys.
    keep_keys : bool
        The last pass writes the keys too; see `sorted_keys`.
    """

    chunks: int
    passes: int
    splat_vertices: int
    variant: Variant = PORTABLE
    arguments: Indirect | None = None
    keep_keys: bool = False

    @property
    def sorted_keys(self) -> str:
        """Name of the buffer that holds the keys in order, where they are kept."""
        return "keys_0" if self.passes % 2 else "keys"

    @property
    def order(self) -> str:
        """Name of the buffer that holds the sorted rows."""
        return f"values_{(self.passes - 1) % 2}"

    def part(self) -> Part:
        """The stage: reads ``keys`` and ``chunk_live``; writes `order` and ``draw_args``."""
        rows = self.chunks * 256
        tiles = -(-self.chunks // self.variant.tile_rounds)
        constants = {"TILE_ROUNDS": self.variant.tile_rounds}
        subgroups = {"SLOTS": _SLOTS, "THREADS": self.variant.threads}
        pipelines: list[ComputePipeline] = []
        dispatches: list[Dispatch] = []
        for index in range(self.passes):
            pipelines += self._pipelines(index)
            dispatches += self._dispatches(index, tiles)
        return Part(
            buffers=(
                Buffer("keys_0", rows * 4, ("storage",)),
                Buffer("values_0", rows * 4, ("storage", "readback")),
                Buffer("values_1", rows * 4, ("storage", "readback")),
                Buffer("sort_histogram", tiles * 256 * 4, ("storage",)),
                Buffer("sort_totals", 256 * 4, ("storage",)),
                Buffer("tile_counts", tiles * 4, ("storage",)),
                Buffer("sort_state", SortState.size_bytes, ("storage", "readback")),
                Buffer("draw_args", DrawArgs.size_bytes, ("storage", "indirect", "readback")),
            ),
            shaders={
                "sort.histogram": assemble(self.variant.histogram, constants),
                "sort.scan": assemble(
                    self.variant.scan,
                    constants | {"SPLAT_VERTICES": self.splat_vertices, "BATCHES": BATCHES},
                ),
                "sort.scatter": assemble(
                    self.variant.scatter,
                    constants | (subgroups if self.variant.threads else {}),
                ),
            },
            compute=tuple(pipelines),
            steps=(ComputePass("sort", tuple(dispatches)),),
            subgroups=("sort.scatter",) if self.variant.threads else (),
        )

    def _pipelines(self, index: int) -> list[ComputePipeline]:
        overrides = {
            "SHIFT": float(index * DIGIT_BITS),
            "SPARSE_CHUNKS": float(self.chunks if index == 0 else 0),
        }
        if self.arguments is not None:
            overrides["IS_COUNTED"] = 1.0
        last = {"IS_LAST": float(index == self.passes - 1 and not self.keep_keys)}
        prefixes: Access = "read_write" if self.variant == SERIAL else "read"
        scatter = (*_SCATTER, prefixes, *_OUT)
        return [
            ComputePipeline(f"sort.histogram_{index}", "sort.histogram", _HISTOGRAM, overrides),
            ComputePipeline(f"sort.scan_{index}", "sort.scan", _SCAN, overrides),
            ComputePipeline(f"sort.scatter_{index}", "sort.scatter", scatter, overrides | last),
        ]

    def _dispatches(self, index: int, tiles: int) -> list[Dispatch]:
        # Keys go keys -> keys_0 -> keys -> ...; values are born in the first pass.
        keys_in, keys_out = ("keys", "keys_0") if index % 2 == 0 else ("keys_0", "keys")
        values_in = f"values_{(index + 1) % 2}" if index else "chunk_live"
        values_out = f"values_{index % 2}"
        live, state, histogram = "chunk_live", "sort_state", "sort_histogram"
        workgroups: tuple[int, int, int] | Indirect = grid(
            -(-tiles // self.variant.tiles_a_workgroup)
        )
        if self.arguments is not None:
            workgroups = self.arguments
        if index and self.variant != SERIAL:
            workgroups = Indirect("draw_args", 0)
        return [
            Dispatch(
                f"sort.histogram_{index}",
                (keys_in, live, state, histogram, "tile_counts"),
                workgroups,
            ),
            Dispatch(
                f"sort.scan_{index}",
                (histogram, "sort_totals", "tile_counts", state, "draw_args"),
                (self.variant.scan_workgroups, 1, 1),
            ),
            Dispatch(
                f"sort.scatter_{index}",
                (keys_in, values_in, live, state, histogram, "sort_totals", keys_out, values_out),
                workgroups,
            ),
        ]
