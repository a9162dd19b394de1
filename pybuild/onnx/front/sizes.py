"""A model with symbolic axes, read at several capacities: what differs follows the symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pybuild.onnx.graph import Graph
from pybuild.onnx.problems import GraphError, Problem

__all__ = ["FITTED", "with_others"]

FITTED = (2, 3)
"""Multiples of a capacity at which the model is read too; two points and one to check."""
_SMALL = (2, 3)
"""Counts at which shapes are checked: a limit such as min(n, 100) shows far below the capacity."""


def with_others(
    name: str,
    graph: Graph,
    capacities: Mapping[str, int],
    load: Callable[[Mapping[str, int]], Graph],
) -> Graph:
    """The graph with those of other capacities; ``name`` is the model's, for messages.

    In order: for each symbol its capacity times `FITTED`; all symbols doubled, where there are
    several; and last, of the few rows that are tried, those at which the model can be read.

    Raises
    ------
    GraphError
        The model only works at the given sizes.
    """
    small = [symbol for symbol, size in capacities.items() if size < 2]
    if small:
        raise GraphError(
            name,
            [
                Problem(
                    f"capacity of {symbol!r} is {capacities[symbol]}; wanted at least 2",
                    f"Give it more, or fix it: --shape {symbol}={capacities[symbol]}.",
                )
                for symbol in small
            ],
        )
    others: list[Graph] = []
    for sizes in _larger(capacities):
        try:
            others.append(replace(load(sizes), sizes=sizes))
        except GraphError as error:
            told = ", ".join(f"{symbol} is {size}" for symbol, size in sizes.items())
            reason = f"it cannot be read where {told}, so that it cannot follow a count"
            problem = Problem(reason, "Fix the size with --shape.")
            raise GraphError(name, [problem, *error.problems]) from error
    for count in _SMALL:
        sizes = {symbol: min(count, size) for symbol, size in capacities.items()}
        try:
            others.append(replace(load(sizes), sizes=sizes))
        except GraphError:
            continue  # it needs more rows: a Gather of row 5, say
    return replace(graph, sizes=dict(capacities), others=tuple(others))


def _larger(capacities: Mapping[str, int]) -> Iterator[dict[str, int]]:
    for symbol, size in capacities.items():
        for factor in FITTED:
            yield {**capacities, symbol: factor * size}
    if len(capacities) > 1:
        yield {symbol: 2 * size for symbol, size in capacities.items()}
