"""The picture that a page shows before its first frame: WebP, made at build time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pybuild import reference
from pybuild.bundle import read_bundle
from pybuild.filters.bundle import read_filtering
from pybuild.gaussians import Gaussians
from pybuild.networks import Network
from pybuild.render import render, write_image
from pyengine.bundle import Scene
from pyengine.camera_shot import Shot
from pyengine.errors import DeviceError, InputError
from pyengine.view import View

__all__ = [
    "read_poster",
    "size_of",
    "start_view",
    "write_filtered_poster",
    "write_generator_poster",
    "write_poster",
]

SIZE = (960, 540)
ORACLE_SIZE = (240, 135)
MAX_SIDE_PX = 1920
"""A poster that a user gives is made no larger than this."""
ORACLE_SPLATS = 200_000
"""The oracle draws about 10,000 splats a second; a larger scene is thinned to this for it."""


def read_poster(path: Path) -> bytes:
    """A picture that a user gives, as the WebP that a page shows.

    Parameters
    ----------
    path : Path
        Of any kind that Pillow reads. Its turn by EXIF is done, transparent parts become black, and
        a side beyond `MAX_SIDE_PX` is made that long.

    Raises
    ------
    InputError
        It cannot be read, or is no picture.
    """
    wanted = "--poster wants a picture such as poster.png, poster.jpg or poster.webp"
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {wanted}") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: is no picture; {wanted}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}); {wanted}") from None
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    written = BytesIO()
    opaque.convert("RGB").save(written, "WEBP", quality=82, method=6)
    return written.getvalue()


def size_of(poster: Path) -> tuple[int, int]:
    """Width and height of a poster."""
    with Image.open(poster) as picture:
        return picture.size


def start_view(scene: Scene, width: int, height: int) -> View:
    """The camera that the page starts with."""
    return Shot.of_pose(scene.pose).view(width, height)


def write_poster(
    path: Path, scene: Scene, load: Callable[[str], bytes], gaussians: Gaussians
) -> list[str]:
    """Draw the scene from its first camera; by the oracle, small, where there is no adapter.

    Returns
    -------
    list of str
        What the user should know.
    """
    try:
        image = render(scene, load, start_view(scene, *SIZE))
        notices = []
    except DeviceError as error:
        rows = np.arange(0, gaussians.count, max(1, -(-gaussians.count // ORACLE_SPLATS)))
        cloud = gaussians if len(rows) == gaussians.count else gaussians.take(rows)
        blended = reference.render(cloud, start_view(scene, *ORACLE_SIZE), scene.background)
        image = reference.to_uint8(blended)
        width, height = ORACLE_SIZE
        notices = [f"the poster is {width}x{height} px, drawn without a GPU: {error}"]
    write_image(path, image)
    return notices


def write_generator_poster(
    path: Path, scene: Scene, network: Network, inputs: Mapping[str, object], time_s: float
) -> list[str]:
    """Draw what a generator makes; the background alone where there is no adapter.

    Parameters
    ----------
    inputs : mapping
        Arrays by the inputs' names; see `pybuild.render.render`.
    time_s : float
        Of the clip.

    Returns
    -------
    list of str
        What the user should know.
    """
    try:
        view = start_view(scene, *SIZE)
        image = render(scene, _no_buffers, view, network=network, time_s=time_s, inputs=inputs)
        notices = []
    except DeviceError as error:
        width, height = ORACLE_SIZE
        color = np.rint(255 * np.clip(scene.background, 0, 1)).astype(np.uint8)
        image = np.broadcast_to(color, (height, width, 3)).copy()
        notices = [f"the poster shows the background alone: {error}"]
    write_image(path, image)
    return notices


def write_filtered_poster(
    bundle: Path,
    network: Network | None = None,
    inputs: Mapping[str, object] | None = None,
    time_s: float | None = None,
) -> list[str]:
    """Draw a bundle's scene through its first filter; without an adapter the poster stays.

    Parameters
    ----------
    bundle : Path
        The folder that holds scene.json and poster.webp.
    network, inputs, time_s
        Of a generator; see `pybuild.render.render`.

    Returns
    -------
    list of str
        What the user should know.
    """
    scene, load = read_bundle(bundle)
    filtering, files = read_filtering(bundle, scene, scene.filters[0].name, SIZE)
    view = start_view(scene, *SIZE)
    try:
        image = render(scene, load, view, None, network, time_s, inputs, filtering, files)
    except DeviceError as error:
        return [f"the poster is without its filter: {error}"]
    write_image(bundle / "poster.webp", image)
    return []


def _no_buffers(name: str) -> bytes:
    raise KeyError(name)
