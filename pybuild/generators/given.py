"""What a user gives a generator on the command line: arrays, pictures, sliders, tracks, copies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pybuild.arguments import named
from pybuild.options import GeneratorOptions
from pybuild.tensors import read_npy
from pyengine.contract import Contract, Control, Feed, ImageFormat
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec
from pyengine.generator_spec import MAX_INSTANCES, GeneratorSpec

__all__ = ["Given", "TrackFile", "feeds_of", "read_given"]

Array = NDArray[Any]
Matrix = tuple[float, ...]
Takes = Feed | FeedSpec

SETTABLE = ("joints", "weights", "audio.mel", "pointer", "latent", "control", "image")
TRACK_HZ = 30.0
MAX_FRAMES = 1 << 20
MAX_TRACK_BYTES = 1 << 30
MAX_HZ = 1000.0
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_SINGULAR = 1e-12


@dataclass(frozen=True, slots=True)
class TrackFile:
    """Values of an input over time.

    Attributes
    ----------
    frames : (F, elements) float32
        Rows of one instance.
    """

    frames: NDArray[np.float32]
    fps: float

    @property
    def duration_s(self) -> float:
        """From the first frame to the first again."""
        return len(self.frames) / self.fps


@dataclass(frozen=True, slots=True)
class Given:
    """The options of a generator, read.

    Attributes
    ----------
    values : mapping
        An array of each input that was given, sliders too; an image is (H, W, 3) uint8.
    tracks : mapping
        By the name of the input.
    instances : int
        How many stand side by side, where ``transforms`` does not say where they stand.
    transforms : sequence of 16 floats, optional
        Model to world, column-major.
    time_s : float
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    tracks: Mapping[str, TrackFile] = field(default_factory=dict)
    instances: int = 1
    transforms: tuple[Matrix, ...] | None = None
    time_s: float = 0.0


def feeds_of(source: Contract | GeneratorSpec) -> tuple[Takes, ...]:
    """Inputs of a model, or of a generator that is built."""
    return source.inputs if isinstance(source, Contract) else source.feeds


def read_given(options: GeneratorOptions, source: Contract | GeneratorSpec) -> Given:
    """Read the files that options name, and hold everything against the generator's inputs.

    Raises
    ------
    InputError
        The option, what it wants and what it got.
    """
    feeds = feeds_of(source)
    settable = [feed for feed in feeds if feed.role in SETTABLE]
    controls = [feed for feed in feeds if feed.role == "control"]
    values = {
        feed.name: _array(feed, Path(text))
        for feed, text in _named(options.inputs, settable, "--input", "FILE")
    }
    for feed, text in _named(options.settings, controls, "--set", "NUMBER"):
        if feed.name in values:
            raise InputError(f"--set {feed.name!r} is given as --input too; leave one out")
        values[feed.name] = _setting(feed, text)
    tracks = {
        feed.name: _track(feed, text)
        for feed, text in _named(
            options.tracks, [f for f in settable if f.role != "image"], "--track", "FILE.npy@30"
        )
    }
    both = sorted(values.keys() & tracks.keys())
    if both:
        raise InputError(f"--track {both[0]!r}: has a value of its own; leave one of them out")
    instances, transforms = _instances(options.instances)
    time_s = options.time_s or 0.0
    if not 0 <= time_s <= 86_400:
        raise InputError(f"--time wants seconds from 0 to 86400, got {time_s:g}")
    return Given(values, tracks, instances, transforms, time_s)


def _named(
    texts: Iterable[str], feeds: Sequence[Takes], option: str, what: str
) -> list[tuple[Takes, str]]:
    """Inputs, and what an option says of them."""
    by_name = {feed.name: feed for feed in feeds}
    roles = {feed.name: feed.role for feed in feeds}
    return [(by_name[name], text) for name, text in named(texts, roles, option, what)]


def _setting(feed: Takes, text: str) -> Array:
    control = feed.control or Control(feed.name, -math.inf, math.inf, 0.0)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not control.low <= value <= control.high:
        raise InputError(
            f"--set {feed.name} wants a number from {control.low:g} to {control.high:g}, "
            f"got {text!r}"
        )
    return np.array([value], np.float32)


