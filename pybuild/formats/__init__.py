"""Scene files: ``read`` any of the formats into Gaussians, ``write`` Gaussians to one of them.

A format is found by its content first, by its suffix otherwise. See docs/formats.md for what each
one keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pybuild.formats import compressed_ply, ply, sog, splat, spz
from pybuild.formats.axes import check_up
from pybuild.formats.bounds import Buffer, Progress, mapped
from pybuild.formats.intake import DroppedSplats
from pybuild.gaussians import Gaussians
from pyengine.errors import InputError, malformed

__all__ = ["FORMATS", "SUFFIXES", "DroppedSplats", "Format", "parse", "read", "write"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how to know it, read it and write it."""

    name: str
    suffix: str
    recognises: Callable[[Buffer], bool]
    parse: Callable[[Buffer, str, str | None, Progress | None], Gaussians]
    write: Callable[[str | os.PathLike[str], Gaussians], None]


def _never(_: Buffer) -> bool:
    """A .splat file has no magic number."""
    return False


FORMATS = (
    Format(
        "compressed PLY",
        ".compressed.ply",
        compressed_ply.recognises,
        compressed_ply.parse,
        compressed_ply.write,
    ),
    Format("PLY", ".ply", ply.recognises, ply.parse, ply.write),
    Format("SPZ", ".spz", spz.recognises, spz.parse, spz.write),
    Format("SOG", ".sog", sog.recognises, sog.parse, sog.write),
    Format("splat", ".splat", _never, splat.parse, splat.write),
)
"""In the order in which they are tried."""

SUFFIXES = tuple(format.suffix for format in FORMATS)


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a scene file, or a SOG folder or its meta.json, into PLY axes.

    Parameters
    ----------
    path : path-like
        The file or folder.
    up : str, optional
        None trusts the axes that the format declares; ``source`` takes them as they stand; y, -y,
        z, -z says which of the file's axes points up, and the cloud is turned accordingly.
    progress : callable, optional
        Told the fraction done, 0 to 1.

    Raises
    ------
    FormatError
        The file cannot be read: it says where, what is wrong, and what to do.
    InputError
        ``up`` is none of the above.

    Warns
    -----
    DroppedSplats
        Some splats could not be drawn and were left out.
    """
    check_up(up)
    if Path(path).is_dir() or Path(path).suffix.lower() == ".json":
        return sog.read(path, up, progress)
    return parse(mapped(path), os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a scene in memory; ``name`` is for messages, its suffix for what content won't tell."""
    check_up(up)
    found = next((format for format in FORMATS if format.recognises(data)), None)
    found = found or _by_suffix(name)
    if found is None and name.lower().endswith(".ksplat"):
        raise malformed(
            name,
            "a .ksplat, which Vitrine does not read",
            wanted=", ".join(SUFFIXES),
            hint="Take the file that it was made of, or convert it",
        )
    if found is None:
        raise malformed(
            name,
            "not a scene that Vitrine knows",
            wanted=", ".join(SUFFIXES),
            got=f"a file that starts with {bytes(data[:8])!r}",
        )
    return found.parse(data, name, up, progress)


def write(path: str | os.PathLike[str], gaussians: Gaussians) -> None:
    """Write a cloud in the format that the suffix names, with that format's defaults."""
    found = _by_suffix(os.fspath(path))
    if found is None:
        raise InputError(
            f"{os.fspath(path)}: no format has this suffix; wanted one of {', '.join(SUFFIXES)}."
        )
    found.write(path, gaussians)


def _by_suffix(name: str) -> Format | None:
    return next((format for format in FORMATS if name.lower().endswith(format.suffix)), None)
