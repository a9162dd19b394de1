"""Attention (opset 23 to 25): two contractions with a softmax between them.

Every score, probability and output row belongs to one query of one head, so that a fusion by rows
can keep the scores of a query in one workgroup. Keys that a mask, the causal rule, a window or the
padding disallow take no part in the softmax: their probability is 0 by selection, never by ``exp``
of minus infinity, and a query without keys gives zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pybuild.onnx.expr import TRUE, Expr, const, logical_and, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import broadcast_load, tanh

__all__ = ["Heads", "split_heads"]

_NO_KEY = const(-math.inf, "f32")
_LOWEST = const(float(np.finfo(np.float32).min), "f32")


@dataclass(frozen=True, slots=True)
class Heads:
    """A query, key or value as (batch, head, position, feature), however it is stored."""

    tensor: Tensor
    heads: int

    @property
    def packed(self) -> bool:
        """Stored as (batch, position, head * feature)."""
        return len(self.tensor.shape) == 3

    @property
    def length(self) -> int:
        """Positions."""
        return self.tensor.shape[1 if self.packed else 2]

    @property
    def size(self) -> int:
        """Features of a head."""
        return self.tensor.shape[-1] // (self.heads if self.packed else 1)

    def at(self, b: Expr, h: Expr, s: Expr, d: Expr) -> Expr:
        """One element."""
        if self.packed:
            return self.tensor[b, s, h * self.size + d]
        return self.tensor[b, h, s, d]


def split_heads(tensor: Tensor, heads: int | None) -> Heads:
    """A tensor of three axes with its number of heads, or of four."""
    if len(tensor.shape) == 4:
        return Heads(tensor, tensor.shape[1])
    if len(tensor.shape) != 3 or not heads or tensor.shape[2] % heads:
        raise Unsupported(f"{heads} heads do not divide an input of {tensor.shape}")
    return Heads(tensor, heads)


def _with_past(name: str, past: Tensor | None, new: Heads) -> Heads:
    """The present key or value: the past's positions, then the new ones."""
    shape = (new.tensor.shape[0], new.heads, new.length, new.size)
    if past is None:
        return Heads(map_tensor(name, shape, new.at), new.heads) if name else new
    before = past.shape[2]

    def body(b: Expr, h: Expr, s: Expr, d: Expr) -> Expr:
        return select(s < before, past[b, h, s, d], new.at(b, h, s - before, d))

    total = (*shape[:2], before + new.length, shape[3])
    return Heads(map_tensor(name or f"{new.tensor.name}.present", total, body), new.heads)


@dataclass(frozen=True, slots=True)
class _Mask:
    """Which keys a query may attend, and what is added to its scores."""

    mask: Tensor | None
    lengths: Tensor | None
    offset: Callable[[Expr], Expr] | None
    causal: bool
    left: int
    right: int

    def allowed(self, b: Expr, h: Expr, q: Expr, k: Expr) -> Expr:
        """Whether query q of head h may attend key k."""
        conditions = []
        if self.mask is not None:
            conditions.append(k < self.mask.shape[-1])
            if self.mask.type == "bool":
                conditions.append(self._given(b, h, q, k))
        if self.offset is not None:
            place = q + self.offset(b)
            if self.causal:
                conditions.append(k <= place)
            if self.left >= 0:
                conditions.append(k >= place - self.left)
            if self.right >= 0:
                conditions.append(k <= place + self.right)
        if self.lengths is not None:
            conditions.append(k < self.lengths[b])
        return logical_and(TRUE, *conditions)

    def add(self, score: Expr, b: Expr, h: Expr, q: Expr, k: Expr) -> Expr:
        """The score with the bias of a mask of floats."""
        if self.mask is None or self.mask.type == "bool":
            return score
        return score + self._given(b, h, q, k)

    def _given(self, b: Expr, h: Expr, q: Expr, k: Expr) -> Expr:
        assert self.mask is not None
        return broadcast_load(self.mask, (b, h, q, k))


