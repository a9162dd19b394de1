"""A filter's model to the program that a frame runs: see `compile_filter`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from pybuild.filters.pixels import (
    LUMA,
    Image,
    buffered,
    decoded,
    encoded,
    expected_depth,
    grown,
    rendered,
)
from pybuild.filters.resample import bilinear, resized
from pybuild.filters.retarget import Elastic, Fitted, NotElastic
from pybuild.filters.tiles import Grid, grid_of
from pybuild.generators.instances import batched as batch
from pybuild.generators.instances import spread, with_inputs
from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.expr import Expr, Operand
from pybuild.onnx.graph import Graph
from pybuild.onnx.ir import Packing, Tensor, as_pixels, input_tensor, map_tensor, reshape
from pybuild.onnx.lower import lower
from pybuild.onnx.problems import GraphError, Problem
from pyengine.contract import FilterContract
from pyengine.errors import ContractError, InputError

__all__ = [
    "BACKGROUND",
    "DEPTH",
    "IMAGE",
    "PREVIOUS",
    "RENDER",
    "FilterProgram",
    "FilterTensors",
    "compile_filter",
    "filter_tensors",
]

RENDER, DEPTH, BACKGROUND = "render", "depth", "background"
"""Textures of what was drawn, and the colour behind it."""
IMAGE, PREVIOUS = "image", "previous"
"""The image that goes in where no splats do, the output, and the output of the run before."""

LINEAR = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"),
    *("InstanceNormalization", "GroupNormalization", "LayerNormalization"),
)
"""Operators whose weights must be finite; elsewhere an infinity may be meant, as in a mask."""
MAX_SIZE = 8192
"""Pixels along an axis: what every adapter has textures of."""

Size = tuple[int, int]
Source = Literal["render", "image"]


@dataclass(frozen=True, slots=True)
class FilterProgram:
    """A compiled filter.

    Attributes
    ----------
    compiled : Compiled
        Inputs: of a filter of the render the texture ``render`` (h, w, 4), perhaps ``depth``, and
        the buffer ``background`` (4,); else the buffer ``image`` (h, w, 3). Perhaps ``previous``,
        as the output; the model's others as they are, but states of tiles have an axis of tiles
        before their own. Outputs: ``image`` (H, W, 3), or a word a pixel, and ``state.NAME`` of
        each state.
    contract : FilterContract
    render, output : (width, height)
        Of what it reads and writes, pixels.
    inner : (width, height)
        That the network sees at once: ``render``, more with a border, or a tile.
    tiles : int
        How many.
    """

    compiled: Compiled
    contract: FilterContract
    render: Size
    output: Size
    inner: Size
    tiles: int = 1


def compile_filter(
    model: Path | onnx.ModelProto,
    contract: FilterContract,
    size: Size,
    source: Source = "render",
    tiles: int | None = None,
    weights: Packing = "f32",
    half: bool = False,
    packed: bool = False,
) -> FilterProgram:
    """Compile a model into the program that changes an image of one size.

    Parameters
    ----------
    model : Path or ModelProto
    contract : FilterContract
        What its tensors mean.
    size : (width, height)
        Of the image that it reads, pixels.
    source : {'render', 'image'}
        Whether that is what splats were drawn into, or an image in a buffer.
    tiles : int, optional
        Cut the image into tiles of the model's own size that overlap by so many pixels.
    weights, half
        See `pybuild.onnx.compile.compile_graph`.
    packed : bool
        Write each pixel as one word, for the pass that shows the image
        (shaders/filter/filtered.wgsl): the output is (H, W) uint32.

    Raises
    ------
    NotElastic
        Splats cannot be drawn at this size for it, as it has a size of its own.
    GraphError
        It lists every node that cannot be compiled.
    ContractError
        An input has a name that the program needs for itself.
    InputError
        A size or an overlap that cannot be.
    """
    made = filter_tensors(model, contract, size, source, tiles)
    image, *others = made.outputs
    height, width, _ = image.shape
    outputs = [as_pixels(image) if packed else image, *others]
    compiled = compile_tensors(made.name, made.inputs, outputs, weights, half)
    return FilterProgram(compiled, contract, size, (width, height), made.inner, made.tiles)


@dataclass(frozen=True, slots=True)
class FilterTensors:
    """A filter before it is cut into kernels.

    Attributes
    ----------
    name : str
        The graph's.
    outputs, inputs : lists of Tensor
        Of the program; the image is the first output.
    inner, tiles
        See `FilterProgram`.
    """

    name: str
    outputs: list[Tensor]
    inputs: list[Tensor]
    inner: Size
    tiles: int


def filter_tensors(
    model: Path | onnx.ModelProto,
    contract: FilterContract,
    size: Size,
    source: Source = "render",
    tiles: int | None = None,
) -> FilterTensors:
    """What `compile_filter` compiles; its parameters and errors."""
    elastic = Elastic(model, contract)
    if not all(1 <= n <= MAX_SIZE for n in size):
        wanted = f"wanted 1 to {MAX_SIZE} pixels along each side"
        raise InputError(f"{elastic.name}: cannot be made for {size[0]}x{size[1]}; {wanted}")
    _check_names(elastic.name, contract)
    fitted, grid, shrunk = _arranged(elastic, size, source, tiles)
    _check_constants(elastic.name, fitted.graph)
    try:
        outputs, inputs = _Make(contract, fitted, size, source, grid, shrunk).tensors()
    except GraphError as error:  # of the graph's own name, which no user knows
        raise type(error)(elastic.name, error.problems) from None
    return FilterTensors(
        fitted.graph.name, outputs, inputs, fitted.inner, grid.count if grid else 1
    )


def _arranged(
    elastic: Elastic, size: Size, source: Source, tiles: int | None
) -> tuple[Fitted, Grid | None, bool]:
    """The model opened, its tiles, and whether the image is resized to what it takes."""
    if tiles is not None:
        if elastic.own is None:
            raise InputError(
                f"{elastic.name}: tiles={tiles}, but it takes images of any size; leave tiles out"
            )
        base = elastic.base()
        try:
            return base, grid_of(size, base.inner, tiles, base.ratio), False
        except InputError as error:
            raise InputError(f"{elastic.name}: {error}") from None
    try:
        return elastic.fitted(size), None, False
    except NotElastic:
        if source == "render" or elastic.own is None:
            raise
        return elastic.base(), None, True


def _check_names(name: str, contract: FilterContract) -> None:
    """The program's own inputs and the model's others share names."""
    taken = (RENDER, DEPTH, BACKGROUND, IMAGE, PREVIOUS)
    problems = [
        f"input {feed.name!r} ({feed.role}): the program has an input of that name; rename it"
        for feed in contract.inputs
        if feed.name in taken and feed.role not in (IMAGE, DEPTH, PREVIOUS)
    ]
    if problems:
        raise ContractError(name, problems)


def _check_constants(name: str, graph: Graph) -> None:
    """Weights that would make every pixel no number.

    Raises
    ------
    GraphError
        It names them.
    """
    linear = {v for node in graph.nodes if node.op in LINEAR for v in node.inputs}
    problems = []
    for label, array in graph.constants.items():
        if array.dtype.kind != "f" or not array.size:
            continue
        bad = np.isnan(array) if label not in linear else ~np.isfinite(array)
        if bad.any():
            count = f"{int(bad.sum())} of {array.size}"
            reason = f"constant {label!r}: {count} numbers are not finite"
            problems.append(Problem(reason, "Was its training stopped too late? Export it again."))
    if problems:
        raise GraphError(name, problems)


@dataclass(frozen=True, slots=True)
class _Make:
    """One program."""

    contract: FilterContract
    fitted: Fitted
    size: Size
    source: Source
    grid: Grid | None
    shrunk: bool

    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs, the image first, and inputs."""
        context, made = lower(self.fitted.graph)
        by_name = dict(zip((i.name for i in self.fitted.graph.outputs), made, strict=True))
        product = self.contract.product
        states = [p.name for p in self.contract.outputs if p.role == "state"]
        wanted = [by_name[product.name], *(by_name[name] for name in states)]
        inputs, images = self._sources()
        given: dict[Tensor, Tensor] = {}
        for feed in self.contract.inputs:
            if feed.name not in context.tensors:
                continue
            tensor = context.tensors[feed.name]
            if feed.role in images:
                given[tensor] = self._fed(feed.role, images[feed.role], tensor, feed.name)
            elif feed.role == "state" and self.grid is not None:
                given[tensor] = input_tensor(
                    feed.name, (self.grid.count, *tensor.shape), tensor.type
                )
                inputs.append(given[tensor])
            else:
                inputs.append(tensor)
        image, *kept = self._put(wanted, given)
        shown = self._shown(image, images[IMAGE])
        height, width = shown.height, shown.width
        outputs = [map_tensor(IMAGE, (height, width, 3), shown.at)]
        outputs += [reshape(f"state.{n}", t, t.shape) for n, t in zip(states, kept, strict=True)]
        return outputs, inputs

    def _sources(self) -> tuple[list[Tensor], dict[str, Image]]:
        """The program's own inputs, and the images that they hold, by role."""
        width, height = self.size
        roles = {feed.role for feed in self.contract.inputs}
        if self.source == "render":
            render = input_tensor(RENDER, (height, width, 4), "f32", texture=True)
            background = input_tensor(BACKGROUND, (4,), "f32")
            inputs, image = [render, background], rendered(render, background)
        else:
            given = input_tensor(IMAGE, (height, width, 3), "f32")
            inputs, image = [given], buffered(given, clamped=True)
        images = {IMAGE: image}
        if DEPTH in roles:
            depth = input_tensor(DEPTH, (height, width, 4), "f32", texture=True)
            inputs.append(depth)
            images[DEPTH] = expected_depth(depth)
        if PREVIOUS in roles:
            columns, rows = self._output_size()
            before = input_tensor(PREVIOUS, (rows, columns, 3), "f32")
            inputs.append(before)
            images[PREVIOUS] = buffered(before, clamped=False)
        return inputs, images

    def _output_size(self) -> Size:
        if self.grid is not None:
            return self.grid.columns.output_size, self.grid.rows.output_size
        return self.fitted.output(self.fitted.inner if self.shrunk else self.size)

    def _fed(self, role: str, image: Image, tensor: Tensor, name: str) -> Tensor:
        """What a model's image input is, of one tile or of all."""
        feed = next(feed for feed in self.contract.inputs if feed.name == name)
        info = next(info for info in self.fitted.graph.inputs if info.name == name)
        assert feed.image is not None
        form, rank = feed.image, len(tensor.shape)
        if self.grid is None:
            width, height = self.fitted.inner
            if role == PREVIOUS:
                width, height = self.fitted.output(self.fitted.inner)
            if self.shrunk and role != PREVIOUS:
                image = resized(f"{name}.resized", image, height, width)
            image = grown(image, height, width)
            return map_tensor(name, tensor.shape, encoded(image, rank, info.dtype, form))
        cut = self.grid.cut(image, output=role == PREVIOUS)
        shape = (self.grid.count, *tensor.shape)
        return map_tensor(
            name, shape, lambda which, *i: encoded(cut(which), rank, info.dtype, form)(*i)
        )

    def _put(self, wanted: list[Tensor], given: Mapping[Tensor, Tensor]) -> list[Tensor]:
        """The outputs wanted, made of what is given: of all tiles where there are some."""
        if self.grid is None:
            return with_inputs(wanted, given)
        count = self.grid.count
        return [spread(t, many, count) for t, many in batch(wanted, given, count)]

    def _shown(self, tensor: Tensor, image: Image) -> Image:
        """The output as red, green and blue."""
        form = self.contract.image
        if self.grid is None:
            made = decoded(tensor.__getitem__, tensor.shape, form)
            width, height = self._output_size()
            made = Image(height, width, made.at)
        else:
            shape = tensor.shape[1:]
            made = self.grid.joined(
                lambda which: decoded(lambda i: tensor[(which, *i)], shape, form)
            )
        return _coloured(made, image) if form.channels == "y" else made


def _coloured(luma: Image, image: Image) -> Image:
    """Luma with the chroma of another image.

    With Cb and Cr of BT.601 at full range, R - Y, G - Y and B - Y are linear in them, so that what
    is kept are these differences.
    """
    colour = bilinear(image, luma.height, luma.width)

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        chroma = colour.at(y, x, channel) - colour.weighted(y, x, LUMA)
        return luma.at(y, x, 0) + chroma

    return Image(luma.height, luma.width, at)
