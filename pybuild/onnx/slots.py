"""How kernels reach tensors in buffers and textures: bindings, types, packing, vector access."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pybuild.onnx.expr import (
    TRUE,
    Expr,
    as_expr,
    clamp_index,
    const,
    floordiv,
    linear,
    make_node,
    mod,
)
from pybuild.onnx.ir import CHANNELS, Tensor, flatten_index, is_texture
from pybuild.onnx.substitution import walk
from pybuild.onnx.wgsl import Writer
from pybuild.onnx.words import PER_WORD, is_pixels, packing_of, unpacked, word_count

__all__ = ["Slot", "Slots"]

_ELEMENT = {"f32": "f32", "i32": "i32", "u32": "u32", "bool": "u32"}


@dataclass(slots=True)
class Slot:
    """One binding of a kernel.

    Attributes
    ----------
    tensor : Tensor
    name : str
        In the shader.
    order : tuple of int
        Axes of the tensor from the slowest to the fastest in memory.
    vector : bool
        Declared as an array of vec4.
    writes : bool
    atomic : bool
    """

    tensor: Tensor
    name: str
    order: tuple[int, ...]
    vector: bool = False
    writes: bool = False
    atomic: bool = False

    def declaration(self, binding: int, access: str) -> str:
        """WGSL of the binding."""
        if is_texture(self.tensor):
            return f"@group(0) @binding({binding}) var {self.name}: texture_2d<f32>;"
        element, count = _ELEMENT[self.tensor.type], max(word_count(self.tensor), 1)
        if packing_of(self.tensor) != "f32":
            element = "u32"
        if self.atomic:
            element = "atomic<u32>"
        elif self.vector:
            element, count = f"vec4<{element}>", -(-count // 4)
        # of fixed size: some drivers check a runtime-sized array's bounds at each access
        return (
            f"@group(0) @binding({binding}) var<storage, {access}> {self.name}: "
            f"array<{element}, {count}>;"
        )

    def flat(self, index: Sequence[Expr]) -> Expr:
        """Element number in memory of an index."""
        place = as_expr(0, "i32")
        for axis in self.order:
            extent = self.tensor.shape[axis]
            place = place * extent + index[axis]
        return place


@dataclass(slots=True)
class Slots:
    """The bindings of one kernel, and the text of loads and stores through them.

    ``orders`` gives tensors that do not lie in C order their axes, slowest first. ``bundles`` gives
    tensors that share one binding that binding's tensor and their first element there. ``holds``
    are conditions that were checked before.
    """

    slots: dict[Tensor, Slot] = field(default_factory=dict)
    orders: dict[Tensor, tuple[int, ...]] = field(default_factory=dict)
    literals: frozenset[Tensor] = frozenset()
    bundles: Mapping[Tensor, tuple[Tensor, int]] = field(default_factory=dict)
    holds: set[Expr] = field(default_factory=set)

    def home(self, tensor: Tensor) -> Tensor:
        """The tensor whose binding serves this one: its bundle, or itself."""
        return self.bundles[tensor][0] if tensor in self.bundles else tensor

    def place(self, tensor: Tensor, index: Sequence[Expr]) -> Expr:
        """Element number in its binding of an element of a tensor."""
        if tensor in self.bundles:
            return flatten_index(index, tensor.shape) + self.bundles[tensor][1]
        return self.slot(tensor).flat(index)

    def slot(self, tensor: Tensor) -> Slot:
        """The binding of a tensor, made at its first use."""
        tensor = self.home(tensor)
        found = self.slots.get(tensor)
        if found is None:
            order = self.orders.get(tensor, tuple(range(len(tensor.shape))))
            found = self.slots[tensor] = Slot(tensor, f"t{len(self.slots)}", order)
        return found

    def choose_vectors(
        self,
        bodies: Iterable[tuple[Sequence[Expr], Mapping[Expr, int]]],
        stores: Mapping[Tensor, Sequence[Expr]],
        skip: frozenset[Tensor],
    ) -> None:
        """Declare as vec4 what is only read in whole fours, or written in whole fours.

        Parameters
        ----------
        bodies : iterable of (roots, steps)
            What a nest evaluates, and for each variable how many neighbouring values of it are
            evaluated together (those of a tile, or of an unrolled loop).
        stores : mapping
            Flat places written, by tensor; only those that vector stores could serve.
        skip : frozenset of Tensor
            Not in buffers.
        """
        fits: dict[Tensor, bool] = {}
        gains: dict[Tensor, bool] = {}
        for roots, steps in bodies:
            for expr in walk(*roots):
                if expr.op != "load" or expr.attr in skip or expr.attr in self.literals:
                    continue
                self.slot(expr.attr)
                if is_texture(expr.attr):
                    continue
                home = self.home(expr.attr)
                four = 4 * PER_WORD[packing_of(home)]
                aligned, whole = _in_fours(self.place(expr.attr, expr.args), steps, four)
                fits[home] = fits.get(home, True) and aligned
                gains[home] = gains.get(home, False) or whole
        written_homes = {self.home(tensor) for tensor in stores}
        for tensor in fits:
            if tensor not in written_homes:
                self.slots[tensor].vector = fits[tensor] and gains[tensor] and tensor.size % 4 == 0
        for tensor, written in stores.items():
            if tensor in fits or tensor in self.bundles or is_pixels(tensor):
                continue
            groups: dict[Expr, set[int]] = {}
            for place in written:
                base, lane = _four(place)
                groups.setdefault(base, set()).add(lane)
            self.slot(tensor).vector = (
                bool(written)
                and tensor.size % 4 == 0
                and all(_aligned(place) for place in written)
                and all(len(lanes) == 4 for lanes in groups.values())
            )

    def load(self, expr: Expr, writer: Writer) -> str:
        """Text of a load expression."""
        if expr.op == "load4":
            return f"{self.slot(expr.attr).name}[{writer.value(expr.args[0])}]"
        if expr.op == "texel":
            y, x = (writer.value(part) for part in expr.args)
            return f"textureLoad({self.slot(expr.attr).name}, vec2i({x}, {y}), 0i)"
        if expr.attr in self.literals:
            return self._literal(expr, writer)
        if is_texture(expr.attr):
            return _channel(expr, writer)
        slot = self.slot(expr.attr)
        if expr.op == "word":
            flat = expr.args[0]
        else:
            flat = self.place(expr.attr, expr.args)
            packing = packing_of(slot.tensor)
            if packing != "f32":
                word = make_node("word", (floordiv(flat, PER_WORD[packing]),), slot.tensor, "u32")
                value, part = unpacked(word, mod(flat, PER_WORD[packing]), packing)
                return writer.value(value) + f".{part}" * bool(part)
        if slot.vector and not _aligned(flat):
            # put together for one thread, an index may have another form than in the loop nest
            text = f"{slot.name}[{writer.value(flat // 4)}][{writer.value(flat % 4)}]"
        elif slot.vector:
            base, lane = _four(flat)
            whole = make_node("load4", (base,), self.home(expr.attr), expr.type)
            text = f"{writer.value(whole)}.{'xyzw'[lane]}"
        else:
            text = f"{slot.name}[{writer.value(flat)}]"
        return f"({text} != 0u)" if expr.type == "bool" else text

    def _literal(self, expr: Expr, writer: Writer) -> str:
        tensor = expr.attr
        place = tuple(
            min(max(int(a.attr), 0), n - 1) for a, n in zip(expr.args, tensor.shape, strict=True)
        )
        return writer.value(const(tensor.source.array[place].item(), tensor.type))

    def places(self, tensor: Tensor, indices: Sequence[Sequence[Expr]]) -> list[Expr]:
        """Places of elements; none where some of a four may be beyond a limit and others not."""
        found = [self.place(tensor, index) for index in indices]
        inside: dict[Expr, set[Expr]] = {}
        for place, index in zip(found, indices, strict=True):
            inside.setdefault(_four(place)[0], set()).add(tensor.inside(index))
        return found if all(len(conditions) == 1 for conditions in inside.values()) else []

    def write(
        self, writer: Writer, tensor: Tensor, values: Sequence[tuple[tuple[Expr, ...], str]]
    ) -> None:
        """Write ``(index, text of the value)`` pairs that are within the tensor's limits."""
        groups: dict[Expr, list[tuple[Expr, str]]] = {}
        for index, text in values:
            pair = self.place(tensor, index), text
            groups.setdefault(tensor.inside(index), []).append(pair)
        for inside, pairs in groups.items():
            if inside is TRUE or inside in self.holds:
                self.store(writer, tensor, pairs)
                continue
            writer.open(f"if ({writer.value(inside)})", {})
            self.store(writer, tensor, pairs)
            writer.close()

    def store(self, writer: Writer, tensor: Tensor, values: Sequence[tuple[Expr, str]]) -> None:
        """Write ``(flat place, text of the value)`` pairs."""
        slot = self.slot(tensor)
        slot.writes = True
        if tensor.type == "bool":
            values = [(place, f"u32({text})") for place, text in values]
        if is_pixels(tensor):
            self._store_pixels(writer, slot, values)
            return
        if not slot.vector:
            for place, text in values:
                writer.line(f"{slot.name}[{writer.value(place)}] = {text};")
            return
        groups: dict[Expr, dict[int, str]] = {}
        for place, text in values:
            base, lane = _four(place)
            groups.setdefault(base, {})[lane] = text
        element = _ELEMENT[tensor.type]
        for base, lanes in groups.items():
            inner = ", ".join(lanes[k] for k in range(4))
            writer.line(f"{slot.name}[{writer.value(base)}] = vec4<{element}>({inner});")

    def _store_pixels(self, writer: Writer, slot: Slot, values: Sequence[tuple[Expr, str]]) -> None:
        """Three values a word: red, green and blue follow each other (`schedule.pixel_axis`)."""
        writer.functions["packed_pixel"] = None
        for k in range(0, len(values), 3):
            (place, red), (_, green), (_, blue) = values[k : k + 3]
            pixel = writer.value(floordiv(place, 3))
            writer.line(f"{slot.name}[{pixel}] = packed_pixel({red}, {green}, {blue});")


