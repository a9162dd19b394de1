"""A file that was dropped on the page: its plan of unpacking, then the scene that came of it.

web/dropped.mjs inflates the file, asks `open_file` what to build, hands what the GPU unpacked to
`decoded`, and web/display.mjs calls `show_file` between two frames. What is shown stays as it is
until then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyengine.drop import READBACK, decode_limits, decode_plan, decoded_scene, table_bytes
from pyengine.errors import FormatError, VitrineError
from pyengine.hosts.page import Display, JsBytes
from pyengine.hosts.page_budget import within_budget
from pyengine.hosts.page_scene import told
from pyengine.hosts.page_stage import Stage, staged
from pyengine.plan import Adapter
from pyengine.scene_plan import required_limits, scene_plan
from pyengine.sources import Bytes, Source, open_source, spz

__all__ = ["FileHost"]


@dataclass(slots=True)
class Dropped:
    """A file between its drop and its first frame.

    ``payload`` holds the arrays that only Python can inflate, until JavaScript has uploaded them.
    """

    source: Source
    adapter: Adapter
    payload: bytes
    stage: Stage | None = None


def _refusal(error: VitrineError) -> str:
    """An error as JSON: the message, and whose fault it is."""
    code = "file" if isinstance(error, FormatError) else "limits"
    return json.dumps({"error": str(error), "code": code})


class FileHost:
    """Opens the files that are dropped on an element."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._dropped: Dropped | None = None

    def inflated_bytes(self, head: JsBytes, file_bytes: int, name: str) -> str:
        """How far to inflate a gzip stream, of which ``head`` holds the first 16 bytes.

        Returns
        -------
        str
            JSON: ``limit`` in bytes; or ``error`` and ``code``.
        """
        try:
            size = spz.inflated_bytes(head.to_bytes(), file_bytes, name)
        except VitrineError as error:
            return _refusal(error)
        return json.dumps({"limit": size + spz.EXTENSIONS_LIMIT_BYTES})

    def open_file(self, name: str, data: JsBytes, adapter_text: str) -> str:
        """Plan the unpacking of a dropped file; what is shown stays.

        Parameters
        ----------
        name : str
            The file's, for messages and for what its content does not tell.
        data : Uint8Array
            The file, or what its gzip stream holds. Only the header is looked at, except in SPZ
            version 4, which JavaScript cannot inflate.
        adapter_text : str
            JSON of `pyengine.plan.Adapter`.

        Returns
        -------
        str
            JSON: ``plan``, ``start`` and ``size`` of the bytes to upload (of `payload` if
            ``inflated``), ``table`` to upload, ``readback``; or ``error`` and ``code``.
        """
        self._dropped = None
        file = Bytes(data.length, lambda start, end: data.subarray(start, end).to_bytes())
        inflated = b""
        try:
            if spz.version_of(file.read(0, 8)) >= 4:
                source, inflated = spz.unpack_streams(data.to_bytes(), name)
            else:
                source = open_source(file, name)
            adapter = Adapter(**json.loads(adapter_text))
            plan = decode_plan(source, adapter)
            decode_limits(source, adapter)  # or refuse it
        except VitrineError as error:
            return _refusal(error)
        self._dropped = Dropped(source, adapter, inflated)
        return json.dumps(
            {
                "plan": plan.to_dict(),
                "start": source.start_byte,
                "size": source.size_bytes,
                "inflated": bool(inflated),
                "table": list(table_bytes(source)),
                "readback": READBACK,
            }
        )

    def payload(self) -> bytes:
        """The bytes that Python inflated, for JavaScript to upload; given once."""
        dropped = self._opened()
        data, dropped.payload = dropped.payload, b""
        return data

    def decoded(self, *readback: JsBytes) -> str:
        """Plan the scene that was unpacked, from the buffers that `open_file` asked for.

        Returns
        -------
        str
            As `pyengine.hosts.page.Display.open_scene`; what is shown stays until `show_file`.
        """
        dropped = self._opened()
        buffers = {name: data.to_bytes() for name, data in zip(READBACK, readback, strict=True)}
        try:
            scene = decoded_scene(dropped.source, buffers)
            plan = within_budget(scene_plan(scene, dropped.adapter), self._display.budget_bytes)
            required_limits(plan, dropped.adapter)  # or refuse it
        except VitrineError as error:
            return _refusal(error)
        dropped.stage = staged(scene, plan, self._display.shown)
        return told(scene, plan)

    def show_file(self) -> None:
        """From now on frames show the scene of the last `decoded`."""
        stage = self._opened().stage
        if stage is not None:
            self._display.shown = stage
        self._dropped = None

    def _opened(self) -> Dropped:
        if self._dropped is None:
            raise FormatError("no file was opened")
        return self._dropped
