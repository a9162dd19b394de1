"""Headless images: the engine on the native host, from a bundle or from a cloud in memory.

A `Renderer` draws a scene in one way. Others stand beside it on the same device, with the same
Gaussians, for render modes and filters: a `vitrine.Scene` has several, ``vitrine render`` has one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pybuild.atomic import replaced, unwritable
from pybuild.bundle import describe
from pybuild.gaussians import Gaussians
from pybuild.networks import Network, input_bytes
from pybuild.pack import Report, pack
from pyengine.bundle import Scene
from pyengine.engine import Engine
from pyengine.errors import DeviceError, InputError
from pyengine.film import passing
from pyengine.filter import Filter
from pyengine.hosts.native import NativeHost, open_adapter
from pyengine.passes.filter import FAULTS, Filtering
from pyengine.passes.pick import AT, FOUND, PICK, Picked, Ray, pick_plan
from pyengine.scene_plan import required_limits, scene_plan
from pyengine.view import View

__all__ = ["Renderer", "in_memory", "render", "write_image"]

Image8 = NDArray[np.uint8]
_NO_MEMORY = "not enough memory"
_TEXTURE_LIMIT = "max-texture-dimension-2d"


class Renderer:
    """A scene on this machine's adapter, to draw any number of images.

    Parameters
    ----------
    scene : Scene
    load : callable
        Bytes of a buffer of the bundle by its name.
    width, height : int
        Pixels.
    network : Network, optional
        What makes the Gaussians, where a generator does.
    adapter : wgpu adapter, optional
        `open_adapter` unless given.
    filtering : Filtering, optional
        The filter that the image goes through.
    filter_files : mapping, optional
        Content of the files of its programs' buffers.
    mode : str
        One of `pyengine.passes.modes.MODES`, without a filter; empty for colours.
    beside : Renderer, optional
        Another one of the same scene, whose device, generator and Gaussians this one shares and
        which is to be closed after it; in the place of ``load``, ``network`` and ``adapter``.

    Attributes
    ----------
    engine : Engine
    host : NativeHost
    plan : Plan

    Raises
    ------
    DeviceError
        No adapter, or the image or the scene is beyond its limits.
    BundleError
        The scene and the network do not fit together.
    """

    def __init__(
        self,
        scene: Scene,
        load: Callable[[str], bytes],
        width: int,
        height: int,
        network: Network | None = None,
        adapter: Any = None,
        filtering: Filtering | None = None,
        filter_files: Mapping[str, bytes] | None = None,
        mode: str = "",
        beside: Renderer | None = None,
    ) -> None:
        if beside is not None:
            adapter, network = beside.host.adapter, beside._network
        adapter = adapter or open_adapter()
        offered = NativeHost.describe(adapter)
        self._largest_px = int(adapter.limits[_TEXTURE_LIMIT])
        self._check_size(width, height)
        program, shaders = (network.program, network.shaders) if network else (None, None)
        self.plan = scene_plan(scene, offered, program, shaders, filtering, mode)
        needed = required_limits(self.plan, offered)
        self.scene = scene
        self._network: Network | None = network
        self._picking: NativeHost | None = None
        if beside is None:  # other plans and sizes may follow on this device
            limits = {name: offered.limits[name] for name in needed}
            limits[_TEXTURE_LIMIT] = self._largest_px
            self.host: NativeHost = NativeHost(width, height, adapter, limits)
        else:
            self.host = NativeHost(width, height, adopted=beside.host)
        shown = None
        if filtering is not None:
            shown = Filter(filtering.spec, filtering.rung, filtering.rests)
        self.engine = Engine(scene, self.host, shown)
        files = {**(network.files if network else {}), **(filter_files or {})}
        try:
            with self._told():
                self.host.build(
                    self.plan, lambda name: files[name] if name in files else load(name)
                )
            if beside is not None:
                self.engine.go_on(beside.engine)
            elif network is not None and self.engine.generator is not None:
                for name, data in network.tracks.items():
                    self.engine.generator.set_track(name, data)
        except BaseException:
            self.host.close()
            raise

    def set_input(self, name: str, values: object) -> None:
        """Give an input of the generator or of the filter an array of numbers, or an image its
        pixels; None gives it back to what fills it otherwise.

        Raises
        ------
        InputError
            There is no such input, or the array is not one for it.
        """
        feeds = [*self.scene.generator.feeds] if self.scene.generator else []
        feeds += self.engine.filter.feeds if self.engine.filter else []
        feed = next((feed for feed in feeds if feed.name == name), None)
        if feed is not None and values is not None:
            values = input_bytes(feed, values)
        self.engine.set_input(name, values)

    def resize(self, width: int, height: int) -> None:
        """Draw images of another size from now on; nothing is compiled anew.

        Raises
        ------
        DeviceError
            It is beyond what the adapter offers.
        """
        if (width, height) == (self.host.width, self.host.height):
            return
        self._check_size(width, height)
        with self._told(width, height):
            self.host.resize(width, height)
        self.engine.redraw()

    def advance(self, view: View, seconds: float) -> None:
        """Let time pass, as between two frames of a film; a state does all its steps.

        Parameters
        ----------
        view : View
            The camera meanwhile, for a generator that looks at it.
        seconds : float
            Of the one who looks; the timeline goes so many times its speed, if it plays.
        """
        with self._told():
            for _ in passing(self.engine, view, seconds):
                pass

    def draw(self, view: View, time_s: float | None = None, transparent: bool = False) -> Image8:
        """Draw an image and read it back.

        Parameters
        ----------
        view : View
            Of the renderer's size.
        time_s : float, optional
            When the generator is; one with a state does its steps from its beginning.
        transparent : bool
            Without the background; not through a filter.

        Returns
        -------
        (height, width, 3) uint8
            The blended colour as it is; with a fourth channel, the coverage, where it is
            transparent: colours are then as they would be where nothing shows through.
        """
        with self._told():
            generator = self.engine.generator
            if generator is not None and time_s is not None:
                self.engine.timeline.seek(0.0 if generator.spec.stateful else time_s)
                if generator.spec.stateful:
                    generator.reset_state()
                    self.engine.skip(view, time_s)
            self.engine.opaque = not transparent
            try:
                self.engine.draw(view)
            finally:
                self.engine.opaque = True
            texels = self.host.read_texture()
        rgba = np.frombuffer(texels, np.uint8).reshape(self.host.height, self.host.width, 4)
        return _unmultiplied(rgba) if transparent else np.ascontiguousarray(rgba[:, :, :3])

    def pick(self, x: float, y: float) -> Picked | None:
        """What the last image shows at a place.

        Parameters
        ----------
        x, y : float
            0 to 1 from the top left corner.

        Returns
        -------
        Picked or None
            None where the splats cover less than half of the pixel.
        """
        with self._told():
            if self._picking is None:
                self._picking = NativeHost(1, 1, adopted=self.host)
                self._picking.build(pick_plan(self.plan, self.scene))
            self._picking.write(AT, struct.pack("<4f", x, y, 0, 0))
            self._picking.run(PICK)
            (word,) = struct.unpack_from("<I", self._picking.read(FOUND))
        return Ray(self.engine.drawn_frame, x, y).found(word, len(self.scene.objects))

    def faults(self) -> int:
        """Pixels of the filter's image that are not finite; 0 without a filter."""
        if self.engine.filter is None:
            return 0
        self.engine.check_filter()
        return int(self.read(FAULTS, np.uint32)[0])

    def check(self) -> None:
        """Refuse a filter that made numbers of the last image that are not finite.

        Raises
        ------
        InputError
        """
        faults = self.faults()
        if faults and self.engine.filter is not None:
            raise InputError(
                f"filter {self.engine.filter.spec.name!r}: made {faults} pixels that are no finite "
                "numbers of this image; is its range right? Try @range=0..255, or leave the filter "
                "out"
            )

    def read(self, buffer: str, dtype: Any = np.float32) -> NDArray[Any]:
        """The elements of a buffer with usage readback."""
        return np.frombuffer(bytes(self.host.read(buffer)), dtype)

    def close(self) -> None:
        """Free the device; of one that stands beside another only what it made."""
        if self._picking is not None:
            self._picking.close()
        self.host.close()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _check_size(self, width: int, height: int) -> None:
        if max(width, height) > self._largest_px:
            raise DeviceError(
                f"an image of {width}x{height} px is wanted; this adapter offers "
                f"{self._largest_px} px a side. Use a smaller size."
            )

    @contextmanager
    def _told(self, width: int = 0, height: int = 0) -> Iterator[None]:
        """Say what to do where memory runs out; only the native host knows wgpu's error types."""
        width, height = width or self.host.width, height or self.host.height
        try:
            yield
        except Exception as error:
            if not isinstance(error, MemoryError) and _NO_MEMORY not in str(error).lower():
                raise
            raise DeviceError(
                f"the adapter has no memory for an image of {width}x{height} px of "
                f"{self.scene.count} Gaussians. Use a smaller size."
            ) from None


