"""A model's metadata, inputs and outputs to a `Contract`, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyengine.contract.inputs import read_inputs
from pyengine.contract.model import Clip, Contract, Port
from pyengine.contract.outputs import read_outputs
from pyengine.contract.roles import foreign_outputs
from pyengine.contract.values import PREFIX, Metadata, flat, is_number
from pyengine.errors import ContractError

__all__ = ["LEAST_HZ", "MOST_HZ", "is_generator", "read_contract", "read_kind"]

VERSION = "1"
RATE_HZ = 60.0
"""Steps a second of a model with state that says nothing else."""
FOV_DEG = 50.0

LEAST_HZ = 0.001
MOST_HZ = 1000.0
_LEAST_SECONDS = 0.001
_MOST_SECONDS = 86_400.0

Point = tuple[float, float, float]


def is_generator(metadata: Mapping[str, str], outputs: Sequence[Port]) -> bool:
    """Whether a model says that it meets the contract, or is named as other tools name theirs."""
    return any(key.startswith(PREFIX) for key in metadata) or bool(foreign_outputs(outputs))


def read_contract(
    metadata: Mapping[str, str], inputs: Sequence[Port], outputs: Sequence[Port], where: str
) -> Contract:
    """Understand what a model's tensors mean.

    Parameters
    ----------
    metadata : mapping
        Its ``metadata_props``; keys that do not begin with ``vitrine.`` are left alone.
    inputs, outputs : sequences of Port
        Those without a role are understood by their names, as docs/contract.md tells.
    where : str
        The model's file, for messages.

    Returns
    -------
    Contract
        Inputs and outputs in the model's order; outputs that nothing asks for are ``unused``.

    Raises
    ------
    ContractError
        It lists everything that is wrong.
    """
    meta = Metadata(metadata, [port.name for port in inputs], [port.name for port in outputs])
    kind = read_kind(meta, "generator")
    if kind == "filter":
        meta.wrong(
            "kind",
            "generator. It is a filter of the rendered image: give it beside a scene, as in "
            f"vitrine build scene.ply --filter {where}",
        )
        raise ContractError(where, meta.problems)
    made = read_outputs(meta, outputs)
    feeds = read_inputs(meta, inputs, made.products)
    scene = _scene(meta)
    if any(feed.role == "phase" for feed in feeds) and meta.text("clip") is None:
        meta.problems.append(
            "an input has the role phase, but there is no clip to be in; add "
            f'{PREFIX}clip = {{"duration": 2, "loop": true}}'
        )
    rate = meta.number("rate", LEAST_HZ, MOST_HZ)
    steps = any(feed.role == "state" for feed in feeds)
    if meta.problems:
        raise ContractError(where, meta.problems)
    return Contract(
        kind=kind,
        inputs=feeds,
        outputs=made.products,
        capacity=made.capacity,
        sh_degree=made.sh_degree,
        clip=scene.clip,
        rate_hz=rate or (RATE_HZ if steps else None),
        bounds=scene.bounds,
        pose=scene.pose,
        background=scene.background,
        antialiased=scene.antialiased,
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    clip: Clip | None
    bounds: tuple[Point, Point] | None
    pose: tuple[Point, Point, float] | None
    background: Point | None
    antialiased: bool


def read_kind(meta: Metadata, default: str) -> str:
    """Generator or filter, and whether the version is the one that is read here."""
    if not meta.entries:
        return default
    version = meta.text("contract")
    if version is None:
        meta.problems.append(f"{PREFIX}contract is missing; add {PREFIX}contract = {VERSION}")
    elif version != VERSION:
        meta.wrong("contract", f"{VERSION}, the version that is read here")
    return meta.choice("kind", ("generator", "filter"), default)


def _scene(meta: Metadata) -> _Scene:
    return _Scene(
        _clip(meta), _bounds(meta), _pose(meta), _background(meta), meta.flag("antialiased")
    )


def _clip(meta: Metadata) -> Clip | None:
    wanted = f'{{"duration": 2, "loop": true}}, {_LEAST_SECONDS:g} to {_MOST_SECONDS:g} seconds'
    value = meta.object("clip", wanted, ("duration",), ("loop",))
    if value is None:
        return None
    duration, loop = value["duration"], value.get("loop", True)
    fits = is_number(duration) and _LEAST_SECONDS <= duration <= _MOST_SECONDS
    if fits and isinstance(loop, bool):
        return Clip(float(duration), loop)  # type: ignore[arg-type]
    meta.wrong("clip", wanted)
    return None


def _bounds(meta: Metadata) -> tuple[Point, Point] | None:
    wanted = "[[x, y, z], [x, y, z]], the smallest and the largest coordinates"
    numbers = meta.numbers("bounds", 6, wanted)
    if numbers is None:
        return None
    low, high = numbers[:3], numbers[3:]
    if any(a > b for a, b in zip(low, high, strict=True)):
        meta.wrong("bounds", wanted)
        return None
    return _point(low), _point(high)


def _pose(meta: Metadata) -> tuple[Point, Point, float] | None:
    wanted = '{"eye": [0, -1, -4], "target": [0, 0, 0], "fov": 50}, two points, 1 to 170 degrees'
    value = meta.object("pose", wanted, ("eye", "target"), ("fov",))
    if value is None:
        return None
    eye, target, fov = flat(value["eye"], 3), flat(value["target"], 3), value.get("fov", FOV_DEG)
    if eye and target and eye != target and is_number(fov) and 1 <= fov <= 170:
        return _point(eye), _point(target), float(fov)
    meta.wrong("pose", wanted)
    return None


def _background(meta: Metadata) -> Point | None:
    wanted = "[r, g, b] from 0 to 1"
    numbers = meta.numbers("background", 3, wanted)
    if numbers is None:
        return None
    if not all(0 <= number <= 1 for number in numbers):
        meta.wrong("background", wanted)
        return None
    return _point(numbers)


def _point(numbers: Sequence[float]) -> Point:
    x, y, z = numbers
    return x, y, z
