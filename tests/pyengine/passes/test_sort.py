"""The radix sort alone, on the native host, against numpy's stable argsort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.passes.sort import (
    DIGIT_BITS,
    PORTABLE,
    SERIAL,
    Sort,
    Variant,
    passes_for,
    subgroup_variant,
    variant_for,
)
from pyengine.plan import DEFAULT_LIMITS, Adapter, Buffer, Part, Plan
from pyengine.structs import DrawArgs, SortState

CHUNK = 256
DEAD = np.uint32(0xFFFFFFFF)
VERTICES = 3
MILLION, FIVE_MILLION = 1 << 20, 5_000_000

Words = NDArray[np.uint32]

VARIANTS = {
    "portable": PORTABLE,
    "subgroups of 4": subgroup_variant(4),
    "subgroups of 8": subgroup_variant(8),
    "serial": SERIAL,
}
SIZES: dict[str, Callable[[int], int]] = {
    "0": lambda tile: 0,
    "1": lambda tile: 1,
    "tile-1": lambda tile: tile - 1,
    "tile": lambda tile: tile,
    "tile+1": lambda tile: tile + 1,
    "33 tiles": lambda tile: 33 * tile + 7,
}
"""Rows, by the rows of a tile. 33 tiles: more than the scan's 16 segments, and not a multiple."""


