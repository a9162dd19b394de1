"""One buffer for all that lives between kernels: offsets by greedy packing.

The largest tensor first, each at the lowest offset where it meets no tensor that is alive at the
same time (greedy by size: Pisarchyk and Lee, arXiv 2001.03288).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ALIGNMENT", "Life", "Placement", "place"]

ALIGNMENT = 256
"""WebGPU's default minStorageBufferOffsetAlignment."""
_TRIES = 400


@dataclass(frozen=True, slots=True)
class Life:
    """One tensor: its bytes, and the first and last kernel that touches it."""

    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Offsets in bytes, in the order of the lives.

    Attributes
    ----------
    size_bytes : int
        Of the arena.
    bound_bytes : int
        The largest sum of live tensors at any kernel: no arena can be smaller.
    total_bytes : int
        Sum of all tensors.
    """

    offsets: tuple[int, ...]
    size_bytes: int
    bound_bytes: int
    total_bytes: int


def place(lives: Sequence[Life]) -> Placement:
    """Lay tensors out so that none that live together overlap.

    Largest first is within a few per cent of the bound for most networks; where it is not, other
    orders are tried (longest-lived first, by birth, then swaps of neighbours in the best order,
    always the same ones) until the bound is met or `_TRIES` are spent.
    """
    sizes = [_aligned(life.size_bytes) for life in lives]
    bound = _bound(lives, sizes)
    everything = range(len(lives))
    orders = [
        sorted(everything, key=lambda k: (-sizes[k], lives[k].first)),
        sorted(everything, key=lambda k: (-(lives[k].last - lives[k].first), -sizes[k])),
        sorted(everything, key=lambda k: (lives[k].first, -sizes[k])),
        sorted(everything, key=lambda k: -sizes[k] * (lives[k].last - lives[k].first + 1)),
    ]
    best, best_order, offsets = -1, orders[0], [0] * len(lives)
    chance = random.Random(0)
    for attempt in range(_TRIES):
        if attempt < len(orders):
            order = orders[attempt]
        elif len(lives) < 3:
            break
        else:
            order = list(best_order)
            for _ in range(chance.choice((1, 1, 2, 3))):
                moved = order.pop(chance.randrange(len(order)))
                order.insert(chance.randrange(len(order) + 1), moved)
        found = _pack(lives, sizes, order)
        size = max((o + s for o, s in zip(found, sizes, strict=True)), default=0)
        if best < 0 or size <= best:
            best, best_order, offsets = size, order, found
        if best <= bound:
            break
    return Placement(tuple(offsets), max(best, 0), bound, sum(sizes))


def _pack(lives: Sequence[Life], sizes: Sequence[int], order: Sequence[int]) -> list[int]:
    """Each in its turn at the lowest offset that is free while it lives."""
    offsets = [0] * len(lives)
    placed: list[int] = []
    for k in order:
        taken = sorted(
            (offsets[j], offsets[j] + sizes[j])
            for j in placed
            if lives[j].first <= lives[k].last and lives[k].first <= lives[j].last
        )
        offset = 0
        for begin, end in taken:
            if offset + sizes[k] <= begin:
                break
            offset = max(offset, end)
        offsets[k] = offset
        placed.append(k)
    return offsets


def _bound(lives: Sequence[Life], sizes: Sequence[int]) -> int:
    steps = range(max((life.last for life in lives), default=-1) + 1)
    return max(
        (
            sum(s for s, life in zip(sizes, lives, strict=True) if life.first <= step <= life.last)
            for step in steps
        ),
        default=0,
    )


def _aligned(size: int) -> int:
    return -(-max(size, 4) // ALIGNMENT) * ALIGNMENT
