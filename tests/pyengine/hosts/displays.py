"""A display of the page's host with all that JavaScript makes beside it."""

from __future__ import annotations

from pyengine.hosts.page import Display
from pyengine.hosts.page_capture import CaptureHost
from pyengine.hosts.page_file import FileHost
from pyengine.hosts.page_filter import FilterHost
from pyengine.hosts.page_modes import ModeHost
from pyengine.hosts.page_pick import PickHost
from pyengine.hosts.page_view import ViewHost

__all__ = ["Hosted"]


class Hosted(Display):
    """One element's side of Python."""

    def __init__(self, budget_mb: float = 0.0) -> None:
        super().__init__(budget_mb)
        self.capture = CaptureHost(self)
        self.files = FileHost(self)
        self.filters = FilterHost(self)
        self.modes = ModeHost(self)
        self.picks = PickHost(self)
        self.views = ViewHost(self)