def patterns(rows: int, bits: int) -> Iterator[tuple[str, Words, Words]]:
    """Names, keys of whole chunks, and which chunks are alive."""
    random = np.random.default_rng(rows)
    chunks = max(1, -(-rows // CHUNK))
    alive = np.ones(chunks, np.uint32)
    top = (1 << bits) - 2  # 0xffffffff is no key

    def whole(keys: NDArray[Any]) -> Words:
        padded = np.full(chunks * CHUNK, DEAD)
        padded[: len(keys)] = keys
        return padded

    yield "all equal", whole(np.full(rows, top // 3)), alive
    yield "sorted", whole(np.linspace(0, top, rows)), alive
    yield "reversed", whole(np.linspace(top, 0, rows)), alive
    yield "random", whole(random.integers(0, top, rows, endpoint=True)), alive
    few = random.integers(0, 5, rows) * (top // 5)
    some = np.where(random.random(rows) < 0.6, few, DEAD)
    yield "few keys, dead rows", whole(some), alive
    mixed = random.integers(0, top, chunks * CHUNK, endpoint=True).astype(np.uint32)
    yield "dead chunks with stale keys", mixed, random.integers(0, 2, chunks, np.uint32)
    yield "all chunks dead", mixed, np.zeros(chunks, np.uint32)
    yield "all rows dead", whole(np.zeros(0)), alive


def survivors(keys: Words, live: Words) -> NDArray[np.int64]:
    """Rows in the order that the sort owes: by key, equal keys by row."""
    rows = np.flatnonzero((keys != DEAD) & (np.repeat(live, CHUNK) == 1))
    return rows[np.argsort(keys[rows], kind="stable")]


class Sorter:
    """The sort's stage with keys that the test writes.

    Attributes
    ----------
    plan : Plan
    tile : int
        Rows.
    """

    def __init__(self, adapter: Any, variant: Variant, passes: int, chunks: int) -> None:
        self.sort = Sort(chunks, passes, VERTICES, variant)
        self.tile = variant.tile_rounds * CHUNK
        inputs = Part(
            buffers=(
                Buffer("keys", chunks * CHUNK * 4, ("storage", "upload")),
                Buffer("chunk_live", chunks * 4, ("storage", "upload")),
            ),
            steps=(),
        )
        self.plan = Plan.of({"sort": (inputs, self.sort.part())})
        NullHost().build(self.plan)
        self._host = NativeHost(1, 1, adapter)
        self._host.build(self.plan)

    def close(self) -> None:
        """Free the device."""
        self._host.close()

    def check(self, name: str, keys: Words, live: Words) -> None:
        """Sort, and compare order, count and indirect arguments."""
        self._host.write("keys", keys.tobytes())
        self._host.write("chunk_live", live.tobytes())
        self._host.run("sort")
        expected = survivors(keys, live)
        count = len(expected)
        state, arguments = (bytes(self._host.read(b)) for b in ("sort_state", "draw_args"))
        assert SortState.unpack(state, "key_count") == (count,), name
        tiles = -(-count // self.tile)
        assert SortState.unpack(state, "tile_count") == (tiles,), name
        x, y, z = (int(DrawArgs.unpack(arguments, f"dispatch_{axis}")[0]) for axis in "xyz")
        assert tiles <= x * y * z < tiles + max(y, 1), f"{name}: ({x}, {y}, {z}) for {tiles} tiles"
        assert max(x, y, z) <= DEFAULT_LIMITS["maxComputeWorkgroupsPerDimension"]
        self._check_draws(name, arguments, count)
        order = np.frombuffer(self._host.read(self.sort.order), np.uint32)[:count]
        wrong = np.flatnonzero(order != expected)
        assert not len(wrong), f"{name}: {len(wrong)} of {count} rows, the first at {wrong[0]}"

    def _check_draws(self, name: str, arguments: bytes, count: int) -> None:
        """Together the draws cover every vertex once, in order, each whole splats."""
        draws = np.array(DrawArgs.unpack(arguments, "draws")).reshape(-1, 4)
        next_vertex = 0
        for vertices, instances, first, first_instance in draws:
            assert first == next_vertex, name
            assert vertices % VERTICES == 0, name
            assert (instances, first_instance) == (1, 0), name
            next_vertex += vertices
        assert next_vertex == count * VERTICES, name


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("passes", [2, 3, 4])
def test_small(adapter: Any, variant: Variant, passes: int) -> None:
    """Around the edges of a tile. One sorter takes all patterns in turn, more keys and fewer:
    nothing may be left of the frame before.
    """
    skip_unless_runs(adapter, variant)
    for size, rows_of in SIZES.items():
        rows = rows_of(variant.tile_rounds * CHUNK)
        sorter = Sorter(adapter, variant, passes, max(1, -(-rows // CHUNK)))
        for name, keys, live in patterns(rows, passes * DIGIT_BITS):
            sorter.check(f"{size} rows, {name}", keys, live)
        sorter.close()


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_million(adapter: Any, variant: Variant) -> None:
    """2**20 rows, in three passes as the engine would."""
    skip_unless_runs(adapter, variant)
    sorter = Sorter(adapter, variant, 3, MILLION // CHUNK)
    for name, keys, live in patterns(MILLION, 3 * DIGIT_BITS):
        sorter.check(name, keys, live)
    sorter.close()


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_five_million(adapter: Any, variant: Variant) -> None:
    """As a large capture; random keys and keys that are all equal."""
    skip_unless_runs(adapter, variant)
    sorter = Sorter(adapter, variant, 3, -(-FIVE_MILLION // CHUNK))
    for name, keys, live in patterns(FIVE_MILLION, 3 * DIGIT_BITS):
        if name in ("all equal", "random", "dead chunks with stale keys"):
            sorter.check(name, keys, live)
    sorter.close()


@pytest.mark.gpu
def test_an_order_is_the_same_every_time(adapter: Any) -> None:
    """Atomics race differently each time; equal keys must not swap, or still pictures flicker."""
    sorter = Sorter(adapter, PORTABLE, 2, 64)
    random = np.random.default_rng(5)
    keys = random.integers(0, 3, 64 * CHUNK).astype(np.uint32)
    for repetition in range(8):
        sorter.check(f"repetition {repetition}", keys, np.ones(64, np.uint32))
    sorter.close()


def skip_unless_runs(adapter: Any, variant: Variant) -> None:
    """Subgroup variants need the feature, and subgroups that are not smaller than they assume.

    Lavapipe says 4 to 128 and takes 8.
    """
    smallest = NativeHost.describe(adapter).subgroup_size
    if "llvmpipe" in adapter.info["device"]:
        smallest = 8
    if variant.threads and variant.threads > 16 * smallest:
        pytest.skip(f"the adapter's smallest subgroups have {smallest} lanes")


@pytest.mark.parametrize(
    ("adapter", "variant"),
    [
        (Adapter(DEFAULT_LIMITS), PORTABLE),
        (Adapter(DEFAULT_LIMITS, 7), PORTABLE),
        (Adapter(DEFAULT_LIMITS, 256), PORTABLE),
        (Adapter(DEFAULT_LIMITS, 4), subgroup_variant(4)),
        (Adapter(DEFAULT_LIMITS, 32), subgroup_variant(32)),
        (Adapter(DEFAULT_LIMITS, 0, software=True), SERIAL),
        (Adapter(DEFAULT_LIMITS, 8, software=True), SERIAL),
    ],
)
def test_choice_of_a_variant(adapter: Adapter, variant: Variant) -> None:
    """Sizes that are none (Safari has said 0) get the variant without subgroups."""
    assert variant_for(adapter) == variant


def test_choice_of_passes() -> None:
    """16 bits of depth up to 2**18 Gaussians, 24 above."""
    assert [passes_for(n) for n in (0, 1, 1 << 18, (1 << 18) + 1, 1 << 28)] == [2, 2, 2, 3, 3]


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64, 128])
def test_subgroup_variants_keep_to_the_limits(size: int) -> None:
    """At most 256 lanes; whole runs of keys a lane; never more subgroups than counters."""
    variant = subgroup_variant(size)
    assert variant.threads <= DEFAULT_LIMITS["maxComputeInvocationsPerWorkgroup"]
    assert variant.tile_rounds * CHUNK % variant.threads == 0
    assert variant.threads // size <= 16