def _array(feed: Takes, path: Path) -> Array:
    """An array of one instance, or with a leading axis of all of them."""
    told = f"--input {feed.name}"
    if feed.role == "image":
        assert feed.image is not None
        if path.suffix.lower() in _PICTURES:
            return _picture(feed.image, path, told)
        array = _npy(path, told)
        wanted = (feed.image.height, feed.image.width, 3)
        if array.dtype != np.uint8 or array.shape != wanted:
            raise InputError(
                f"{path}: {told} wants a picture, or uint8 {wanted}; got {array.dtype} "
                f"{array.shape}"
            )
        return array
    if path.suffix.lower() in _PICTURES:
        raise InputError(f"{path}: {told} is no image ({feed.role}); it wants a .npy file")
    array = _npy(path, told)
    shape = _shape(feed)
    count = math.prod(shape)
    if not count or array.size % count or not array.size:
        raise InputError(f"{path}: {told} wants the shape {shape}, got {array.shape}")
    return _finite(array, path, told)


def _picture(image: ImageFormat, path: Path, told: str) -> Array:
    """Pixels at the input's size: the middle of the picture, all of its height or of its width."""
    try:
        with Image.open(path) as picture:
            turned = ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{path}: no picture that can be read ({told})") from None
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {reason} ({told})") from None
    fitted = ImageOps.fit(turned, (image.width, image.height), Image.Resampling.LANCZOS)
    return np.asarray(fitted, np.uint8)


def _track(feed: Takes, text: str) -> TrackFile:
    file, at, rate = text.rpartition("@")
    if not at or "/" in rate or rate.endswith(".npy"):
        file, rate = text, str(TRACK_HZ)
    told = f"--track {feed.name}"
    try:
        fps = float(rate)
    except ValueError:
        fps = math.nan
    if not 0.001 <= fps <= MAX_HZ:
        raise InputError(
            f"{told} wants FILE.npy@FRAMES_A_SECOND, up to {MAX_HZ:g}, such as walk.npy@30; "
            f"got {text!r}"
        )
    path, shape = Path(file), _shape(feed)
    array, count = _npy(path, told), math.prod(shape)
    if array.ndim < 1 or not 1 <= len(array) <= MAX_FRAMES or array.size != len(array) * count:
        frames = ", ".join(("frames", *map(str, shape)))
        raise InputError(f"{path}: {told} wants the shape ({frames}), got {array.shape}")
    if array.size * 4 > MAX_TRACK_BYTES:
        raise InputError(f"{path}: {told} has {array.size * 4 >> 20} MiB, more than a page takes")
    rows = _finite(array, path, told).astype(np.float32).reshape(len(array), count)
    return TrackFile(rows, fps)


def _instances(text: str | None) -> tuple[int, tuple[Matrix, ...] | None]:
    """How many, and where they stand if that was said."""
    if text is None:
        return 1, None
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_INSTANCES:
        return int(text), None
    path = Path(text)
    if path.suffix.lower() != ".npy":
        raise InputError(
            f"--instances wants a number from 1 to {MAX_INSTANCES}, or a .npy file of (B, 4, 4) "
            f"matrices; got {text!r}"
        )
    array = _npy(path, "--instances")
    if array.ndim != 3 or array.shape[1:] != (4, 4) or not 1 <= len(array) <= MAX_INSTANCES:
        raise InputError(
            f"{path}: --instances wants the shape (B, 4, 4), B up to {MAX_INSTANCES}; got "
            f"{array.shape}"
        )
    matrices = _finite(array, path, "--instances").astype(np.float64)
    for index, matrix in enumerate(matrices):
        lengths = np.linalg.norm(matrix[:3, :3], axis=0).prod()
        flat = not abs(np.linalg.det(matrix[:3, :3])) > _SINGULAR * lengths
        if flat or not np.array_equal(matrix[3], (0, 0, 0, 1)):
            raise InputError(
                f"{path}: matrix {index} is no map from model to world with an inverse: its rows "
                f"are {matrix.tolist()}; the last must be 0, 0, 0, 1"
            )
    return len(matrices), tuple(tuple(map(float, matrix.T.ravel())) for matrix in matrices)


def _shape(feed: Takes) -> tuple[int, ...]:
    """Of one instance."""
    return feed.shape[1:] if isinstance(feed, FeedSpec) and feed.batched else feed.shape


def _npy(path: Path, told: str) -> Array:
    """An array of numbers from a .npy file."""
    array = read_npy(path, told)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: {told} wants numbers, got {array.dtype}")
    return array


def _finite(array: Array, path: Path, told: str) -> Array:
    with np.errstate(over="ignore"):
        if not np.isfinite(array.astype(np.float32)).all():
            raise InputError(f"{path}: {told} has numbers that are not finite")
    return array
