"""A loop nest as WGSL statements: tiles of registers, serial and unrolled loops, the epilogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

from pybuild.onnx.expr import Expr, logical_and, variable
from pybuild.onnx.halves import HALF_TERMS
from pybuild.onnx.ir import Tensor, neutral
from pybuild.onnx.nest import Nest, accumulator, extent
from pybuild.onnx.substitution import Sharing, substitute, walk
from pybuild.onnx.wgsl import Writer, combine_text

__all__ = ["Store", "Tile", "expand", "segments", "write_nest"]

Store = Callable[[Writer, Tensor, Sequence[tuple[tuple[Expr, ...], str]]], None]
"""Writes values of a tensor: pairs of an index and the text of the value."""

_SEGMENTS = 8
_TERMS = 32


@dataclass(frozen=True, slots=True)
class Tile:
    """How a nest is cut.

    Attributes
    ----------
    factors : mapping
        Axis to the number of its values that one pass computes together, in registers.
    unroll : mapping
        Reduction variable to the number of its values written out; its extent: all.
    """

    factors: Mapping[Expr, int] = field(default_factory=dict)
    unroll: Mapping[Expr, int] = field(default_factory=dict)

    @property
    def steps(self) -> Mapping[Expr, int]:
        """Values of each variable that are evaluated together."""
        return {**self.factors, **self.unroll}

    @property
    def registers(self) -> int:
        """Accumulators."""
        return math.prod(self.factors.values())


def expand(nest: Nest, tile: Tile, origin: Mapping[Expr, Expr]) -> list[dict[Expr, Expr]]:
    """For each register of the tile the values of the axes.

    Parameters
    ----------
    origin : mapping
        Axis to the number of its tile (its value where it is not tiled).
    """
    factors = [tile.factors.get(axis, 1) for axis in nest.axes]
    return [
        {
            axis: origin[axis] * factor + u if factor > 1 else origin[axis]
            for axis, factor, u in zip(nest.axes, factors, point, strict=True)
        }
        for point in product(*(range(factor) for factor in factors))
    ]


def segments(nest: Nest, var: Expr) -> list[tuple[int, int]]:
    """Where a reduction variable is best cut: at the limits that conditions compare it with.

    A concatenation read inside a reduction chooses its part by such a condition; in each segment
    it is decided, so that one part alone is read.
    """
    cuts: set[int] = set()
    for expr in walk(nest.body):
        if expr.op not in ("lt", "le"):
            continue
        difference = expr.args[0] - expr.args[1]
        if difference.op == "linear" and difference.args == (var,):
            (factor,), constant = difference.attr
        elif difference is var:
            factor, constant = 1, 0
        else:
            continue
        # factor * var + constant < 0 (or <= 0) changes at
        edge = -constant / factor
        cut = math.ceil(edge) if (expr.op == "lt") == (factor > 0) else math.floor(edge) + 1
        if 0 < cut < extent(var):
            cuts.add(cut)
    if len(cuts) >= _SEGMENTS:
        return [(0, extent(var))]
    edges = [0, *sorted(cuts), extent(var)]
    return list(pairwise(edges))


def write_nest(
    writer: Writer,
    nest: Nest,
    tile: Tile,
    origin: Mapping[Expr, Expr],
    store: Store,
) -> None:
    """All statements of one tile of a nest, into the writer's innermost block."""
    registers = expand(nest, tile, origin)
    names = [writer.fresh("a") for _ in registers]
    if nest.combine is not None:
        start = neutral(nest.combine, nest.body.type)
        for name in names:
            writer.line(f"var {name}: {nest.body.type} = {writer.value(start)};")
        _reduce(writer, nest, tile, registers, names)
    finished: list[tuple[tuple[Expr, ...], Expr, Expr]] = []
    for mapping, name in zip(registers, names, strict=True):
        full = dict(mapping)
        if nest.acc is not None:
            full[nest.acc] = accumulator(nest.acc.type)
            writer.define(full[nest.acc], name)
        memo: dict[Expr, Expr] = {}
        index = tuple(substitute(part, full, None, memo) for part in nest.index)
        inside = logical_and(
            *(
                mapping[axis] < extent(axis)
                for axis in nest.axes
                if extent(axis) % tile.factors.get(axis, 1)
            )
        )
        finished.append((index, substitute(nest.finish, full, None, memo), inside))
    writer.count_uses([value for _, value, _ in finished])
    texts = [(index, writer.value(value), inside) for index, value, inside in finished]
    whole = [(index, text) for index, text, inside in texts if inside.op == "const"]
    if whole:
        store(writer, nest.tensor, whole)
    ragged: dict[Expr, list[tuple[tuple[Expr, ...], str]]] = {}
    for index, text, inside in texts:
        if inside.op != "const":
            ragged.setdefault(inside, []).append((index, text))
    for inside, pairs in ragged.items():
        writer.open(f"if ({writer.value(inside)})", {})
        store(writer, nest.tensor, pairs)
        writer.close()


def _reduce(
    writer: Writer,
    nest: Nest,
    tile: Tile,
    registers: list[dict[Expr, Expr]],
    names: list[str],
) -> None:
    """The loops over the reduction variables, outermost first."""

    def nested(remaining: tuple[Expr, ...], inner: list[dict[Expr, Expr]]) -> None:
        if not remaining:
            _accumulate(writer, nest, registers, names, inner)
            return
        var, *rest = remaining
        step = tile.unroll.get(var, 1)
        for begin, end in segments(nest, var):
            count = end - begin
            factor = math.gcd(step, count) if step < count else count
            turns = count // factor
            loop = variable(str(var.attr[0]), turns)
            here = [
                {**known, var: loop * factor + (begin + j)}
                for known in inner
                for j in range(factor)
            ]
            if turns == 1:
                nested(tuple(rest), here)
            else:
                name = writer.fresh("k")
                writer.open(f"for (var {name} = 0i; {name} < {turns}i; {name}++)", {loop: name})
                nested(tuple(rest), here)
                writer.close()

    nested(nest.over, [{}])


def _accumulate(
    writer: Writer,
    nest: Nest,
    registers: list[dict[Expr, Expr]],
    names: list[str],
    inner: list[dict[Expr, Expr]],
) -> None:
    """One statement a register: a store to a variable costs some adapters more than a product."""
    assert nest.combine is not None
    body = Sharing(nest.body, [*registers[0], *inner[0]])
    rows = [[body.at({**mapping, **chosen}) for chosen in inner] for mapping in registers]
    writer.count_uses(value for row in rows for value in row)
    # all loads before all arithmetic
    half = nest.body.op == "widen"
    texts = [[writer.term(value.args[0] if half else value) for value in row] for row in rows]
    for name, terms in zip(names, texts, strict=True):
        if half:
            factor = writer.value(nest.body.args[1])
            for start in range(0, len(terms), HALF_TERMS):
                total = " + ".join(terms[start : start + HALF_TERMS])
                writer.line(f"{name} += f32({total}) * {factor};")
            continue
        if nest.combine == "sum":
            for start in range(0, len(terms), _TERMS):
                writer.line(f"{name} += {' + '.join(terms[start : start + _TERMS])};")
            continue
        for text in terms:
            writer.line(combine_text(nest.combine, nest.body.type, name, text))