def _channel(expr: Expr, writer: Writer) -> str:
    """A channel of a texel, which all its channels share.

    A texel outside is another one or nothing, as WGSL has it; a channel outside is the nearest.
    """
    y, x, channel = expr.args
    texel = writer.value(make_node("texel", (y, x), expr.attr, "f32"))
    channel = clamp_index(channel, CHANNELS)
    if channel.op == "const":
        return f"{texel}.{'xyzw'[channel.attr]}"
    return f"{texel}[{writer.value(channel)}]"


def _four(flat: Expr) -> tuple[Expr, int]:
    if flat.op == "const":
        return as_expr(flat.attr // 4, "i32"), flat.attr % 4
    if flat.op == "linear":
        coefficients, constant = flat.attr
        lane = constant % 4
        shifted = linear(dict(zip(flat.args, coefficients, strict=True)), constant - lane)
        return shifted // 4, lane
    return flat // 4, 0


def _aligned(flat: Expr) -> bool:
    if flat.op == "const":
        return True
    if flat.op == "linear":
        coefficients, _ = flat.attr
        return all(factor % 4 == 0 for factor in coefficients)
    return False


def _in_fours(flat: Expr, steps: Mapping[Expr, int], four: int = 4) -> tuple[bool, bool]:
    """Whether all places stay in step with fours, and whether neighbours are read together.

    ``four`` is the number of elements in a vec4.
    """
    if flat.op == "const":
        return True, False
    terms = dict(zip(flat.args, flat.attr[0], strict=True)) if flat.op == "linear" else {flat: 1}
    together = 1
    for term, factor in terms.items():
        if term.op != "var":
            if factor % four:
                return False, False
            continue
        step = steps.get(term, 1)
        # an axis that is written out whole leaves no moving part
        if factor * step % four and step <= term.high:
            return False, False
        if abs(factor) == 1:
            together *= step
    return True, 4 * together >= 3 * four
