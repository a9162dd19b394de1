"""What the command line says of filters: ``FILE[@key=value,...][+FILE[@...]...]``.

::

    candy.onnx
    candy.onnx@range=0..255,tiles=32,strength=0.8
    denoise.onnx+upscale.onnx@channels=y
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pybuild.filters.compile import MAX_SIZE
from pybuild.onnx.ir import Packing
from pyengine.contract.filter_override import OVERRIDES
from pyengine.contract.values import nearest
from pyengine.errors import InputError

__all__ = ["GivenFilter", "parse_filter", "rebased"]

OPTIONS = ("size", "tiles", "strength", "name", "weights")
MOST_STAGES = 8
_STAGE = re.compile(r"(?<!\.\.)(?<![=/])(?<!\d[eE])\+")
"""A plus between files, not one of a number: ``-1..+1``, ``1e+3``."""
_OPTION = re.compile(r"([A-Za-z_]+)=")
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_HERE = Path()
_EXAMPLE = "FILE@key=value,key=value, such as candy.onnx@range=0..255,strength=0.8"


@dataclass(frozen=True, slots=True)
class GivenFilter:
    """One network, and what was said of it.

    Attributes
    ----------
    path : Path
    override : mapping of str to str
        In place of its metadata; see `pyengine.contract.read_filter`.
    sizes : tuple of (width, height)
        Those to build; none where nothing was said. Pixels of what it reads.
    tiles : int or None
        The overlap of tiles of its own size, pixels.
    strength : float or None
        0 to 1: how much of its output is shown.
    name : str
        For people; the file's, without its ending, where nothing was said.
    weights : {'f32', 'f16', 'i8', 'i4'} or None
    """

    path: Path
    override: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[tuple[int, int], ...] = ()
    tiles: int | None = None
    strength: float | None = None
    name: str = ""
    weights: Packing | None = None


def parse_filter(text: str, told: str = "") -> tuple[GivenFilter, ...]:
    """The networks of one ``--filter``, in the order in which they run.

    A text, or a part of it, that is a file's path is that file, whatever signs it has.

    Parameters
    ----------
    text : str
        Several sizes are ``size=1280x720/640x360``.
    told : str, optional
        How errors name it; ``--filter TEXT`` unless given.

    Raises
    ------
    InputError
        It is of another form; a key is unknown, or its value is none.
    """
    told = told or f"--filter {text!r}"
    stages = tuple(_stage(part, told) for part in _parts(text))
    if len(stages) > MOST_STAGES:
        raise InputError(f"{told}: {len(stages)} networks; wanted at most {MOST_STAGES}")
    return stages


def rebased(text: str, folder: Path) -> str:
    """A text whose files are relative to a folder, as one that is relative to the working folder.

    Parameters
    ----------
    text : str
        See `parse_filter`; each of its networks may have options.
    """

    def moved(part: str) -> str:
        end = _file_end(part, folder) or len(part.partition("@")[0])
        return f"{folder / part[:end]}{part[end:]}" if end else part

    return "+".join(moved(part) for part in _parts(text, folder))


def _parts(text: str, folder: Path = _HERE) -> list[str]:
    """One text a network; of the ways to cut it the one that finds longer files."""
    marks = [match.start() for match in _STAGE.finditer(text)]
    ends = [*marks, len(text)]
    parts, start = [], 0
    while start <= len(text):
        end = next(end for end in ends if end >= start)
        for later in ends[ends.index(end) + 1 :]:
            found = _file_end(text[start:later], folder)
            if found is not None and start + found > end:
                end = later  # the plus is of the file's name
        parts.append(text[start:end])
        start = end + 1
    return parts


def _file_end(part: str, folder: Path = _HERE) -> int | None:
    """Where the file ends that a text begins with; None where there is no such file."""
    places = [len(part), *(m.start() for m in re.finditer("@", part))]
    return next((end for end in places if end and _is_file(folder / part[:end])), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _stage(part: str, told: str) -> GivenFilter:
    end = _file_end(part)
    if end is None:
        file, _, _ = part.partition("@")
        if not file:
            raise InputError(f"{told}: a file is missing; wanted {_EXAMPLE}")
        raise InputError(f"{file}: there is no such file ({told})")
    path, rest = Path(part[:end]), part[end + 1 :]
    values = _options(rest, told)
    override = {key: values.pop(key) for key in OVERRIDES if key in values}
    return GivenFilter(
        path,
        override,
        _sizes(values["size"], told) if "size" in values else (),
        int(_number(values["tiles"], told, "tiles", 0, MAX_SIZE)) if "tiles" in values else None,
        _number(values["strength"], told, "strength", 0, 1) if "strength" in values else None,
        values.get("name", "").strip() or path.stem,
        _weights(values["weights"], told) if "weights" in values else None,
    )


def _options(rest: str, told: str) -> dict[str, str]:
    """``key=value`` by key; a comma that no key follows belongs to the value before it."""
    values: dict[str, str] = {}
    key = ""
    for item in rest.split(",") if rest else ():
        match = _OPTION.match(item.strip())
        if match is None:
            if not key:
                raise InputError(f"{told}: {item!r} is no option; wanted {_EXAMPLE}")
            values[key] += f",{item}"
            continue
        key = match[1]
        known = (*OVERRIDES, *OPTIONS)
        if key not in known:
            hint = nearest(key, known)
            raise InputError(f"{told}: {key!r} is no option{hint}; there are {', '.join(known)}")
        if key in values:
            raise InputError(f"{told}: {key} is given twice")
        values[key] = item.strip()[match.end() :]
    return values


def _sizes(value: str, told: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in re.split("[/,]", value):
        match = _SIZE.fullmatch(part.strip())
        if match is None or max(int(match[1]), int(match[2])) > MAX_SIZE:
            raise InputError(
                f"{told}: size={value}: wanted WIDTHxHEIGHT, 1 to {MAX_SIZE} each, "
                "such as 640x360; several with / between them"
            )
        found.append((int(match[1]), int(match[2])))
    return tuple(dict.fromkeys(found))


def _number(value: str, told: str, key: str, low: float, high: float) -> float:
    whole = key == "tiles"
    try:
        number = float(int(value) if whole else float(value))
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        kind = "whole number" if whole else "number"
        raise InputError(f"{told}: {key}={value}: wanted a {kind} from {low:g} to {high:g}")
    return number


def _weights(value: str, told: str) -> Packing:
    kinds: Sequence[Packing] = get_args(Packing)
    for kind in kinds:
        if value == kind:
            return kind
    raise InputError(f"{told}: weights={value}: wanted {', '.join(kinds)}")
