"""A filter whose sizes are open, opened at two of them: what follows the image, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import onnx

from pybuild.generators.describe import opened_ports
from pybuild.onnx.models import Sizes, open_graph
from pybuild.onnx.problems import GraphError, Problem
from pyengine.contract import ContractError, FilterContract, Port
from pyengine.contract.images import pictures

__all__ = ["bound_shapes", "tried"]

TRIALS = (
    ((384, 256), (512, 384)),
    ((672, 336), (1008, 672)),
    ((385, 257), (513, 385)),
    ((384, 384), (512, 512)),
    ((1536, 1024), (2048, 1536)),
)
"""Pairs of width and height: multiples of 128, as networks may halve the image seven times; where
those are not taken multiples of 6, 7, 12 and 14, those and one more, squares, and large ones."""
LARGEST = 8
"""Times that an output is larger or smaller."""
RATIOS = tuple(Fraction(text) for text in ("1", "2", "3", "4", "8", "1/2", "1/4", "1/8"))
"""Output pixels for each input pixel that are tried where ``previous`` has sizes of its own."""

Ports = Sequence[Port]
Read = Callable[[Ports, Ports], FilterContract]


def tried(
    model: Path | onnx.ModelProto, inputs: Ports, roles: Mapping[str, str], read: Read
) -> FilterContract:
    """The contract of a filter with open sizes, with its ratio.

    Parameters
    ----------
    inputs : sequence of Port
        As the model declares them.
    roles : mapping
        Role of each input; one is the image.
    read : callable
        Inputs and outputs to a contract.

    Raises
    ------
    GraphError
        It cannot be opened at one of the sizes.
    ContractError
        It lists everything that is wrong.
    """
    found: list[FilterContract | ContractError | GraphError] = []
    for sizes in TRIALS:
        try:
            trials = [_opened(model, inputs, roles, size, read) for size in sizes]
            contract = _followed(inputs, trials, read)
        except (ContractError, GraphError) as error:
            found.append(error)
            continue
        ratio = contract.ratio
        if ratio is not None and ratio == ratio.limit_denominator(LARGEST):
            return contract  # not 63/64: that takes multiples of 14, say, and drops what is over
        found.append(contract)
    if isinstance(found[0], FilterContract):
        return found[0]
    raise _told([item for item in found if isinstance(item, ContractError | GraphError)])


def _followed(inputs: Ports, trials: Sequence[tuple[Ports, Ports]], read: Read) -> FilterContract:
    """The contract by what a filter was at two sizes.

    Raises
    ------
    ContractError
        It lists everything that is wrong.
    """
    first, other = trials
    outputs = [_compared(a, b) for a, b in zip(first[1], other[1], strict=True)]
    contract = read(inputs, outputs)
    ratios = {read(*trial).ratio for trial in trials}
    return replace(contract, ratio=ratios.pop() if len(ratios) == 1 else None)


def _told(faults: Sequence[ContractError | GraphError]) -> ContractError | GraphError:
    """Of a size at which it opened, if it did; else the first, and all the sizes if they matter."""
    for fault in faults:
        if isinstance(fault, ContractError):
            return fault
    first, *others = (fault for fault in faults if isinstance(fault, GraphError))
    if any(fault.problems == first.problems for fault in others):
        return first
    sizes = ", ".join(f"{width}x{height}" for sizes in TRIALS for width, height in sizes)
    more = Problem(
        f"it declares an image of any size, and opens at none of those that were tried: {sizes}",
        "If it takes one size alone, export it with that size.",
    )
    return GraphError(first.model, [*first.problems, more])


def bound_shapes(
    inputs: Ports, roles: Mapping[str, str], size: tuple[int, int], ratio: Fraction
) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs that a filter leaves open, for an image of one size.

    Parameters
    ----------
    inputs : sequence of Port
        As the model declares them.
    roles : mapping
        Role of each input.
    size : (width, height)
        Of the image that is taken, pixels; ``ratio`` times that is whole.
    ratio : Fraction
        How much larger the output is, which ``previous`` is too.
    """
    given = int(size[0] * ratio), int(size[1] * ratio)
    shapes: dict[str, tuple[int, ...]] = {}
    symbols: dict[int | str, int] = {}
    for port in inputs:
        role = roles.get(port.name)
        if role in ("image", "depth", "previous"):
            shapes[port.name] = _filled(port, given if role == "previous" else size)
        if role == "image":
            symbols = dict(zip(port.shape, shapes[port.name], strict=True))
    for port in inputs:
        if port.name not in shapes:
            shapes[port.name] = tuple(
                pixels if isinstance(pixels, int) else symbols.get(pixels, 1)
                for pixels in port.shape
            )
    return {port.name: shapes[port.name] for port in inputs if not _is_fixed(port)}


def _opened(
    model: Path | onnx.ModelProto,
    inputs: Ports,
    roles: Mapping[str, str],
    size: tuple[int, int],
    read: Read,
) -> tuple[Ports, Ports]:
    """Inputs and outputs with all their sizes, for an image of one size."""
    free = any(roles.get(port.name) == "previous" and not _is_fixed(port) for port in inputs)
    found: list[tuple[Ports, Ports]] = []
    faults: list[GraphError] = []
    for ratio in RATIOS if free else RATIOS[:1]:
        shapes = bound_shapes(inputs, roles, size, ratio)
        try:
            graph = open_graph(model, Sizes(shapes=shapes))
        except GraphError as error:
            faults.append(error)
            continue
        taken = [replace(port, shape=shapes.get(port.name, port.shape)) for port in inputs]
        found.append((taken, opened_ports(graph.outputs)))
        try:
            read(*found[-1])
        except ContractError:
            continue
        return found[-1]
    if not found:
        raise faults[0]
    return found[0]


def _compared(a: Port, b: Port) -> Port:
    """An output with sizes that follow the image's left open."""
    if len(a.shape) != len(b.shape):
        return a
    return replace(
        a, shape=tuple(m if m == n else "?" for m, n in zip(a.shape, b.shape, strict=True))
    )


def _filled(port: Port, size: tuple[int, int]) -> tuple[int, ...]:
    """An image's shape with its open sizes filled, and an open batch at 1."""
    picture = next(pictures(port.shape), None)
    by_axis = {picture.columns: size[0], picture.rows: size[1]} if picture else {}
    return tuple(
        pixels if isinstance(pixels, int) else by_axis.get(axis, 1)
        for axis, pixels in enumerate(port.shape)
    )


def _is_fixed(port: Port) -> bool:
    return all(isinstance(pixels, int) for pixels in port.shape)
