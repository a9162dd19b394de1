"""The committed Scaffold-GS model: its contract, its live count, the GPU against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pybuild.generators.bundle import make_generator
from pybuild.generators.compile import compile_generator
from pybuild.render import Renderer
from pybuild.runner import NativeRunner
from pyengine.view import View
from tests.exporters.oracle import (
    FOLDER,
    FRAME_DB,
    Oracle,
    assert_same_rows,
    contract_of,
    drawn,
    packed,
    psnr,
)

MODEL = FOLDER / "scaffold.onnx"
EYES = ((0.86, -0.56, -2.95), (-2.0, -1.1, 1.4), (0.5, -0.3, 1.6))
WIDTH_PX, HEIGHT_PX = 160, 120


def view_from(eye: tuple[float, float, float]) -> View:
    """Of the sample's middle."""
    return View.look_at(eye, (0, 0.075, 0), (0, -1, 0), 40, WIDTH_PX, HEIGHT_PX)


def test_the_contract() -> None:
    """The camera's place alone comes in; a count comes out."""
    contract = contract_of(MODEL)
    assert [feed.role for feed in contract.inputs] == ["camera.position"]
    assert {product.role for product in contract.outputs} == {
        "gaussian.position",
        "gaussian.scale",
        "gaussian.rotation",
        "gaussian.opacity",
        "gaussian.color",
        "gaussian.count",
    }
    assert contract.bounds is not None
    assert contract.capacity == 60_000


def test_the_living_come_first_and_follow_the_view(oracle: Oracle) -> None:
    """Opacity above 0 up to the count; each camera has its own count, well below the capacity."""
    counts = []
    for eye in EYES:
        rows = oracle(eye=np.array(eye, np.float32))
        count = int(rows["count"][0])
        assert (rows["opacity"][:count] > 0).all()
        assert np.unique(rows["position"][:count], axis=0).shape[0] > 0.99 * count
        low, high = contract_of(MODEL).bounds or ()
        assert (rows["position"][:count] >= low).all()
        assert (rows["position"][:count] <= high).all()
        counts.append(count)
    assert len(set(counts)) == len(EYES)
    assert max(counts) < 0.98 * len(rows["opacity"])
    assert min(counts) > 0.6 * len(rows["opacity"])


@pytest.mark.gpu
def test_the_gpu_and_onnxruntime_make_the_same(adapter: Any, oracle: Oracle) -> None:
    """Count equal, every living row within 1e-3 of each output's largest magnitude."""
    made = compile_generator(MODEL, oracle.contract)
    eye = np.array(EYES[0], np.float32)
    with NativeRunner(adapter) as runner:
        got = runner.run(made.compiled.program, made.compiled.files, {"eye": eye})
    wanted = oracle(eye=eye)
    count = int(wanted["count"][0])
    assert got["gaussian.count"][0] == count
    assert_same_rows(got["gaussian.packed"][:count], got["gaussian.color"][:count], wanted)


@pytest.mark.gpu
def test_frames_are_those_of_onnxruntimes_gaussians(adapter: Any, oracle: Oracle) -> None:
    """At three cameras, one of them near."""
    made = make_generator(MODEL)
    with Renderer(
        made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, made.network, adapter
    ) as renderer:
        for eye in EYES:
            view = view_from(eye)
            wanted = drawn(oracle(eye=np.array(eye, np.float32)), view, made.contract.background)
            assert psnr(renderer.draw(view), wanted) > FRAME_DB


def test_without_a_count_the_build_finds_what_is_alive(tmp_path: Path) -> None:
    """The variant with every row in its place: one kernel, or what is in sight decoded alone."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra: vitrine[export]")
    pytest.importorskip("onnxscript", reason="PyTorch's export needs onnxscript: vitrine[export]")
    from exporters.export import export
    from exporters.scaffold import INPUTS, OUTPUTS, ROWWISE_OUTPUTS, Scaffold

    made = {}
    for outputs in (OUTPUTS, ROWWISE_OUTPUTS):
        random = torch.Generator().manual_seed(3)
        model = Scaffold(
            torch.rand(30, 3, generator=random),
            torch.rand(30, 10, 3, generator=random),
            torch.rand(30, 6, generator=random) - 4,
            compact="count" in outputs,
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random) / 3)
        path = tmp_path / f"{len(outputs)}.onnx"
        export(model, INPUTS, outputs, path)
        made[len(outputs)] = Oracle(path)
    eye = np.array([0.2, -1.0, -2.0], np.float32)
    counted, rows = made[6](eye=eye), made[5](eye=eye)
    alive = rows["opacity"][:, 0] > 0
    count = int(counted["count"][0])
    assert 0 < count == alive.sum() < len(alive)
    np.testing.assert_allclose(packed(counted)[:count], packed(rows)[alive], rtol=1e-5, atol=1e-9)
    whole = compile_generator(tmp_path / "5.onnx", made[5].contract, visible_first=False)
    assert whole.compiled.program.report["dispatches"] == 1
    assert compile_generator(tmp_path / "5.onnx", made[5].contract).left_out == ""