def render(
    scene: Scene,
    load: Callable[[str], bytes],
    view: View,
    background: Sequence[float] | None = None,
    network: Network | None = None,
    time_s: float | None = None,
    inputs: Mapping[str, object] | None = None,
    filtering: Filtering | None = None,
    filter_files: Mapping[str, bytes] | None = None,
    mode: str = "",
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
    network : Network, optional
        What makes the Gaussians, where a generator does.
    time_s : float, optional
        When the generator is.
    inputs : mapping, optional
        Arrays for the generator's inputs by name; see `Renderer.set_input`.
    filtering, filter_files, mode
        See `Renderer`.

    Returns
    -------
    (height, width, 3) uint8
        The blended colour as it is.

    Raises
    ------
    DeviceError
        No adapter, or the image or the scene is beyond its limits.
    InputError
        An input that the generator does not have, or that does not take the array; a filter that
        makes numbers that are not finite.
    """
    with Renderer(
        scene, load, view.width, view.height, network, None, filtering, filter_files, mode
    ) as renderer:
        if background is not None:
            renderer.engine.background = tuple(background)
        for name, values in (inputs or {}).items():
            renderer.set_input(name, values)
        image = renderer.draw(view, time_s)
        renderer.check()
        return image


def _unmultiplied(rgba: Image8) -> Image8:
    """Colours of what is partly transparent as they would be were it opaque."""
    alpha = rgba[:, :, 3:].astype(np.float32)
    straight = np.rint(rgba[:, :, :3] * (255 / np.maximum(alpha, 1)))
    return np.concatenate([np.minimum(straight, 255).astype(np.uint8), rgba[:, :, 3:]], axis=2)


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
