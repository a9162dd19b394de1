"""The committed painting filter: its metadata and size, and that it paints like the algorithm."""

from __future__ import annotations

import numpy as np
import pytest

from exporters.frames import cameras, frames, psnr, subject
from tests.exporters.filter_file import FilterFile

FILTER = FilterFile("painting.onnx", "painting")
LARGEST_BYTES = 100_000
LEAST_DB = 27.0
"""To what the algorithm makes of the same frame; the frame itself is at 21.8 dB of that."""
MOST_DB = 24.0
"""To the frame itself, which is not painted yet."""


def test_the_file() -> None:
    FILTER.check(LARGEST_BYTES)


@pytest.mark.parametrize("size", [(32, 48), (90, 34)])
def test_the_size_stays(size: tuple[int, int]) -> None:
    assert FILTER.made(np.full((*size, 3), 90, np.uint8)).shape == (*size, 3)


@pytest.mark.gpu
def test_it_paints_as_the_algorithm_does() -> None:
    """From a camera that training did not see; the frame itself is far from that."""
    torch = pytest.importorskip("torch", reason="torch is in the extra export")
    from exporters.painting import paint

    sample = subject("bell-jar-coarse")
    (image,) = frames(sample, cameras(sample, 1, (320, 180), seed=900))
    shown = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    wanted = 255 * paint(shown)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    made = FILTER.made(image)
    assert psnr(made, wanted) >= LEAST_DB
    assert psnr(made, image) <= MOST_DB
