"""The front over ONNX's own backend suite, and over real models: what loads, and means the same."""

from __future__ import annotations

import re
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from pybuild.onnx.front import GraphError, NotConstant, load_graph
from pybuild.onnx.graph import Graph
from pybuild.onnx.rebuild import to_model

CASES = 1884
LOADED = 1768

REFUSED = {
    r"holds strings": 26,
    r"is no tensor, but of the type (sequence|optional)|is a sequence; (wanted|Vitrine)": 29,
    r"Vitrine has no loops of its own": 23,
    r"depends on the data": 27,
    r"training_mode is on": 6,
    r"its attribute '\w+_mod' is no number": 5,
}
"""Why the others do not: by a part of their message."""

LOADING_S = 15.0
"""For the whole suite, which takes 1 s here; far more would make compiling it in tests slow."""

RUNTIME_OPSET = 26

TOLERANCE = 2e-5
"""The rebuilt graph runs the same kernels; folded constants differ in the last bit."""


def arrays(values: Any) -> list[NDArray[Any]]:
    return [
        numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        for value in values
    ]


def load(model: onnx.ModelProto, inputs: list[Any]) -> Graph:
    """Fix the inputs that shapes depend on, as the error names them."""
    names = [value.name for value in model.graph.input]
    fixed: dict[str, NDArray[Any]] = {}
    while True:
        try:
            return load_graph(model, specialise=fixed)
        except NotConstant as error:
            if not set(error.values) - set(fixed):
                raise
            fixed.update({name: np.asarray(inputs[names.index(name)]) for name in error.values})


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def test_the_suite_loads(cases: list[Any]) -> None:
    assert len(cases) == CASES
    refused: Counter[str] = Counter()
    start = time.perf_counter()
    for case in cases:
        inputs, outputs = case.data_sets[0]
        try:
            graph = load(case.model, arrays(inputs))
        except GraphError as error:
            reasons = [key for key in REFUSED if re.search(key, str(error))]
            refused[reasons[0] if reasons else f"{case.name}: {error}"] += 1
            continue
        for info, wanted in zip(graph.outputs, arrays(outputs), strict=True):
            assert info.shape == np.shape(wanted), f"{case.name}: {info}"
            assert info.dtype == np.asarray(wanted).dtype.name, f"{case.name}: {info}"
    assert time.perf_counter() - start < LOADING_S
    assert refused == REFUSED
    assert sum(refused.values()) == CASES - LOADED


def ran(model: bytes, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    results: list[NDArray[Any]] = session.run(None, feeds)
    return results


def test_real_models_mean_the_same(shared: Path) -> None:
    places = sorted((shared / "models").rglob("*.onnx"))
    if not places:
        pytest.skip("no models beside the sample data")
    for place in places:
        graph = load_graph(place)
        random = np.random.default_rng(7)
        feeds = {info.name: random.random(info.shape).astype(info.dtype) for info in graph.inputs}
        results = ran(to_model(graph, RUNTIME_OPSET).SerializeToString(), feeds)
        for info, got, wanted in zip(
            graph.outputs, results, ran(place.read_bytes(), feeds), strict=True
        ):
            assert got.shape == info.shape, place.name
            np.testing.assert_allclose(
                got.astype(np.float64),
                wanted.astype(np.float64),
                rtol=TOLERANCE,
                atol=TOLERANCE,
                err_msg=f"{place.name}: {info.name}",
            )
