"""Einsum: the equation's parser and its contractions, two operands at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, const
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers

__all__ = ["Operand", "parse"]


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor and the label of each of its axes; a label can appear twice (a diagonal)."""

    tensor: Tensor
    labels: tuple[str, ...]

    def at(self, index: dict[str, Expr]) -> Expr:
        """Its element where every label has an index; an axis of one is broadcast."""
        zero = const(0, "i32")
        axes = zip(self.labels, self.tensor.shape, strict=True)
        return self.tensor[tuple(zero if n == 1 else index[label] for label, n in axes)]


def _axes(term: str, rank: int, widest: int) -> tuple[str, ...]:
    """Labels of a term; the axes of an ellipsis are called 0, 1, ... from the right end."""
    named = term.replace("...", "", 1)
    if not all(letter.isalpha() and letter.isascii() for letter in named):
        raise Unsupported(f"the term {term!r} of the equation is not understood")
    covered = rank - len(named)
    if covered < 0 or (covered and "..." not in term):
        raise Unsupported(f"the term {term!r} does not fit an operand of {rank} axes")
    ellipsis = tuple(str(widest - covered + k) for k in range(covered))
    before, _, after = term.partition("...")
    return (*before, *ellipsis, *after)


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Labels of each operand's axes and of the result's.

    Raises
    ------
    Unsupported
        The equation does not fit the operands.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Unsupported(f"the equation has {len(terms)} terms for {len(ranks)} operands")
    widest = max(
        (n - len(t) + 3 for t, n in zip(terms, ranks, strict=True) if "..." in t), default=0
    )
    labels = [_axes(term, rank, widest) for term, rank in zip(terms, ranks, strict=True)]
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    result = _axes(right, len(right.replace("...", "")) + widest * ("..." in right), widest)
    known = {label for term in labels for label in term}
    if len(set(result)) != len(result) or not set(result) <= known:
        raise Unsupported(f"the result {right!r} repeats a label or has one of no operand")
    return labels, result


def _combine(
    name: str,
    operands: Sequence[Operand],
    kept: tuple[str, ...],
    extents: dict[str, int],
) -> Operand:
    """Product of the operands, summed over every label that is not kept."""
    own: dict[str, int] = {}
    for operand in operands:
        for label, extent in zip(operand.labels, operand.tensor.shape, strict=True):
            own[label] = max(own.get(label, extent), extent) if extent else 0
    summed = tuple(label for label in own if label not in kept)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        index = dict(zip((*kept, *summed), (*o, *r), strict=True))
        value = operands[0].at(index)
        for operand in operands[1:]:
            value = value * operand.at(index)
        return value

    shape = [own.get(label, extents[label]) for label in kept]
    over = [own[label] for label in summed]
    return Operand(reduce_tensor(name, shape, over, "sum", body), kept)


def _needed(labels: Sequence[str], others: Sequence[Operand], result: Sequence[str]) -> list[str]:
    wanted = {*result, *(label for other in others for label in other.labels)}
    return [label for label in dict.fromkeys(labels) if label in wanted]


@lowers("Einsum", since=12)
def _einsum(context: Context, node: Node) -> Tensor:
    name = node.outputs[0]
    tensors = [context.tensor(node, k) for k in range(len(node.inputs))]
    labels, result = parse(str(node.attributes["equation"]), [len(t.shape) for t in tensors])
    extents: dict[str, int] = {}
    operands = [Operand(t, axes) for t, axes in zip(tensors, labels, strict=True)]
    for operand in operands:
        for label, extent in zip(operand.labels, operand.tensor.shape, strict=True):
            if extents.get(label, 1) not in (extent, 1) and extent != 1:
                raise Unsupported(f"{label!r} has {extents[label]} and {extent} elements")
            extents[label] = extent if extents.get(label, 1) == 1 else extents[label]
    steps = 0
    if len(operands) > 1:  # what only one operand has is summed before it meets the others
        for k, operand in enumerate(operands):
            others = operands[:k] + operands[k + 1 :]
            kept = _needed(operand.labels, others, result)
            if len(kept) < len(set(operand.labels)):
                operands[k] = _combine(f"{name}.sum{k}", [operand], tuple(kept), extents)
    while len(operands) > 2:
        _, a, b = min(
            (math.prod(extents[label] for label in {*x.labels, *y.labels}), i, j)
            for i, x in enumerate(operands)
            for j, y in enumerate(operands)
            if i < j
        )
        pair = [operands[a], operands[b]]
        rest = [operand for k, operand in enumerate(operands) if k not in (a, b)]
        kept = _needed([*pair[0].labels, *pair[1].labels], rest, result)
        operands = [*rest, _combine(f"{name}.pair{steps}", pair, tuple(kept), extents)]
        steps += 1
    return _combine(name, operands, result, extents).tensor
