"""A model's file to its contract, and the contract as facts and as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from pybuild.onnx.front.inputs import declared_dims
from pybuild.onnx.front.intake import dtype_name, read_model
from pybuild.onnx.graph import TensorInfo
from pybuild.onnx.models import Sizes, open_graph
from pybuild.onnx.problems import GraphError
from pyengine.contract import (
    Contract,
    ContractError,
    Feed,
    Port,
    Product,
    is_filter,
    is_generator,
    read_contract,
)
from pyengine.contract.values import PREFIX

__all__ = [
    "aligned",
    "contract_facts",
    "contract_lines",
    "declared_ports",
    "describe",
    "filled",
    "goes_by_names",
    "makes_gaussians",
    "opened_ports",
    "without_nothing",
]


def describe(model: Path | onnx.ModelProto, sizes: Sizes | None = None) -> Contract:
    """What a model's tensors mean.

    Parameters
    ----------
    model : Path or ModelProto
    sizes : Sizes, optional
        Of what the model leaves open.

    Raises
    ------
    GraphError
        The file is no model, or has operators that cannot be compiled.
    ContractError
        It lists everything that is wrong, operators included.
    """
    name, proto, _ = read_model(model)
    metadata, inputs, outputs = declared_ports(proto)
    if not any(key.startswith(PREFIX) for key in metadata) and is_filter(metadata, inputs, outputs):
        raise ContractError(
            name,
            [
                "wanted a generator of Gaussians, got a filter: an image to an image. Give it "
                f"beside a scene, as in vitrine build scene.ply --filter {name}"
            ],
        )
    given = sizes is not None and bool(sizes.shapes)
    if not given and any(isinstance(size, str) for port in inputs for size in port.shape):
        return read_contract(metadata, inputs, outputs, name)  # which tells what is open
    try:
        graph = open_graph(model, sizes)
    except GraphError as error:
        try:
            read_contract(metadata, inputs, outputs, name)
        except ContractError as more:
            told = [str(problem).rstrip(".") for problem in error.problems]
            raise ContractError(name, [*told, *more.problems]) from None
        raise
    return read_contract(metadata, opened_ports(graph.inputs), opened_ports(graph.outputs), name)


def makes_gaussians(model: Path | onnx.ModelProto, sizes: Sizes | None = None) -> bool:
    """Whether a model is meant as a generator: by its metadata, or by its outputs' names.

    Raises
    ------
    GraphError
        The file is no model.
    """
    metadata, _, outputs = declared_ports(read_model(model)[1])
    if is_generator(metadata, outputs):
        return True
    if not any(port.name.lower().startswith("gauss") for port in outputs):
        return False
    try:
        return is_generator({}, opened_ports(open_graph(model, sizes).outputs))
    except GraphError:
        return False


def goes_by_names(contract: Contract) -> bool:
    """Whether no metadata said what the outputs are."""
    return not any(product.why.startswith("vitrine.") for product in contract.outputs)


def contract_facts(contract: Contract) -> dict[str, Any]:
    """The contract as JSON values."""
    return without_nothing(asdict(contract))


def without_nothing(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a contract without what its inputs and outputs do not have, or too much of."""
    for key in ("inputs", "outputs"):
        facts[key] = [
            {name: value for name, value in port.items() if value is not None}
            for port in facts[key]
        ]
        for port in facts[key]:
            if len(port.get("default", ())) > 1:
                del port["default"]
    return facts


def contract_lines(contract: Contract) -> list[str]:
    """How each tensor was understood, as a table, and what the metadata say of the scene."""
    rows = [("input", f.name, _type(f), filled(f), f.why) for f in contract.inputs]
    rows += [("output", p.name, _type(p), _held(p), p.why) for p in contract.outputs]
    colour = "RGB" if contract.output("gaussian.color") else f"SH of degree {contract.sh_degree}"
    told = [f"{contract.capacity:,} Gaussians" + ", " + colour]
    if contract.output("gaussian.count"):
        told[0] = "up to " + told[0]
    if contract.clip:
        told.append(f"clip of {contract.clip.duration_s:g} s{', looping' * contract.clip.loop}")
    if contract.rate_hz:
        told.append(f"{contract.rate_hz:g} steps a second")
    if contract.antialiased:
        told.append("for the mip filter")
    return aligned(rows, "; ".join(told))


def aligned(rows: Sequence[tuple[str, str, str, str, str]], last: str) -> list[str]:
    """A table of tensors, and a line below it."""
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = [
        "  ".join(
            [*(text.ljust(width) for text, width in zip(row[:4], widths, strict=True)), row[4]]
        )
        for row in rows
    ]
    return [f"  {line.rstrip()}" for line in [*lines, last]]


def declared_ports(proto: onnx.ModelProto) -> tuple[dict[str, str], list[Port], list[Port]]:
    """Metadata, inputs and outputs as the file states them."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    inputs = [_port(value) for value in proto.graph.input if value.name not in constants]
    return metadata, inputs, [_port(value) for value in proto.graph.output]


def _port(value: onnx.ValueInfoProto) -> Port:
    dims = declared_dims(value)
    shape = ("rank",) if dims is None else tuple("?" if dim is None else dim for dim in dims)
    dtype = dtype_name(value.type.tensor_type.elem_type) or "unknown"
    return Port(value.name, shape, dtype)


def opened_ports(infos: Sequence[TensorInfo]) -> list[Port]:
    """Inputs or outputs as the compiler's front found them."""
    return [Port(info.name, info.shape, info.dtype) for info in infos]


def _type(port: Feed | Product) -> str:
    return f"{port.dtype} {'x'.join(map(str, port.shape)) or 'scalar'}"


def filled(feed: Feed) -> str:
    """What fills an input."""
    told = [f"state of {feed.state}" if feed.state else feed.role]
    if feed.transposed:
        told.append("for row vectors")
    if feed.control:
        told.append(f"{feed.control.label!r} {feed.control.low:g} to {feed.control.high:g}")
    if feed.image:
        told.append(
            f"{feed.image.width}x{feed.image.height} {feed.image.channels} {feed.image.layout}"
        )
    return ", ".join(told)


def _held(product: Product) -> str:
    """What an output holds."""
    told = [product.role]
    if product.quantization:
        scale, zero = product.quantization
        told.append(f"times {scale:g}" + (f" from {zero}" if zero else ""))
    if product.activation != "none":
        told.append(product.activation)
    return ", ".join(told)
