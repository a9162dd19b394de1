"""The tensor graph cut into kernels.

Units of work (a row group, a scan, a scatter) are found, ordered, given at most as many bindings as
WebGPU allows, and written as WGSL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pybuild.onnx.bindings import MAX_BINDINGS, least_bindings, put_together, spread_reads
from pybuild.onnx.expr import Expr
from pybuild.onnx.fuse import epilogues, fold_constants, inline_maps, inline_views
from pybuild.onnx.halves import halved
from pybuild.onnx.invariants import check_groups, check_nests, check_tensors
from pybuild.onnx.ir import (
    Compute,
    Constant,
    Packing,
    Scan,
    Scatter,
    Tensor,
    sources,
    topological,
)
from pybuild.onnx.kernels import Kernel, Variant, loop_variant
from pybuild.onnx.live import counted_first
from pybuild.onnx.loops import Tile
from pybuild.onnx.nest import Nest, nest_of
from pybuild.onnx.packing import pack_groups
from pybuild.onnx.rows.group import Group, Stage, reads_of
from pybuild.onnx.rows.grouping import group_rows
from pybuild.onnx.rows.kept import spilled
from pybuild.onnx.rows.plans import layouts, total_terms
from pybuild.onnx.rows.threads import thread_variant
from pybuild.onnx.rows.workgroups import workgroup_variant
from pybuild.onnx.rows.worth import LEAST_ROWS, contracts
from pybuild.onnx.scans import split_scans
from pybuild.onnx.schedule import WORKGROUP, tiles_of
from pybuild.onnx.special import scan_variant, scatter_variant
from pybuild.onnx.substitution import walk
from pybuild.onnx.words import is_pixels

__all__ = ["REWRITES", "partition"]

REWRITES = (
    split_scans,
    fold_constants,
    inline_views,
    inline_maps,
    fold_constants,
    spread_reads,
)
"""Rules of the tensor graph, in order; `epilogues` and `group_rows` follow on its loop nests."""
OTHER_WORKGROUPS = (32, 128, 256)
"""Sizes besides the default that tuning may choose: the override WORKGROUP, the same text."""
TUNED_THREADS = 2048
ALONE = ((0, 32), (4096, 512), (16384, 4096))
"""Rows of at least so many, with stages of less than so many products: a thread does each alone."""
LONG_TEXT = 1 << 15
"""Characters that would take a processor longer to compile than a few rows ever take to run."""
FEW_LANES = 4
"""A vector of SwiftShader's: within it a barrier costs nothing. Of a cloth's step 128 lanes take
90 ms there, 32 take 22, 4 take 11, a thread a row 10.5, which compiles for 18 s instead of 2.4."""
LEAST_THREADS = 16
"""Rows, below which no thread should do one alone."""


@dataclass(slots=True)
class _Unit:
    """Work that becomes one dispatch."""

    label: str
    makes: tuple[Tensor, ...]
    needs: tuple[Tensor, ...]
    group: Group | None = None
    special: Tensor | None = None
    outside: frozenset[Tensor] = frozenset()

    @property
    def written(self) -> tuple[Tensor, ...]:
        """Tensors of a group that are in buffers, in the order of its stages."""
        stages = self.group.stages if self.group is not None else []
        return tuple(s.nest.tensor for s in stages if s.nest.tensor in self.outside)


def partition(
    outputs: Sequence[Tensor], weights: Packing = "f32", half: bool = False
) -> tuple[list[Tensor], list[Kernel]]:
    """The kernels that compute the outputs, in order.

    Parameters
    ----------
    outputs : sequence of Tensor
    weights : {'f32', 'f16', 'i8', 'i4'}
        How large constants are stored.
    half : bool
        Contractions may have a variant with 16-bit products.

    Returns
    -------
    outputs : list of Tensor
        As rewritten; one may have become a constant.
    kernels : list of Kernel
    """
    finals = list(outputs)
    check_tensors(finals, "lowering")
    for rule in REWRITES:
        finals = rule(finals)
        check_tensors(finals, rule.__name__)
    units = _ordered(_units(finals))
    _pack(units, weights, finals)
    touched = [(_touched(unit), unit.group.count if unit.group else 0) for unit in units]
    places = put_together(touched, finals)
    return finals, [_kernel(unit, places, half) for unit in units]


def _units(finals: list[Tensor]) -> list[_Unit]:
    nests = {tensor: nest for tensor, nest in epilogues(finals).items() if tensor.size}
    check_nests(nests, "epilogues")
    groups = group_rows(nests, finals)
    check_groups(groups, "group_rows")
    specials = [t for t in topological(finals) if isinstance(t.source, Scan | Scatter) and t.size]
    units: list[_Unit] = []
    for group in groups:
        needs = dict.fromkeys(
            t for s in group.stages for t in reads_of(s.nest) if t not in group.tensors
        )
        units.append(_Unit(_label(group), tuple(group.tensors), tuple(needs), group))
    for tensor in specials:
        needs = dict.fromkeys(sources(tensor))
        if isinstance(tensor.source, Scatter) and not tensor.source.fresh:
            copy = _copy(tensor, tensor.source)
            units.append(_Unit(f"{tensor.name} (copy)", (), (tensor.source.data,), copy))
            units[-1].outside = frozenset({tensor})
        units.append(_Unit(tensor.name, (tensor,), tuple(needs), special=tensor))
    read = {t: unit for unit in units for t in unit.needs}
    for unit in units:
        if unit.group is not None and not unit.outside:
            unit.outside = frozenset(t for t in unit.makes if t in read or t in set(finals))
            unit.outside |= spilled(unit.group)
    return units


def _pack(units: list[_Unit], weights: Packing, finals: Sequence[Tensor]) -> None:
    """Large constants of the groups in fewer bits.

    Scans and scatters read theirs as they are, and so does a group for which a binding more, of
    constants that are stored in another way, would be one too many.
    """
    groups = [unit.group for unit in units if unit.group is not None]
    more = 1 if weights in ("f32", "f16") else 2
    plain = [
        unit
        for unit in units
        if unit.special is not None or least_bindings(_touched(unit), finals) + more > MAX_BINDINGS
    ]
    kept = frozenset(t for unit in plain for t in unit.needs)
    pack_groups(groups, weights, kept)
    for unit in units:
        if unit.group is not None:
            read = (t for stage in unit.group.stages for t in reads_of(stage.nest))
            unit.needs = tuple(dict.fromkeys(t for t in read if t not in unit.group.tensors))


def _copy(tensor: Tensor, source: Scatter) -> Group:
    axes = nest_of(Tensor("copy", tensor.shape, tensor.type, _whole(source.data)))
    nest = Nest(tensor, axes.axes, (), None, axes.body, None, axes.finish, axes.index)
    return Group([Stage(nest, nest.axes)], tuple(a.high + 1 for a in nest.axes), {tensor})


def _whole(data: Tensor) -> Compute:
    from pybuild.onnx.ir import map_tensor

    source = map_tensor(data.name, data.shape, lambda *i: data[i]).source
    assert isinstance(source, Compute)
    return source


def _label(group: Group) -> str:
    names = [stage.nest.tensor.name for stage in group.stages]
    return names[0] if len(names) == 1 else f"{names[-1]} ({len(names)} stages)"


def _ordered(units: list[_Unit]) -> list[_Unit]:
    """Makers before readers, copies before their scatters; otherwise as they came."""
    maker = {tensor: unit for unit in units for tensor in unit.makes}
    copies = {next(iter(u.outside)): u for u in units if not u.makes and u.outside}
    done: dict[int, _Unit] = {}
    opened: set[int] = set()
    stack = [(unit, False) for unit in reversed(units)]
    while stack:
        unit, ready = stack.pop()
        if ready:
            done[id(unit)] = unit
        elif id(unit) not in opened:
            opened.add(id(unit))
            stack.append((unit, True))
            before = [maker[t] for t in unit.needs if t in maker]
            if unit.special is not None and unit.special in copies:
                before.append(copies[unit.special])
            stack += [(u, False) for u in reversed(before) if id(u) not in opened]
    return list(done.values())


# --------------------------------------------------------------------------------------- bindings


def _touched(unit: _Unit) -> tuple[Tensor, ...]:
    special = () if unit.special is None else (unit.special,)
    return tuple(dict.fromkeys((*unit.written, *unit.needs, *special)))


# ---------------------------------------------------------------------------------------- kernels


def _kernel(unit: _Unit, places: dict[Tensor, tuple[Tensor, int]], half: bool) -> Kernel:
    def home(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(dict.fromkeys(places[t][0] if t in places else t for t in tensors))

    if unit.special is not None:
        tensor = unit.special
        make = scan_variant if isinstance(tensor.source, Scan) else scatter_variant
        variant = make(tensor, WORKGROUP, places)
        kernel = Kernel(unit.label, home((tensor,)), home(unit.needs), [variant])
    else:
        assert unit.group is not None
        group = unit.group
        kernel = Kernel(
            unit.label,
            home(unit.written),
            home(unit.needs),
            flops=sum(
                (2 if s.nest.combine else 1) * s.nest.points * s.nest.depth for s in group.stages
            ),
        )
        if len(group.stages) == 1 and not _long_row(group):
            _loop_variants(kernel, group.stages[0].nest, places, half)
        else:
            kernel.orders = {t: o for t, o in layouts(group).items() if t not in places}
            kernel.variants = _row_variants(group, unit.outside, places, kernel.orders)
    kernel.variants += [
        replace(variant, workgroup=size, prefer="any")
        for variant in kernel.variants
        for size in OTHER_WORKGROUPS
        if variant.threads >= TUNED_THREADS and not variant.by_group
    ]
    kernel.reads = tuple(t for t in kernel.reads if t not in kernel.writes)
    kernel.drop_unread()
    return kernel


def _long_row(group: Group) -> bool:
    """Few results of many elements each: a workgroup shares each reduction."""
    (stage,) = group.stages
    return (
        stage.nest.combine is not None
        and not is_pixels(stage.nest.tensor)
        and stage.width == 1
        and stage.nest.depth >= 512
        and group.count <= 2048
        and not contracts(stage.nest)
    )


def _row_variants(
    group: Group,
    outside: frozenset[Tensor],
    places: dict[Tensor, tuple[Tensor, int]],
    orders: dict[Tensor, tuple[int, ...]],
) -> list[Variant]:
    longest = max(s.width * s.nest.depth for s in group.stages)
    short = any(group.count >= rows and longest < most for rows, most in ALONE)
    busy = group.count >= LEAST_ROWS and total_terms(group) > 512 and longest < 4096
    if short or busy:
        return [thread_variant(group, outside, WORKGROUP, bundles=places, orders=orders)]
    if group.count < LEAST_THREADS:
        return [workgroup_variant(group, outside, "any", bundles=places, orders=orders)]
    shared = workgroup_variant(group, outside, bundles=places, orders=orders)
    alone = thread_variant(group, outside, WORKGROUP, "software", bundles=places, orders=orders)
    if group.count < LEAST_ROWS and len(alone.body) > LONG_TEXT:
        few = workgroup_variant(group, outside, "software", FEW_LANES, places, orders)
        return [shared, few]
    return [shared, alone]


def _loop_variants(
    kernel: Kernel, nest: Nest, places: dict[Tensor, tuple[Tensor, int]], half: bool
) -> None:
    nest = counted_first(nest)
    tiles = tiles_of(nest)
    kernel.orders = {
        t: order
        for t, order in _layouts(nest, tiles[min(1, len(tiles) - 1)][1]).items()
        if t not in places
    }
    kernel.variants = [
        loop_variant(nest, tile, WORKGROUP, prefer, kernel.orders, places) for prefer, tile in tiles
    ]
    narrow = halved(nest) if half else None
    if narrow is not None:
        tile = next(tile for prefer, tile in tiles if prefer != "software")
        first = loop_variant(narrow, tile, WORKGROUP, "gpu", kernel.orders, places)
        kernel.variants.insert(0, first)


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
    return any(a in tiled and c == 1 for a, c in zip(index.args, coefficients, strict=True))
