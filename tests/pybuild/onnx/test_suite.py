"""ONNX's backend suites on this machine's adapter: what runs is right, and the list of what does
not is up to date.
"""

from __future__ import annotations

import pytest

from pybuild.onnx.backend import BackendIsNotSupposedToImplementIt
from tests.pybuild.onnx.suite import SUITES, Case, excluded, load_cases, run_case

pytestmark = pytest.mark.gpu

PARTS = 12
"""Of the node suite: a hundred seconds in one test would tell nothing for long."""

LEAST_PLAIN, LEAST_NODE, LEAST_OTHER = 1303, 1756, 128
"""Tests that pass at least: node tests that are no function's expansion; all; the other suites."""
TESTS_PLAIN, TESTS_NODE, TESTS_OTHER = 1404, 1884, 140

STALE = "runs and is right: python -m tests.pybuild.onnx.suite takes it off the list"


def fault(case: Case) -> str | None:
    """What is wrong with a test's result, or with its place on the list."""
    reason = excluded()[case.suite].get(case.name)
    try:
        run_case(case)
    except BackendIsNotSupposedToImplementIt as error:
        return None if reason else f"is refused: {error}"
    except AssertionError as error:
        return None if reason else f"is wrong: {error}"
    return STALE if reason else None


def check(cases: tuple[Case, ...]) -> None:
    """All of them, so that one failure does not hide another."""
    faults = [f"{case.name} {found}" for case in cases if (found := fault(case))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("part", range(PARTS))
def test_node_suite(part: int) -> None:
    cases = load_cases("node")
    check(cases[part * len(cases) // PARTS : (part + 1) * len(cases) // PARTS])


@pytest.mark.parametrize("suite", SUITES[1:])
def test_other_suites(suite: str) -> None:
    check(load_cases(suite))


def test_most_of_the_suites_run() -> None:
    """Every name on the list is a test's, and few are."""
    names = {suite: {case.name for case in load_cases(suite)} for suite in SUITES}
    for suite, listed in excluded().items():
        assert not set(listed) - names[suite]
        assert all(listed.values())
    run = {suite: names[suite] - set(excluded()[suite]) for suite in SUITES}
    plain = [name for name in run["node"] if "_expanded" not in name]
    others = sum(len(run[suite]) for suite in SUITES[1:])
    assert (len(names["node"]), sum(len(names[s]) for s in SUITES[1:])) == (TESTS_NODE, TESTS_OTHER)
    assert sum("_expanded" not in name for name in names["node"]) == TESTS_PLAIN
    assert len(plain) >= LEAST_PLAIN
    assert len(run["node"]) >= LEAST_NODE
    assert others >= LEAST_OTHER
