"""Headless images: size, background, limits, and files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pybuild import atomic, reference
from pybuild.bundle import read_bundle, write_bundle
from pybuild.gaussians import Gaussians
from pybuild.networks import Network
from pybuild.pack import pack, unpack
from pybuild.poster import start_view, write_poster
from pybuild.render import in_memory, render, write_image
from pyengine.errors import DeviceError, InputError
from pyengine.view import View
from tests.pyengine.generators import gaussians, generator

PSNR_DB = 45
"""Issue 2's bound between the native host and the oracle."""


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise ratio of two 8-bit images."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


@pytest.fixture
def view() -> View:
    """The cloud from the front, odd sizes: rows are padded on the GPU."""
    return View.look_at((0.5, -0.5, -4), (0, 0, 0), (0, -1, 0), 45, 101, 67)


@pytest.mark.gpu
def test_a_bundle_and_a_cloud_give_the_same_picture_as_the_oracle(
    adapter: object, cloud: Gaussians, view: View, tmp_path: Path
) -> None:
    """From the folder, from memory, and by numpy."""
    write_bundle(cloud, tmp_path)
    background = (0.2, 0.4, 0.6)
    image = render(*read_bundle(tmp_path), view, background)
    assert (image.shape, image.dtype) == ((67, 101, 3), np.uint8)
    np.testing.assert_array_equal(image, render(*in_memory(cloud), view, background))
    oracle = reference.to_uint8(reference.render(unpack(pack(cloud)), view, background))
    assert psnr_db(image, oracle) >= PSNR_DB


@pytest.mark.gpu
def test_an_empty_scene_is_its_background(adapter: object, cloud: Gaussians, view: View) -> None:
    """Zero Gaussians still make an image."""
    scene, load = in_memory(cloud.take(np.arange(0)))
    image = render(scene, load, view, (1, 0, 0.2))
    assert (image == [255, 0, 51]).all()


@pytest.mark.gpu
def test_a_generator_at_a_time(adapter: object, view: View) -> None:
    """Where its clock and its inputs have it, over a background; a picture is the oracle's."""
    made = generator(60, timed=True)
    packed, shade = gaussians(60)
    network = Network(made.compiled.program, made.compiled.files)

    def load(name: str) -> bytes:
        raise AssertionError("a generator's bundle has no buffers")

    given = {"packed": packed, "shade": shade}
    image = render(made.scene, load, view, (0, 0, 1), network, 0.75, given)
    moved = packed + np.float32([0.75] + [0] * 9)
    cloud = reference.Ellipsoids.of_packed(moved, shade)
    wanted = reference.to_uint8(reference.render(cloud, view, (0, 0, 1)))
    assert psnr_db(image, wanted) >= PSNR_DB
    with pytest.raises(InputError, match=r"^input 'packed': wanted \[60, 10\], got "):
        render(made.scene, load, view, network=network, inputs={"packed": shade})
    with pytest.raises(InputError, match="there is none of that name; there are: packed, shade"):
        render(made.scene, load, view, network=network, inputs={"pose": [1]})


@pytest.mark.gpu
def test_an_image_beyond_the_adapter_is_told(
    adapter: object, cloud: Gaussians, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it offers."""

    class Small:
        """An adapter with small textures."""

        features = adapter.features  # type: ignore[attr-defined]
        info = adapter.info  # type: ignore[attr-defined]
        limits = adapter.limits | {"max-texture-dimension-2d": 2048}  # type: ignore[attr-defined]

    monkeypatch.setattr("pybuild.render.open_adapter", Small)
    view = View.look_at((0, 0, -4), (0, 0, 0), (0, -1, 0), 45, 2049, 10)
    with pytest.raises(DeviceError, match="2049x10 px is wanted; this adapter offers 2048 px"):
        render(*in_memory(cloud), view)


@pytest.mark.gpu
def test_an_image_beyond_the_memory_is_told(
    adapter: object, cloud: Gaussians, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen at 16384x9000 on lavapipe: wgpu raised a validation error, and a traceback was shown."""

    def full(*_: object) -> None:
        raise RuntimeError("Validation Error\n\nCaused by:\n  Not enough memory left.")

    monkeypatch.setattr("pybuild.render.NativeHost.build", full)
    with pytest.raises(DeviceError, match="no memory for an image of 101x67 px"):
        render(*in_memory(cloud), view)


def test_the_poster_without_an_adapter(
    cloud: Gaussians, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle draws it, small, over the scene's background."""

    def no_adapter() -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr("pybuild.render.open_adapter", no_adapter)
    scene = write_bundle(cloud, tmp_path, background=(0, 0, 1))
    notices = write_poster(tmp_path / "poster.webp", *read_bundle(tmp_path), cloud)
    assert len(notices) == 1
    with Image.open(tmp_path / "poster.webp") as image:
        view = start_view(scene, *image.size)
        oracle = reference.to_uint8(reference.render(cloud, view, scene.background))
        assert psnr_db(np.asarray(image.convert("RGB")), oracle) > 25, "WebP is lossy"


def test_an_image_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault while writing leaves the older file and nothing else."""
    path = tmp_path / "a.png"
    image = np.zeros((4, 4, 3), np.uint8)
    write_image(path, image)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written: No space left on device"):
        write_image(path, image)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    """Temporary files are private; a web server of another user must read the site."""
    (tmp_path / "plain").write_bytes(b"")
    atomic.write_bytes(tmp_path / "atomic", b"")
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert modes["atomic"] == modes["plain"]
