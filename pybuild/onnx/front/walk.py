"""One pass over a model, first node to last: all that is known flows forward, so once is enough.

At a node all inputs are known: type, static shape, and elements where they are constant. So the
node can be brought to one opset, its results inferred and perhaps computed, its branch chosen or
its definition put in its place; what comes of it is known for the nodes behind. The bodies of
functions and branches are walked in scopes of their own, to a bounded depth and length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import FunctionProto, GraphProto, NodeProto, defs

from pybuild.onnx.front.bench import Bench
from pybuild.onnx.front.checks import (
    Refusal,
    check_shaping,
    constant_of,
    not_constant,
    sources_of,
    static_shape,
)
from pybuild.onnx.front.flat import ABSENT, Flat, Scope, attribute_value
from pybuild.onnx.front.fold import Folder
from pybuild.onnx.front.functions import (
    Definition,
    bound_attributes,
    defined,
    local_definition,
    schema_definition,
)
from pybuild.onnx.front.guard import check_numbers, without_spaces
from pybuild.onnx.front.intake import tensor_array
from pybuild.onnx.front.known import simplified, understood
from pybuild.onnx.front.order import Disorder, ordered
from pybuild.onnx.front.schema import check_types, infer, schema_of
from pybuild.onnx.front.sequences import SEQUENCE_OPERATORS, sequenced
from pybuild.onnx.front.values import Array, Inferred, Step, Unfit, Value
from pybuild.onnx.front.versions import OPSET, upgraded
from pybuild.onnx.graph import Node
from pybuild.onnx.problems import Problem

__all__ = ["Walk"]

_MAX_DEPTH = 24
"""Functions in functions in branches; ONNX's own definitions need four."""

_MAX_STEPS = 100_000
"""Nodes of all bodies, each as often as it is called."""

_RANDOM_NAMES = """
Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike
"""

_RANDOM = frozenset(_RANDOM_NAMES.split())

_LOOPS = frozenset(("Loop", "Scan", "SequenceMap"))

_NEVER_LEFT_NAMES = """
CastLike Compress Constant Dropout Identity If OptionalGetElement OptionalHasElement Scatter Shape
Size Upsample
"""

_NEVER_LEFT = frozenset(_NEVER_LEFT_NAMES.split())
"""Operators that become others, or nothing; the compiler need not know them."""

_SEQUENCES = SEQUENCE_OPERATORS.keys() - {"Identity"}

_MEND = "Mend the model, and export it again."


