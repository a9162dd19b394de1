"""A generator's program with the files that it needs, and arrays as its inputs want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pybuild.programs import read_program
from pybuild.runner import shader_texts
from pyengine.bundle import Scene
from pyengine.errors import BundleError, InputError
from pyengine.feeds import FeedSpec
from pyengine.program import STORAGE, Program

__all__ = ["Network", "input_bytes", "read_network"]

_DTYPES = {"f32": "<f4", "i32": "<i4", "u32": "<u4"}


@dataclass(frozen=True, slots=True)
class Network:
    """What a scene's generator needs beside scene.json.

    Attributes
    ----------
    program : Program
    files : mapping
        Content of each file that the program names.
    tracks : mapping
        Content of the track of an input, by the input's name.
    """

    program: Program
    files: Mapping[str, bytes]
    tracks: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def shaders(self) -> dict[str, str]:
        """Text of each shader by its name."""
        return shader_texts(self.program, self.files)


def read_network(folder: Path, scene: Scene) -> Network | None:
    """The network of a bundle's generator, or None where the bundle has none.

    Parameters
    ----------
    folder : Path
        That holds scene.json.

    Raises
    ------
    BundleError
        A file is missing or damaged.
    """
    spec = scene.generator
    if spec is None:
        return None
    program, files = read_program(folder / spec.program)
    tracks = {}
    for feed in spec.feeds:
        if feed.track is not None:
            path = folder / feed.track.file
            try:
                tracks[feed.name] = path.read_bytes()
            except OSError as error:
                raise BundleError(f"{path}: {error.strerror}; build the scene again") from None
    return Network(program, files, tracks)


def input_bytes(feed: FeedSpec, values: object) -> bytes:
    """An array as an input's 32-bit elements: of one instance, or of all.

    Parameters
    ----------
    values : array
        Numbers. For the role image: (height, width, 3 or 4) uint8.

    Raises
    ------
    InputError
        Another number of elements, or numbers that are not finite.
    """
    try:
        array = np.asarray(values)
        told = f"{array.dtype} {list(array.shape)}"
        if feed.role == "image" and array.dtype == np.uint8 and array.ndim >= 3:
            array = _words(array)
        if not np.isfinite(array).all():
            raise InputError(f"input {feed.name!r}: has numbers that are not finite")
        stored = array.astype(_DTYPES[STORAGE.get(feed.dtype, "f32")])
    except (TypeError, ValueError) as error:
        raise InputError(f"input {feed.name!r}: no array of numbers: {error}") from None
    copies = feed.shape[0] if feed.batched else 1
    if stored.size not in (feed.elements, feed.elements * copies):
        wanted = list(feed.shape[1:] if feed.batched else feed.shape)
        raise InputError(f"input {feed.name!r}: wanted {wanted}, got {told}")
    if feed.control is not None:
        stored = np.clip(stored, feed.control.low, feed.control.high).astype(stored.dtype)
    return stored.tobytes()


def _words(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """RGBA8 words, red in the lowest byte."""
    if pixels.shape[-1] not in (3, 4):
        raise ValueError(f"an image has 3 or 4 channels last, got {list(pixels.shape)}")
    rgba = np.full((*pixels.shape[:-1], 4), 255, np.uint8)
    rgba[..., : pixels.shape[-1]] = pixels
    return rgba.view("<u4")[..., 0]
