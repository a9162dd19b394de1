"""One model at many sizes: what it opens to when its image inputs are declared larger or smaller.

A model whose sizes are symbols is given them. One whose sizes are numbers is tried all the same: a
network of convolutions does not care, and says so by giving an image that has grown as much as its
input. What has a size baked in (a Reshape, a Slice, a grid of positions) does not open, or gives
another size, and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import onnx

from pybuild.filters.declared import declare, light, misshaped
from pybuild.filters.nearest import nearest_sizes
from pybuild.filters.pixels import axes_of, image_size
from pybuild.onnx.front.inputs import declared_dims
from pybuild.onnx.front.intake import read_model
from pybuild.onnx.front.values import Dims
from pybuild.onnx.graph import Graph, TensorInfo
from pybuild.onnx.models import open_graph
from pybuild.onnx.problems import GraphError, Problem
from pyengine.contract import Feed, FilterContract
from pyengine.errors import InputError

__all__ = ["MULTIPLES", "Elastic", "Fitted", "NotElastic", "Reach"]

MULTIPLES = (1, 2, 4, 8, 16, 32)
"""What sizes are tried as multiples of: networks halve the image up to five times."""
_FRIENDLY = (256, 336, 257, 1024)
"""Sizes of which networks with open ones take the first or another: a multiple of all of
`MULTIPLES`, one of 6, 7, 12 and 14, a multiple and one more, and a large one."""
MOST = 8192
"""Pixels along an axis."""
_ROUNDS = 3
"""Of opening: sizes of states and of the image before follow from those that came out."""

Size = tuple[int, int]
Ratio = tuple[Fraction, Fraction]


class NotElastic(InputError):
    """A model with a size of its own, and another was asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model opened for an image.

    Attributes
    ----------
    graph : Graph
    inner : (width, height)
        That the network sees: the image's, or more where it takes only multiples of something.
    ratio : pair of Fraction
        Output pixels an input pixel, along x and y.
    """

    graph: Graph
    inner: Size
    ratio: Ratio

    def output(self, size: Size) -> Size:
        """Width and height of what an image of a size becomes."""
        width, height = (
            -(-n * r.numerator // r.denominator) for n, r in zip(size, self.ratio, strict=True)
        )
        return width, height


@dataclass(frozen=True, slots=True)
class Reach:
    """Which sizes a model takes.

    Attributes
    ----------
    own : (width, height) or None
        The size that it declares.
    ratio : pair of Fraction
        Output pixels an input pixel, along x and y.
    multiple : int
        Width and height should be multiples of this; others cost a border that is cut off again.
    fixed : str
        Why it takes its own size alone; empty where it takes others.
    """

    own: Size | None
    ratio: Ratio
    multiple: int
    fixed: str = ""


class Elastic:
    """A model that can be opened for images of several sizes.

    Parameters
    ----------
    model : Path or ModelProto
        Not changed.
    contract : FilterContract

    Raises
    ------
    GraphError
        It cannot be read.
    """

    def __init__(self, model: Path | onnx.ModelProto, contract: FilterContract) -> None:
        self.name, proto, folder = read_model(model)
        self.contract = contract
        self._model = light(self.name, proto, folder)
        self._declared = {value.name: declared_dims(value) for value in self._model.graph.input}
        self.own = self._own_size()
        self._base: Fitted | None = None

    def _own_size(self) -> Size | None:
        dims = self._declared[self.contract.source.name]
        rows, columns = self._axes(self.contract.source)
        if dims is None or not isinstance(dims[rows], int) or not isinstance(dims[columns], int):
            return None
        return int(dims[columns] or 0), int(dims[rows] or 0)

    def _axes(self, feed: Feed) -> tuple[int, int]:
        """Axes of rows and columns: of images by their format, of states as of the image."""
        form = feed.image or self.contract.source.image
        assert form is not None
        rows, columns, _ = axes_of(form.layout, len(feed.shape))
        return rows, columns

    # ------------------------------------------------------------------------------------- opening

    def base(self) -> Fitted:
        """At its own size, or at one that is easily taken.

        Raises
        ------
        GraphError
            It lists every node at fault.
        """
        if self._base is None:
            self._base = self._opened(self.own, self.own) if self.own else self._friendly()
        return self._base

    def _friendly(self) -> Fitted:
        """At a size that it takes: one at which its output is as much larger as it should be."""
        found: list[Fitted] = []
        faults: list[GraphError] = []
        for side in _FRIENDLY:
            try:
                found.append(self._opened((side, side), (side, side)))
            except GraphError as error:
                faults.append(error)
                continue
            if found[-1].ratio == (self.contract.ratio,) * 2:
                return found[-1]
        if not found:
            raise faults[0]
        return found[0]

    def fitted(self, size: Size) -> Fitted:
        """Opened for an image of a size, or of the next larger one that it can take.

        Raises
        ------
        NotElastic
            It has a size of its own.
        GraphError
            It cannot be compiled at any size.
        """
        found = self._tried(size)
        if isinstance(found, GraphError):
            raise NotElastic(self._refusal(size, found))
        return found

    def fits(self, size: Size) -> bool:
        """Whether `fitted` finds a way.

        Raises
        ------
        GraphError
            It cannot be compiled at any size.
        """
        return not isinstance(self._tried(size), GraphError)

    def _tried(self, size: Size) -> Fitted | GraphError:
        """See `fitted`; or why not, at the largest size that was tried."""
        base = self.base()
        if size == self.own:
            return base
        told: GraphError | None = None
        for multiple in MULTIPLES:
            inner = _up(size, multiple)
            if told is not None and inner == _up(size, multiple // 2):
                continue
            try:
                return self._like(base, inner)
            except GraphError as error:
                told = error
        assert told is not None
        return told

    def nearest(self, size: Size) -> list[Size]:
        """Sizes near one that does not fit, which it takes as they are; its own where it has one.

        Raises
        ------
        GraphError
            It cannot be compiled at any size.
        """
        base = self.base()

        def opens(tried: Size) -> bool:
            try:
                self._like(base, tried)
            except GraphError:
                return False
            return True

        twice = 2 * base.inner[0], 2 * base.inner[1]
        if self.own is not None and not opens(twice):
            return [self.own]  # most likely it takes no other
        return nearest_sizes(opens, size, base.inner, MOST, self._takes_squares())

    def _takes_squares(self) -> bool:
        """Whether its height and its width are one symbol."""
        dims = self._declared[self.contract.source.name] or ()
        rows, columns = (dims[axis] for axis in self._axes(self.contract.source))
        return isinstance(rows, str) and rows == columns

    def reach(self) -> Reach:
        """Which sizes it takes, by opening it at a few."""
        base = self.base()
        start = _up(base.inner, 2 * MULTIPLES[-1])
        told: GraphError | None = None
        for multiple in MULTIPLES:
            try:
                for odd in (1, 3):  # two, as one may be a multiple of 14, say, by chance
                    self._like(base, (start[0] + odd * multiple, start[1] + odd * multiple))
            except GraphError as error:
                told = error
                continue
            return Reach(self.own, base.ratio, multiple)
        assert told is not None
        return Reach(self.own, base.ratio, 1, _reason(told))

    def _like(self, base: Fitted, inner: Size) -> Fitted:
        """Opened at a size; its output must be as much larger as it is.

        Raises
        ------
        GraphError
            It cannot be opened, or its output is of another size.
        """
        found = self._opened(inner, base.inner)
        problems = misshaped(found.graph)
        if problems:
            raise GraphError(self.name, problems)
        if found.ratio == base.ratio:
            return found
        wanted, got = base.output(inner), found.output(inner)
        raise GraphError(
            self.name,
            [
                Problem(
                    f"at {_x(inner)} its output is {_x(got)}; wanted {_x(wanted)}, "
                    f"{_times(base.ratio)} the input"
                )
            ],
        )

    def _refusal(self, size: Size, told: GraphError) -> str:
        near = self.nearest(size)
        sizes = " and ".join(map(_x, near))
        taken = f"The nearest that it takes: {sizes}; write size={'/'.join(map(_x, near))}"
        if self.own is None:
            return (
                f"{self.name}: cannot be made for {_x(size)}, nor for larger multiples of up to "
                f"{MULTIPLES[-1]}: {_reason(told)}. {taken}."
            )
        if near == [self.own]:
            taken = f"Leave its size as it is: size={_x(self.own)}"
        overlap = min(32, min(self.own) // 4)
        tiles = f", or cut the image: tiles={overlap}" if overlap else ""
        return (
            f"{self.name}: is made for {_x(self.own)} and cannot be made for {_x(size)}: "
            f"{_reason(told)}. {taken}{tiles}."
        )

    def _opened(self, size: Size, own: Size) -> Fitted:
        """With every input at the size that follows, as far as it can be told before."""
        shapes: dict[str, tuple[int, ...]] = {}
        graph = self._at(size, own, shapes)
        for _ in range(_ROUNDS):
            outputs = {info.name: info for info in graph.outputs}
            changed = self._following(graph, outputs)
            if not changed:
                break
            shapes |= changed
            graph = self._at(size, own, shapes)
        else:
            raise GraphError(self.name, [Problem("its states have no size that stays")])
        image = outputs[self.contract.product.name]
        made = image_size(self.contract.image.layout, image.shape)
        return Fitted(graph, size, (Fraction(made[0], size[0]), Fraction(made[1], size[1])))

    def _following(
        self, graph: Graph, outputs: dict[str, TensorInfo]
    ) -> dict[str, tuple[int, ...]]:
        """Inputs that must be of another shape than they were opened with, and that shape."""
        found = {}
        taken = {info.name: info.shape for info in graph.inputs}
        image = outputs[self.contract.product.name].shape
        width, height = image_size(self.contract.image.layout, image)
        for feed in self.contract.inputs:
            if feed.name not in taken:
                continue
            shape = taken[feed.name]
            if feed.role == "previous":
                rows, columns = self._axes(feed)
                wanted = list(shape)
                wanted[rows], wanted[columns] = height, width
                shape = tuple(wanted)
            elif feed.state is not None:
                shape = outputs[feed.state].shape
            if shape != taken[feed.name]:
                found[feed.name] = shape
        return found

    def _at(self, size: Size, own: Size, shapes: dict[str, tuple[int, ...]]) -> Graph:
        symbols = self._symbols(size)
        for value in self._model.graph.input:
            dims = shapes.get(value.name) or self._dims(value.name, size, own, symbols)
            if dims is not None:
                declare(value, dims)
        try:
            return open_graph(self._model)
        except GraphError as error:
            raise type(error)(self.name, error.problems) from None

    def _symbols(self, size: Size) -> dict[str, int]:
        """What the image's own axes say."""
        feed = self.contract.source
        dims = self._declared[feed.name] or ()
        axes = dict(zip(self._axes(feed), (size[1], size[0]), strict=True))
        found: dict[str, int] = {}
        for axis, dim in enumerate(dims):
            if not isinstance(dim, str):
                continue
            wanted = axes.get(axis, 1)
            if found.setdefault(dim, wanted) != wanted:
                reason = f"its height and width are both {dim!r}, so that it takes squares alone"
                raise GraphError(self.name, [Problem(f"{reason}; got {_x(size)}")])
        return found

    def _dims(self, name: str, size: Size, own: Size, symbols: dict[str, int]) -> Dims | None:
        """Of an input, as far as they can be told before anything is opened."""
        feed = next((feed for feed in self.contract.inputs if feed.name == name), None)
        dims = self._declared[name]
        if dims is None or feed is None:
            return dims
        known = [symbols.get(dim, dim) if isinstance(dim, str) else dim for dim in dims]
        spatial = feed.role in ("image", "depth", "previous", "state") and len(known) > 1
        axes = self._axes(feed) if spatial else ()
        for axis, now, was in zip(axes, (size[1], size[0]), (own[1], own[0]), strict=False):
            declared = dims[axis]
            if feed.role in ("image", "depth"):
                known[axis] = now
            elif not isinstance(declared, int):
                grown = int(now * (self.contract.ratio or 1)) if feed.role == "previous" else now
                known[axis] = known[axis] if isinstance(known[axis], int) else grown
            elif declared * now % was == 0 and self.own is not None and now != was:
                known[axis] = declared * now // was
        if known and not isinstance(known[0], int):
            known[0] = 1
        return tuple(known)


def _up(size: Size, multiple: int) -> Size:
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def _reason(error: GraphError) -> str:
    """Of several problems the first, as the others follow from it; there is nothing to mend."""
    return str(replace(error.problems[0], hint="")).rstrip(".")


def _x(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _times(ratio: Ratio) -> str:
    x, y = ratio
    return f"{x} times" if x == y else f"{x} and {y} times"
