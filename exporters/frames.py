"""Frames that Vitrine renders of the project's own scenes: what its filters learn from.

A subject is a scene that can be drawn at any size, from cameras that a seed gives. The same cameras
at twice the size are what an upscaler is to reach: the engine draws both, so a pair holds just what
differs in use, the blur of 0.3 px around each splat too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.make_sample import SAMPLE_CAMERA, make_sample
from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import make_generator
from pybuild.networks import Network
from pybuild.render import Renderer, in_memory
from pyengine.bundle import Pose, Scene
from pyengine.hosts.native import open_adapter
from pyengine.view import WORLD_UP, View

__all__ = [
    "MADE_ROOMS",
    "TEST_SUBJECTS",
    "TRAIN_SUBJECTS",
    "Image8",
    "Subject",
    "before",
    "bicubic",
    "cameras",
    "captured",
    "colours",
    "extremes",
    "frames",
    "psnr",
    "subject",
]

Image8 = NDArray[np.uint8]
GENERATORS = Path(__file__).resolve().parents[1] / "assets" / "generators"
TRAIN_SUBJECTS = (
    "bell-jar", "bell-jar-coarse", "scaffold", "room-1", "room-2", "room-3", "cloth",
    "jellyfish", "avatar",
)  # fmt: skip
MADE_ROOMS = tuple(f"made-room-{k}" for k in range(8))
"""Of pictures that another seed gives than the other rooms'."""
TEST_SUBJECTS = ("pond", "room-4")
"""No filter sees one of these while it learns."""
MADE_SEED = 501
"""Of the pictures of `MADE_ROOMS`."""
TURNED = 180.0
"""Degrees to either side from which most scenes may be seen."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A scene and from where it may be seen.

    Attributes
    ----------
    name : str
    scene, load, network
        As `Renderer` takes them.
    pose : Pose
        In whose surroundings the cameras are.
    turn_deg : float
        How far to either side of it they go around the target.
    nearest, farthest : float
        Their distance from the target, as shares of the pose's.
    inputs : mapping
        Of the generator.
    times_s : sequence of float
        When the generator is, in turn.
    """

    name: str
    scene: Scene
    load: Callable[[str], bytes]
    pose: Pose
    network: Network | None = None
    turn_deg: float = TURNED
    nearest: float = 0.3
    farthest: float = 1.3
    inputs: Mapping[str, Any] = field(default_factory=dict)
    times_s: Sequence[float] = (0.0,)


