"""A generator's model to the program that the renderer runs: see `compile_generator`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from pybuild.generators.bounds import bounds_of, expanded, is_cheap
from pybuild.generators.canonical import Canonical, canonical, image_words
from pybuild.generators.chain import chained
from pybuild.generators.instances import batched as batch
from pybuild.generators.instances import spread, with_inputs
from pybuild.generators.visible import NotRowWise, compacted, gathered, in_sight
from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.expr import Expr, cast, const, maximum, unary, variable
from pybuild.onnx.graph import Graph
from pybuild.onnx.ir import Packing, Tensor, input_tensor, map_tensor, reshape
from pybuild.onnx.lower import lower
from pybuild.onnx.models import open_graph
from pybuild.onnx.problems import GraphError
from pyengine.contract import Contract
from pyengine.errors import InputError

__all__ = ["FRUSTUM", "PACKED", "VIEW", "GeneratorProgram", "compile_generator"]

PACKED, COLOR, SH, COUNT = "gaussian.packed", "gaussian.color", "gaussian.sh", "gaussian.count"
VIEW, FRUSTUM = "vitrine.view", "vitrine.frustum"
"""Inputs of a program that tests visibility first, with the roles camera.view and frustum."""

REACH = 3.3290
"""Standard deviations at which an opacity of 1 has fallen to 1/255: sqrt(2 ln 255)."""


@dataclass(frozen=True, slots=True)
class GeneratorProgram:
    """A compiled generator.

    Attributes
    ----------
    compiled : Compiled
        Outputs ``gaussian.packed`` (B*N, 10), ``gaussian.color`` (B*N, 3) or ``gaussian.sh``
        (B*N, K, 3), perhaps ``gaussian.count`` (B,), and ``state.NAME`` of each state. Colours
        that are the same for all instances have N rows.
    contract : Contract
    instances : int
        B.
    batched : frozenset of str
        Inputs that have an axis of instances before their own: states among them.
    left_out : str
        Empty where rows out of sight are not computed; else why all are.
    """

    compiled: Compiled
    contract: Contract
    instances: int
    batched: frozenset[str]
    left_out: str = ""


def compile_generator(
    model: Path | onnx.ModelProto,
    contract: Contract,
    instances: int = 1,
    batched: Collection[str] = (),
    weights: Packing = "f32",
    half: bool = False,
    visible_first: bool = True,
) -> GeneratorProgram:
    """Compile a model into the program whose outputs the project pass reads.

    Parameters
    ----------
    model : Path or ModelProto
    contract : Contract
        What its tensors mean.
    instances : int
        How many of it are made at once: one program, with as many dispatches as for one.
    batched : collection of str
        Inputs that each instance has for itself; states always are.
    weights, half
        See `pybuild.onnx.compile.compile_graph`.
    visible_first : bool
        Where the network works row by row, test first which rows can be seen, and compute only
        those.

    Raises
    ------
    GraphError
        It lists every node that cannot be compiled.
    InputError
        ``batched`` names what is no input.
    """
    graph = open_graph(model)
    name = str(model) if isinstance(model, Path) else model.graph.name or "model"
    states = {feed.name for feed in contract.inputs if feed.role == "state"}
    several = frozenset({*batched, *states}) if instances > 1 else frozenset()
    unknown = sorted(several - {info.name for info in graph.inputs})
    if unknown:
        known = ", ".join(repr(info.name) for info in graph.inputs)
        raise InputError(f"{name}: no input {unknown[0]!r} to give each instance; it has {known}")
    try:
        found, inputs = _lowered(graph, contract)
        make = _Make(graph.name or "generator", weights, half)
        left_out = "it was not asked for"
        compiled = None
        if visible_first:
            try:
                compiled, left_out = make.visible(found, inputs, instances), ""
            except NotRowWise as error:
                left_out = str(error)
        if compiled is None:
            outputs = _outputs(found)
            if instances > 1:
                outputs, inputs = _several(outputs, inputs, several, instances)
            compiled = compile_tensors(make.name, inputs, outputs, weights, half)
    except GraphError as error:  # of the graph's own name, which no user knows
        raise type(error)(name, error.problems) from None
    return GeneratorProgram(compiled, contract, instances, several, left_out)


@dataclass(frozen=True, slots=True)
class _Make:
    name: str
    weights: Packing
    half: bool

    def visible(self, found: Canonical, inputs: list[Tensor], instances: int) -> Compiled:
        """The program that tests first which rows can be seen.

        Raises
        ------
        NotRowWise
            It cannot, or would not pay; the message says why.
        """
        if instances > 1 or found.states or found.count is not None:
            raise NotRowWise("instances, a state or a count of its own rule its rows")
        packed, color = found.packed, found.color
        row = variable("n", packed.shape[0])
        shown = [packed[row, c] for c in range(packed.shape[1])] + [
            color[(row, *(0,) * (len(color.shape) - 1))]
        ]
        if all(is_cheap(expanded(value)) for value in shown):
            raise NotRowWise("there is no network behind its rows")
        centers = tuple(_column(packed, axis) for axis in range(3))
        radii = _radii(found.spread)
        outputs, survivors, group = gathered([packed, color])
        view = input_tensor(VIEW, (4, 4), "f32")
        frustum = input_tensor(FRUSTUM, (8,), "f32")
        rows, count = compacted(in_sight((*centers, radii), group, view, frustum))
        alive = map_tensor(COUNT, (1,), lambda i: cast(count[i], "i32") * group)
        first = compile_tensors(self.name, [*inputs, view, frustum], [rows, count, alive])
        names = (PACKED, SH if len(color.shape) == 3 else COLOR)
        named = [_named(n, t) for n, t in zip(names, outputs, strict=True)]
        second = compile_tensors(
            self.name,
            [*inputs, survivors.rows],
            named,
            self.weights,
            self.half,
            {"survivors.count": survivors.count},
        )
        return chained(first, second, {"survivors": rows.name, "survivors.count": count.name})


def _named(name: str, tensor: Tensor) -> Tensor:
    return Tensor(name, tensor.shape, tensor.type, tensor.source, tensor.limits)


def _column(packed: Tensor, axis: int) -> Tensor:
    """A coordinate of all centres, read through to what it is made of."""

    def body(n: Expr) -> Expr:
        value = expanded(packed[n, axis])
        if not is_cheap(value):
            raise NotRowWise("where its Gaussians lie takes a network to tell")
        return value

    return map_tensor(f"center.{'xyz'[axis]}", packed.shape[:1], body)


def _radii(spread: Tensor) -> Tensor:
    """How far Gaussians reach at most, world units, of a bound of their variances' sum."""
    (n,) = spread.shape

    def radius(i: Expr) -> Expr:
        high = bounds_of(expanded(spread[i])).high
        if high is None:
            raise NotRowWise("no bound of its Gaussians' sizes is known without the network")
        return unary("sqrt", maximum(high, const(0.0, "f32"))) * REACH

    return map_tensor("radius", (n,), radius)


