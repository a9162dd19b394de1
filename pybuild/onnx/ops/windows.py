"""Sliding windows over spatial axes: extents, padding and taps of Conv, pooling and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, logical_and
from pybuild.onnx.graph import Node
from pybuild.onnx.lower import Unsupported

__all__ = ["Window", "guard", "same_padding", "sliding_windows", "spatial_list"]


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides along one axis.

    Attributes
    ----------
    extent : int
        Elements of the axis, without padding.
    kernel, stride, dilation : int
        As ONNX names them.
    begin, end : int
        Padding before the first and after the last element.
    out : int
        Positions of the window.
    """

    extent: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    out: int

    def position(self, o: Expr, tap: Expr) -> Expr:
        """Element of the axis under a tap; outside ``0 .. extent - 1`` in the padding."""
        return o * self.stride + tap * self.dilation - self.begin

    def inside(self, position: Expr) -> Expr:
        """Whether a position is an element and not padding."""
        return logical_and(position >= 0, position < self.extent)


def guard(windows: Sequence[Window], positions: Sequence[Expr]) -> Expr:
    """Whether all the positions are elements; TRUE where no window can leave its axis."""
    return logical_and(*(w.inside(p) for w, p in zip(windows, positions, strict=True)))


def spatial_list(node: Node, name: str, rank: int, default: int) -> list[int]:
    """An attribute with an entry for each spatial axis."""
    given = node.attributes.get(name)
    values = [default] * rank if given is None else [int(n) for n in given]
    if len(values) != rank:
        raise Unsupported(f"{name} has {len(values)} entries, wanted {rank}")
    return values


def same_padding(total: int, mode: str) -> tuple[int, int]:
    """Padding of SAME_UPPER and SAME_LOWER: the odd element goes to the end or the beginning."""
    total = max(total, 0)
    small = total // 2
    return (small, total - small) if mode == "SAME_UPPER" else (total - small, small)


def sliding_windows(
    node: Node, extents: Sequence[int], kernel: Sequence[int], ceil_mode: bool = False
) -> tuple[Window, ...]:
    """The windows that strides, dilations, pads, auto_pad and ceil_mode describe.

    With ``ceil_mode`` a last window that begins in the padding after the axis is left out.
    """
    rank = len(extents)
    strides = spatial_list(node, "strides", rank, 1)
    dilations = spatial_list(node, "dilations", rank, 1)
    pads = [0] * (2 * rank)
    mode = node.attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if mode == "NOTSET" and node.attributes.get("pads"):
        pads = [int(n) for n in node.attributes["pads"]]
        if len(pads) != 2 * rank:
            raise Unsupported(f"pads has {len(pads)} entries, wanted {2 * rank}")
    windows = []
    for k, (extent, taps, stride, dilation) in enumerate(
        zip(extents, kernel, strides, dilations, strict=True)
    ):
        span = (taps - 1) * dilation + 1
        begin, end = pads[k], pads[rank + k]
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            out = -(-extent // stride)
            begin, end = same_padding((out - 1) * stride + span - extent, mode)
        else:
            free = extent + begin + end - span
            out = (-(-free // stride) if ceil_mode else free // stride) + 1
            if ceil_mode and (out - 1) * stride >= extent + begin:
                out -= 1
        windows.append(Window(extent, taps, stride, dilation, begin, end, max(out, 0)))
    return tuple(windows)
