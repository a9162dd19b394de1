"""The committed upscaler: its metadata and size, and that it beats cubic convolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from exporters.frames import TEST_SUBJECTS, TRAIN_SUBJECTS, bicubic, pairs, psnr, subject

MODEL = Path(__file__).resolve().parents[2] / "assets" / "filters" / "upscaler.onnx"
LARGEST_BYTES = 200_000
GAIN_DB = 1.0
"""Reached on the pond, which training leaves out: 1.26 dB on eight cameras at 320x180."""
SIZE = (240, 136)
SEEN, UNSEEN = "cloth", "pond"


def test_the_file() -> None:
    """Small; an image in and an image out, of any height and width."""
    assert MODEL.stat().st_size <= LARGEST_BYTES
    model = onnx.load(MODEL)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata == {
        "vitrine.contract": "1",
        "vitrine.kind": "filter",
        "vitrine.input.image": "image",
        "vitrine.output.upscaled": "image",
    }
    (image,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == [
        1, 3, "height", "width",
    ]  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("name", [SEEN, UNSEEN])
def test_it_beats_cubic_convolution(name: str) -> None:
    """From cameras that training did not see, of a scene that it saw and of one that it did not."""
    assert SEEN in TRAIN_SUBJECTS
    assert UNSEEN in TEST_SUBJECTS
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
    session = runtime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    gains = []
    for low, high in pairs(subject(name), 2, SIZE, seed=900):
        image = low.transpose(2, 0, 1)[None].astype(np.float32) / 255
        (made,) = session.run(None, {"image": image})
        shown = 255 * np.clip(made[0].transpose(1, 2, 0), 0, 1)
        gains.append(psnr(shown, high) - psnr(bicubic(low), high))
    assert np.mean(gains) >= GAIN_DB