def _mask(context: Context, node: Node, past: Tensor | None, queries: int) -> _Mask:
    lengths = context.optional(node, 6)
    causal = bool(node.attributes.get("is_causal", 0))
    left = int(node.attributes.get("left_window_size", -1))
    right = int(node.attributes.get("right_window_size", -1))
    offset: Callable[[Expr], Expr] | None = None
    if causal or left >= 0 or right >= 0:
        if lengths is not None and past is None:
            known = lengths
            offset = lambda b: known[b] - queries  # noqa: E731
        else:
            before = const(0 if past is None else past.shape[2], "i32")
            offset = lambda _: before  # noqa: E731
    return _Mask(context.optional(node, 3), lengths, offset, causal, left, right)


@lowers("Attention", since=23)
def _attention(context: Context, node: Node) -> tuple[Tensor, ...]:
    names = [*node.outputs, "", "", ""][:4]
    name, attributes = names[0], node.attributes
    past_k, past_v = context.optional(node, 4), context.optional(node, 5)
    query = split_heads(context.tensor(node, 0), attributes.get("q_num_heads"))
    heads = attributes.get("kv_num_heads")
    key = _with_past(names[1], past_k, split_heads(context.tensor(node, 1), heads))
    value = _with_past(names[2], past_v, split_heads(context.tensor(node, 2), heads))
    if query.heads % key.heads or key.heads != value.heads:
        raise Unsupported(f"{query.heads} query heads share {key.heads} and {value.heads}")
    share = query.heads // key.heads
    size = query.size
    scale = float(attributes.get("scale", 1 / math.sqrt(max(size, 1))))
    softcap = float(attributes.get("softcap", 0.0))
    mode = int(attributes.get("qk_matmul_output_mode", 0))
    mask = _mask(context, node, past_k, query.length)
    rows = (query.tensor.shape[0], query.heads, query.length)
    shape = (*rows, key.length)

    dots = reduce_tensor(
        f"{name}.dots",
        shape,
        (size,),
        "sum",
        lambda o, r: query.at(*o[:3], *r) * key.at(o[0], o[1] // share, o[3], *r),
    )
    scaled = map_tensor(f"{name}.scaled", shape, lambda *i: dots[i] * scale)
    capped = scaled
    if softcap > 0:
        capped = map_tensor(
            f"{name}.capped",
            shape,
            lambda *i: tanh(scaled[i] * (1 / softcap)) * softcap,
        )
    scores = map_tensor(
        f"{name}.scores",
        shape,
        lambda *i: select(mask.allowed(*i), mask.add(capped[i], *i), _NO_KEY),
    )
    top = reduce_tensor(f"{name}.max", rows, shape[3:], "max", lambda o, r: scores[(*o, *r)])

    def weight(*i: Expr) -> Expr:
        return select(scores[i] >= _LOWEST, unary("exp", scores[i] - top[i[:3]]), 0)

    weights = map_tensor(f"{name}.weights", shape, weight)
    total = reduce_tensor(f"{name}.total", rows, shape[3:], "sum", lambda o, r: weights[(*o, *r)])
    chances = map_tensor(
        f"{name}.chances",
        shape,
        lambda *i: select(total[i[:3]] > 0, weights[i] / total[i[:3]], 0),
    )

    def mix(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        b, h, q, d = o if not query.packed else (o[0], o[2] // value.size, o[1], o[2] % value.size)
        return chances[b, h, q, r[0]] * value.at(b, h // share, r[0], d)

    out: tuple[int, ...] = (*rows, value.size)
    if query.packed:
        out = (rows[0], rows[2], rows[1] * value.size)
    mixed = reduce_tensor(name, out, shape[3:], "sum", mix)
    shown = (scaled, capped, scores, chances)[mode]
    return mixed, key.tensor, value.tensor, map_tensor(names[3], shape, lambda *i: shown[i])
