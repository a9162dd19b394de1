"""Attention and RotaryEmbedding: heads that share keys, masks, caches, windows, empty rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def booleans(*shape: int) -> np.ndarray:
    """Reproducible, three quarters of them true."""
    return np.random.default_rng(sum(shape)).random(shape) < 0.75


CASES: list[tuple[list[np.ndarray | None], dict[str, Any]]] = [
    ([random(2, 3, 5, 8), random(2, 3, 7, 8), random(2, 3, 7, 6)], {}),
    ([random(2, 6, 5, 8), random(2, 2, 7, 8), random(2, 2, 7, 3)], {"scale": 0.3}),
    (
        [random(2, 5, 24), random(2, 7, 8), random(2, 7, 12)],
        {"q_num_heads": 6, "kv_num_heads": 2, "is_causal": 1},
    ),
    (
        [
            random(1, 4, 3, 8),
            random(1, 2, 3, 8),
            random(1, 2, 3, 8),
            booleans(4, 3, 8),
            random(1, 2, 5, 8),
            random(1, 2, 5, 8),
        ],
        {"is_causal": 1, "softcap": 2.0},
    ),
    ([random(1, 2, 3, 8), random(1, 2, 6, 8), random(1, 2, 6, 8), random(3, 6)], {"softcap": 0.5}),
]


@pytest.mark.parametrize(("inputs", "attributes"), CASES)
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_attention(
    agrees: Callable[..., None],
    inputs: list[np.ndarray | None],
    attributes: dict[str, Any],
    mode: int,
) -> None:
    agrees(
        "Attention",
        inputs,
        oracle="onnx",
        outputs=4,
        opset=24,
        qk_matmul_output_mode=mode,
        **attributes,
    )


def test_mode_0_shows_scores_before_the_softcap(agrees: Callable[..., None]) -> None:
    """ONNX's own reference shows them after it, against the specification."""
    inputs = [random(1, 2, 3, 8), random(1, 2, 6, 8), random(1, 2, 6, 8), random(3, 6)]
    agrees("Attention", inputs, outputs=4, opset=23, softcap=0.5)


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("window", [(2, -1), (-1, 1), (1, 2), (0, 0)])
def test_sliding_windows(agrees: Callable[..., None], causal: int, window: tuple[int, int]) -> None:
    q, k, v = random(2, 4, 5, 8), random(2, 2, 9, 8), random(2, 2, 9, 8)
    lengths = np.array([9, 3], np.int64)
    attributes = {"left_window_size": window[0], "right_window_size": window[1]}
    inputs = [q, k, v, booleans(5, 9), None, None, lengths]
    agrees("Attention", inputs, oracle="onnx", opset=25, is_causal=causal, **attributes)


def test_a_query_without_keys_gives_zeros(lowered: Callable[..., list[np.ndarray]]) -> None:
    mask = np.ones((3, 4), bool)
    mask[1] = False
    out, _, _, chances = lowered(
        "Attention",
        [random(1, 1, 3, 8), random(1, 1, 4, 8), random(1, 1, 4, 8), mask],
        outputs=4,
        opset=24,
        qk_matmul_output_mode=3,
    )
    assert not out[0, 0, 1].any()
    assert not chances[0, 0, 1].any()
    np.testing.assert_allclose(chances[0, 0, [0, 2]].sum(axis=-1), 1, rtol=1e-6)


def test_a_short_mask_hides_the_keys_after_it(agrees: Callable[..., None]) -> None:
    inputs = [random(1, 2, 3, 8), random(1, 2, 6, 8), random(1, 2, 6, 8), random(3, 4)]
    agrees("Attention", inputs, oracle="onnx", opset=24)


def test_large_scores_do_not_overflow(lowered: Callable[..., list[np.ndarray]]) -> None:
    q = np.full((1, 1, 2, 4), 100, np.float32)
    (out,) = lowered("Attention", [q, q, q], opset=23)
    np.testing.assert_allclose(out, q)


def test_heads_that_do_not_divide_are_refused(lowered: Callable[..., list[np.ndarray]]) -> None:
    with pytest.raises(Unsupported, match="3 heads do not divide"):
        lowered("Attention", [random(1, 2, 8)] * 3, q_num_heads=3, kv_num_heads=3, opset=23)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("turned", [0, 4])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("positioned", [False, True])
def test_rotary_embedding(
    agrees: Callable[..., None], interleaved: int, turned: int, packed: bool, positioned: bool
) -> None:
    x = random(2, 5, 24) if packed else random(2, 3, 5, 8)
    half = (turned or 8) // 2
    attributes = {"interleaved": interleaved, "rotary_embedding_dim": turned}
    if packed:
        attributes["num_heads"] = 3
    inputs = [x, random(2, 5, half), random(2, 5, half) * 0.5]
    if positioned:
        positions = np.array([[0, 3, 9, 1, 1], [4, 5, 6, 7, 8]], np.int64)
        inputs = [x, random(10, half), random(10, half) * 0.5, positions]
    agrees("RotaryEmbedding", inputs, oracle="onnx", opset=23, **attributes)