def _lowered(graph: Graph, contract: Contract) -> tuple[Canonical, list[Tensor]]:
    """The Gaussians as tensors, and the program's inputs; an image comes as words of pixels."""
    context, made = lower(graph)
    feeds = {feed.name: feed for feed in contract.inputs}
    inputs: list[Tensor] = []
    read: dict[Tensor, Tensor] = {}
    for info in graph.inputs:
        tensor = context.tensors[info.name]
        image = feeds[info.name].image if info.name in feeds else None
        if image is None:
            inputs.append(tensor)
            continue
        words = input_tensor(info.name, (image.height, image.width), "u32")
        inputs.append(words)
        read[tensor] = image_words(
            words, info.shape, image.layout, image.channels, image.scale, image.offset
        )
    outputs = with_inputs(made, read)
    names = [info.name for info in graph.outputs]
    return canonical(contract, dict(zip(names, outputs, strict=True))), inputs


def _outputs(found: Canonical) -> list[Tensor]:
    """Named as the renderer asks for them."""
    color = SH if len(found.color.shape) == 3 else COLOR
    made = [(PACKED, found.packed), (color, found.color)]
    made += [(COUNT, found.count)] if found.count is not None else []
    made += [(f"state.{name}", state) for name, state in found.states.items()]
    return [reshape(name, tensor, tensor.shape) for name, tensor in made]


def _several(
    outputs: list[Tensor], inputs: list[Tensor], several: frozenset[str], instances: int
) -> tuple[list[Tensor], list[Tensor]]:
    given: Mapping[Tensor, Tensor] = {
        tensor: input_tensor(tensor.name, (instances, *tensor.shape), tensor.type)
        for tensor in inputs
        if tensor.name in several
    }
    joined = []
    for tensor, many in batch(outputs, given, instances):
        if tensor.name in (SH, COLOR) and not many:
            joined.append(tensor)
            continue
        each = spread(tensor, many, instances)
        if not tensor.name.startswith("state."):
            each = reshape(tensor.name, each, _flat(each.shape))
        joined.append(each)
    return joined, [given.get(tensor, tensor) for tensor in inputs]


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Instances and rows as one axis."""
    return (math.prod(shape[:2]), *shape[2:])
