"""Tensors in one buffer: none that live together overlap, and little is wasted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.onnx.arena import ALIGNMENT, Life, Placement, place

WASTE = 1.1
"""The arena against the largest sum of live tensors, for the networks below: 10 % is the bar."""

KIB = 1024

lives = st.lists(
    st.builds(
        lambda size, first, length: Life(size, first, first + length),
        st.one_of(st.integers(0, 5000), st.sampled_from([256, 4096, 65536, 65552])),
        st.integers(0, 20),
        st.integers(0, 6),
    ),
    max_size=24,
)


def taken(size: int) -> int:
    """Bytes with alignment; nothing takes a slot too, for a binding cannot be empty."""
    return -(-max(size, 4) // ALIGNMENT) * ALIGNMENT


def assert_sound(given_: Sequence[Life], found: Placement) -> None:
    """No overlap, whole alignments, all inside, no smaller than it can be."""
    assert len(found.offsets) == len(given_)
    boxes = list(zip(given_, found.offsets, strict=True))
    for k, (a, at) in enumerate(boxes):
        assert at % ALIGNMENT == 0
        assert at + taken(a.size_bytes) <= found.size_bytes
        for b, other in boxes[:k]:
            if a.first <= b.last and b.first <= a.last:
                apart = at + taken(a.size_bytes) <= other or other + taken(b.size_bytes) <= at
                assert apart, (a, at, b, other)
    steps = range(max((life.last for life in given_), default=-1) + 1)
    sums = [sum(taken(x.size_bytes) for x in given_ if x.first <= s <= x.last) for s in steps]
    assert found.bound_bytes == max(sums, default=0) <= found.size_bytes
    assert found.total_bytes == sum(taken(life.size_bytes) for life in given_) >= found.size_bytes


@settings(max_examples=150, deadline=None, derandomize=True)
@given(lives)
def test_tensors_that_live_together_lie_apart(given_: list[Life]) -> None:
    assert_sound(given_, place(given_))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lives)
def test_placing_is_the_same_each_time(given_: list[Life]) -> None:
    assert place(given_) == place(given_)


def test_nothing_needs_nothing() -> None:
    assert place([]) == Placement((), 0, 0, 0)


def chain(sizes: Sequence[int]) -> list[Life]:
    """Each read by the next kernel only."""
    return [Life(size * KIB, k, k + 1) for k, size in enumerate(sizes)]


def residual(blocks: int, size: int) -> list[Life]:
    """Two convolutions a block, whose input is added at its end."""
    made = []
    for k in range(blocks):
        made += [Life(size * KIB, 2 * k, 2 * k + 2), Life(size * KIB, 2 * k + 1, 2 * k + 2)]
    return made


def u_net(depth: int, size: int) -> list[Life]:
    """Halved resolution and doubled channels on the way down; each level is read on the way up."""
    made, end = [], 4 * depth
    for level in range(depth):
        there = size >> level
        made += [
            Life(there * KIB, 2 * level, 2 * level + 1),
            Life(there * KIB, 2 * level + 1, end - 2 * level),
            Life(there * KIB, end - 2 * level, end - 2 * level + 1),
            Life((there // 2) * KIB, end - 2 * level - 1, end - 2 * level),
        ]
    return made


def dense(layers: int, size: int) -> list[Life]:
    """Every layer reads all before it."""
    return [Life(size * (k + 1) * KIB, k, layers) for k in range(layers)]


def pyramid(levels: int, size: int) -> list[Life]:
    """A backbone with a head at each level, the outputs of which are joined at the end."""
    made = []
    for level in range(levels):
        there = max(size >> 2 * level, 4)
        made += [
            Life(there * KIB, 4 * level, 4 * level + 1),
            Life(there * KIB, 4 * level + 1, 4 * level + 4),
            Life(there // 4 * KIB, 4 * level + 2, 4 * level + 3),
            Life(there // 16 * KIB, 4 * level + 3, 4 * levels),
        ]
    return made


def transformer(blocks: int, tokens: int) -> list[Life]:
    """Residual stream, projections of three times its size, a wide hidden layer."""
    made = []
    for k in range(blocks):
        at = 6 * k
        made += [
            Life(tokens * KIB, at, at + 3),
            Life(3 * tokens * KIB, at + 1, at + 2),
            Life(tokens * KIB, at + 2, at + 3),
            Life(tokens * KIB, at + 3, at + 6),
            Life(4 * tokens * KIB, at + 4, at + 5),
            Life(tokens * KIB, at + 5, at + 6),
        ]
    return made


NETWORKS = {
    "style": chain([768, 8192, 4096, 2048, 2048, 2048, 2048, 2048, 4096, 8192, 768]),
    "chain of odd sizes": chain([190, 33, 760, 12, 512, 511, 7, 90, 300, 610, 20]),
    "residual": residual(16, 784),
    "u-net": u_net(5, 4096),
    "dense": dense(12, 40),
    "pyramid": pyramid(5, 6400),
    "transformer": transformer(12, 96),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_waste_little(name: str) -> None:
    """And far less than a buffer for each tensor."""
    found = place(NETWORKS[name])
    assert_sound(NETWORKS[name], found)
    assert found.size_bytes <= WASTE * found.bound_bytes
