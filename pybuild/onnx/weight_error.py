"""What packing a network's weights does to its outputs, measured on the GPU."""

from __future__ import annotations

from dataclasses import replace

from pybuild.onnx.compile import Compiled, compile_graph
from pybuild.onnx.graph import Graph
from pybuild.onnx.oracle import difference
from pybuild.random_inputs import random_inputs
from pybuild.runner import NativeRunner

__all__ = ["weight_error", "with_weight_error"]


def weight_error(
    graph: Graph, compiled: Compiled, runner: NativeRunner, seed: int = 0
) -> dict[str, float]:
    """The largest difference of each output from the same network with f32 weights.

    Parameters
    ----------
    graph : Graph
    compiled : Compiled
        Of that graph, with packed weights.
    runner : NativeRunner
        Runs both.
    seed : int
        Of the inputs; see `pybuild.random_inputs`.

    Returns
    -------
    dict of str to float
        As a share of the output's largest magnitude, by its name.
    """
    inputs = random_inputs(graph.inputs, seed)
    whole = compile_graph(graph)
    wanted = runner.run(whole.program, whole.files, inputs)
    found = runner.run(compiled.program, compiled.files, inputs)
    return {name: difference(found[name], array).max_rel for name, array in wanted.items()}


def with_weight_error(
    graph: Graph, compiled: Compiled, runner: NativeRunner, seed: int = 0
) -> Compiled:
    """A compiled network whose report has ``weight_error``; see `weight_error`."""
    found = weight_error(graph, compiled, runner, seed)
    report = {**compiled.program.report, "weight_error": found}
    return replace(compiled, program=replace(compiled.program, report=report))
