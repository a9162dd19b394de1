"""What `vitrine.load` and `vitrine.show` are given: scenes, and options of ``vitrine build``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from numpy.typing import ArrayLike

from pybuild.gaussians import Gaussians
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.scene_file import SceneFile, source_of
from pyengine.errors import InputError
from vitrine.cameras import Vector
from vitrine.values import point

__all__ = ["GivenInputs", "Source", "arrays_of", "options_of", "source_given"]

Source = str | PathLike[str] | Gaussians | SceneFile
GivenInputs = Mapping[str, ArrayLike | PathLike[str]]
"""Values of inputs by name: numbers, arrays, or files."""


def source_given(given: Sequence[Source], verb: str) -> Path | Gaussians | SceneFile:
    """What the sources of ``vitrine.VERB`` name.

    Raises
    ------
    InputError
        There is none, a file is missing, or several are not all files.
    """
    if not given:
        raise InputError(f"nothing to {verb}; give a scene file: vitrine.{verb}('scene.ply')")
    paths = [Path(item) for item in given if isinstance(item, str | PathLike)]
    if len(paths) < len(given):
        first = given[0]
        if len(given) > 1 or not isinstance(first, Gaussians | SceneFile):
            raise InputError(
                f"vitrine.{verb}: several scenes are given as files, and one as a file or as "
                f"Gaussians; got {', '.join(type(item).__name__ for item in given)}. Save the "
                "cloud first."
            )
        return first
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file; this process works in {Path.cwd()}")
    return source_of(paths)


def options_of(
    up: str | None = None,
    eye: Vector | None = None,
    target: Vector | None = None,
    fov: float | None = None,
    background: Vector | None = None,
    filters: Sequence[str] = (),
    settings: Sequence[str] = (),
    tracks: Sequence[str] = (),
    instances: int | str | None = None,
    inputs: GivenInputs | None = None,
) -> BuildOptions:
    """The options of a build; of ``inputs`` those that are files.

    Raises
    ------
    InputError
        A point or a colour that is not three numbers.
    """
    files = [
        f"{name}={fspath(value)}"
        for name, value in (inputs or {}).items()
        if isinstance(value, str | PathLike)
    ]
    many = None if instances is None else str(instances)
    made = GeneratorOptions(None, tuple(files), tuple(settings), tuple(tracks), many)
    return BuildOptions(
        up=up,
        eye=None if eye is None else point(eye, "eye"),
        target=None if target is None else point(target, "target"),
        fov_deg=fov,
        background=None if background is None else point(background, "background"),
        generator=made,
        filters=tuple(filters),
    )


def arrays_of(inputs: GivenInputs | None) -> dict[str, ArrayLike]:
    """Of ``inputs`` those that are no files."""
    return {
        name: value
        for name, value in (inputs or {}).items()
        if not isinstance(value, str | PathLike)
    }
