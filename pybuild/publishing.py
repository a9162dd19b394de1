"""Files from a staging folder into a site, so that whoever reads it meanwhile sees old or new.

They are moved one by one, pages last; ``vitrine/files.json`` lists what the build wrote, so that
the next one removes exactly that and leaves the user's own files alone.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pybuild.atomic import STAGING_PREFIX, unwritable, write_bytes
from pybuild.bundle import SCENE_FILE
from pybuild.offline import OFFLINE_FILE, renew_offline
from pyengine.errors import InputError

__all__ = [
    "RECORD",
    "files_in",
    "old_files",
    "publish",
    "read_record",
    "record_again",
    "target_folder",
]

RECORD = "vitrine/files.json"
PAGE = "index.html"


def publish(
    staging: Path,
    out: Path,
    old: Sequence[str],
    facts: Mapping[str, object],
    kept: Sequence[str] = (),
) -> list[str]:
    """Move every file into place, pages last, and remove what only the old site had.

    Parameters
    ----------
    old : sequence of str
        Of `old_files`.
    facts : mapping
        What else the record says.
    kept : sequence of str
        Old files that belong to the new site as they are.

    Returns
    -------
    list of str
        Paths of the site's files, sorted.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    moved = [path.relative_to(staging).as_posix() for path in files_in(staging)]
    names = sorted({*moved, *kept})
    _write_record(out, sorted({*names, *old}), facts)
    for name in sorted(moved, key=_rank):
        source, target = staging / name, out / name
        if target.is_file() and filecmp.cmp(source, target, shallow=False):
            continue  # keeps its date, which the server makes its ETag of
        with unwritable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    for name in set(old) - set(names):
        with unwritable(out / name):
            (out / name).unlink(missing_ok=True)
            folder = (out / name).parent
            while folder != out and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent
    _write_record(out, names, facts)
    return names


def _rank(name: str) -> tuple[int, str]:
    """A page after the scene that it shows, the site's own and what keeps it last."""
    last = name.rpartition("/")[2]
    if name == OFFLINE_FILE:
        return 4, name
    return (3 if name == PAGE else 2 if last == PAGE else 1 if last == SCENE_FILE else 0), name


def _write_record(out: Path, names: Sequence[str], facts: Mapping[str, object]) -> None:
    path = out / RECORD
    with unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    record = {"vitrine": 1, **facts, "files": list(names)}
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())


def record_again(folder: Path, part: str) -> None:
    """Have the site around a folder, if there is one, list what a part of that folder holds now.

    Parameters
    ----------
    folder : Path
        As ``scene/`` of a site, or of a gallery's demo.
    part : str
        A pattern of names in it; files that are gone are not listed any more, here or elsewhere.
    """
    for root in (folder.parent, folder.parent.parent):
        record = read_record(root)
        listed = record.get("files") if record else None
        inside = f"{folder.relative_to(root).as_posix()}/"
        if record is None or not isinstance(listed, list) or f"{inside}{SCENE_FILE}" not in listed:
            continue
        found = {path.relative_to(root).as_posix() for path in folder.glob(part) if path.is_file()}
        names = sorted(found | {name for name in old_files(root) if (root / name).is_file()})
        facts = {key: value for key, value in record.items() if key not in ("vitrine", "files")}
        _write_record(root, names, facts)
        renew_offline(root, names)
        return


def old_files(out: Path) -> list[str]:
    """Files that an earlier build wrote into ``out``.

    Raises
    ------
    InputError
        The folder is something else.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; -o wants a folder")
    record = read_record(out)
    if record is not None:
        files = record.get("files")
        names = [name for name in files if isinstance(name, str)] if isinstance(files, list) else []
        return [name for name in names if _inside(name)]
    with unwritable(out):
        others = [path.name for path in out.iterdir()] if out.is_dir() else []
    others = [name for name in others if not name.startswith(STAGING_PREFIX)]
    if others:
        raise InputError(
            f"{out}: is not empty and no Vitrine site (it holds {sorted(others)[0]!r}); "
            "give an empty folder or a new name"
        )
    return []


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts


def read_record(folder: Path) -> dict[str, object] | None:
    """What the last build says of a site; None where there is none."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("vitrine") == 1 else None


@contextmanager
def target_folder(out: Path) -> Iterator[None]:
    """The target; one that was made for a build that failed goes with it."""
    new = not out.exists()
    with unwritable(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(out, ignore_errors=True)
        raise


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
