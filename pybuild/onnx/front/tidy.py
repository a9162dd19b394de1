"""The last step of the front: outputs get their names, what nobody reads goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx

from pybuild.onnx.front.flat import Flat
from pybuild.onnx.front.intake import dtype_name
from pybuild.onnx.front.values import Value
from pybuild.onnx.front.versions import OPSET
from pybuild.onnx.graph import Graph, Node, TensorInfo
from pybuild.onnx.problems import GraphError, Problem

__all__ = ["finished"]


def finished(
    model: str,
    graph: onnx.GraphProto,
    flat: Flat,
    inputs: Sequence[TensorInfo],
    results: Sequence[Value | None],
    metadata: Mapping[str, str],
) -> Graph:
    """The graph behind the results.

    Parameters
    ----------
    model : str
        For messages.
    graph : GraphProto
        The root, which names the outputs.
    flat : Flat
        After the walk.
    inputs : sequence of TensorInfo
        In the model's order.
    results : sequence of (Value or None)
        What each output stands for.
    metadata : mapping of str to str
        Of the model.
    """
    names = [output.name for output in graph.output]
    _check_outputs(model, graph, results, {info.name for info in inputs})
    values = [value for value in results if value is not None]
    nodes = list(flat.nodes)
    infos, constants = flat.infos, flat.constants
    written = {name for node in nodes for name in node.outputs}
    renamed: dict[str, str] = {}
    copies: list[tuple[str, str]] = []
    for name, value in zip(names, values, strict=True):
        if (
            value.name in written
            and value.name not in renamed
            and (value.name == name or value.name not in names)
        ):
            renamed[value.name] = name
        else:
            copies.append((name, value.name))
    for name, source in copies:  # a constant of an output's name makes way for it
        if name == source:
            renamed[source] = flat.fresh(f"{source}/value")
    nodes = [_renamed(node, renamed) for node in nodes]
    for name, source in copies:
        source = renamed.get(source, source)
        label = flat.fresh(f"{name}/Identity")
        nodes.append(Node("Identity", label, (source,), (name,), {}, OPSET))
    infos = {
        renamed.get(name, name): replace(info, name=renamed.get(name, name))
        for name, info in infos.items()
    }
    constants = {renamed.get(name, name): array for name, array in constants.items()}
    for name, source in copies:
        infos[name] = replace(infos[renamed.get(source, source)], name=name)
    live = _live(nodes, names)
    read = {name for node in live for name in node.inputs} | set(names)
    live = [
        replace(node, outputs=tuple(name if name in read else "" for name in node.outputs))
        for node in live
    ]
    read.discard("")
    kept = {name: info for name, info in infos.items() if name in read}
    kept.update((info.name, info) for info in inputs)
    return Graph(
        name=graph.name or "graph",
        opset=OPSET,
        inputs=tuple(inputs),
        outputs=tuple(infos[name] for name in names),
        nodes=tuple(live),
        constants={name: array for name, array in constants.items() if name in read},
        infos=kept,
        metadata=dict(metadata),
    )


def _check_outputs(
    model: str, graph: onnx.GraphProto, results: Sequence[Value | None], inputs: set[str]
) -> None:
    problems = []
    seen: set[str] = set()
    for output, value in zip(graph.output, results, strict=True):
        name = output.name
        if value is not None and value.parts is not None:
            reason = f"output {name!r} is a sequence; Vitrine yields tensors"
            problems.append(Problem(reason, "Take them out of it, or join them."))
            continue
        if value is None or value.info is None:
            problems.append(Problem(f"output {name!r} is written by no node", "Export it again."))
            continue
        if name in seen:
            problems.append(Problem(f"output {name!r} is declared twice", "Export it again."))
        if name in inputs:
            reason = f"output {name!r} is an input of that name"
            problems.append(Problem(reason, "Put an Identity between them."))
        seen.add(name)
        declared = dtype_name(output.type.tensor_type.elem_type)
        if declared is not None and declared != value.info.dtype:
            reason = f"output {name!r} is declared {declared}, but computed as {value.info.dtype}"
            problems.append(Problem(reason, "Export it again."))
    if problems:
        raise GraphError(model, problems)


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    if not any(name in names for name in (*node.inputs, *node.outputs)):
        return node
    return replace(
        node,
        inputs=tuple(names.get(name, name) for name in node.inputs),
        outputs=tuple(names.get(name, name) for name in node.outputs),
    )


def _live(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """Nodes that an output depends on."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if any(name in needed for name in node.outputs if name):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]
