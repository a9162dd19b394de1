"""Operators of ai.onnx.ml against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported

Agrees = Callable[..., None]
Lowered = Callable[..., list[np.ndarray]]
F32 = np.float32
X = np.random.default_rng(15).normal(size=(4, 3)).astype(F32)
ML: dict[str, Any] = {"domain": "ai.onnx.ml", "opset": 3}


def test_binarizer(agrees: Agrees) -> None:
    agrees("Binarizer", [X], **ML)
    agrees("Binarizer", [X], threshold=0.5, **ML)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_scaler(agrees: Agrees, dtype: type) -> None:
    x = (X * 10).astype(dtype)
    agrees("Scaler", [x], offset=[1.0, 2.0, -1.0], scale=[0.5, 2.0, 3.0], **ML)
    agrees("Scaler", [x], offset=[1.0], scale=[0.5], **ML)


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(agrees: Agrees, norm: str) -> None:
    agrees("Normalizer", [np.abs(X)], norm=norm, **ML)
    agrees("Normalizer", [np.array([[0, 0], [3, 4]], F32)], norm=norm, **ML)


def test_imputer(agrees: Agrees) -> None:
    x = np.array([[1, np.nan, 3], [np.nan, 5, 1]], F32)
    values = {"imputed_value_floats": [7.0, 8.0, 9.0]}
    agrees("Imputer", [x], replaced_value_float=float("nan"), **values, **ML)
    agrees("Imputer", [x], replaced_value_float=1.0, **values, **ML)
    whole = np.array([[1, 2], [3, 1]], np.int64)
    agrees("Imputer", [whole], imputed_value_int64s=[9], replaced_value_int64=1, **ML)


def test_feature_vectorizer(agrees: Agrees) -> None:
    inputs = [X, X[:, :1], X[:, 1:]]
    agrees("FeatureVectorizer", inputs, inputdimensions=[3, 1, 2], **ML)


def test_one_hot_encoder(agrees: Agrees) -> None:
    x = np.array([[3, 1], [7, 5]], np.int64)
    agrees("OneHotEncoder", [x], cats_int64s=[1, 3, 5], zeros=1, **ML)
    agrees("OneHotEncoder", [x.astype(F32)], cats_int64s=[1, 3, 5], zeros=1, **ML)


LINE = {"coefficients": [1.0, -2.0, 0.5, 0.1, 0.2, 0.3], "intercepts": [0.5, -0.25]}
CLASSES = {**LINE, "classlabels_ints": [7, 3]}


def test_linear_regressor(agrees: Agrees) -> None:
    agrees("LinearRegressor", [X], targets=2, **LINE, **ML)
    agrees("LinearRegressor", [X], coefficients=[1.0, 2.0, 3.0], **ML)


@pytest.mark.parametrize("kind", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_linear_classifier(agrees: Agrees, kind: str) -> None:
    agrees("LinearClassifier", [X], outputs=2, post_transform=kind, **CLASSES, **ML)


def test_strings_and_what_else_is_not_compiled(lowered: Lowered) -> None:
    with pytest.raises(Unsupported, match="strings"):
        lowered("OneHotEncoder", [X], cats_strings=["a"], **ML)
    with pytest.raises(Unsupported, match="strings"):
        lowered("LinearClassifier", [X], classlabels_strings=["a"], **LINE, **ML)
    with pytest.raises(Unsupported, match="post_transform='PROBIT'"):
        lowered("LinearRegressor", [X], targets=2, post_transform="PROBIT", **LINE, **ML)
    with pytest.raises(Unsupported, match="6 coefficients for 1 scores of 3 features"):
        lowered("LinearRegressor", [X], **LINE, **ML)
    with pytest.raises(Unsupported, match="norm='L3' is not known"):
        lowered("Normalizer", [X], norm="L3", **ML)
