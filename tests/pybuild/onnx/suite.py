"""ONNX's own backend tests, and the list of those that Vitrine does not take.

Four of its suites lie in the onnx package: `node` (each operator alone, made in memory), `simple`,
`pytorch-operator` and `pytorch-converted`. ``excluded.toml`` names the tests that do not run, by
suite, each with the reason; this writes it anew::

    python -m tests.pybuild.onnx.suite
"""

from __future__ import annotations

import re
import sys
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from pybuild.onnx.backend import BackendIsNotSupposedToImplementIt, VitrineBackend

__all__ = ["EXCLUDED", "SUITES", "Case", "assert_similar", "excluded", "load_cases", "run_case"]

EXCLUDED = Path(__file__).with_name("excluded.toml")
SUITES = ("node", "simple", "pytorch-operator", "pytorch-converted")

NOT_MET = {
    "test_dft_inverse": "wants 1.9e-7, its author's rounding error, where 0 is right",
    "test_dft_inverse_opset19": "wants 1.9e-7, its author's rounding error, where 0 is right",
}
"""Tests that run and do not give what is wanted: why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test.

    Attributes
    ----------
    data : sequence of (inputs, outputs)
        What is wanted for what is given.
    rtol, atol : float
        The suite's own.
    """

    suite: str
    name: str
    model: onnx.ModelProto
    data: Sequence[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


@cache
def load_cases(suite: str) -> tuple[Case, ...]:
    """Every test of a suite, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy overflows where the reference implementation does
        tests = collect_testcases(None) if suite == "node" else load_model_tests(kind=suite)
    cases = []
    for test in tests:
        if suite == "node":
            model = test.model
            data = [(_arrays(given), _arrays(wanted)) for given, wanted in test.data_sets]
        else:
            folder = Path(test.model_dir)
            model = onnx.load(folder / "model.onnx")
            sets = sorted(folder.glob("test_data_set_*"))
            data = [(list(_read(s, "input")), list(_read(s, "output"))) for s in sets]
        cases.append(Case(suite, test.name, model, data, test.rtol, test.atol))
    return tuple(sorted(cases, key=lambda case: case.name))


def _arrays(values: Sequence[Any]) -> list[Any]:
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]


def _read(folder: Path, kind: str) -> Iterator[NDArray[Any] | None]:
    """The tensors of a data set; None for what is no tensor."""
    for index in range(len(list(folder.glob(f"{kind}_*.pb")))):
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString((folder / f"{kind}_{index}.pb").read_bytes())
            yield numpy_helper.to_array(tensor)
        except Exception:  # a sequence or an optional: its bytes say nothing as a tensor
            yield None


@cache
def excluded() -> dict[str, dict[str, str]]:
    """Suite to test to reason."""
    return tomllib.loads(EXCLUDED.read_text(encoding="utf-8"))


def assert_similar(case: Case, wanted: Sequence[Any], got: Sequence[Any]) -> None:
    """As the suite's own runner compares: shapes, types, and values within its tolerance."""
    Runner.assert_similar_outputs(wanted, list(got), case.rtol, case.atol)


def run_case(case: Case) -> None:
    """Run a test on this machine's adapter.

    Raises
    ------
    BackendIsNotSupposedToImplementIt
        Vitrine does not take it.
    AssertionError
        It gives something else than is wanted.
    """
    prepared = VitrineBackend.prepare(case.model)
    try:
        for given, wanted in case.data:
            assert_similar(case, wanted, prepared.run(given))
    finally:
        prepared.close()


def _reason(case: Case, error: BackendIsNotSupposedToImplementIt) -> str:
    """The first problem, without the model's and the node's names and what to do about it."""
    lines = str(error).splitlines()
    text = lines[min(1, len(lines) - 1)].strip().removeprefix(f"{case.model.graph.name}: ")
    text = re.sub(r"^(\w+) '[^']*' \([^)]*\)", r"\1", text)
    return text.split(". ")[0].rstrip(".")


def main() -> int:
    """Run every test, and write down those that Vitrine does not take; 1 where one is wrong."""
    lines = [
        "# Tests of ONNX's backend suites that Vitrine does not pass, with the reason.",
        "# Written by: python -m tests.pybuild.onnx.suite",
    ]
    wrong = []
    for suite in SUITES:
        lines += ["", f"[{suite}]"]
        cases = load_cases(suite)
        for case in cases:
            try:
                run_case(case)
            except BackendIsNotSupposedToImplementIt as error:
                reason = _reason(case, error)
            except AssertionError as error:
                if case.name not in NOT_MET:
                    wrong.append(f"{suite}: {case.name}: {error}")
                    continue
                reason = NOT_MET[case.name]
            else:
                continue
            escaped = reason.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'{case.name} = "{escaped}"')
    EXCLUDED.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main())
