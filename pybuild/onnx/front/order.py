"""Which nodes of a body are needed, and in which order; names are written once and known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from heapq import heapify, heappop, heappush

from onnx import AttributeProto, GraphProto, NodeProto

from pybuild.onnx.problems import Problem

__all__ = ["Disorder", "ordered", "reads"]


class Disorder(Exception):
    """A body that is no graph; ``problems`` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(*problems)
        self.problems = tuple(problems)


def graphs_of(node: NodeProto) -> Iterable[GraphProto]:
    """The graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def reads(node: NodeProto) -> set[str]:
    """Names that a node reads, also from within its graphs; their own names are among them."""
    names = set(node.input)
    stack = list(graphs_of(node))
    while stack:
        graph = stack.pop()
        names.update(output.name for output in graph.output)
        for inner in graph.node:
            names.update(inner.input)
            stack.extend(graphs_of(inner))
    names.discard("")
    return names


def ordered(
    nodes: Sequence[NodeProto], known: Collection[str], wanted: Iterable[str], outer: bool
) -> list[tuple[int, NodeProto]]:
    """The nodes that results depend on, each after those it reads from.

    Parameters
    ----------
    nodes : sequence of NodeProto
        A body's, in its order, which is kept where it can be.
    known : collection of str
        Names that are there before: inputs, initialisers.
    wanted : iterable of str
        Results.
    outer : bool
        Whether names may come from a body around this one.

    Returns
    -------
    list of (int, NodeProto)
        Each with its place in the body.

    Raises
    ------
    Disorder
        A name is written twice or by nobody, or nodes wait for each other.
    """
    writer: dict[str, int] = {}
    problems: list[Problem] = []
    for index, node in enumerate(nodes):
        for name in node.output:
            if not name:
                continue
            if name in writer or name in known:
                problems.append(_problem(node, f"its output {name!r} is written a second time"))
            writer[name] = index
    needs = [reads(node) for node in nodes]
    own = [set(node.input) - {""} for node in nodes]
    live: set[int] = set()
    stack = [writer[name] for name in wanted if name in writer]
    while stack:
        index = stack.pop()
        if index in live:
            continue
        live.add(index)
        stack.extend(writer[name] for name in needs[index] if name in writer)
    if not outer:
        for index in sorted(live):
            problems.extend(
                _problem(nodes[index], f"its input {name!r} is written by no node")
                for name in sorted(own[index])
                if name not in writer and name not in known
            )
    if problems:
        raise Disorder(problems)
    return _sorted(nodes, sorted(live), needs, writer)


def _sorted(
    nodes: Sequence[NodeProto], live: list[int], needs: list[set[str]], writer: dict[str, int]
) -> list[tuple[int, NodeProto]]:
    """Kahn's algorithm; among those that are ready the first of the body goes first."""
    before = {i: {writer[name] for name in needs[i] if name in writer} for i in live}
    after: dict[int, list[int]] = {}
    for index, others in before.items():
        for other in others:
            after.setdefault(other, []).append(index)
    waiting = {index: len(others) for index, others in before.items()}
    ready = [index for index, count in waiting.items() if count == 0]
    heapify(ready)
    result: list[tuple[int, NodeProto]] = []
    while ready:
        index = heappop(ready)
        result.append((index, nodes[index]))
        for other in after.get(index, ()):
            waiting[other] -= 1
            if waiting[other] == 0:
                heappush(ready, other)
    if len(result) < len(live):
        done = {index for index, _ in result}
        stuck = [nodes[index] for index in live if index not in done]
        raise Disorder([_problem(node, "it waits for its own result (a cycle)") for node in stuck])
    return result


def _problem(node: NodeProto, reason: str) -> Problem:
    label = node.name or (node.output[0] if node.output else "")
    return Problem(
        reason, "Export the model again.", op=node.op_type or "?", node=label, domain=node.domain
    )
