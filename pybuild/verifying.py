"""What ``vitrine verify`` does: a model's results here and by onnxruntime, side by side."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pybuild.compiling import must_be_model
from pybuild.onnx.models import Sizes
from pybuild.onnx.verify import Comparison, compare
from pybuild.terminal import progress
from pyengine.errors import InputError

__all__ = ["verify_model"]

DIFFERS = 1
"""Exit status where an output is not near enough."""


def verify_model(
    model: Path, sizes: Sizes, seed: int, tolerance: float | None, as_json: bool
) -> int:
    """Compare and print; gives the exit status.

    Raises
    ------
    InputError
        The model cannot be read, compiled, or run by onnxruntime.
    EngineError
        onnxruntime is not installed, or there is no adapter.
    """
    must_be_model(model)
    if tolerance is not None and not 0 <= tolerance < math.inf:
        raise InputError(f"--tolerance wants a number from 0, got {tolerance}")
    with progress() as tell:
        result = compare(model, sizes, seed, tolerance, tell)
    facts = _facts(model, seed, result)
    print(json.dumps(facts, indent=1, allow_nan=False) if as_json else _text(facts))
    return 0 if result.passed else DIFFERS


def _facts(model: Path, seed: int, result: Comparison) -> dict[str, Any]:
    """JSON values; an error that is no finite number is None."""
    first = result.first
    return {
        "model": str(model),
        "adapter": result.adapter,
        "dispatches": result.dispatches,
        "outputs": [
            {
                "name": name,
                "shape": list(shape),
                "dtype": dtype,
                "max_abs_error": _finite(apart.max_abs),
                "max_rel_error": _finite(apart.max_rel),
            }
            for name, shape, dtype, apart in result.outputs
        ],
        "max_rel_error": _finite(result.max_rel),
        "tolerance": result.tolerance,
        "seed": seed,
        "first_divergent_node": first
        and {
            "name": first.node,
            "operator": first.operator,
            "output": first.output,
            "max_abs_error": _finite(first.difference.max_abs),
            "max_rel_error": _finite(first.difference.max_rel),
        },
        "passed": result.passed,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _text(facts: dict[str, Any]) -> str:
    rows = [("output", "type", "shape", "max abs error", "max rel error")]
    for output in facts["outputs"]:
        shape = "x".join(map(str, output["shape"])) or "scalar"
        errors = _number(output["max_abs_error"]), _number(output["max_rel_error"])
        rows.append((output["name"], output["dtype"], shape, *errors))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            cell.rjust(width) if column > 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    count = facts["dispatches"]
    lines.append(f"{facts['model']}: {count} dispatch{'es' * (count != 1)} on {facts['adapter']}")
    told = f"{_number(facts['max_rel_error'])}, at most {facts['tolerance']:g} is near enough"
    lines.append(f"{'passed' if facts['passed'] else 'differs from onnxruntime'}: {told}")
    first = facts["first_divergent_node"]
    if first:
        lines.append(
            f"first node that diverges: {first['operator']} {first['name']!r}, "
            f"output {first['output']!r}, by {_number(first['max_rel_error'])}"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"
