"""What a model or a program costs, as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pybuild.report import megabytes

__all__ = ["cost_lines", "flops_text", "text"]

LABEL = 60
"""Characters of a kernel's label that a table shows."""


def text(facts: Mapping[str, Any]) -> str:
    """The report of ``vitrine inspect`` on `inspection.model_facts` or ``program_facts``."""
    opsets = facts.get("opsets", {})
    told = [", ".join(f"{domain} {number}" for domain, number in opsets.items())]
    told.append(facts.get("producer", ""))
    head = ", ".join(filter(None, told))
    lines = [f"{facts['source']}: {facts['format']} {facts['name']!r}" + f" ({head})" * bool(head)]
    for kind in ("inputs", "outputs"):
        lines += ["", kind.capitalize(), *(f"  {_port(port)}" for port in facts[kind])]
    if facts["metadata"]:
        lines += ["", "Metadata", *(f"  {k} = {v}" for k, v in facts["metadata"].items())]
    count = sum(facts["operators"].values())
    lines += ["", f"{count} operators", *_columns(facts["operators"])]
    if facts["unsupported"]:
        lines += ["", "Cannot be compiled:"]
        lines += [f"  {_problem(problem)}" for problem in facts["unsupported"]]
        return "\n".join(lines)
    counts = f", which follow {', '.join(facts['counts'])}" if facts["counts"] else ""
    lines += ["", f"{facts['dispatches']} dispatches{counts}", *cost_lines(facts), ""]
    return "\n".join([*lines, *_kernels(facts["kernels"])])


def cost_lines(costs: Mapping[str, Any]) -> list[str]:
    """Arena, weights and work of a program, a line each."""
    lines = []
    if costs.get("arena_bytes") is not None:
        arena, bound, total = (
            megabytes(costs[f"arena{part}_bytes"]) for part in ("", "_bound", "_total")
        )
        lines.append(f"  arena    {arena} (at least {bound}; all tensors {total})")
    if costs.get("weight_bytes") is not None:
        packed = costs.get("packed_bytes") or {}
        told = ", ".join(f"{kind} {megabytes(size)}" for kind, size in packed.items())
        lines.append(
            f"  weights  {megabytes(costs['weight_bytes'])}" + f" ({told})" * (len(packed) > 1)
        )
    if costs.get("flops") is not None:
        lines.append(f"  work     {flops_text(costs['flops'])} a run")
    return lines


def flops_text(flops: float) -> str:
    """Operations with three digits in the unit that fits."""
    for unit, count in (("GFLOP", 1e9), ("MFLOP", 1e6), ("kFLOP", 1e3)):
        if flops >= count:
            return f"{flops / count:.3g} {unit}"
    return f"{flops:.0f} FLOP"


def _port(port: Mapping[str, Any]) -> str:
    shape = port["shape"]
    if shape is None:
        sizes = "of any shape"
    else:
        sizes = "x".join("?" if size is None else str(size) for size in shape) or "scalar"
    return f"{port['name']}: {port['dtype'] or 'no tensor'} {sizes}"


def _columns(counts: Mapping[str, int]) -> list[str]:
    """Names and numbers, as many on a line as fit."""
    cells = [f"{name} {count}" for name, count in counts.items()]
    lines, line = [], ""
    for cell in cells:
        if line and len(line) + len(cell) > 96:
            lines.append(line)
            line = ""
        line += ("  " if not line else ", ") + cell
    return [*lines, line] if line else lines


def _problem(problem: Mapping[str, Any]) -> str:
    where = ""
    if problem["operator"]:
        opset = f" (opset {problem['opset']})" if problem["opset"] else ""
        where = f"{problem['operator']} {problem['node']!r}{opset}: "
    hint = f" {problem['hint']}" if problem["hint"] else ""
    return f"{where}{problem['reason']}.{hint}"


def _kernels(kernels: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"  {'#':>4}  {'computes':<{LABEL}}{'workgroups':>14}{'work':>13}"]
    for number, kernel in enumerate(kernels):
        label = kernel["label"]
        label = label if len(label) < LABEL else f"{label[: LABEL - 2]}…"
        groups = kernel["workgroups"]
        if not isinstance(groups, str):
            while len(groups) > 1 and groups[-1] == 1:
                groups = groups[:-1]
            groups = "x".join(map(str, groups))
        work = "" if kernel["flops"] is None else flops_text(kernel["flops"])
        lines.append(f"  {number:>4}  {label:<{LABEL}}{groups:>14}{work:>13}".rstrip())
    return lines