class Walk:
    """The pass over one model.

    Parameters
    ----------
    flat : Flat
        What the pass fills.
    functions : mapping of (str, str, str) to FunctionProto
        The model's own, by domain, name and overload.
    supported : collection of (str, str) or None
        Domain and operator of what need not be expanded; None expands nothing.
    dynamic : mapping of str to tuple of (str or None)
        Symbols of the axes of root values, as far as they are known before.
    folder : Path or None
        Of external data.
    model_bytes : int
        Of all constants, for the folding budget.
    """

    def __init__(
        self,
        flat: Flat,
        functions: Mapping[tuple[str, str, str], FunctionProto],
        supported: Collection[tuple[str, str]] | None,
        dynamic: Mapping[str, tuple[str | None, ...]],
        folder: Path | None,
        model_bytes: int,
    ) -> None:
        self._flat = flat
        self._functions = functions
        self._supported = supported
        self._dynamic = dynamic
        self._folder = folder
        self._fold = Folder(model_bytes)
        self._steps = 0

    # Bodies.

    def body(
        self, scope: Scope, nodes: Sequence[NodeProto], wanted: Iterable[str]
    ) -> list[Value | None]:
        """Walk the nodes of a body; the values of its results, None for one that is not there.

        Raises
        ------
        Disorder
            A body is no graph, or there is no end of bodies.
        """
        wanted = list(wanted)
        root = scope.depth == 0
        for index, node in ordered(nodes, scope.values.keys(), wanted, scope.parent is not None):
            self._steps += 1
            if self._steps > _MAX_STEPS:
                reason = f"its functions expand to more than {_MAX_STEPS} nodes"
                raise Disorder([Problem(reason, "Do they call each other?")])
            domain = "" if node.domain == "ai.onnx" else node.domain
            step = Step(
                op=node.op_type,
                domain=domain,
                name=self._flat.node_name(scope, node.name or f"{node.op_type}_{index}"),
                opset=scope.opsets.get(domain, 0),
                inputs=["" if scope.find(n) is ABSENT else n for n in node.input],
                outputs=list(node.output),
                attributes=bound_attributes(node, scope.attributes),
            )
            if root and domain == node.domain:
                step.__dict__["proto"] = node
            function = self._functions.get((domain, node.op_type, node.overload))
            self._step(scope, step, function)
        return [scope.find(name) for name in wanted]

    def _step(self, scope: Scope, step: Step, function: FunctionProto | None = None) -> None:
        """Walk a node; what is wrong with it is noted and its results stay unknown."""
        try:
            inputs = self._inputs(scope, step)
            given = [value for value in inputs if value is not None]
            lists = any(value.parts is not None for value in given)
            if any(value.info is None and value.parts is None for value in given):
                if function is None:
                    self._check_operator(step)
                self._flat.forget(scope, step.outputs)
            elif function is not None:
                self._expand(scope, step, inputs, local_definition(function, step))
            elif not step.domain and (lists or step.op in _SEQUENCES):
                bench = Bench(self._flat, scope, self._step)
                self._assign(scope, step, [sequenced(step, inputs, bench)])
            else:
                self._walk(scope, step, inputs)
        except Unfit as unfit:
            self._flat.refuse(scope, step, str(unfit), _MEND)
        except Refusal as refusal:
            self._flat.refuse(scope, step, *refusal.args)

    def _inputs(self, scope: Scope, step: Step) -> list[Value | None]:
        found: list[Value | None] = []
        for name in step.inputs:
            value = scope.find(name) if name else None
            if name and value is None:
                raise Unfit(f"its input {name!r} is written by no node")
            found.append(value)
        return found

    # One node.

    def _check_operator(self, step: Step) -> defs.OpSchema:
        """The schema of a node that is not refused for its operator alone."""
        if step.op in _LOOPS and not step.domain:
            hint = "Unroll it before the export, or move it out of the model."
            raise Refusal("Vitrine has no loops of its own on the GPU", hint)
        schema = schema_of(step.op, step.opset, step.domain) if step.opset else None
        if schema is None:
            reason = f"opset {step.opset} has no operator of this name"
            if not step.opset:
                reason = f"the model does not say which opset of {step.domain!r} it follows"
            elif step.domain:
                reason = "the operator is not one of ONNX's own"
            raise Refusal(reason, "Export the model with ONNX's own operators.")
        newest = schema_of(step.op, OPSET, "") if not step.domain else schema
        definable = newest is not None and defined(newest)
        left = step.op not in _NEVER_LEFT | _SEQUENCES
        if self._unsupported(step) and left and not definable:
            hint = "Replace it before the export."
            raise Refusal("Vitrine does not compile this operator", hint)
        return schema

    def _unsupported(self, step: Step) -> bool:
        return self._supported is not None and (step.domain, step.op) not in self._supported

    def _walk(self, scope: Scope, step: Step, inputs: list[Value | None]) -> None:
        """A node all of whose inputs are known."""
        schema = self._check_operator(step)
        for value in inputs:
            if value is not None and value.known().dtype == "string":
                reason = f"its input {value.name!r} holds strings; Vitrine works on numbers"
                raise Refusal(reason, "Move it out of the model.")
        if step.op == "If" and not step.domain:
            self._branch(scope, step, inputs)
            return
        if step.op == "Constant" and not step.domain:
            self._flat.constant(scope, step.outputs[0], constant_of(step, self._folder))
            return
        if step.op == "Einsum":
            step = without_spaces(step)
        check_numbers(step, inputs)
        check_types(schema, inputs)
        if not step.domain:  # before inference, which would make up an axis for each element
            check_shaping(step, inputs)
        inferred = infer(schema, step, inputs)
        if not step.domain:
            bench = Bench(self._flat, scope, self._step)
            known = understood(step, inputs, bench)
            if known is not None:
                self._assign(scope, step, known)
                return
            newer = simplified(upgraded(step, bench), inputs, bench)
            if newer is not step:
                newer_schema = schema_of(newer.op, newer.opset, "")
                assert newer_schema is not None
                newer_inputs = self._inputs(scope, newer)
                if any(value is not None and value.info is None for value in newer_inputs):
                    self._flat.forget(scope, step.outputs)
                    return
                try:
                    check_types(newer_schema, newer_inputs)
                except Unfit:  # a type that was dropped since: the node stays where it is
                    bench.after.clear()
                else:
                    # before opset 22 inference counts windows that begin in the padding
                    stale = not _same(newer, step) or newer.attribute("ceil_mode", 0)
                    if stale or any(i.static() is None for i in inferred):
                        inferred = infer(newer_schema, newer, newer_inputs)
                    schema, step, inputs = newer_schema, newer, newer_inputs
            self._settle(scope, schema, step, inputs, inferred)
            for later in bench.after:
                self._step(scope, later)
        else:
            self._settle(scope, schema, step, inputs, inferred)

    def _assign(self, scope: Scope, step: Step, known: Sequence[Value | Array | None]) -> None:
        """Results that need no node: another value, or elements."""
        for name, item in zip(step.outputs, known, strict=False):
            if name and isinstance(item, Value):
                scope.values[name] = item
            elif name and isinstance(item, np.ndarray):
                self._flat.constant(scope, name, item)

    def _settle(
        self,
        scope: Scope,
        schema: defs.OpSchema,
        step: Step,
        inputs: list[Value | None],
        inferred: list[Inferred],
    ) -> None:
        """A node in its final form: computed, defined by others, or written down."""
        present = [value for value in inputs if value is not None]
        if all(value.constant is not None for value in present):
            arrays = [None if value is None else value.constant for value in inputs]
            folded = self._fold.folded(step, arrays, inferred)
            if folded is not None:
                self._assign(scope, step, folded)
                return
        sources = sources_of(present)
        if not step.domain:
            check_shaping(step, inputs)
            if step.op in _RANDOM:
                sources = None
        shapes = [static_shape(step, name, result) for name, result in zip(step.outputs, inferred)]  # noqa: B905
        if self._unsupported(step):
            definition = schema_definition(schema, step, inputs, scope.opsets)
            if definition is None:
                hint = "Replace it before the export."
                raise Refusal("Vitrine does not compile this operator", hint)
            self._expand(scope, step, inputs, definition)
            return
        attributes = {
            name: attribute_value(proto, self._folder) for name, proto in step.attributes.items()
        }
        symbols = self._symbols(schema, step, inputs, shapes) if self._dynamic else {}
        outputs = []
        for name, result, shape in zip(step.outputs, inferred, shapes, strict=True):
            if not name:
                outputs.append("")
                continue
            static = (None,) * len(shape)
            dynamic = symbols.get(name, static)
            if scope.depth == 0:
                before = self._dynamic.get(name, static)
                dynamic = tuple(a or b for a, b in zip(dynamic, before, strict=False))
                dynamic = dynamic if len(dynamic) == len(shape) else static
            assert result.dtype is not None
            outputs.append(self._flat.result(scope, name, result.dtype, shape, dynamic, sources))
        names = ["" if value is None else value.name for value in inputs]
        while names and not names[-1]:
            names.pop()
        self._flat.nodes.append(
            Node(
                step.op,
                step.name,
                tuple(names),
                tuple(outputs),
                attributes,
                step.opset,
                step.domain,
            )
        )

    def _symbols(
        self,
        schema: defs.OpSchema,
        step: Step,
        inputs: list[Value | None],
        shapes: list[tuple[int, ...]],
    ) -> dict[str, tuple[str | None, ...]]:
        """Axes of results that keep a symbol, when the inputs' capacities are left symbolic."""
        if not any(value is not None and any(value.known().dynamic) for value in inputs):
            return {}
        try:
            results = infer(schema, step, inputs, symbolic=True)
        except Unfit:
            return {}
        found: dict[str, tuple[str | None, ...]] = {}
        for name, result, shape in zip(step.outputs, results, shapes, strict=True):
            if result.dims is not None and len(result.dims) == len(shape):
                found[name] = tuple(d if isinstance(d, str) else None for d in result.dims)
        return found

    # Bodies inside a node.

    def _child(self, scope: Scope, step: Step) -> int:
        if scope.depth >= _MAX_DEPTH:
            raise Unfit(f"functions and branches lie more than {_MAX_DEPTH} deep in each other")
        return scope.depth + 1

    def _expand(
        self, scope: Scope, step: Step, inputs: list[Value | None], definition: Definition
    ) -> None:
        """Put a definition in the place of a node."""
        if len(inputs) > len(definition.inputs) or len(step.outputs) > len(definition.outputs):
            raise Unfit(
                f"its definition has {len(definition.inputs)} inputs and"
                f" {len(definition.outputs)} outputs; got {len(inputs)} and {len(step.outputs)}"
            )
        actual = [ABSENT if value is None else value for value in inputs]
        actual += [ABSENT] * (len(definition.inputs) - len(actual))
        values = dict(zip(definition.inputs, actual, strict=True))
        depth = self._child(scope, step)
        inner = Scope(values, definition.opsets, step.name, definition.attributes, None, depth)
        formals = definition.outputs[: len(step.outputs)]
        self._hand_over(scope, step, self.body(inner, definition.nodes, formals))

    def _branch(self, scope: Scope, step: Step, inputs: list[Value | None]) -> None:
        """Put the branch that a constant condition takes in the place of an If."""
        condition = inputs[0] if len(inputs) == 1 else None
        if condition is None:
            raise Unfit("an If has one input")
        if condition.constant is None:
            raise not_constant("its condition", [condition])
        if condition.constant.size != 1:
            raise Unfit(f"the condition has {condition.constant.size} elements; wanted one")
        taken = "then_branch" if condition.constant.ravel()[0] else "else_branch"
        graph = step.attribute(taken)
        if not isinstance(graph, GraphProto) or len(graph.output) < len(step.outputs):
            raise Unfit(f"{taken} is no graph with {len(step.outputs)} outputs")
        depth = self._child(scope, step)
        inner = Scope({}, scope.opsets, step.name, scope.attributes, scope, depth)
        for tensor in graph.initializer:
            try:
                self._flat.constant(inner, tensor.name, tensor_array(tensor, self._folder))
            except ValueError as error:
                raise Unfit(f"initialiser {tensor.name!r}: {error}") from error
        wanted = [output.name for output in graph.output[: len(step.outputs)]]
        self._hand_over(scope, step, self.body(inner, graph.node, wanted))

    def _hand_over(self, scope: Scope, step: Step, results: list[Value | None]) -> None:
        for name, value in zip(step.outputs, results, strict=True):
            if name and (value is None or value is ABSENT):
                raise Unfit(f"its output {name!r} is written by no node inside")
            if name and value is not None:
                scope.values[name] = value


def _same(step: Step, other: Step) -> bool:
    """Whether two steps differ in nothing but the opset."""
    return (
        step.op == other.op
        and step.inputs is other.inputs
        and step.outputs is other.outputs
        and step.attributes == other.attributes
    )
