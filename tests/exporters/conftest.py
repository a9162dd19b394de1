"""What tests of the committed generators share: onnxruntime beside the test's MODEL."""

from __future__ import annotations

import pytest

from tests.exporters.oracle import Oracle


@pytest.fixture(scope="module")
def oracle(request: pytest.FixtureRequest) -> Oracle:
    """One session for all tests of a file, of the model that its MODEL names."""
    return Oracle(request.module.MODEL)
