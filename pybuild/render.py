"""Headless images: the engine on the native host, from a bundle or from a cloud in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pybuild.atomic import replaced, unwritable
from pybuild.bundle import describe
from pybuild.gaussians import Gaussians
from pybuild.pack import Report, pack
from pyengine.bundle import Scene
from pyengine.engine import Engine, required_limits, scene_plan
from pyengine.errors import DeviceError
from pyengine.hosts.native import NativeHost, open_adapter
from pyengine.view import View

__all__ = ["in_memory", "render", "write_image"]

Image8 = NDArray[np.uint8]
_NO_MEMORY = "not enough memory"
_TEXTURE_LIMIT = "max-texture-dimension-2d"


def render(
    scene: Scene,
    load: Callable[[str], bytes],
    view: View,
    background: Sequence[float] | None = None,
) -> Image8:
    """Draw one image and read it back.

    Parameters
    ----------
    scene : Scene
    load : callable
        Bytes of a buffer of the bundle by its name.
    view : View
    background : (3,) float, optional
        Display-referred, 0 to 1; the scene's own unless given.

    Returns
    -------
    (height, width, 3) uint8
        The blended colour as it is.

    Raises
    ------
    DeviceError
        No adapter, or the image or the scene is beyond its limits.
    """
    adapter = open_adapter()
    offered = NativeHost.describe(adapter)
    largest_px = int(adapter.limits[_TEXTURE_LIMIT])
    if max(view.width, view.height) > largest_px:
        raise DeviceError(
            f"an image of {view.width}x{view.height} px is wanted; this adapter offers "
            f"{largest_px} px a side. Use a smaller --size."
        )
    plan = scene_plan(scene, offered)
    limits = required_limits(plan, offered)
    limits[_TEXTURE_LIMIT] = largest_px
    readback_bytes = -(-view.width * 4 // 256) * 256 * view.height
    limits["maxBufferSize"] = max(
        limits["maxBufferSize"], min(readback_bytes, offered.limits["maxBufferSize"])
    )
    host = NativeHost(view.width, view.height, adapter, limits)
    try:
        host.build(plan, load)
        engine = Engine(scene, host)
        if background is not None:
            engine.background = tuple(background)
        engine.draw(view)
        texels = host.read_texture()
    except Exception as error:  # wgpu's own errors; only the native host may import their types
        if not isinstance(error, MemoryError) and _NO_MEMORY not in str(error).lower():
            raise
        raise DeviceError(
            f"the adapter has no memory for an image of {view.width}x{view.height} px of "
            f"{scene.count} Gaussians. Use a smaller --size."
        ) from None
    finally:
        host.close()
    rgba = np.frombuffer(texels, np.uint8).reshape(view.height, view.width, 4)
    return np.ascontiguousarray(rgba[:, :, :3])


def in_memory(
    gaussians: Gaussians, report: Report | None = None
) -> tuple[Scene, Callable[[str], bytes]]:
    """Pack a cloud without a folder: the same pair that `bundle.read_bundle` returns."""
    packed = pack(gaussians, report)
    buffers = packed.buffers()
    return describe(packed, gaussians, buffers), buffers.__getitem__


def write_image(path: Path, image: Image8) -> None:
    """Write a PNG, or a WebP by the name; whole or not at all.

    Raises
    ------
    InputError
        The place cannot be written.
    """
    with replaced(path) as temporary, unwritable(path):
        picture = Image.fromarray(image)
        if path.suffix.lower() == ".webp":
            picture.save(temporary, "WEBP", quality=82, method=6)
        else:
            picture.save(temporary, "PNG")
