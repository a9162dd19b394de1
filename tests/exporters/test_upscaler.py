"""The committed upscaler: its metadata and size, and that it beats cubic convolution."""

from __future__ import annotations

import numpy as np
import pytest

from exporters.frames import TEST_SUBJECTS, TRAIN_SUBJECTS, before, bicubic, extremes, psnr, subject
from tests.exporters.filter_file import FilterFile

FILTER = FilterFile("upscaler.onnx", "upscaled", "rgbc")
LARGEST_BYTES = 200_000
MOST_MULTIPLY_ADDS = 1000
"""At a pixel of the smaller size."""
GAIN_DB = 1.0
SIZE = (240, 136)
SEEN, UNSEEN = ("cloth", "avatar"), ("pond", "room-4")
FLAT = 1e-3
"""Of 255: how far from itself a flat area may come out, by rounding."""


def test_the_file() -> None:
    FILTER.check(LARGEST_BYTES)


def test_what_it_costs() -> None:
    """The network that training makes is as small as the documents say."""
    pytest.importorskip("torch", reason="torch is in the extra export")
    from exporters.upscaler import Upscaler, multiply_adds

    assert multiply_adds(Upscaler()) <= MOST_MULTIPLY_ADDS


def test_a_flat_area_stays() -> None:
    """Whatever its colour: most of a picture may be a background."""
    image = np.full((20, 24, 4), (13, 200, 118, 0), np.uint8)
    made = FILTER.made(image)
    assert made.shape == (40, 48, 3)
    assert np.abs(made - image[0, 0, :3]).max() <= FLAT


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*SEEN, *UNSEEN])
def test_it_beats_cubic_convolution(name: str) -> None:
    """From cameras that training did not see, of scenes that it saw and of others."""
    assert name in (TRAIN_SUBJECTS if name in SEEN else TEST_SUBJECTS)
    of = subject(name)
    gains = []
    for low, high in zip(*extremes(of, 2, SIZE, seed=900), strict=True):
        small, large = (before(images, of.scene.background) for images in (low, high))
        wanted = large[..., :3]
        gains.append(psnr(FILTER.made(small), wanted) - psnr(bicubic(small[..., :3]), wanted))
    assert np.mean(gains) >= GAIN_DB
