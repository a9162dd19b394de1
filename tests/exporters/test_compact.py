"""The committed Compact 3DGS model: its contract, its size, the GPU against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
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
    psnr,
)

MODEL = FOLDER / "compact.onnx"
EYES = ((0.86, -0.56, -2.95), (-2.0, -1.1, 1.4), (0.5, -0.3, 1.6))
WIDTH_PX, HEIGHT_PX = 160, 120
PLY_BYTES = 60_000 * 62 * 4
"""Of the scene that it was fitted to."""
DISPATCHES = 2


def test_the_contract_and_the_size() -> None:
    """The camera's place alone comes in; the file is a tenth of the scene's PLY at most."""
    contract = contract_of(MODEL)
    assert [feed.role for feed in contract.inputs] == ["camera.position"]
    assert contract.output("gaussian.count") is None
    assert contract.capacity < 60_000  # the mask dropped some
    assert MODEL.stat().st_size * 10 < PLY_BYTES


def test_all_is_decoded_from_codes() -> None:
    """No large constant but codes, codebooks and the grid; the hash is integers' arithmetic."""
    model = onnx.load(MODEL)
    large = {t.name: t.data_type for t in model.graph.initializer if np.prod(t.dims) > 3000}
    kinds = onnx.TensorProto
    codes = [
        name for name in large if name.startswith(("scale_codes", "rotation_codes", "opacity"))
    ]
    assert [large.pop(name) for name in codes] == [kinds.UINT8] * 3
    assert large.pop("place") == kinds.INT16
    assert set(large) == {"colour.grid.table.half", "rotation_book.half"}
    assert sum(node.op_type == "BitwiseXor" for node in model.graph.node) == 2


@pytest.mark.gpu
def test_the_gpu_and_onnxruntime_make_the_same(adapter: Any, oracle: Oracle) -> None:
    """Every row within 1e-3 of each output's largest magnitude, in two dispatches."""
    made = compile_generator(MODEL, oracle.contract, visible_first=False)
    assert made.compiled.program.report["dispatches"] <= DISPATCHES
    eye = np.array(EYES[1], np.float32)
    with NativeRunner(adapter) as runner:
        got = runner.run(made.compiled.program, made.compiled.files, {"eye": eye})
    assert_same_rows(got["gaussian.packed"], got["gaussian.color"], oracle(eye=eye))


@pytest.mark.gpu
def test_frames_are_those_of_onnxruntimes_gaussians(adapter: Any, oracle: Oracle) -> None:
    """At three cameras, one of them near, where some Gaussians are out of sight."""
    made = make_generator(MODEL)
    with Renderer(
        made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, made.network, adapter
    ) as renderer:
        for eye in EYES:
            view = View.look_at(eye, (0, 0.075, 0), (0, -1, 0), 40, WIDTH_PX, HEIGHT_PX)
            wanted = drawn(oracle(eye=np.array(eye, np.float32)), view, made.contract.background)
            assert psnr(renderer.draw(view), wanted) > FRAME_DB