def subject(name: str) -> Subject:
    """One of the names above."""
    if name.startswith("bell-jar"):
        cloud = make_sample(40_000 if name.endswith("coarse") else 180_000)
        return replace(_cloud(name, cloud), pose=_pose(SAMPLE_CAMERA))
    if name.startswith("room"):
        with Image.open(GENERATORS / "pictures" / f"{name}.png") as picture:
            return _room(name, np.asarray(picture.convert("RGB")))
    if name in MADE_ROOMS:
        return _room(name, _made_pictures()[MADE_ROOMS.index(name)])
    if name == "scaffold":
        return _generator(name, "scaffold")
    if name == "cloth":
        return _generator(name, "recurrent", times_s=(0.7,))
    if name == "pond":
        return _generator(name, "audio", inputs={"mel": _sound()}, times_s=(0.8,))
    if name == "jellyfish":
        return _generator(name, "hexplane", times_s=(0.4, 2.3, 3.7))
    if name == "avatar":
        walk = np.load(GENERATORS / "walk.npy")
        return _generator(name, "avatar", inputs={"joints": walk[len(walk) // 3]})
    known = (*TRAIN_SUBJECTS, *MADE_ROOMS, *TEST_SUBJECTS)
    raise ValueError(f"there is no subject {name!r}, only {known}")


def captured(path: Path, read: Callable[[Path], Gaussians]) -> Subject:
    """A scene file."""
    return _cloud(path.name.split(".")[0], read(path))


def cameras(of: Subject, count: int, size: tuple[int, int], seed: int) -> list[View]:
    """Views of (width, height) around and inside a subject; each seed gives others."""
    rng = np.random.default_rng(seed)
    eye, target = np.asarray(of.pose.eye), np.asarray(of.pose.target)
    away = eye - target
    distance = float(np.linalg.norm(away))
    yaw = math.atan2(away[0], -away[2])
    pitch = math.asin(-away[1] / distance)
    wide = of.turn_deg / TURNED
    views = []
    for k in range(count):
        turn = yaw + math.radians(of.turn_deg) * (2 * (k + rng.uniform()) / count - 1)
        lift = np.clip(pitch + wide * rng.uniform(-0.35, 0.6), -0.15, 1.2)
        apart = distance * of.nearest * (of.farthest / of.nearest) ** rng.uniform()
        middle = target + rng.normal(0, 0.1, 3) * apart
        flat = apart * math.cos(lift)
        place = middle + np.array(
            (flat * math.sin(turn), -apart * math.sin(lift), -flat * math.cos(turn))
        )
        fov_deg = of.pose.fov_deg * rng.uniform(0.75, 1.3)
        views.append(View.look_at(place.tolist(), middle.tolist(), WORLD_UP, fov_deg, *size))
    return views


def frames(
    of: Subject, views: Sequence[View], backgrounds: Sequence[Sequence[float] | None] = (None,)
) -> Iterator[Image8]:
    """Images (height, width, 3) of views of one size, the backgrounds in turn; None is its own."""
    width, height = views[0].width, views[0].height
    with Renderer(of.scene, of.load, width, height, of.network, _adapter()) as renderer:
        for name, values in of.inputs.items():
            renderer.set_input(name, values)
        for k, view in enumerate(views):
            background = backgrounds[k % len(backgrounds)]
            renderer.engine.background = tuple(background or of.scene.background)
            time_s = of.times_s[k * len(of.times_s) // len(views)]
            yield renderer.draw(view, time_s if of.network else None)


def colours(count: int, seed: int) -> list[tuple[float, ...] | None]:
    """Backgrounds: the scene's own, white, and some at random."""
    others = np.random.default_rng(seed).uniform(size=(count, 3))
    return [None, (1.0, 1.0, 1.0), *(tuple(map(float, colour)) for colour in others)]


def extremes(of: Subject, count: int, size: tuple[int, int], seed: int) -> tuple[Image8, Image8]:
    """Frames of (width, height) and of twice the size, before black and before white.

    Splats are blended in display-referred colour, so before any other colour a pixel is as far
    between the two as that colour is between black and white.

    Returns
    -------
    (count, 2, height, width, 3) uint8, (count, 2, 2 height, 2 width, 3) uint8
    """
    views = cameras(of, count, size, seed)
    low, high = (
        np.stack([np.stack([*frames(of, some, [(grey,) * 3])]) for grey in (0.0, 1.0)], axis=1)
        for some in (views, [_doubled(v) for v in views])
    )
    return low, high


def before(extremes: Image8, colour: Sequence[float]) -> NDArray[np.float64]:
    """Of images before black and before white (..., 2, h, w, 3) those before a colour.

    Returns
    -------
    (..., h, w, 4), 0 to 255
        Red, green and blue as 8 bits hold them, and the splats' coverage.
    """
    black, white = (extremes[..., k, :, :, :].astype(np.float64) for k in (0, 1))
    through = np.clip((white - black).mean(axis=-1, keepdims=True), 0, 255)
    image = np.rint(np.clip(black + through * np.asarray(colour)[:3], 0, 255))
    return np.concatenate([image, 255 - through], axis=-1)


def bicubic(image: Image8) -> NDArray[np.float64]:
    """Twice the size by cubic convolution (Keys 1981, a = -0.5), not rounded, 0 to 255."""
    once = _cubic(image.astype(np.float64))
    return np.clip(_cubic(once.swapaxes(0, 1)).swapaxes(0, 1), 0, 255)


def _cubic(rows: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """Twice as many rows."""

    def weight(d: float) -> float:
        d = abs(d)
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * (d**3 - 5 * d**2 + 8 * d - 4)

    padded = np.pad(rows, ((2, 2), *((0, 0),) * (rows.ndim - 1)), mode="edge")
    out = np.empty((2 * len(rows), *rows.shape[1:]))
    for phase, offset in ((0, -0.25), (1, 0.25)):
        out[phase::2] = sum(
            weight(tap - offset) * padded[2 + tap : 2 + tap + len(rows)]
            for tap in range(-2, 3)
            if abs(tap - offset) < 2
        )
    return out


def psnr(image: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Decibels between images of 0 to 255."""
    error = np.mean((image.astype(np.float64) - wanted.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-4)))


@cache
def _adapter() -> Any:
    return open_adapter()


def _pose(camera: Mapping[str, Any]) -> Pose:
    return Pose(tuple(camera["eye"]), tuple(camera["target"]), camera["fov"])


def _cloud(name: str, cloud: Gaussians) -> Subject:
    scene, load = in_memory(cloud)
    return Subject(name, scene, load, default_pose(cloud))


def _generator(name: str, file: str, **options: Any) -> Subject:
    made = make_generator(GENERATORS / f"{file}.onnx")
    return Subject(name, made.scene, lambda _: b"", made.scene.pose, made.network, **options)


def _room(name: str, picture: Image8) -> Subject:
    """A picture of 128x128 as Gaussians, seen from about where it was taken."""
    room = _generator(name, "feedforward", inputs={"image": picture})
    pose = Pose(room.pose.eye, (0.1, 0.1, 1.2), room.pose.fov_deg)
    return replace(room, pose=pose, turn_deg=14.0, nearest=0.5, farthest=1.0)


@cache
def _made_pictures() -> Image8:
    """Of made-up rooms: (8, 128, 128, 3)."""
    import torch

    from exporters.pictures import pictures

    made = pictures(8, torch.Generator().manual_seed(MADE_SEED)).image
    shown: Image8 = (255 * made.permute(0, 2, 3, 1)).round().to(torch.uint8).numpy()
    return shown


def _sound() -> NDArray[np.float32]:
    """Some bands that swell, for the pond."""
    return (0.5 + 0.5 * np.sin(np.arange(32) / 3)).astype(np.float32)


def _doubled(view: View) -> View:
    return replace(
        view, width=2 * view.width, height=2 * view.height,
        fx=2 * view.fx, fy=2 * view.fy, cx=2 * view.cx, cy=2 * view.cy,
    )  # fmt: skip
