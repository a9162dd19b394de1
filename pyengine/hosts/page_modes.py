"""Render modes in the page: the plan of one, to be put in the place of the one that is shown.

A mode takes the road of a filter: web/filters.mjs asks for the plan, builds it and has it shown.
"""

from __future__ import annotations

import json

from pyengine.errors import VitrineError
from pyengine.hosts.page import Display
from pyengine.hosts.page_plan import open_plan
from pyengine.passes.modes import checked_mode

__all__ = ["ModeHost"]


class ModeHost:
    """The render modes of what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def check_mode(self, name: str) -> str:
        """JSON: ``mode``, empty for colours; or ``error``, where there is none of that name."""
        try:
            return json.dumps({"mode": checked_mode(name)})
        except VitrineError as error:
            return json.dumps({"error": str(error)})

    def open_mode(self, mode: str, adapter_text: str) -> str:
        """Plan what is shown in a mode, without a filter; see `open_plan`."""
        return open_plan(self._display, adapter_text, mode=mode)
