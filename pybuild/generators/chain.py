"""Two programs as one: the second reads on the GPU what the first has written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pybuild.onnx.compile import Compiled
from pyengine.program import Program

__all__ = ["chained"]

PREFIX = "then."
"""Of the second program's buffers."""


def chained(first: Compiled, second: Compiled, links: Mapping[str, str]) -> Compiled:
    """A program that runs both, one after the other.

    Its outputs are the second's, then those of the first that no link names.

    Parameters
    ----------
    first, second : Compiled
        Inputs of one name are one input.
    links : mapping
        Name of an input or symbol of a count of the second to the output of the first that it is.
    """
    one, two = first.program.to_dict(), second.program.to_dict()
    written = {tensor["name"]: tensor["buffer"] for tensor in one["outputs"]}
    given = {tensor["name"]: tensor["buffer"] for tensor in one["inputs"]}
    renamed: dict[str, str] = {}
    for name, buffer in [(t["name"], t["buffer"]) for t in two["inputs"]] + list(
        two["counts"].items()
    ):
        if name in links:
            renamed[buffer] = written[links[name]]
        elif name in given:
            renamed[buffer] = given[name]
    kept = [buffer for buffer in two["buffers"] if buffer["name"] not in renamed]
    renamed |= {buffer["name"]: PREFIX + buffer["name"] for buffer in kept}

    def moved(place: Any) -> Any:
        if isinstance(place, dict) and place.get("buffer") in renamed:
            return place | {"buffer": renamed[place["buffer"]]}
        return place

    dispatches = [
        dispatch
        | {
            "bindings": [moved(part) for part in dispatch["bindings"]],
            "candidates": [
                candidate | {"workgroups": moved(candidate["workgroups"])}
                for candidate in dispatch["candidates"]
            ],
        }
        for dispatch in two["dispatches"]
    ]
    pipelines = {pipeline["name"]: pipeline for pipeline in (*one["pipelines"], *two["pipelines"])}
    inputs = one["inputs"] + [
        moved(t) for t in two["inputs"] if t["name"] not in given and t["name"] not in links
    ]
    data = one | {
        "name": two["name"],
        "inputs": inputs,
        "outputs": [moved(tensor) for tensor in two["outputs"]]
        + [tensor for tensor in one["outputs"] if tensor["name"] not in links.values()],
        "counts": {s: renamed[b] for s, b in two["counts"].items() if s not in links},
        "buffers": one["buffers"] + [b | {"name": PREFIX + b["name"]} for b in kept],
        "shaders": one["shaders"] | two["shaders"],
        "pipelines": list(pipelines.values()),
        "dispatches": one["dispatches"] + dispatches,
        "features": sorted({*one["features"], *two["features"]}),
        "metadata": one["metadata"] | two["metadata"],
        "report": _reported(one["report"], two["report"]),
    }
    program = Program.parse(json.dumps(data), f"program {two['name']!r}")
    return Compiled(
        program,
        _used(first.files | second.files, program),
        (*first.kernels, *second.kernels),
        second.placement,
    )


def _used(files: Mapping[str, bytes], program: Program) -> dict[str, bytes]:
    """Files that the program still names."""
    named = {*program.files, *program.shaders.values()}
    return {name: data for name, data in files.items() if name in named}


def _reported(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of both together."""
    report = dict(two)
    for name in ("dispatches", "weight_bytes", "flops", "nodes", "arena_bytes"):
        report[name] = one[name] + two[name]
    report["arena_bound_bytes"] = one["arena_bound_bytes"] + two["arena_bound_bytes"]
    report["arena_total_bytes"] = one["arena_total_bytes"] + two["arena_total_bytes"]
    report["dispatch_flops"] = [*one["dispatch_flops"], *two["dispatch_flops"]]
    return report
