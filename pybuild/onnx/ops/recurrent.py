"""What RNN, GRU and LSTM share: a sequence unrolled over time.

One contraction projects the inputs of all times. A step is then a small contraction of the state
with R and maps for the gates; both directions take a step together, the backward one from the end
of its sequence. Step s of a sequence that has ended keeps the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pybuild.onnx.expr import Expr, clamp_index, const, maximum, minimum, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported
from pybuild.onnx.ops.activations import ACTIVATIONS
from pybuild.onnx.ops.elementwise import tanh
from pybuild.onnx.ops.joining import concatenated

__all__ = ["MOST_STEPS", "Unrolled", "element"]

MOST_STEPS = 256
"""Longest sequence that is unrolled: a step takes two or three dispatches."""

_ALPHA = {"Affine": 1.0, "ScaledTanh": 1.0, "LeakyRelu": 0.01, "ThresholdedRelu": 1.0}
_ALPHA |= {"HardSigmoid": 0.2, "Elu": 1.0}
_BETA = {"Affine": 0.0, "ScaledTanh": 1.0, "HardSigmoid": 0.5}
_FUNCTIONS: dict[str, Callable[[Expr, Mapping[str, Any]], Expr]] = {
    **{name: ACTIVATIONS[name] for name in ("Relu", "Sigmoid", "LeakyRelu", "ThresholdedRelu")},
    **{name: ACTIVATIONS[name] for name in ("HardSigmoid", "Elu", "Softsign", "Softplus")},
    "Tanh": lambda x, _: tanh(x),
    "Affine": lambda x, a: x * a["alpha"] + a["beta"],
    "ScaledTanh": lambda x, a: a["alpha"] * tanh(x * a["beta"]),
}
_BY_LOWER_CASE = {name.lower(): name for name in _FUNCTIONS}


def _bound(
    function: Callable[[Expr, Mapping[str, Any]], Expr], values: Mapping[str, float]
) -> Callable[[Expr], Expr]:
    return lambda x: function(x, values)


def _activations(
    node: Node, defaults: list[str], directions: int
) -> list[list[Callable[[Expr], Expr]]]:
    """For each direction the functions of its gates; alpha and beta go to those that take them."""
    names = [str(name) for name in node.attributes.get("activations") or defaults * directions]
    alphas: Iterator[float] = iter(node.attributes.get("activation_alpha") or [])
    betas: Iterator[float] = iter(node.attributes.get("activation_beta") or [])
    made = []
    for given in names:
        name = _BY_LOWER_CASE.get(given.lower())
        if name is None:
            raise Unsupported(f"activation {given!r}")
        values = {}
        if name in _ALPHA:
            values["alpha"] = float(next(alphas, _ALPHA[name]))
        if name in _BETA:
            values["beta"] = float(next(betas, _BETA[name]))
        made.append(_bound(_FUNCTIONS[name], values))
    count = len(defaults)
    if len(made) == count:
        made = made * directions
    if len(made) != count * directions:
        raise Unsupported(f"{len(names)} activations for {directions} directions")
    return [made[d * count : (d + 1) * count] for d in range(directions)]


class Unrolled:
    """The inputs, weights and activations of one operator, and its outputs.

    The index of a state is (1, direction, batch, unit).

    Parameters
    ----------
    gates : int
        Blocks of rows in W and R.
    functions : list of str
        Activations by default, of one direction.
    """

    def __init__(self, context: Context, node: Node, gates: int, functions: list[str]) -> None:
        self.context, self.node, self.gates = context, node, gates
        x, w, self.recurrence = (context.tensor(node, k) for k in range(3))
        self.name = next(name for name in node.outputs if name)
        self.batch_first = bool(node.attributes.get("layout", 0))
        self.length, self.batch = x.shape[1::-1] if self.batch_first else x.shape[:2]
        self.directions, self.hidden = self.recurrence.shape[0], self.recurrence.shape[2]
        self.lengths = context.optional(node, 4)
        self.acts = _activations(node, functions, self.directions)
        if not 1 <= self.length <= MOST_STEPS:
            raise Unsupported(f"{self.length} steps; 1 to {MOST_STEPS} are unrolled")
        first = self.batch_first

        def project(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
            t, d, b, g = o
            return x[(b, t, *r) if first else (t, b, *r)] * w[(d, g, *r)]

        shape = (self.length, self.directions, self.batch, w.shape[1])
        self.projected = reduce_tensor(f"{self.name}.input", shape, x.shape[2:], "sum", project)

    @property
    def state(self) -> tuple[int, ...]:
        """Shape of a state."""
        return 1, self.directions, self.batch, self.hidden

    def backward(self, d: Expr) -> Expr:
        """Whether a direction runs from the end."""
        if self.directions == 2:
            return d.equals(1)
        return const(self.node.attributes.get("direction", "forward") == "reverse", "bool")

    def last(self, b: Expr) -> Expr:
        """Time of the last element of a sequence."""
        end = self.length if self.lengths is None else self.lengths[b]
        return (end if isinstance(end, Expr) else const(end, "i32")) - 1

    def running(self, b: Expr, step: int) -> Expr:
        """Whether a sequence has the step."""
        return self.last(b) >= step

    def initial(self, k: int, name: str) -> Tensor | None:
        """State that input k gives; None where it is omitted and all zeros."""
        given = self.context.optional(self.node, k)
        if given is None:
            return None
        first = self.batch_first
        return map_tensor(
            f"{self.name}.{name}",
            self.state,
            lambda _, d, b, u: given[b, d, u] if first else given[d, b, u],
        )

    def input(self, step: int, d: Expr, b: Expr, row: Expr) -> Expr:
        """Projected input of a gate's row at a step, with the bias Wb."""
        time = select(self.backward(d), self.last(b) - step, const(step, "i32"))
        value = self.projected[clamp_index(time, self.length), d, b, row]
        return self.biased(value, d, row)

    def biased(self, value: Expr, d: Expr, row: Expr, recurrent: bool = False) -> Expr:
        """Plus Wb or Rb."""
        bias = self.context.optional(self.node, 3)
        if bias is None:
            return value
        return value + bias[d, row + self.gates * self.hidden * recurrent]

    def dots(self, step: int, state: Tensor | None, first: int, count: int) -> Tensor | None:
        """The state times R of the gates ``first .. first + count - 1``; None of zeros."""
        if state is None:
            return None
        start = first * self.hidden

        def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
            return state[(*o[:3], *r)] * self.recurrence[(o[1], o[3] + start, *r)]

        shape = (*self.state[:3], count * self.hidden)
        name = f"{self.name}.dots{step}.{first}"
        return reduce_tensor(name, shape, (self.hidden,), "sum", body)

    def clip(self, value: Expr) -> Expr:
        """The clip attribute, in front of an activation."""
        most = float(self.node.attributes.get("clip") or 0.0)
        if most <= 0:
            return value
        return minimum(maximum(value, const(-most, "f32")), const(most, "f32"))

    def act(self, which: int, value: Expr, d: Expr) -> Expr:
        """Activation ``which`` of a direction."""
        result = self.acts[0][which](value)
        if self.directions == 2:
            return select(d.equals(0), result, self.acts[1][which](value))
        return result

    def kept(self, step: int, b: Expr, new: Expr, old: Expr) -> Expr:
        """The new state, or the old one of a sequence that has ended."""
        return select(self.running(b, step), new, old)

    def outputs(self, states: list[Tensor], last_cell: Tensor | None = None) -> tuple[Tensor, ...]:
        """Y, Y_h and, of an LSTM, Y_c."""
        stack = concatenated(f"{self.name}.states", states, 0)

        def at(t: Expr, d: Expr, b: Expr, u: Expr) -> Expr:
            step = clamp_index(select(self.backward(d), self.last(b) - t, t), self.length)
            return select(t <= self.last(b), stack[step, d, b, u], 0)

        time, directions, batch, hidden = self.length, self.directions, self.batch, self.hidden
        names = [*self.node.outputs, "", ""]
        first = self.batch_first
        finals = [states[-1]] if last_cell is None else [states[-1], last_cell]
        if first:
            y = map_tensor(
                names[0], (batch, time, directions, hidden), lambda b, t, d, u: at(t, d, b, u)
            )
            shape = (batch, directions, hidden)
        else:
            y = map_tensor(names[0], (time, directions, batch, hidden), at)
            shape = (directions, batch, hidden)

        def final(name: str, tensor: Tensor) -> Tensor:
            return map_tensor(
                name, shape, lambda i, j, u: tensor[(0, j, i, u) if first else (0, i, j, u)]
            )

        return (y, *(final(n, t) for n, t in zip(names[1:], finals, strict=False)))


def element(tensor: Tensor | None, *index: Expr) -> Expr:
    """An element of a state; 0 of one that is not given."""
    return const(0, "f32") if tensor is None else tensor[index]
