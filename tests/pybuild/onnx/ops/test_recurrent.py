"""RNN, GRU and LSTM against onnxruntime: directions, layouts, lengths, states, clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported
from pybuild.onnx.ops.recurrent import MOST_STEPS

STEPS, BATCH, INPUTS, HIDDEN = 4, 3, 5, 2
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OPERATORS = pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])


def inputs_of(op: str, directions: int, states: bool, biased: bool = True) -> list[Any]:
    """X, W, R, B, sequence_lens, initial_h and, of an LSTM, initial_c."""
    rng = np.random.default_rng(7)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    rows = GATES[op] * HIDDEN
    made: list[Any] = [
        random(STEPS, BATCH, INPUTS),
        random(directions, rows, INPUTS),
        random(directions, rows, HIDDEN),
        random(directions, 2 * rows) if biased else None,
        None,
    ]
    made.append(random(directions, BATCH, HIDDEN) if states else None)
    if op == "LSTM":
        made.append(random(directions, BATCH, HIDDEN) if states else None)
    return made


def outputs_of(op: str) -> int:
    """Y, Y_h and, of an LSTM, Y_c."""
    return 3 if op == "LSTM" else 2


@OPERATORS
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 2, 1]])
def test_directions_states_and_lengths(
    agrees: Callable[..., None], op: str, direction: str, states: bool, lengths: list[int] | None
) -> None:
    inputs = inputs_of(op, 2 if direction == "bidirectional" else 1, states, biased=states)
    if lengths is not None:
        inputs[4] = np.array(lengths, np.int32)
    count = outputs_of(op)
    agrees(op, inputs, outputs=count, hidden_size=HIDDEN, direction=direction)


@OPERATORS
def test_clip_bounds_what_activations_see(agrees: Callable[..., None], op: str) -> None:
    inputs = inputs_of(op, 1, True)
    agrees(op, inputs, outputs=outputs_of(op), hidden_size=HIDDEN, clip=0.4)


@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_gru_linear_before_reset(agrees: Callable[..., None], direction: str) -> None:
    inputs = inputs_of("GRU", 2 if direction == "bidirectional" else 1, True)
    inputs[4] = np.array([3, 4, 2], np.int32)
    attributes = {"direction": direction, "linear_before_reset": 1}
    agrees("GRU", inputs, outputs=2, hidden_size=HIDDEN, **attributes)


def test_lstm_peepholes(agrees: Callable[..., None]) -> None:
    inputs = inputs_of("LSTM", 2, True)
    inputs.append(np.random.default_rng(1).normal(size=(2, 3 * HIDDEN)).astype(np.float32))
    agrees("LSTM", inputs, outputs=3, hidden_size=HIDDEN, direction="bidirectional")


def test_lstm_with_coupled_gates(agrees: Callable[..., None]) -> None:
    agrees("LSTM", inputs_of("LSTM", 1, True), outputs=3, hidden_size=HIDDEN, input_forget=1)


def test_activations_take_their_own_alpha_and_beta(agrees: Callable[..., None]) -> None:
    """Each direction has its own; only those with a parameter take one from the lists."""
    agrees(
        "LSTM",
        inputs_of("LSTM", 2, True),
        outputs=3,
        hidden_size=HIDDEN,
        direction="bidirectional",
        activations=["HardSigmoid", "Tanh", "LeakyRelu", "Sigmoid", "Elu", "ScaledTanh"],
        activation_alpha=[0.3, 0.2, 0.7, 1.2],
        activation_beta=[0.4, 0.8],
    )


@OPERATORS
def test_batch_first_is_the_same_network(lowered: Callable[..., list[np.ndarray]], op: str) -> None:
    """Layout 1, which onnxruntime does not run, against layout 0."""
    inputs, count = inputs_of(op, 2, True), outputs_of(op)
    attributes = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    y, *finals = lowered(op, inputs, outputs=count, **attributes)
    swapped = [a.swapaxes(0, 1) if k in (0, 5, 6) else a for k, a in enumerate(inputs)]
    got, *ends = lowered(op, swapped, outputs=count, layout=1, **attributes)
    np.testing.assert_allclose(got, y.transpose(2, 0, 1, 3), rtol=1e-6)
    for end, final in zip(ends, finals, strict=True):
        np.testing.assert_allclose(end, final.swapaxes(0, 1), rtol=1e-6)


def test_a_single_step(agrees: Callable[..., None]) -> None:
    inputs = inputs_of("LSTM", 1, True)
    agrees("LSTM", [inputs[0][:1], *inputs[1:]], outputs=3, hidden_size=HIDDEN)


def test_long_sequences_are_refused(lowered: Callable[..., list[np.ndarray]]) -> None:
    inputs = inputs_of("RNN", 1, False)
    inputs[0] = np.zeros((MOST_STEPS + 1, BATCH, INPUTS), np.float32)
    with pytest.raises(Unsupported, match=f"{MOST_STEPS + 1} steps"):
        lowered("RNN", inputs, hidden_size=HIDDEN)


def test_an_unknown_activation_is_named(lowered: Callable[..., list[np.ndarray]]) -> None:
    with pytest.raises(Unsupported, match="'Swish'"):
        lowered("RNN", inputs_of("RNN", 1, False), hidden_size=HIDDEN, activations=["Swish"])
