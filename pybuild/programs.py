"""A program's folder: ``program.json``, kernels, and buffers named by their content.

What runs them is in `pybuild.runner`, what converts arrays in `pybuild.tensors`; both are given
here too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pybuild.atomic import staging_folder, unwritable, write_bytes
from pybuild.runner import NativeRunner, PreparedProgram, shader_texts
from pybuild.tensors import from_storage, to_storage
from pyengine.errors import BundleError, InputError
from pyengine.program import Program

__all__ = [
    "PROGRAM_FILE",
    "NativeRunner",
    "PreparedProgram",
    "file_name",
    "from_storage",
    "read_program",
    "replaceable",
    "shader_texts",
    "to_storage",
    "write_program",
]

PROGRAM_FILE = "program.json"
MAX_TEXT_BYTES = 256 << 20
MAX_KERNEL_BYTES = 16 << 20


def file_name(stem: str, data: bytes | memoryview, suffix: str = ".bin") -> str:
    """A name by content, such as ``weights-0123456789ab.bin``."""
    return f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}{suffix}"


def write_program(
    folder: Path,
    program: Program,
    files: Mapping[str, bytes],
    force: bool = False,
    buffers: Path | None = None,
) -> None:
    """Write a program's folder, or replace the program in it.

    A folder that is not there yet appears whole. In one that is, the description goes last, so
    that whoever reads it meanwhile finds the old program or the new one, if files are named by
    their content; when it fails or is interrupted the old one stays.

    Parameters
    ----------
    folder : Path
    program : Program
    files : mapping
        Content of each file that the program names, by its name: kernels and buffers.
    force : bool
        Write beside files that are no program's; they stay.
    buffers : Path, optional
        Another folder for the buffers' files, which programs share; what is there stays.

    Raises
    ------
    InputError
        The folder is something else, or cannot be written.
    BundleError
        The program is not valid, or its files are not those given.
    """
    text = program.to_json()
    Program.parse(text, f"program {program.name!r}")
    names = {*program.files, *program.shaders.values()}
    if names != set(files):
        differing = ", ".join(sorted(names ^ set(files)))
        raise BundleError(
            f"program {program.name!r}: names other files than were given: {differing}"
        )
    for name, size in program.files.items():
        _check_size(f"program {program.name!r}: {name}", len(files[name]), size)
    old = replaceable(folder, force)
    parent = folder.absolute().parent
    with unwritable(folder):
        parent.mkdir(parents=True, exist_ok=True)
    if buffers is not None:
        _share(buffers, {name: files[name] for name in program.files})
        names = set(program.shaders.values())
    with staging_folder(parent) as staging:
        made = staging / "program"
        own = {name: files[name] for name in names}
        for name, data in {**own, PROGRAM_FILE: text.encode()}.items():
            with unwritable(folder):
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(data)
        if not folder.exists():
            with unwritable(folder):
                made.rename(folder)
        else:
            _move(made, folder, names, old)


def _share(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that are named by their content, unless they are there."""
    with unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        if not (path.is_file() and path.stat().st_size == len(data)):
            write_bytes(path, data)


def replaceable(folder: Path, force: bool = False) -> set[str]:
    """Files of the program in a folder that a new one may take the place of.

    Raises
    ------
    InputError
        It is a file, or holds something that is no program and ``force`` is not set.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; a program is a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return set()
    if not (folder / PROGRAM_FILE).is_file():
        if force:
            return set()
        raise InputError(
            f"{folder}: is not empty and no Vitrine program; choose another "
            "folder, or write beside what is there with --force"
        )
    try:
        old = Program.parse(_read(folder / PROGRAM_FILE, MAX_TEXT_BYTES, "damaged"))
    except BundleError:
        return set()
    return {*old.files, *old.shaders.values()}


def _move(made: Path, folder: Path, names: set[str], old: set[str]) -> None:
    """Take files into a folder that is there, its description last; then drop the old ones."""
    placed = []
    try:
        for name in (*sorted(names), PROGRAM_FILE):
            with unwritable(folder / name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                if name not in old and not (folder / name).exists():
                    placed.append(folder / name)
                (made / name).replace(folder / name)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise
    for name in old - names:
        with unwritable(folder / name):
            (folder / name).unlink(missing_ok=True)


def read_program(folder: Path, buffers: Path | None = None) -> tuple[Program, dict[str, bytes]]:
    """Open a program's folder.

    Parameters
    ----------
    folder : Path
    buffers : Path, optional
        The folder of the buffers' files, where it is not the same.

    Returns
    -------
    program : Program
    files : dict
        Content of each file that it names: kernels and buffers.

    Raises
    ------
    BundleError
        No program, or a damaged one.
    """
    path = folder / PROGRAM_FILE
    program = Program.parse(_read(path, MAX_TEXT_BYTES, "no Vitrine program"), str(path))
    files = {}
    for name in program.shaders.values():
        files[name] = _read(folder / name, MAX_KERNEL_BYTES, "compile the model again")
    for name, size in program.files.items():
        path = (buffers or folder) / name
        files[name] = _read(path, size, "compile the model again")
        _check_size(str(path), len(files[name]), size)
    return program, files


def _read(path: Path, most: int, hint: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; {hint}") from None
    if len(data) > most:
        raise BundleError(f"{path}: has more than {most} bytes; {hint}")
    return data


def _check_size(where: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise BundleError(f"{where}: wanted {wanted} bytes, got {found}; compile the model again")
