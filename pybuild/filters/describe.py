"""A filter's model to its contract, and the contract as facts and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from pybuild.filters.trial import tried
from pybuild.generators.describe import (
    aligned,
    declared_ports,
    filled,
    opened_ports,
    without_nothing,
)
from pybuild.onnx.front.intake import read_model
from pybuild.onnx.models import open_graph
from pybuild.onnx.problems import GraphError
from pyengine.contract import (
    ContractError,
    Feed,
    FilterContract,
    ImageFormat,
    Port,
    Product,
    is_filter,
    read_filter,
)
from pyengine.contract.filter_override import read_override
from pyengine.contract.filter_roles import input_roles
from pyengine.contract.values import Metadata

__all__ = ["describe_filter", "filter_facts", "filter_lines", "filter_title", "filters_images"]


def describe_filter(
    model: Path | onnx.ModelProto, override: Mapping[str, str] | None = None
) -> FilterContract:
    """What a model's tensors mean that changes the rendered image.

    Parameters
    ----------
    model : Path or ModelProto
        Height and width of its image may be open: then it is opened at two sizes.
    override : mapping, optional
        What the command line says; see `pyengine.contract.read_filter`.

    Raises
    ------
    GraphError
        The file is no model, or has operators that cannot be compiled.
    ContractError
        It lists everything that is wrong, operators included.
    """
    name, proto, _ = read_model(model)
    metadata, inputs, outputs = declared_ports(proto)

    def read(taken: Sequence[Port], made: Sequence[Port]) -> FilterContract:
        return read_filter(metadata, taken, made, name, override)

    try:
        if all(isinstance(size, int) for port in inputs for size in port.shape):
            graph = open_graph(model)
            return read(opened_ports(graph.inputs), opened_ports(graph.outputs))
        roles = _roles(metadata, inputs, override or {})
        if "image" not in roles.values():
            return read(inputs, outputs)  # which tells that there is none
        return tried(model, inputs, roles, read)
    except GraphError as error:
        if any(port.shape == ("rank",) for port in outputs):
            raise  # what the outputs are is not known
        try:
            read(inputs, outputs)
        except ContractError as more:
            told = [str(problem).rstrip(".") for problem in error.problems]
            raise ContractError(name, [*told, *more.problems]) from None
        raise


def filters_images(model: Path | onnx.ModelProto) -> bool:
    """Whether a model is meant as a filter: by its metadata, or by the shapes of its tensors.

    Raises
    ------
    GraphError
        The file is no model.
    """
    metadata, inputs, outputs = declared_ports(read_model(model)[1])
    if is_filter(metadata, inputs, outputs):
        return True
    if any(key.startswith("vitrine.") for key in metadata):
        return False
    if not any(port.shape == ("rank",) for port in outputs):
        return False
    try:
        describe_filter(model)
    except (ContractError, GraphError):
        return False
    return True


def filter_title(contract: FilterContract) -> str:
    """In a line: ``256x256 -> 768x768, 3x; reads image, depth``."""
    source = contract.source.image
    grown = "" if contract.ratio is None else f"{contract.ratio}x"
    if contract.open or source is None:
        told = f"any size -> {grown or 'as it makes it'}"
    else:
        sizes = (f"{image.width}x{image.height}" for image in (source, contract.image))
        told = f"{' -> '.join(sizes)}, {grown}"
    return f"{told}; reads {', '.join(feed.role for feed in contract.inputs)}"


def filter_lines(contract: FilterContract) -> list[str]:
    """How each tensor was understood, as a table, and what it does in a line."""
    rows = [("input", f.name, _type(f), _told(f), f.why) for f in contract.inputs]
    for product in contract.outputs:
        told = product.role
        if product.role == "image":
            told = f"image, {_format(contract.image)}"
        rows.append(("output", product.name, _type(product), told, product.why))
    last = filter_title(contract)
    if contract.rate_hz:
        last += f"; {contract.rate_hz:g} steps a second"
    return aligned(rows, last)


def filter_facts(contract: FilterContract) -> dict[str, Any]:
    """The contract as JSON values; sizes that are open are 0, the ratio is text such as "1/2"."""
    facts = without_nothing(asdict(contract))
    facts["ratio"] = None if contract.ratio is None else str(contract.ratio)
    facts["open"] = contract.open
    return facts


def _roles(
    metadata: Mapping[str, str], inputs: Sequence[Port], override: Mapping[str, str]
) -> dict[str, str]:
    """Roles of the inputs alone; what is wrong is told by who reads all."""
    meta = Metadata(metadata, [port.name for port in inputs], ())
    given = {key: text for key, text in override.items() if key == "input"}
    found = input_roles(meta, inputs, read_override(given, inputs, (), meta.problems))
    return {name: role for name, (role, _) in found.items()}


def _type(port: Feed | Product) -> str:
    sizes = "x".join(str(size) if size else "?" for size in port.shape)
    return f"{port.dtype} {sizes or 'scalar'}"


def _told(feed: Feed) -> str:
    if feed.image is None:
        return filled(feed)
    if feed.role == "depth":
        return f"depth, {feed.image.layout}, world units"
    return f"{feed.role}, {_format(feed.image)}"


def _format(image: ImageFormat) -> str:
    """Channels, layout, and the numbers of black and of white: for all channels, or for each."""
    pairs = [
        (f"{offset:.4g}", f"{offset + scale:.4g}")
        for scale, offset in zip(image.scale[:3], image.offset[:3], strict=True)
    ]
    low, high = (
        "/".join(dict.fromkeys(p) if len({*p}) == 1 else p) for p in zip(*pairs, strict=True)
    )
    return f"{image.channels}, {image.layout}, {low} to {high}"
