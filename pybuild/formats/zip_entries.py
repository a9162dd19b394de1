"""Entries of an untrusted zip, each read up to a limit and never written to disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from pybuild.formats.bounds import Buffer
from pyengine.errors import malformed

__all__ = ["ZipEntries"]

_FAULTS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises for a damaged, encrypted or unknown archive."""


class ZipEntries:
    """The files of a zip in memory, by name.

    Parameters
    ----------
    data : bytes or memoryview
        The whole archive.
    name : str
        What messages call it.
    """

    def __init__(self, data: Buffer, name: str) -> None:
        self._name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _FAULTS as error:
            raise malformed(
                name,
                f"the zip archive is damaged ({error})",
                hint="The file is truncated or not a .sog.",
            ) from error

    def read(self, entry: str, limit_bytes: int) -> bytes:
        """An entry's bytes; FormatError if it is missing, damaged or longer than the limit."""
        try:
            info = self._zip.getinfo(entry)
        except KeyError:
            raise malformed(
                self._name,
                f"the archive has no '{entry}'",
                got=", ".join(sorted(self._zip.namelist())[:10]) or "no files",
            ) from None
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise malformed(
                self._name,
                f"'{entry}' is compressed in an unknown way",
                wanted="stored or deflated",
                got=f"method {info.compress_type}",
            )
        if info.file_size > limit_bytes:
            raise malformed(
                self._name,
                f"'{entry}' is too large",
                wanted=f"at most {limit_bytes} bytes",
                got=f"{info.file_size} bytes",
            )
        try:
            with self._zip.open(info) as file:
                return file.read(info.file_size)
        except _FAULTS as error:
            raise malformed(self._name, f"'{entry}' is damaged ({error})") from error
