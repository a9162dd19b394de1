"""ONNX's backend interface: what is run where, what is kept, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import helper

from pybuild.onnx import backend
from pybuild.onnx.backend import BackendIsNotSupposedToImplementIt, VitrineBackend

pytestmark = pytest.mark.gpu


def parsed(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 18]> {text}')


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The inputs of each compilation."""
    seen: list[dict[str, Any]] = []
    compile_for = backend.compile_for

    def watched(model: onnx.ModelProto, inputs: Any = None) -> Any:
        compiled = compile_for(model, inputs)
        seen.append(dict(inputs or {}))
        return compiled

    monkeypatch.setattr(backend, "compile_for", watched)
    return seen


def test_a_model_runs_and_its_outputs_have_names(compilations: list[Any]) -> None:
    model = parsed("g (float[3] x, float[3] w) => (float[3] y, bool[3] b) <float[3] w = {1, 2, 3}>"
                   " { y = Mul (x, w) b = Less (x, w) }")  # fmt: skip
    x = np.array([2, 2, 2], np.float32)
    prepared = VitrineBackend.prepare(model)
    assert prepared.inputs == ("x",)
    for given in ([x], {"x": x}, (x,), x):
        outputs = prepared.run(given)
        np.testing.assert_array_equal(outputs.y, [2, 4, 6])  # type: ignore[attr-defined]
        np.testing.assert_array_equal(outputs[1], [False, False, True])
        assert outputs[1].dtype == bool
    prepared.close()
    assert len(compilations) == 1


def test_values_that_shapes_depend_on_are_taken_from_the_run(compilations: list[Any]) -> None:
    model = parsed("g (float[6] x, int64[2] s) => (float[n, m] y) { y = Reshape (x, s) }")
    x = np.arange(6, dtype=np.float32)
    prepared = VitrineBackend.prepare(model)
    for shape in ((2, 3), (3, 2), (2, 3)):
        np.testing.assert_array_equal(prepared.run([x, np.array(shape)])[0], x.reshape(shape))
    assert len(compilations) == 2


def test_sizes_that_are_open_are_taken_from_the_run(compilations: list[Any]) -> None:
    prepared = VitrineBackend.prepare(parsed("g (float[n] x) => (float[n] y) { y = Add (x, x) }"))
    for count in (3, 5, 3):
        x = np.ones(count, np.float32)
        np.testing.assert_array_equal(prepared.run([x])[0], x + x)
    assert len(compilations) == 2


def test_few_programs_are_kept(monkeypatch: pytest.MonkeyPatch, compilations: list[Any]) -> None:
    monkeypatch.setattr(backend, "KEPT", 2)
    prepared = VitrineBackend.prepare(parsed("g (float[n] x) => (float[n] y) { y = Neg (x) }"))
    for count in (1, 2, 3, 1):
        prepared.run([np.ones(count, np.float32)])
    assert len(compilations) == 4


def test_a_node_runs() -> None:
    node = helper.make_node("Clip", ["x", "", "top"], ["y"])
    x = np.array([1, 5, 9], np.float32)
    (y,) = VitrineBackend.run_node(node, [x, np.float32(6)])
    np.testing.assert_array_equal(y, [1, 5, 6])
    node = helper.make_node("Softmax", ["x"], ["y"])
    image = np.zeros((2, 2, 2), np.float32)
    (flat,) = VitrineBackend.run_node(node, {"x": image}, opset_version=11)
    np.testing.assert_allclose(flat, np.full((2, 2, 2), 1 / 4))


def test_a_model_runs_once() -> None:
    model = parsed("g (int64[2] x) => (int64[2] y) { y = Add (x, x) }")
    (y,) = VitrineBackend.run_model(model, [np.array([3, -4])])
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, [6, -8])


@pytest.mark.parametrize(("device", "supported"), [("GPU", True), ("CPU", True), ("CUDA:0", False)])
def test_devices(device: str, supported: bool) -> None:
    assert VitrineBackend.supports_device(device) is supported
    model = parsed("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    assert VitrineBackend.is_compatible(model, device) is supported


@pytest.mark.parametrize(
    ("text", "inputs", "reason"),
    [
        ("g (float[2] x) => (float[2] y) { y = Bernoulli (x) }", None, "Bernoulli_0/RandomUniform"),
        ("g (string[2] x) => (string[2] y) { y = Identity (x) }", None, "holds strings"),
        ("g (float[2] x) => (int64[1, n] y) { y = NonZero (x) }", None, "depends on the data"),
        ("g (float[2] x) => (float[2] y) { y = Neg (x) }", [], "0 inputs: wanted x"),
        ("g (float[2] x) => (float[2] y) { y = Neg (x) }", [np.zeros(3, "f4")], "got float32 (3,)"),
        ("g (int64[1] x) => (int64[1] y) { y = Neg (x) }", [np.array([1 << 40])], "beyond 32 bits"),
        ("g (double[1] x) => (double[1] y) { y = Neg (x) }", [np.array([1e99])], "beyond float32"),
    ],
)
def test_what_is_refused(text: str, inputs: Any, reason: str) -> None:
    with pytest.raises(BackendIsNotSupposedToImplementIt) as caught:
        VitrineBackend.run_model(parsed(text), inputs)
    assert reason in str(caught.value)


def test_a_double_may_be_infinite() -> None:
    model = parsed("g (double[2] x) => (double[2] y) { y = Neg (x) }")
    (y,) = VitrineBackend.run_model(model, [np.array([np.inf, 1.5])])
    np.testing.assert_array_equal(y, [-np.inf, -1.5])
