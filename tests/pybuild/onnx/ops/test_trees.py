"""Decision trees against onnxruntime: every comparison, several trees, nan, all combinations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
ML: dict[str, Any] = {"domain": "ai.onnx.ml", "opset": 5}
X = np.random.default_rng(16).integers(-3, 4, (40, 3)).astype(F32)


def forest(modes: list[int], **rest: Any) -> dict[str, Any]:
    """Two trees, of three nodes and of two, over three features."""
    return {
        "n_targets": 2,
        "tree_roots": [0, 3],
        "nodes_modes": np.array(modes, np.uint8),
        "nodes_featureids": [0, 1, 2, 2, 0],
        "nodes_splits": np.array([0, -1, 1, 2, -2], F32),
        "nodes_truenodeids": [1, 0, 2, 4, 5],
        "nodes_trueleafs": [0, 1, 1, 0, 1],
        "nodes_falsenodeids": [2, 1, 3, 4, 6],
        "nodes_falseleafs": [0, 1, 1, 1, 1],
        "leaf_targetids": [0, 1, 0, 1, 0, 1, 0],
        "leaf_weights": np.array([1, 2, 4, 8, 16, 32, 64], F32),
        **rest,
        **ML,
    }


@pytest.mark.parametrize("mode", range(6))
def test_comparisons(agrees: Agrees, mode: int) -> None:
    agrees("TreeEnsemble", [X], **forest([mode] * 5))


def test_comparisons_of_several_kinds(agrees: Agrees) -> None:
    agrees("TreeEnsemble", [X], **forest([0, 3, 4, 1, 2]))


def test_membership(agrees: Agrees) -> None:
    """Sets end with nan, and are those of the nodes that ask, in order."""
    members = np.array([1, 2, np.nan, -3, 0, 3, np.nan], F32)
    agrees("TreeEnsemble", [X], **forest([0, 6, 1, 6, 0], membership_values=members))


@pytest.mark.parametrize("follows", [[0] * 5, [1] * 5, [1, 0, 1, 0, 1]])
def test_missing_values(agrees: Agrees, follows: list[int]) -> None:
    holes = X.copy()
    holes[::3, 0] = holes[1::4, 1] = holes[::5, 2] = np.nan
    rest = {"nodes_missing_value_tracks_true": follows}
    agrees("TreeEnsemble", [holes], **forest([0] * 5, **rest))


SMALL = np.array([1, 2, 4, 8, 16, 32, 64], F32) / 16


@pytest.mark.parametrize("aggregate", range(4))
def test_aggregates(agrees: Agrees, aggregate: int) -> None:
    given = forest([0] * 5, aggregate_function=aggregate, leaf_weights=SMALL)
    agrees("TreeEnsemble", [X], **given)


def test_transformations(lowered: Lowered) -> None:
    """By the numbers of the specification; onnxruntime 1.31 has softmax and logistic swapped."""
    plain, softmax, logistic = (
        lowered("TreeEnsemble", [X], **forest([0] * 5, leaf_weights=SMALL, post_transform=kind))[0]
        for kind in range(3)
    )
    np.testing.assert_allclose(logistic, 1 / (1 + np.exp(-plain)), rtol=1e-5)
    np.testing.assert_allclose(softmax.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        softmax[:, 0], 1 / (1 + np.exp(plain[:, 1] - plain[:, 0])), rtol=1e-5
    )


def test_what_is_not_compiled(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="its trees have a cycle"):
        lowered("TreeEnsemble", [X], **forest([0] * 5, nodes_falsenodeids=[0, 1, 3, 4, 6]))
    with pytest.raises(Unsupported, match="post_transform='PROBIT'"):
        lowered("TreeEnsemble", [X], **forest([0] * 5, post_transform=4))
