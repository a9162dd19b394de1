"""PyTorch to ONNX: the contract's metadata, the same bytes each time, errors that name a fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an optional extra: vitrine[export]")
pytest.importorskip("onnxscript", reason="PyTorch's export needs onnxscript: vitrine[export]")
pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")

from exporters.export import ExportError, export, to_model  # noqa: E402
from pybuild.generators.describe import describe  # noqa: E402


class Swarm(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Forty points that a slider lifts, with a state and an input that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.register_buffer("points", torch.rand(40, 3, generator=generator))
        self.table = torch.nn.Parameter(torch.rand(40, 32, generator=generator))

    def forward(self, time: Any, lift: Any, before: Any) -> tuple[Any, ...]:
        wide = (self.table * lift) @ self.table[:3].T
        height = torch.stack([wide[:, 0], lift + wide[:, 1], wide[:, 2]], dim=1)
        alive = (self.points[:, 0] > 0.5).to(torch.int32).sum().reshape(1).to(torch.int32)
        return self.points + height, self.points[:, :1], alive, before + 1


INPUTS = {
    "time": ("time", torch.zeros(1)),
    "lift": ("control", torch.full((1,), 0.25)),
    "before": ("state:after", torch.zeros(4)),
}
OUTPUTS = {
    "position": "gaussian.position",
    "opacity": "gaussian.opacity",
    "alive": "gaussian.count",
    "after": "state",
}
LIFT = {"lift": {"label": "Lift", "min": 0, "max": 1, "default": 0.25}}


def test_what_is_written(tmp_path: Path) -> None:
    """Metadata as the contract says, inputs that nothing reads too, no word of this machine."""
    path = tmp_path / "new" / "swarm.onnx"
    told = export(
        Swarm(),
        INPUTS,
        OUTPUTS,
        path,
        controls=LIFT,
        activations={"opacity": "sigmoid"},
        clip=(2.0, True),
        rate=30,
        antialiased=True,
    )
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata.pop("vitrine.control.lift") == json.dumps(LIFT["lift"], separators=(",", ":"))
    assert metadata == {
        "vitrine.contract": "1",
        "vitrine.kind": "generator",
        "vitrine.input.time": "time",
        "vitrine.input.lift": "control",
        "vitrine.input.before": "state:after",
        "vitrine.output.position": "gaussian.position",
        "vitrine.output.opacity": "gaussian.opacity",
        "vitrine.output.alive": "gaussian.count",
        "vitrine.output.after": "state",
        "vitrine.activation.opacity": "sigmoid",
        "vitrine.clip": '{"duration":2.0,"loop":true}',
        "vitrine.rate": "30",
        "vitrine.antialiased": "1",
    }
    assert [value.name for value in model.graph.input] == list(INPUTS)
    assert [value.name for value in model.graph.output] == list(OUTPUTS)
    assert told.size_bytes == path.stat().st_size
    assert max(told.errors.values()) < 1e-6
    written = path.read_bytes()
    assert str(Path(__file__).parent).encode() not in written
    assert b"torch" not in written


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Two modules with the same weights, two files, one content."""
    for name in ("a", "b"):
        export(Swarm(), INPUTS, OUTPUTS, tmp_path / name, controls=LIFT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("half", [True, ["table"]], ids=["large", "named"])
def test_half_rounds_the_module_and_loses_nothing_more(
    tmp_path: Path, half: bool | list[str]
) -> None:
    """What is large or named is float16 in the file, the rest stays; outputs equal the module's."""
    module = Swarm()
    told = export(module, INPUTS, OUTPUTS, tmp_path / "half.onnx", controls=LIFT, half=half)
    stored = {t.name: t for t in onnx.load(tmp_path / "half.onnx").graph.initializer}
    table = onnx.numpy_helper.to_array(stored["table.half"])
    assert table.dtype == np.float16
    np.testing.assert_array_equal(table, module.table.detach().numpy())
    assert stored["points"].data_type == onnx.TensorProto.FLOAT
    assert max(told.errors.values()) < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": OUTPUTS | {"position": "gaussian.positions"}}, "'position'.*is none of"),
        ({"inputs": INPUTS | {"time": ("clock", torch.zeros(1))}}, "'time'.*is none of"),
        ({"inputs": INPUTS | {"before": ("state:gone", torch.zeros(4))}}, "'state:gone' needs"),
        ({"activations": {"opacity": "tanh"}}, "'opacity': 'tanh' is none of"),
        ({"activations": {"alpha": "exp"}}, "'alpha': there is no such tensor"),
        ({"controls": {}}, "'lift': a control has one element"),
        ({"defaults": {"time": [0, 1]}}, "'time': 1 numbers, got 2"),
        ({"half": ["tables"]}, "half: there is no 'tables'"),
        ({"symbols": {"lifts": ("n",)}}, "symbols of 'lifts': there is no such input"),
    ],
    ids=["output", "input", "state", "activation", "tensor", "control", "default", "half", "free"],
)
def test_errors_name_the_tensor(change: dict[str, Any], message: str) -> None:
    """What is wrong is told before PyTorch traces anything."""
    options = {"inputs": INPUTS, "outputs": OUTPUTS, "controls": LIFT} | change
    with pytest.raises(ExportError, match=message):
        to_model(Swarm(), **options)


def test_axes_with_symbols_take_any_length(tmp_path: Path) -> None:
    """A filter's file tells the names, and computes the module at a size that was no example."""
    import onnxruntime

    class Blur(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: Any) -> Any:
            wide = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
            return torch.nn.functional.avg_pool2d(wide, 3, 1)

    path = tmp_path / "blur.onnx"
    symbols = {"image": ("height", "width")}
    inputs = {"image": ("image", torch.rand(1, 3, 20, 24))}
    export(Blur(), inputs, {"blurred": "image"}, path, kind="filter", symbols=symbols)
    (image,) = onnx.load(path).graph.input
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == [
        1, 3, "height", "width",
    ]  # fmt: skip
    given = torch.rand(1, 3, 9, 31, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"image": given.numpy()})
    np.testing.assert_allclose(made, Blur()(given).numpy(), atol=1e-6)


def test_a_file_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    """The comparison with PyTorch can fail, and then nothing is there."""

    class Restless(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, time: Any) -> Any:
            return torch.ones(8, 3) * time + float(torch.compiler.is_exporting())

    with pytest.raises(ExportError, match="onnxruntime differs from PyTorch"):
        export(
            Restless(),
            {"time": ("time", torch.ones(1))},
            {"position": "gaussian.position"},
            tmp_path / "restless.onnx",
        )
    assert not any(tmp_path.iterdir())


def test_the_guides_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code in exporters/README.md runs, and its file meets the contract."""
    guide = Path(__file__).resolve().parents[2] / "exporters" / "README.md"
    code = guide.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(guide), "exec"), {})
    contract = describe(tmp_path / "ring.onnx")
    assert contract.capacity == 1000
    assert [feed.role for feed in contract.inputs] == ["phase", "control"]
