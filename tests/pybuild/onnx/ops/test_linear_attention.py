"""LinearAttention against ONNX's reference, which runs the recurrence token by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported
from pybuild.onnx.ops.recurrent import MOST_STEPS

KEY, VALUE, SHARED = 4, 3, 2


def inputs_of(rule: str, heads: int, length: int, past: bool, per_feature: bool) -> list[Any]:
    """Query, key, value, past_state, decay, beta."""
    rng = np.random.default_rng(length)

    def random(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * 0.5).astype(np.float32)

    decay = -np.abs(random(2, length, SHARED * (KEY if per_feature else 1)))
    beta = 1 / (1 + np.exp(random(2, length, SHARED)))
    return [
        random(2, length, heads * KEY),
        random(2, length, SHARED * KEY),
        random(2, length, SHARED * VALUE),
        random(2, SHARED, KEY, VALUE) if past else None,
        decay if rule.startswith("gated") else None,
        beta if "delta" in rule else None,
    ]


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("heads", [2, 6])
@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("per_feature", [False, True])
def test_rules(
    agrees: Callable[..., None], rule: str, heads: int, length: int, past: bool, per_feature: bool
) -> None:
    agrees(
        "LinearAttention",
        inputs_of(rule, heads, length, past, per_feature),
        oracle="onnx",
        outputs=2,
        opset=27,
        q_num_heads=heads,
        kv_num_heads=SHARED,
        update_rule=rule,
        scale=0.3 if past else 0.0,
    )


def test_long_sequences_need_no_unrolling_without_a_correction(
    agrees: Callable[..., None],
) -> None:
    attributes = {"q_num_heads": 2, "kv_num_heads": SHARED}
    inputs = inputs_of("gated", 2, MOST_STEPS + 1, True, False)
    agrees(
        "LinearAttention",
        inputs,
        oracle="onnx",
        outputs=2,
        opset=27,
        update_rule="gated",
        **attributes,
    )


def test_what_is_missing_is_named(lowered: Callable[..., list[np.ndarray]]) -> None:
    inputs = inputs_of("linear", 2, 3, False, False)
    with pytest.raises(Unsupported, match="without a decay"):
        lowered("LinearAttention", inputs, q_num_heads=2, kv_num_heads=SHARED, opset=27)
