"""LinearAttention (opset 27): a state that each token decays, corrects, adds to and reads.

Without a correction the outputs of all tokens are sums over earlier tokens and need no state: a
token sees another through the decay between them. With one (the delta rules) each state needs the
one before, and the recurrence is unrolled.
"""

from __future__ import annotations

import math

from pybuild.onnx.expr import Expr, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor, scan_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.attention import Heads, split_heads
from pybuild.onnx.ops.joining import concatenated
from pybuild.onnx.ops.recurrent import MOST_STEPS, element

__all__: list[str] = []


class _Linear:
    """The inputs; states are (batch, key head, key feature, value feature)."""

    def __init__(self, context: Context, node: Node) -> None:
        attributes = node.attributes
        heads, shared = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
        if heads % shared:
            raise Unsupported(f"{heads} query heads share {shared}")
        self.query = split_heads(context.tensor(node, 0), heads)
        self.key = split_heads(context.tensor(node, 1), shared)
        self.value = split_heads(context.tensor(node, 2), shared)
        self.past, self.beta = context.optional(node, 3), context.optional(node, 5)
        self.rule = str(attributes.get("update_rule", "gated_delta"))
        if self.rule not in ("linear", "gated", "delta", "gated_delta"):
            raise Unsupported(f"update_rule {self.rule!r}")
        decay = context.optional(node, 4)
        self.decay: Heads | None = None
        if self.rule.startswith("gated"):
            if decay is None:
                raise Unsupported(f"update_rule {self.rule!r} without a decay")
            self.decay = split_heads(decay, shared)
        if "delta" in self.rule and self.beta is None:
            raise Unsupported(f"update_rule {self.rule!r} without a beta")
        self.group = heads // shared
        self.scale = float(attributes.get("scale", 0.0)) or 1 / math.sqrt(self.query.size)
        self.name = node.outputs[0]
        self.batch, self.length = self.query.tensor.shape[:2]
        self.state = (self.batch, shared, self.key.size, self.value.size)
        self.last = node.outputs[1] if len(node.outputs) > 1 else f"{self.name}.state"

    def gate(self, b: Expr, h: Expr, t: Expr, d: Expr) -> Expr:
        """Logarithm of the decay; of a whole head, or of each key feature."""
        assert self.decay is not None
        return self.decay.at(b, h, t, d if self.decay.size > 1 else const(0, "i32"))

    def packed(self, name: str, part: Tensor) -> Tensor:
        """``(batch, head, token, feature)`` to the result's order, scaled."""
        size, heads = self.value.size, self.query.heads
        return map_tensor(
            name,
            (self.batch, self.length, heads * size),
            lambda b, t, f: part[b, f // size, t, f % size] * self.scale,
        )


@lowers("LinearAttention", since=27, limits=f"delta rules: at most {MOST_STEPS} tokens")
def _linear_attention(context: Context, node: Node) -> tuple[Tensor, ...]:
    at = _Linear(context, node)
    if "delta" not in at.rule:
        return _parallel(at)
    if not 1 <= at.length <= MOST_STEPS:
        raise Unsupported(f"{at.length} tokens; 1 to {MOST_STEPS} are unrolled")
    state, outputs = at.past, []
    for step in range(at.length):
        state = _delta_step(at, step, state)
        outputs.append(_read(at, step, state))
    assert state is not None
    stacked = concatenated(f"{at.name}.tokens", outputs, 2)
    last = state
    return at.packed(at.name, stacked), map_tensor(at.last, at.state, lambda *i: last[i])


# ------------------------------------------------------------------------------------ delta rules


def _delta_step(at: _Linear, step: int, old: Tensor | None) -> Tensor:
    """``S' = D S + k (beta (v - k^T D S))^T`` with the decay D."""
    t = const(step, "i32")

    def decayed(b: Expr, h: Expr, d: Expr, m: Expr) -> Expr:
        value = element(old, b, h, d, m)
        return value if at.decay is None else value * unary("exp", at.gate(b, h, t, d))

    faded = map_tensor(f"{at.name}.faded{step}", at.state, decayed)
    found = reduce_tensor(
        f"{at.name}.found{step}",
        (at.batch, at.key.heads, at.value.size),
        (at.key.size,),
        "sum",
        lambda o, r: faded[o[0], o[1], r[0], o[2]] * at.key.at(o[0], o[1], t, r[0]),
    )

    def new(b: Expr, h: Expr, d: Expr, m: Expr) -> Expr:
        assert at.beta is not None
        rate = at.beta[b, t, h if at.beta.shape[2] > 1 else 0]
        missing = rate * (at.value.at(b, h, t, m) - found[b, h, m])
        return faded[b, h, d, m] + at.key.at(b, h, t, d) * missing

    return map_tensor(f"{at.name}.state{step}", at.state, new)


def _read(at: _Linear, step: int, state: Tensor) -> Tensor:
    t = const(step, "i32")
    shape = (at.batch, at.query.heads, 1, at.value.size)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        b, h, _, m = o
        return at.query.at(b, h, t, r[0]) * state[b, h // at.group, r[0], m]

    return reduce_tensor(f"{at.name}.token{step}", shape, (at.key.size,), "sum", body)


# ------------------------------------------------------------------------------- linear and gated


def _parallel(at: _Linear) -> tuple[Tensor, ...]:
    length, key = at.length, at.key
    total: Tensor | None = None
    if at.decay is not None:
        shape = (at.batch, key.heads, length, at.decay.size)
        total = scan_tensor(f"{at.name}.decay", shape, 2, "sum", at.decay.at)

    def since(b: Expr, h: Expr, t: Expr, s: Expr | None, d: Expr) -> Expr:
        """Decay after token s, or from the beginning, up to token t."""
        if total is None:
            return const(1, "f32")
        d = d if total.shape[3] > 1 else const(0, "i32")
        power = total[b, h, t, d]
        return unary("exp", power if s is None else power - total[b, h, s, d])

    scores = (at.batch, at.query.heads, length, length)
    by_feature = total is not None and total.shape[3] > 1

    def dot(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        b, h, t, s = o
        value = at.query.at(b, h, t, r[0]) * key.at(b, h // at.group, s, r[0])
        if not by_feature:
            return value
        return select(s <= t, value * since(b, h // at.group, t, s, r[0]), 0)

    dots = reduce_tensor(f"{at.name}.dots", scores, (key.size,), "sum", dot)

    def weight(b: Expr, h: Expr, t: Expr, s: Expr) -> Expr:
        value = dots[b, h, t, s]
        if not by_feature:
            value = value * since(b, h // at.group, t, s, const(0, "i32"))
        return select(s <= t, value, 0)

    weights = map_tensor(f"{at.name}.weights", scores, weight)
    out = (at.batch, at.query.heads, length, at.value.size)
    seen = reduce_tensor(
        f"{at.name}.seen",
        out,
        (length,),
        "sum",
        lambda o, r: weights[(*o[:3], *r)] * at.value.at(o[0], o[1] // at.group, r[0], o[3]),
    )
    past = at.past
    result = seen
    if past is not None:
        faded = map_tensor(
            f"{at.name}.turned",
            (*out[:3], key.size),
            lambda b, h, t, d: at.query.at(b, h, t, d) * since(b, h // at.group, t, None, d),
        )
        before = reduce_tensor(
            f"{at.name}.before",
            out,
            (key.size,),
            "sum",
            lambda o, r: faded[(*o[:3], *r)] * past[o[0], o[1] // at.group, r[0], o[3]],
        )
        result = map_tensor(f"{at.name}.both", out, lambda *i: seen[i] + before[i])
    end = const(length - 1, "i32")
    kept = map_tensor(
        f"{at.name}.kept",
        (at.batch, key.heads, length, key.size),
        lambda b, h, s, d: key.at(b, h, s, d) * since(b, h, end, s, d),
    )
    added = reduce_tensor(
        f"{at.name}.added",
        at.state,
        (length,),
        "sum",
        lambda o, r: kept[o[0], o[1], r[0], o[2]] * at.value.at(o[0], o[1], r[0], o[3]),
    )

    def final(*i: Expr) -> Expr:
        if past is None:
            return added[i]
        return added[i] + past[i] * since(i[0], i[1], end, None, i[2])

    return at.packed(at.name, result), map_tensor(at.last, at.state, final)
