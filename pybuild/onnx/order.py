"""The nodes of a graph in an order in which each comes after all that it needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = ["sources_first"]

Node = TypeVar("Node", bound=Hashable)


def sources_first(
    roots: Iterable[Node], sources: Callable[[Node], Sequence[Node]]
) -> Iterator[Node]:
    """Every node that the roots need, and they themselves, once; without recursion.

    Parameters
    ----------
    roots : iterable
        Where the graph ends.
    sources : callable
        The nodes that a node needs; in their order, where that leaves a choice.
    """
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(tuple(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((each, False) for each in reversed(sources(node)) if each not in seen)
