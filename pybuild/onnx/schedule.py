"""How each nest is cut into threads, register tiles and loops.

A contraction is tiled along the axes that share its operands: with ``m`` values of an axis that
only one operand depends on and ``n`` of one that only the other does, m + n loads serve m * n
multiplications. Register tiles need no barrier and no shared memory, so the same kernel is good on
processors, where a barrier costs five times the arithmetic (docs/decisions/0005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, product

from pybuild.onnx.expr import Expr
from pybuild.onnx.loops import Tile
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.rows.worth import contracts
from pybuild.onnx.substitution import walk
from pybuild.onnx.words import is_pixels

__all__ = ["WORKGROUP", "tiles_of"]

WORKGROUP = 64
TUNED_WORK = 1 << 22
"""Products from which on other tiles are worth a measurement on the user's machine."""
_STATEMENTS = 1200
"""Multiplications written out at most in one kernel's innermost body."""
_PLAIN_STATEMENTS = 160
"""As many elements of a sum or a maximum: each has a load and a condition of its own."""


def tiles_of(nest: Nest) -> list[tuple[str, Tile]]:
    """Ways to cut a nest, each with the adapters that prefer it."""
    if nest.combine is None:
        return [("any", _map_tile(nest))]
    large = _reduce_tile(nest, least_threads=64, most_registers=128)
    small = _reduce_tile(nest, least_threads=8192, most_registers=32)
    if large == small:
        return [("any", large)]
    ways = [("gpu", small), ("software", large)]
    if nest.points * nest.depth >= TUNED_WORK:
        for least, most in ((8192, 16), (1024, 64)):
            other = _reduce_tile(nest, least, most)
            if all(other != tile for _, tile in ways):
                ways.append(("any", other))
    return ways


def _pixel_axis(nest: Nest) -> dict[Expr, int]:
    """Red, green and blue of a pixel are one word, which one thread writes."""
    return {nest.index[-1]: extent(nest.index[-1])} if is_pixels(nest.tensor) else {}


def _map_tile(nest: Nest) -> Tile:
    """Four consecutive elements a thread where the last axis allows; or a pixel."""
    pixel = _pixel_axis(nest)
    if pixel:
        return Tile(pixel)
    last = next((a for a in reversed(nest.axes)), None)
    if last is None or nest.points < 1024:
        return Tile()
    factors = {last: 4} if extent(last) % 4 == 0 else {}
    return Tile(factors)


def _reduce_tile(nest: Nest, least_threads: int, most_registers: int) -> Tile:
    loads = [node.args for node in walk(nest.body) if node.op == "load"]
    pixel = _pixel_axis(nest)
    axes = sorted((a for a in nest.axes if a not in pixel), key=extent, reverse=True)[:5]
    most = _STATEMENTS if contracts(nest) else _PLAIN_STATEMENTS
    best: tuple[float, dict[Expr, int]] = (_score(nest, loads, pixel, most), pixel)
    tried: set[frozenset[tuple[Expr, int]]] = set()
    for chosen in combinations(axes, min(3, len(axes))):
        steps = (1, 2, 4, 8, 16) if len(chosen) < 3 else (1, 2, 4, 8)
        for sizes in product(steps, repeat=len(chosen)):
            factors = pixel | {a: f for a, f in zip(chosen, sizes, strict=True) if f > 1}
            key = frozenset(factors.items())
            if key in tried or not _allowed(nest, factors, least_threads, most_registers):
                continue
            tried.add(key)
            score = _score(nest, loads, factors, most)
            if score < best[0] - 1e-9:
                best = (score, factors)
    factors = best[1]
    return Tile(factors, _unroll(nest, factors, most))


def _allowed(nest: Nest, factors: dict[Expr, int], least_threads: int, most_registers: int) -> bool:
    if math.prod(factors.values()) > most_registers:
        return False
    if any(extent(a) < f for a, f in factors.items()):
        return False
    threads = math.prod(-(-extent(a) // factors.get(a, 1)) for a in nest.axes)
    return threads >= min(least_threads, nest.points)


def _score(
    nest: Nest, loads: Sequence[tuple[Expr, ...]], factors: Mapping[Expr, int], most: int
) -> float:
    """Distinct loads for each multiplication, and what is wasted at ragged edges."""
    unroll = _unroll(nest, factors, most)
    products = math.prod(factors.values()) * math.prod(unroll.values())
    steps = {**factors, **unroll}
    needed = sum(math.prod(_spread(part, steps) for part in index) for index in loads)
    waste = math.prod(-(-extent(a) // f) * f / extent(a) for a, f in factors.items())
    return needed / products * waste


def _spread(index: Expr, steps: Mapping[Expr, int]) -> int:
    """Number of distinct values of an index over a tile."""
    parts = (
        dict(zip(index.args, index.attr[0], strict=True)) if index.op == "linear" else {index: 1}
    )
    moving = [(abs(c), steps[v]) for v, c in parts.items() if v in steps]
    if index.op not in ("linear", "var"):
        moving = [(1, steps[v]) for v in walk(index) if v in steps]
    count, reach = 1, 0
    for factor, n in sorted(moving):
        # a larger stride than what is covered opens gaps: all values are distinct
        if factor > reach:
            count, reach = count * n, reach + factor * (n - 1)
        else:
            reach += factor * (n - 1)
            count = min(count * n, reach + 1)
    return count


def _unroll(nest: Nest, factors: Mapping[Expr, int], most: int) -> dict[Expr, int]:
    """Small inner loops whole, then four of the next where it divides."""
    room = most // max(1, math.prod(factors.values()))
    unroll: dict[Expr, int] = {}
    for var in reversed(nest.over):
        n = extent(var)
        if n <= room and n <= 16:
            unroll[var] = n
            room //= n
            continue
        for step in (4, 2):
            if n % step == 0 and step <= room:
                unroll[var] = step
                break
        break
    return unroll
