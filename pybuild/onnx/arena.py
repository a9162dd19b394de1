"""One buffer for all that lives between kernels: offsets by greedy packing.

The largest tensor first, each at the lowest offset where it meets no tensor that is alive at the
same time (greedy by size: Pisarchyk and Lee, arXiv 2001.03288).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ALIGNMENT", "Life", "Placement", "place"]

ALIGNMENT = 256
"""WebGPU's default minStorageBufferOffsetAlignment."""


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
    """Lay tensors out so that none that live together overlap."""
    sizes = [_aligned(life.size_bytes) for life in lives]
    offsets = [0] * len(lives)
    placed: list[int] = []
    for k in sorted(range(len(lives)), key=lambda k: (-sizes[k], lives[k].first)):
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
    size = max((offsets[k] + sizes[k] for k in range(len(lives))), default=0)
    steps = range(max((life.last for life in lives), default=-1) + 1)
    bound = max(
        (sum(s for s, l in zip(sizes, lives, strict=True) if l.first <= step <= l.last) for step in steps),
        default=0,
    )
    return Placement(tuple(offsets), size, bound, sum(sizes))


def _aligned(size: int) -> int:
    return -(-max(size, 4) // ALIGNMENT) * ALIGNMENT
