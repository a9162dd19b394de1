"""ConvTranspose and Col2Im: gathers over the taps that reach an output element.

An output element at ``o`` is reached by tap k from input i where ``o + pad = i * stride + k *
dilation``. For a given ``o`` these taps are ``first + t * step`` with ``step = stride /
gcd(stride, dilation)``: the reduction runs over t alone, no tap is visited in vain. Where kernel
and stride are equal, a single tap is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pybuild.onnx.expr import TRUE, Expr, const, logical_and, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Constant, Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.conv import add_channel_bias
from pybuild.onnx.ops.windows import same_padding, spatial_list

__all__ = ["Taps"]


@dataclass(frozen=True, slots=True)
class Taps:
    """The taps of one axis that reach an output element.

    Attributes
    ----------
    extent : int
        Input elements (positions of the window) along the axis.
    kernel, stride, dilation, begin : int
        As ONNX names them; ``begin`` is the padding before.
    """

    extent: int
    kernel: int
    stride: int
    dilation: int
    begin: int

    @property
    def step(self) -> int:
        """Distance of two taps that reach the same element."""
        return self.stride // math.gcd(self.stride, self.dilation)

    @property
    def count(self) -> int:
        """Most taps that reach one element."""
        return -(-self.kernel // self.step)

    def at(self, o: Expr, t: Expr) -> tuple[Expr, Expr, Expr]:
        """The t-th tap at an output element: (tap, input element, whether the latter exists).

        The tap can be past the kernel's end (below ``count * step``): callers pad the weights
        with zeros, or guard.
        """
        shared = math.gcd(self.stride, self.dilation)
        target = o + self.begin
        solvable = TRUE if shared == 1 else (target % shared).equals(0)
        inverse = pow(self.dilation // shared, -1, self.step)
        first = (target // shared * inverse) % self.step
        base = target if self.dilation == 1 else target - first * self.dilation
        source = base // self.stride - t * (self.dilation // shared)
        exists = logical_and(solvable, source >= 0, source < self.extent)
        return first + t * self.step, source, exists


def _padded_weights(w: Tensor, taps: Sequence[Taps]) -> Tensor:
    """The weights with zeros after the kernel's end, up to a whole number of steps."""
    wanted = w.shape[:2] + tuple(axis.count * axis.step for axis in taps)
    if wanted == w.shape:
        return w
    name = f"{w.name}.padded"
    if isinstance(w.source, Constant):
        missing = [(0, n - have) for n, have in zip(wanted, w.shape, strict=True)]
        return constant(name, np.pad(w.source.array, missing), w.type)

    def body(*index: Expr) -> Expr:
        inside = logical_and(*(i < n for i, n in zip(index, w.shape, strict=True)))
        return select(inside, w[index], 0)

    return map_tensor(name, wanted, body)


def _geometry(node: Node, x: Tensor, w: Tensor) -> tuple[tuple[Taps, ...], tuple[int, ...]]:
    rank = len(x.shape) - 2
    strides = spatial_list(node, "strides", rank, 1)
    dilations = spatial_list(node, "dilations", rank, 1)
    extra = spatial_list(node, "output_padding", rank, 0)
    pads = [int(n) for n in node.attributes.get("pads") or [0] * (2 * rank)]
    mode = node.attributes.get("auto_pad", "NOTSET") or "NOTSET"
    asked = [int(n) for n in node.attributes.get("output_shape") or []][-rank:]
    taps, out = [], []
    for k, (extent, kernel) in enumerate(zip(x.shape[2:], w.shape[2:], strict=True)):
        full = (extent - 1) * strides[k] + extra[k] + (kernel - 1) * dilations[k] + 1
        begin, size = 0, full
        if asked:
            size = asked[k]
            begin, _ = same_padding(full - size, mode)
        elif mode in ("SAME_UPPER", "SAME_LOWER"):
            size = extent * strides[k]
            begin, _ = same_padding(full - size, mode)
        elif mode == "NOTSET":
            begin, size = pads[k], full - pads[k] - pads[rank + k]
        taps.append(Taps(extent, kernel, strides[k], dilations[k], begin))
        out.append(size)
    return tuple(taps), tuple(out)


@lowers("ConvTranspose")
def _conv_transpose(context: Context, node: Node) -> Tensor:
    name, bias = node.outputs[0], context.optional(node, 2)
    x, w = context.tensor(node, 0), context.tensor(node, 1)
    group = int(node.attributes.get("group", 1))
    if x.shape[1] != w.shape[0] or x.shape[1] % group or len(x.shape) != len(w.shape):
        raise Unsupported(f"group={group} does not fit input {x.shape} and weights {w.shape}")
    per_group, filters = x.shape[1] // group, w.shape[1]
    axes, out = _geometry(node, x, w)
    weights = _padded_weights(w, axes)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        (n, m, *outer), (c, *inner) = o, r
        found = [axis.at(i, t) for axis, i, t in zip(axes, outer, inner, strict=True)]
        channel = m // filters * per_group + c
        value = x[(n, channel, *(source for _, source, _ in found))]
        inside = logical_and(*(exists for _, _, exists in found))
        return (
            select(inside, value, 0)
            * weights[(channel, m % filters, *(tap for tap, _, _ in found))]
        )

    shape = (x.shape[0], filters * group, *out)
    over = (per_group, *(axis.count for axis in axes))
    total = reduce_tensor(name if bias is None else f"{name}.product", shape, over, "sum", body)
    return total if bias is None else add_channel_bias(name, total, bias)


@lowers("Col2Im", since=18, limits="image_shape and block_shape known at build")
def _col2im(context: Context, node: Node) -> Tensor:
    x = context.tensor(node, 0)
    image = tuple(int(n) for n in context.array(node, 1))
    block = tuple(int(n) for n in context.array(node, 2))
    rank = len(image)
    strides = spatial_list(node, "strides", rank, 1)
    dilations = spatial_list(node, "dilations", rank, 1)
    pads = [int(n) for n in node.attributes.get("pads") or [0] * (2 * rank)]
    axes = []
    for k in range(rank):
        span = dilations[k] * (block[k] - 1) + 1
        positions = (image[k] + pads[k] + pads[rank + k] - span) // strides[k] + 1
        axes.append(Taps(positions, block[k], strides[k], dilations[k], pads[k]))
    points = math.prod(block)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        (n, c, *outer) = o
        row, column = const(0, "i32"), const(0, "i32")
        inside = TRUE
        for axis, i, t in zip(axes, outer, r, strict=True):
            tap, source, exists = axis.at(i, t)
            row, column = row * axis.kernel + tap, column * axis.extent + source
            inside = logical_and(inside, exists, tap < axis.kernel)
        return select(inside, x[n, c * points + row, column], 0)

    shape = (x.shape[0], x.shape[1] // points, *image)
    return reduce_tensor(node.outputs[0], shape, [axis.count for axis in axes], "sum", body)
