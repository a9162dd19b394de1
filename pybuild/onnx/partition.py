"""The tensor graph cut into kernels."""

from __future__ import annotations

from collections.abc import Sequence

from pybuild.onnx.expr import Expr, walk
from pybuild.onnx.fuse import epilogues, fold_constants, inline_maps, inline_views, is_contraction
from pybuild.onnx.ir import Compute, Constant, Input, Tensor, topological
from pybuild.onnx.kernels import Kernel, loop_variant
from pybuild.onnx.loops import Tile
from pybuild.onnx.nest import Nest
from pybuild.onnx.schedule import WORKGROUP, tiles_of

__all__ = ["partition"]


def partition(outputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Kernel]]:
    """The kernels that compute the outputs, in order.

    Returns
    -------
    outputs : list of Tensor
        As rewritten; one may have become a constant.
    kernels : list of Kernel
    """
    finals = fold_constants(outputs)
    finals = inline_views(finals)
    finals = inline_maps(finals)
    finals = fold_constants(finals)
    nests = epilogues(finals)
    kernels = [_loop_kernel(nest) for nest in nests.values() if nest.tensor.size]
    return finals, _ordered(kernels)


def _loop_kernel(nest: Nest) -> Kernel:
    kernel = Kernel(
        label=nest.tensor.name,
        writes=(nest.tensor,),
        reads=_read(nest),
        flops=2 * nest.points * nest.depth if nest.combine else nest.points,
    )
    tiles = tiles_of(nest)
    kernel.orders = _layouts(nest, tiles[-1][1])
    kernel.variants = [
        loop_variant(nest, tile, WORKGROUP, prefer, kernel.orders) for prefer, tile in tiles
    ]
    return kernel


def _read(nest: Nest) -> tuple[Tensor, ...]:
    found = dict.fromkeys(e.attr for e in walk(*nest.roots) if e.op == "load")
    return tuple(found)


def _layouts(nest: Nest, tile: Tile) -> dict[Tensor, tuple[int, ...]]:
    """Constants that are read a tile at a time lie with that axis fastest."""
    orders: dict[Tensor, tuple[int, ...]] = {}
    if nest.combine is None:
        return orders
    for node in walk(nest.body):
        if node.op != "load" or not isinstance(node.attr.source, Constant):
            continue
        for k, part in enumerate(node.args):
            if _steps_by_one(part, tile) and len(node.args) > 1:
                rest = [a for a in range(len(node.args)) if a != k]
                orders[node.attr] = (*rest, k)
    return orders


def _steps_by_one(index: Expr, tile: Tile) -> bool:
    tiled = [axis for axis, factor in tile.factors.items() if factor >= 4]
    if index in tiled:
        return True
    if index.op != "linear":
        return False
    coefficients, _ = index.attr
    return any(
        a in tiled and c == 1 for a, c in zip(index.args, coefficients, strict=True)
    )


def _ordered(kernels: list[Kernel]) -> list[Kernel]:
    """Sources before readers; otherwise as they came."""
    maker = {tensor: kernel for kernel in kernels for tensor in kernel.writes}
    done: dict[int, Kernel] = {}
    stack: list[tuple[Kernel, bool]] = [(k, False) for k in reversed(kernels)]
    opened: set[int] = set()
    while stack:
        kernel, ready = stack.pop()
        if ready:
            done[id(kernel)] = kernel
        elif id(kernel) not in opened:
            opened.add(id(kernel))
            stack.append((kernel, True))
            stack += [
                (maker[t], False)
                for t in reversed(kernel.reads)
                if t in maker and id(maker[t]) not in opened
            ]
    return list(done.values())


_ = (Compute, Input, topological, is_contraction)
