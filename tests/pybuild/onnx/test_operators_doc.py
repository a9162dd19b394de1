"""docs/operators.md says what the registry and the list of exclusions say."""

from __future__ import annotations

import re

import pytest
from onnx import defs

from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.operators_doc import (
    DOCUMENT,
    REFUSED,
    RESOLVED,
    document,
    excluded_tests,
    node_tests,
)


@pytest.fixture(scope="module")
def text() -> str:
    """The page as it should be."""
    return document(node_tests(), excluded_tests())


def test_the_page_is_up_to_date(text: str) -> None:
    """Write it anew with: python -m pybuild.onnx.operators_doc."""
    assert DOCUMENT.read_text(encoding="utf-8") == text


def test_every_operator_of_the_page_is_registered(text: str) -> None:
    """And the other way round."""
    rows = set(re.findall(r"^\| (\w+) \| \d", text, re.MULTILINE))
    assert rows == {op for _, op in LOWERINGS}


def test_every_operator_of_onnx_is_accounted_for(text: str) -> None:
    """Compiled, gone before, or refused for a reason."""
    names = {s.name for s in defs.get_all_schemas() if not s.domain and not s.deprecated}
    lowered = {op for domain, op in LOWERINGS if not domain}
    refused = {name for group in REFUSED.values() for name in group}
    assert names <= lowered | refused | set(RESOLVED)
    assert not lowered & refused
    assert "Others:" not in text


def test_counts() -> None:
    """Of tests of the operator itself, not of its definition."""
    tests = {
        "test_relu": {("", "Relu")},
        "test_relu_more": {("", "Relu"), ("", "Add")},
        "test_relu_expanded": {("", "Max"), ("", "Relu")},
        "test_gelu_expanded_ver20": {("", "Erf")},
    }
    page = document(tests, {"test_relu_more"})
    assert "Of the 4 node tests\nof the onnx package 3 pass" in page
    assert "of the 2 without `_expanded` in their name\n1." in page
    assert re.search(r"^\| Relu \| 1 to \d+ \| [^|]+\| 1 of 2 \| \|$", page, re.MULTILINE)
    assert re.search(r"^\| Add \| 1 to \d+ \| [^|]+\| 0 of 1 \| \|$", page, re.MULTILINE)
    assert re.search(r"^\| Erf \| \d+ to \d+ \| [^|]+\| \| \|$", page, re.MULTILINE)
