"""What tests of the Python API share: small scenes on the GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import vitrine
from pybuild.gaussians import Gaussians
from pyengine.hosts.native import NativeDevice

SIZE = (48, 32)


@pytest.fixture
def scene(adapter: object, cloud: Gaussians) -> Iterator[vitrine.Scene]:
    """The cloud."""
    with vitrine.load(cloud, size=SIZE) as made:
        yield made


def pixels(path: Path) -> NDArray[np.uint8]:
    """Of a picture's file."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def middle(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Where the light of an image is, in pixels: x, y."""
    light = image.astype(float).sum(axis=2)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return float((x * light).sum() / light.sum()), float((y * light).sum() / light.sum())


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> set[NativeDevice]:
    """Those that are open of the ones that the test makes."""
    found: set[NativeDevice] = set()
    make, close = NativeDevice.__init__, NativeDevice.close

    def made(device: NativeDevice, *given: Any) -> None:
        make(device, *given)
        found.add(device)

    def closed(device: NativeDevice) -> None:
        close(device)
        found.remove(device)

    monkeypatch.setattr(NativeDevice, "__init__", made)
    monkeypatch.setattr(NativeDevice, "close", closed)
    return found
