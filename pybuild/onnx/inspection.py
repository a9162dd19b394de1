"""What a model asks for and what a program costs: the numbers behind ``vitrine inspect``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

from pybuild.onnx.front.functions import opsets_of
from pybuild.onnx.front.inputs import declared_dims
from pybuild.onnx.front.intake import dtype_name, read_model
from pybuild.onnx.graph import operator_name
from pybuild.onnx.models import Sizes, compile_model
from pybuild.onnx.problems import GraphError, Problem
from pyengine.plan import Indirect
from pyengine.program import Program, ProgramDispatch

__all__ = ["count_operators", "model_facts", "program_facts"]

COSTS = (
    *("arena_bytes", "arena_bound_bytes", "arena_total_bytes", "weight_bytes", "packed_bytes"),
    *("flops", "nodes"),
)
"""Entries of a program's report that stand for themselves."""


def model_facts(
    path: Path, sizes: Sizes | None = None, tell: Callable[[str, float], None] | None = None
) -> dict[str, Any]:
    """Look at a model, and compile it in memory for what its program would cost.

    Parameters
    ----------
    path : Path
    sizes : Sizes, optional
        Of what the model leaves open.
    tell : callable, optional
        Progress.

    Returns
    -------
    dict
        JSON values. ``unsupported`` lists what stands against compiling, a node each; where it
        is not empty ``kernels`` is, and what a program would cost is None.

    Raises
    ------
    GraphError
        The file cannot be read as a model.
    """
    _, model, _ = read_model(path)
    facts: dict[str, Any] = {
        "source": str(path),
        "format": "ONNX model",
        "name": model.graph.name,
        "producer": " ".join(filter(None, (model.producer_name, model.producer_version))),
        "opsets": {domain or "ai.onnx": n for domain, n in opsets_of(model.opset_import).items()},
        "operators": dict(count_operators(model).most_common()),
        "inputs": _values(model, model.graph.input),
        "outputs": _values(model, model.graph.output),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "disk_bytes": path.stat().st_size,
    }
    try:
        program = compile_model(path, sizes, tell).program
    except GraphError as error:
        return {
            **facts,
            "unsupported": [_problem(problem) for problem in error.problems],
            "counts": [],
            "dispatches": None,
            **dict.fromkeys(COSTS),
            "kernels": [],
        }
    return {**facts, "unsupported": [], **_costs(program)}


def program_facts(folder: Path, program: Program) -> dict[str, Any]:
    """Look at a compiled program: as `model_facts`, but of the operators that were compiled."""
    return {
        "source": str(folder),
        "format": "Vitrine program",
        "name": program.name,
        "operators": dict(Counter(program.report.get("operators", {})).most_common()),
        "unsupported": [],
        "inputs": [_port(t) for t in program.inputs],
        "outputs": [_port(t) for t in program.outputs],
        "metadata": dict(program.metadata),
        "disk_bytes": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        **_costs(program),
    }


def count_operators(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator stands in the file, the bodies of branches and functions too."""
    counts: Counter[str] = Counter()
    bodies: list[Any] = [model.graph, *model.functions]
    while bodies:
        for node in bodies.pop().node:
            counts[operator_name(node.domain, node.op_type)] += 1
            for attribute in node.attribute:
                bodies += [attribute.g] * attribute.HasField("g")
                bodies += attribute.graphs
    return counts


def _costs(program: Program) -> dict[str, Any]:
    report = program.report
    flops = report.get("dispatch_flops", [])
    flops = flops if len(flops) == len(program.dispatches) else [None] * len(program.dispatches)
    return {
        "counts": list(program.counts),
        "dispatches": len(program.dispatches),
        **{name: report.get(name) for name in COSTS},
        "gpu_bytes": sum(buffer.size_bytes for buffer in program.buffers),
        "kernels": [_kernel(d, work) for d, work in zip(program.dispatches, flops, strict=True)],
    }


def _kernel(dispatch: ProgramDispatch, flops: int | None) -> dict[str, Any]:
    """One dispatch; the workgroups are those of its first candidate."""
    groups = dispatch.candidates[0].workgroups
    return {
        "label": dispatch.label,
        "workgroups": f"as {groups.buffer} says" if isinstance(groups, Indirect) else list(groups),
        "candidates": len(dispatch.candidates),
        "flops": flops,
    }


def _port(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _values(model: onnx.ModelProto, values: Any) -> list[dict[str, Any]]:
    """Inputs or outputs as declared: a size is a number, a symbol, or None."""
    return list(_declared(values, {tensor.name for tensor in model.graph.initializer}))


def _declared(values: Any, constants: set[str]) -> Iterator[dict[str, Any]]:
    for value in values:
        if value.name not in constants:
            dims = declared_dims(value)
            yield {
                "name": value.name,
                "dtype": dtype_name(value.type.tensor_type.elem_type),
                "shape": None if dims is None else list(dims),
            }


def _problem(problem: Problem) -> Mapping[str, Any]:
    return {
        "node": problem.node,
        "operator": operator_name(problem.domain, problem.op),
        "opset": problem.opset or None,
        "reason": problem.reason,
        "hint": problem.hint,
    }
