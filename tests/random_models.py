"""Random small networks: ONNX models with inputs and what onnxruntime makes of them.

A model grows node by node, each of a kind in ``random_steps``. What jumps (floor, casts,
comparisons) is only put on values that every runtime has to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import onnx

from tests.random_steps.elementwise import (
    binary,
    compare,
    convert,
    integers,
    logic,
    positive,
    unary,
    where,
)
from tests.random_steps.gathering import gather, gather_elements, gather_nd, scatter
from tests.random_steps.grower import Array, Grower, Unfit, model_of
from tests.random_steps.products import attention, conv, gemm, matmul, perceptron, pool
from tests.random_steps.reductions import norm, order, reduce, running, softmax
from tests.random_steps.views import (
    axes,
    concat,
    expand,
    pad,
    pixels,
    reshape,
    slice_part,
    split,
    tile,
    transpose,
)

__all__ = ["RandomModel", "random_model"]

SHAPES = (
    (7,),
    (64,),
    (3, 5),
    (8, 12),
    (1, 16),
    (2, 3, 4),
    (1, 9, 8),
    (4, 6, 5),
    (1, 3, 8, 8),
    (2, 4, 6, 6),
    (1, 8, 5, 7),
    (1, 2, 3, 4, 4),
    (300, 6),
    (1100, 4),
    (260, 3, 4),
    (2, 300, 8),
    (1, 130, 16),
    (16400, 2),
    (2, 2, 70, 8),
)
"""Of inputs: small ones around the widths of vectors, and many rows of few elements."""

STEPS: tuple[Callable[[Grower], None], ...] = (
    *(unary, unary, positive, binary, binary, binary, integers, convert, compare, logic),
    *(where, reshape, reshape, transpose, transpose, slice_part, slice_part, concat, concat, pad),
    *(split, expand, tile, axes, pixels, matmul, matmul, gemm, conv, conv, pool),
    *(reduce, reduce, softmax, norm, attention, perceptron, running, gather),
    *(gather_elements, gather_nd, scatter, order),
)


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model, arrays that go in, and arrays that come out of onnxruntime on the processor."""

    model: onnx.ModelProto
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def random_model(random: Random, most_nodes: int = 25) -> RandomModel:
    """Grow a model.

    Parameters
    ----------
    random : Random
        Where every choice comes from; Hypothesis' too, which then finds smaller models.
    most_nodes : int
        Few more can come of it: some steps add several.
    """
    g = Grower(random)
    for _ in range(random.randint(1, 3)):
        g.input(random.choice(SHAPES))
    wanted = random.randint(1, most_nodes)
    for _ in range(3 * wanted):
        if len(g.nodes) >= wanted:
            break
        kept = len(g.nodes)
        try:
            random.choice(STEPS)(g)
        except Unfit:
            if len(g.nodes) == kept:
                continue
    if not g.nodes:
        g.add("Neg", next(iter(g.inputs)))
    read = {name for node in g.nodes for name in node.input}
    made = [name for node in g.nodes for name in node.output]
    ends = [name for name in made if name not in read or random.randint(0, 9) == 0]
    outputs = {name: g.values[name] for name in ends}
    constants = {name: array for name, array in g.constants.items() if name in read}
    inputs = {name: array for name, array in g.inputs.items() if name in read}
    return RandomModel(model_of(g.nodes, inputs, constants, outputs), inputs, outputs)
