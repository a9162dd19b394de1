"""Images as functions of row, column and channel, and what a network's tensors make of them.

An image here is display-referred RGB from 0 to 1, computed where it is read: the maps of this file
become part of the kernels that read them, or one kernel before those that read it often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, Operand, as_expr, cast, clamp_index, const, select, unary
from pybuild.onnx.expr import maximum as larger
from pybuild.onnx.expr import minimum as smaller
from pybuild.onnx.ir import Tensor
from pybuild.onnx.lower import ir_type
from pybuild.onnx.ops.integers import is_integer, saturate
from pyengine.contract import ImageFormat

__all__ = [
    "LUMA",
    "Image",
    "axes_of",
    "buffered",
    "decoded",
    "encoded",
    "expected_depth",
    "grown",
    "image_size",
    "rendered",
]

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, of red, green and blue: Y of JPEG."""
GRAY = (0.2126, 0.7152, 0.0722)
"""ITU-R BT.709."""
_COVERAGE = 3


@dataclass(frozen=True, slots=True)
class Image:
    """Rows, columns, and the value at (row, column, channel); a gray one looks at no channel.

    ``channels`` is 4 where ``at`` gives as the fourth how much of a pixel the splats cover.
    """

    height: int
    width: int
    at: Callable[[Expr, Expr, Operand], Expr]
    channels: int = 3

    def weighted(self, y: Expr, x: Expr, weights: Sequence[float]) -> Expr:
        """A sum over red, green and blue."""
        red, green, blue = (self.at(y, x, channel) * w for channel, w in enumerate(weights))
        return red + green + blue


def rendered(render: Tensor, background: Tensor) -> Image:
    """Premultiplied colour and coverage over a background, clamped.

    Parameters
    ----------
    render : (H, W, 4) f32 tensor
    background : (4,) f32 tensor
        Display-referred red, green, blue, and 0: of coverage there is nothing behind the splats.
    """

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        over = render[y, x, channel] + (1.0 - render[y, x, 3]) * background[channel]
        return _clamped(over)

    return Image(render.shape[0], render.shape[1], at, channels=4)


def buffered(image: Tensor, clamped: bool) -> Image:
    """An image that is there: (H, W, 3) f32."""

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        value = image[y, x, channel]
        return _clamped(value) if clamped else value

    return Image(image.shape[0], image.shape[1], at)


def expected_depth(depth: Tensor) -> Image:
    """``sum(w z) / sum(w)`` of (H, W, 4): red over alpha; 0 where nothing is drawn."""

    def at(y: Expr, x: Expr, _: Operand) -> Expr:
        weight = depth[y, x, 3]
        drawn = weight > 0.0
        return select(drawn, depth[y, x, 0] / select(drawn, weight, 1.0), 0.0)

    return Image(depth.shape[0], depth.shape[1], at)


def grown(image: Image, height: int, width: int) -> Image:
    """The last row and the last column repeated, up to another size."""
    if (height, width) == (image.height, image.width):
        return image

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        return image.at(clamp_index(y, image.height), clamp_index(x, image.width), channel)

    return Image(height, width, at, image.channels)


def _clamped(value: Expr) -> Expr:
    return smaller(larger(value, const(0.0, "f32")), const(1.0, "f32"))


# ----------------------------------------------------------------------------------------- tensors


def axes_of(layout: str, rank: int) -> tuple[int, int, int | None]:
    """Axis of rows, of columns, and of channels: None where there is none of these."""
    if rank == 2:
        return 0, 1, None
    return (rank - 2, rank - 1, rank - 3) if layout == "nchw" else (rank - 3, rank - 2, rank - 1)


def image_size(layout: str, shape: Sequence[int]) -> tuple[int, int]:
    """Width and height of an image tensor."""
    rows, columns, _ = axes_of(layout, len(shape))
    return shape[columns], shape[rows]


def encoded(image: Image, rank: int, dtype: str, form: ImageFormat) -> Callable[..., Expr]:
    """An element of a model's image tensor, by its index.

    Parameters
    ----------
    image : Image
        Of the tensor's size.
    rank : int
        The tensor's.
    dtype : str
        ONNX's; integers are rounded and saturate.
    form : ImageFormat
        ``pixel * scale[c] + offset[c]``. A fourth channel is the splats' coverage (rgbc) or the
        finished image's, of which there is all.
    """
    rows, columns, channels = axes_of(form.layout, rank)

    def body(*index: Expr) -> Expr:
        channel = as_expr(0, "i32") if channels is None else index[channels]
        value = _pixel(image, index[rows], index[columns], channel, form.channels)
        value = value * _chosen(form.scale, channel) + _chosen(form.offset, channel)
        if is_integer(dtype):
            return saturate(unary("round", value), dtype)
        return cast(value, ir_type(dtype))

    return body


def _pixel(image: Image, y: Expr, x: Expr, channel: Expr, channels: str) -> Expr:
    if channels in ("y", "gray"):
        return image.weighted(y, x, LUMA if channels == "y" else GRAY)
    if channels == "bgr":
        return image.at(y, x, 2 - channel)
    if channels not in ("rgba", "rgbc") or (channels == "rgbc" and image.channels == 4):
        return image.at(y, x, channel)
    colour = image.at(y, x, smaller(channel, as_expr(_COVERAGE - 1, "i32")))
    return select(channel.equals(_COVERAGE), 1.0, colour)


def _chosen(values: Sequence[float], channel: Expr) -> Expr:
    """A number by the channel; one alone where they are all the same."""
    found = const(values[-1], "f32")
    if len({*values}) > 1:
        for k in range(len(values) - 2, -1, -1):
            found = select(channel.equals(k), values[k], found)
    return found


def decoded(
    read: Callable[[tuple[Expr, ...]], Expr], shape: Sequence[int], form: ImageFormat
) -> Image:
    """The image of a model's output, not clamped; what is not finite stays so.

    Parameters
    ----------
    read : function
        An element of the output by its index.
    shape : sequence of int
        The output's, with the axes of ``form.layout``.
    form : ImageFormat
        ``(value - offset[c]) / scale[c]``; one channel is red, green and blue alike.
    """
    rank = len(shape)
    rows, columns, channels = axes_of(form.layout, rank)

    def at(y: Expr, x: Expr, channel: Operand) -> Expr:
        place = as_expr(0, "i32")
        if form.channels not in ("y", "gray"):
            place = (
                2 - as_expr(channel, "i32") if form.channels == "bgr" else as_expr(channel, "i32")
            )
        index = [as_expr(0, "i32")] * rank
        index[rows], index[columns] = y, x
        if channels is not None:
            index[channels] = place
        value = cast(read(tuple(index)), "f32")
        inverse = [1.0 / s for s in form.scale]
        return (value - _chosen(form.offset, place)) * _chosen(inverse, place)

    return Image(shape[rows], shape[columns], at)
