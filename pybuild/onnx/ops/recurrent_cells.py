"""The steps of RNN, GRU and LSTM."""

from __future__ import annotations

from pybuild.onnx.expr import Expr
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, lowers
from pybuild.onnx.ops.recurrent import MOST_STEPS, Unrolled, element

__all__: list[str] = []

_LIMITS = f"at most {MOST_STEPS} steps"


@lowers("RNN", limits=_LIMITS)
def _rnn(context: Context, node: Node) -> tuple[Tensor, ...]:
    seq = Unrolled(context, node, 1, ["Tanh"])
    state, states = seq.initial(5, "initial_h"), []
    for step in range(seq.length):
        state = _rnn_step(seq, step, state)
        states.append(state)
    return seq.outputs(states)


def _rnn_step(seq: Unrolled, step: int, old: Tensor | None) -> Tensor:
    dots = seq.dots(step, old, 0, 1)

    def new(z: Expr, d: Expr, b: Expr, u: Expr) -> Expr:
        total = seq.input(step, d, b, u) + element(dots, z, d, b, u)
        value = seq.act(0, seq.clip(seq.biased(total, d, u, recurrent=True)), d)
        return seq.kept(step, b, value, element(old, z, d, b, u))

    return map_tensor(f"{seq.name}.h{step}", seq.state, new)


@lowers("GRU", limits=_LIMITS)
def _gru(context: Context, node: Node) -> tuple[Tensor, ...]:
    """The gates lie in the order update (z), reset (r), hidden (h)."""
    seq = Unrolled(context, node, 3, ["Sigmoid", "Tanh"])
    linear = bool(node.attributes.get("linear_before_reset", 0))
    state, states = seq.initial(5, "initial_h"), []
    for step in range(seq.length):
        state = _gru_step(seq, step, state, linear)
        states.append(state)
    return seq.outputs(states)


def _gru_step(seq: Unrolled, step: int, old: Tensor | None, linear: bool) -> Tensor:
    width = seq.hidden
    dots = seq.dots(step, old, 0, 3 if linear else 2)

    def gate(which: int, z: Expr, d: Expr, b: Expr, u: Expr) -> Expr:
        row = u + which * width
        total = seq.input(step, d, b, row) + element(dots, z, d, b, row)
        return seq.act(0, seq.clip(seq.biased(total, d, row, recurrent=True)), d)

    inner: Tensor | None = None
    if old is not None and not linear:
        kept = old

        def reset(*i: Expr) -> Expr:
            return gate(1, *i) * kept[i]

        inner = seq.dots(step, map_tensor(f"{seq.name}.reset{step}", seq.state, reset), 2, 1)

    def new(z: Expr, d: Expr, b: Expr, u: Expr) -> Expr:
        row = u + 2 * width
        if linear:
            reset = gate(1, z, d, b, u)
            past = seq.biased(element(dots, z, d, b, row), d, row, recurrent=True)
            total = seq.input(step, d, b, row) + reset * past
        else:
            total = seq.input(step, d, b, row) + element(inner, z, d, b, u)
            total = seq.biased(total, d, row, recurrent=True)
        hidden = seq.act(1, seq.clip(total), d)
        update = gate(0, z, d, b, u)
        before = element(old, z, d, b, u)
        return seq.kept(step, b, (1 - update) * hidden + update * before, before)

    return map_tensor(f"{seq.name}.h{step}", seq.state, new)


@lowers("LSTM", limits=_LIMITS)
def _lstm(context: Context, node: Node) -> tuple[Tensor, ...]:
    """The gates lie in the order input (i), output (o), forget (f), cell (c).

    ``clip`` bounds the gates, not the cell in front of the last activation: so does onnxruntime.
    """
    seq = Unrolled(context, node, 4, ["Sigmoid", "Tanh", "Tanh"])
    peepholes = context.optional(node, 7)
    state, states = seq.initial(5, "initial_h"), []
    cell = seq.initial(6, "initial_c")
    for step in range(seq.length):
        state, cell = _lstm_step(seq, step, state, cell, peepholes)
        states.append(state)
    return seq.outputs(states, cell)


def _lstm_step(
    seq: Unrolled,
    step: int,
    old: Tensor | None,
    old_cell: Tensor | None,
    peepholes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The next state and cell; the peepholes lie in the order i, o, f."""
    width = seq.hidden
    dots = seq.dots(step, old, 0, 4)
    coupled = bool(seq.node.attributes.get("input_forget", 0))

    def gate(which: int, act: int, index: tuple[Expr, ...], cell: Expr | None) -> Expr:
        z, d, b, u = index
        row = u + which * width
        total = seq.input(step, d, b, row) + element(dots, z, d, b, row)
        total = seq.biased(total, d, row, recurrent=True)
        if peepholes is not None and cell is not None:
            total = total + peepholes[d, row] * cell
        return seq.act(act, seq.clip(total), d)

    def next_cell(*i: Expr) -> Expr:
        before = element(old_cell, *i)
        take = gate(0, 0, i, before)
        forget = 1 - take if coupled else gate(2, 0, i, before)
        return seq.kept(step, i[2], forget * before + take * gate(3, 1, i, None), before)

    cell = map_tensor(f"{seq.name}.c{step}", seq.state, next_cell)

    def next_state(*i: Expr) -> Expr:
        value = gate(1, 0, i, cell[i]) * seq.act(2, cell[i], i[1])
        return seq.kept(step, i[2], value, element(old, *i))

    return map_tensor(f"{seq.name}.h{step}", seq.state, next_state), cell
