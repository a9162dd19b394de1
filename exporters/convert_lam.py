"""Animatable heads as LAM's viewer ships them to a generator's .onnx.

``python -m exporters.convert_lam p2-1.zip -o head.onnx --expressions expression.json``

The archive holds, in one folder, skin.glb (a skinned mesh whose morph targets carry ARKit's names)
and offset.ply (a Gaussian for each vertex, in the mesh's order: an offset, scales, a rotation, and
a colour where harmonics usually are). The .json holds ``names`` and ``frames`` with ``weights``; it
becomes a track, head.weights.npy (F, k), for ``vitrine render head.onnx --track
weights=head.weights.npy@30``. LAM: https://github.com/aigc3d/LAM_WebRender (MIT).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import onnx

from pybuild.formats import ply
from pybuild.formats.bounds import malformed, mapped
from pybuild.formats.glb import read_skinned
from pybuild.formats.zip_entries import ZipEntries
from pybuild.generators.head import Floats, Head, head, to_model
from pyengine.errors import InputError, VitrineError

__all__ = ["read_expressions", "read_head"]

LIMIT_BYTES = 256 << 20
"""Of one entry of the archive."""


def read_head(path: str | os.PathLike[str]) -> Head:
    """The head in an archive.

    Raises
    ------
    FormatError
        The archive or one of its files is damaged or missing.
    InputError
        They do not fit one another.
    """
    name = os.fspath(path)
    data = mapped(path)
    entries = ZipEntries(data, name)
    folder = _folder(bytes(data), name)
    mesh = read_skinned(entries.read(f"{folder}skin.glb", LIMIT_BYTES), f"{name}: skin.glb")
    offsets = ply.parse(
        entries.read(f"{folder}offset.ply", LIMIT_BYTES), f"{name}: offset.ply", "source"
    )
    return head(mesh, offsets, name)


def read_expressions(path: str | os.PathLike[str], given: Head) -> Floats:
    """Weights of each frame in the head's order: (F, k).

    Raises
    ------
    InputError
        The file cannot be read, or holds no such frames.
    """
    name = os.fspath(path)
    try:
        document = json.loads(Path(path).read_bytes())
        names = [str(n) for n in document["names"]]
        frames = np.array([frame["weights"] for frame in document["frames"]], np.float32)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{name}: wanted 'names' and 'frames' with 'weights' ({type(error).__name__}: {error})"
        ) from None
    return given.track(names, frames)


def _folder(data: bytes, name: str) -> str:
    """Where in the archive skin.glb lies: the folder's name with its slash, or nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise malformed(name, f"the zip archive is damaged ({error})") from None
    for entry in entries:
        path = PurePosixPath(entry)
        if path.name == "skin.glb" and not entry.startswith("__MACOSX"):
            return "" if str(path.parent) == "." else f"{path.parent}/"
    raise malformed(name, "the archive has no skin.glb", got=", ".join(sorted(entries)[:10]))


def main() -> int:
    """Convert; 2 where the input is at fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("head.onnx"))
    parser.add_argument("--expressions", type=Path, help="a .json of frames to make a track of")
    arguments = parser.parse_args()
    try:
        made = read_head(arguments.archive)
        onnx.save(to_model(made), arguments.output)
        print(
            f"{arguments.output}: {len(made.position)} Gaussians, {len(made.expressions)} "
            f"expressions, joints {', '.join(made.joints)}"
        )
        if arguments.expressions:
            track = read_expressions(arguments.expressions, made)
            target = arguments.output.with_suffix(".weights.npy")
            np.save(target, track)
            print(f"{target}: {len(track)} frames")
    except (VitrineError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
