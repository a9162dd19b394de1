"""What tests of the page's host share."""

from __future__ import annotations

import pytest

from tests.pyengine.hosts.displays import Hosted


@pytest.fixture
def display() -> Hosted:
    """A new element's: nothing is shown on it."""
    return Hosted()
