"""What a user may say about a build: axes, camera, background, page. Recorded in the site."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pyengine.bundle import Pose
from pyengine.errors import InputError, ViewError

__all__ = ["BuildOptions", "GeneratorOptions", "posed"]

Vector = tuple[float, float, float]
FOV_RANGE_DEG = (1, 170)


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """What is for generators alone, as it was given.

    Attributes
    ----------
    time_s : float, optional
        Of the picture.
    inputs : tuple of str
        ``NAME=FILE``: an array, or a picture for an image.
    settings : tuple of str
        ``NAME=VALUE``: sliders.
    tracks : tuple of str
        ``NAME=FILE.npy@FPS``.
    instances : str, optional
        A number, or a .npy file of matrices.
    """

    time_s: float | None = None
    inputs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    instances: str | None = None

    def given(self) -> str | None:
        """The option that was given first, None if none was."""
        values = {_OPTION[field.name]: getattr(self, field.name) for field in fields(self)}
        return next((name for name, value in values.items() if value not in (None, ())), None)

    def flags(self) -> list[str]:
        """The command line that gives these options."""
        found: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            found += [f"{_OPTION[field.name]}={item}" for item in values]
        return found

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values of what was given."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def from_dict(cls, data: object, where: str) -> GeneratorOptions:
        """Read `to_dict` back.

        Raises
        ------
        InputError
            A value is not of its type.
        """
        if data is None:
            return cls()
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: 'generator' must be an object; build the site again")
        time_s, instances = data.get("time_s"), data.get("instances")
        lists = [data.get(name, []) for name in ("inputs", "settings", "tracks")]
        texts = [item for items in lists if isinstance(items, list) for item in items]
        if (
            not isinstance(time_s, int | float | None)
            or not isinstance(instances, str | None)
            or not all(isinstance(items, list) for items in lists)
            or not all(isinstance(text, str) for text in texts)
        ):
            raise InputError(f"{where}: 'generator' is damaged; build the site again")
        inputs, settings, tracks = (tuple(items) for items in lists)
        return cls(time_s, inputs, settings, tracks, instances)


_OPTION = {
    "time_s": "--time",
    "inputs": "--input",
    "settings": "--set",
    "tracks": "--track",
    "instances": "--instances",
}


_TEXTS = ("up", "title", "description", "poster", "url")


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Everything but the scene file; None leaves a choice to Vitrine.

    Attributes
    ----------
    up : str, optional
        See `pybuild.formats.read`.
    eye, target : (3,) float, optional
        World units, PLY axes.
    fov_deg : float, optional
        Field of view over the shorter side.
    background : (3,) float, optional
        Display-referred, 0 to 1; a generator's own, or black.
    title : str, optional
        Of the page; the scene file's name unless given.
    generator : GeneratorOptions
    filters : tuple of str
        As the command line gives them: `pybuild.filters.given`.
    description : str, optional
        Of the page, for search engines and previews of links.
    poster : str, optional
        A picture's file instead of the drawn poster.
    url : str, optional
        Where the page will be.
    offline : bool
        Whether a page that was opened once opens without its server.
    """

    up: str | None = None
    eye: Vector | None = None
    target: Vector | None = None
    fov_deg: float | None = None
    background: Vector | None = None
    title: str | None = None
    generator: GeneratorOptions = GeneratorOptions()
    filters: tuple[str, ...] = ()
    description: str | None = None
    poster: str | None = None
    url: str | None = None
    offline: bool = True

    def pose(self, gaussians: Gaussians) -> Pose:
        """Where the camera starts."""
        return posed(default_pose(gaussians), self.eye, self.target, self.fov_deg)

    def with_page_of(self, other: BuildOptions) -> BuildOptions:
        """These options, and what other ones say of the page."""
        return replace(
            self,
            title=other.title,
            description=other.description,
            poster=other.poster,
            url=other.url,
        )

    def flags(self) -> list[str]:
        """The command line that gives these options."""
        flags: list[str] = []
        for name, value in self.to_dict().items():
            if name == "offline":
                flags.append("--no-offline")
            elif name not in ("generator", "filters"):
                text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
                flags.append(f"--{name.removesuffix('_deg')}={text}")
        flags += [f"--filter={text}" for text in self.filters]
        return flags + self.generator.flags()

    def to_dict(self) -> dict[str, object]:
        """For the site's record: plain JSON values."""
        plain = {name: value for name, value in asdict(self).items() if value is not None}
        del plain["generator"], plain["filters"]
        if self.offline:
            del plain["offline"]
        generator = self.generator.to_dict()
        more: dict[str, object] = {"generator": generator} if generator else {}
        return {**plain, **more, **({"filters": list(self.filters)} if self.filters else {})}

    @classmethod
    def from_dict(cls, data: Mapping[str, object], where: str) -> BuildOptions:
        """Read the record back.

        Raises
        ------
        InputError
            A value is not of its type.
        """
        up, title, description, poster, url = (_text(data.get(n), n, where) for n in _TEXTS)
        fov, offline = data.get("fov_deg"), data.get("offline", True)
        if not isinstance(fov, int | float | None):
            raise InputError(f"{where}: 'fov_deg' must be a number; build the site again")
        eye, target = (_vector(data.get(name), name, where) for name in ("eye", "target"))
        background = _vector(data.get("background"), "background", where)
        generator = GeneratorOptions.from_dict(data.get("generator"), where)
        filters = data.get("filters", [])
        if not isinstance(filters, list) or not all(isinstance(item, str) for item in filters):
            raise InputError(f"{where}: 'filters' must be strings; build the site again")
        if not isinstance(offline, bool):
            raise InputError(f"{where}: 'offline' must be true or false; build the site again")
        return cls(
            *(up, eye, target, fov, background, title, generator, tuple(filters)),
            *(description, poster, url, offline),
        )


def posed(
    default: Pose,
    eye: Vector | None = None,
    target: Vector | None = None,
    fov_deg: float | None = None,
) -> Pose:
    """``default`` with the parts that are given; a target alone keeps the direction and distance.

    Raises
    ------
    ViewError
        Eye and target are one point, or the field of view is out of range.
    """
    if target is not None and eye is None:
        x, y, z = (e + t - d for e, t, d in zip(default.eye, target, default.target, strict=True))
        eye = (x, y, z)
    low, high = FOV_RANGE_DEG
    if fov_deg is not None and not low <= fov_deg <= high:
        raise ViewError(f"--fov must be {low} to {high} degrees, got {fov_deg:g}")
    pose = Pose(eye or default.eye, target or default.target, fov_deg or default.fov_deg)
    if math.dist(pose.eye, pose.target) == 0:
        raise ViewError(f"--eye and --target are the same point {pose.eye}; move one of them")
    return pose


def _text(value: object, name: str, where: str) -> str | None:
    if not isinstance(value, str | None):
        raise InputError(f"{where}: {name!r} must be a string; build the site again")
    return value


def _vector(value: object, name: str, where: str) -> Vector | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 3:
        numbers = [float(item) for item in value if isinstance(item, int | float)]
        if len(numbers) == 3 and all(math.isfinite(item) for item in numbers):
            return numbers[0], numbers[1], numbers[2]
    raise InputError(f"{where}: {name!r} must be three numbers; build the site again")
