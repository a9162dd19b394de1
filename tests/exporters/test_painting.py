"""The committed painting filter: its metadata and size, and that it paints like the algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from exporters.frames import Image8, cameras, frames, psnr, subject

MODEL = Path(__file__).resolve().parents[2] / "assets" / "filters" / "painting.onnx"
LARGEST_BYTES = 100_000
LEAST_DB = 27.0
"""To what the algorithm makes of the same frame; the frame itself is at 21.8 dB of that."""
MOST_DB = 24.0
"""To the frame itself, which is not painted yet."""


def session() -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
    return runtime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])


def painted(image: Image8) -> NDArray[np.float64]:
    """By the committed network, 0 to 255."""
    given = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    (made,) = session().run(None, {"image": given})
    return 255 * np.clip(made[0].transpose(1, 2, 0), 0, 1).astype(np.float64)


def test_the_file() -> None:
    """Small; an image in and an image out, of any height and width."""
    assert MODEL.stat().st_size <= LARGEST_BYTES
    model = onnx.load(MODEL)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata == {
        "vitrine.contract": "1",
        "vitrine.kind": "filter",
        "vitrine.input.image": "image",
        "vitrine.output.painting": "image",
    }
    (image,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == [
        1, 3, "height", "width",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(32, 48), (90, 34)])
def test_the_size_stays(size: tuple[int, int]) -> None:
    assert painted(np.full((*size, 3), 90, np.uint8)).shape == (*size, 3)


@pytest.mark.gpu
def test_it_paints_as_the_algorithm_does() -> None:
    """From a camera that training did not see; the frame itself is far from that."""
    torch = pytest.importorskip("torch", reason="torch is in the extra export")
    from exporters.painting import paint

    sample = subject("bell-jar-coarse")
    (image,) = frames(sample, cameras(sample, 1, (320, 180), seed=900))
    shown = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    wanted = 255 * paint(shown)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    made = painted(image)
    assert psnr(made, wanted) >= LEAST_DB
    assert psnr(made, image) <= MOST_DB
