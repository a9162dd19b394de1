"""What a committed filter must be, and what it makes of an image: shared by its tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "filters"


class FilterFile:
    """A file of assets/filters whose input is ``image``.

    Parameters
    ----------
    name : str
    output : str
        Its output's name.
    channels : str
        What it takes, as the contract names it.
    """

    def __init__(self, name: str, output: str, channels: str = "rgb") -> None:
        self.path = FOLDER / name
        self.output = output
        self.channels = channels

    def check(self, largest_bytes: int) -> None:
        """Small; an image in and an image out, of any height and width."""
        assert self.path.stat().st_size <= largest_bytes
        model = onnx.load(self.path)
        metadata = {prop.key: prop.value for prop in model.metadata_props}
        said = json.loads(metadata.pop("vitrine.image.image", '{"channels": "rgb"}'))
        assert said == {"channels": self.channels}
        assert metadata == {
            "vitrine.contract": "1",
            "vitrine.kind": "filter",
            "vitrine.input.image": "image",
            f"vitrine.output.{self.output}": "image",
        }
        (image,) = model.graph.input
        assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == [
            1, len(self.channels), "height", "width",
        ]  # fmt: skip

    def made(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Of an image of 0 to 255, by onnxruntime: (H', W', 3), 0 to 255."""
        runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
        session = runtime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
        given = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
        (made,) = session.run([self.output], {"image": given})
        return 255 * np.clip(made[0].transpose(1, 2, 0), 0, 1).astype(np.float64)
