"""A network's results on this machine's GPU held against onnxruntime's on its processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pybuild.onnx.divergence import Divergence, Search
from pybuild.onnx.graph import Graph
from pybuild.onnx.models import Sizes, compile_opened, open_graph
from pybuild.onnx.oracle import Difference, difference, onnxruntime, reference
from pybuild.random_inputs import random_inputs
from pybuild.runner import NativeRunner

__all__ = ["HALF_TOLERANCE", "TOLERANCE", "Comparison", "compare", "is_half"]

Tell = Callable[[str, float], None]

TOLERANCE = 1e-3
"""Of an output's largest magnitude: sums of products in another order differ by far less."""
HALF_TOLERANCE = 1e-2
"""Where a model has 16-bit floats: half of their last place is 5e-4, and errors add up."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of running a model here and there.

    Attributes
    ----------
    adapter : str
    dispatches : int
    outputs : tuple of (name, shape, dtype, Difference)
        As the other runtime gives them.
    tolerance : float
        What ``max_rel`` may be.
    first : Divergence or None
        Only looked for where an output differs.
    """

    adapter: str
    dispatches: int
    outputs: tuple[tuple[str, tuple[int, ...], str, Difference], ...]
    tolerance: float
    first: Divergence | None = None

    @property
    def max_rel(self) -> float:
        """The largest of all outputs."""
        return max((d.max_rel for *_, d in self.outputs), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether every output is near enough."""
        return self.max_rel <= self.tolerance


def compare(
    path: Path,
    sizes: Sizes | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    tell: Tell | None = None,
) -> Comparison:
    """Run a model on random inputs on this machine's GPU and by onnxruntime, and compare.

    Parameters
    ----------
    path : Path
        An ONNX file.
    sizes : Sizes, optional
        Of what the model leaves open.
    seed : int
        Of the inputs; see `pybuild.random_inputs`.
    tolerance : float, optional
        `TOLERANCE`, or `HALF_TOLERANCE` for a model with 16-bit floats, unless given.
    tell : callable, optional
        Progress.

    Raises
    ------
    InputError
        The model cannot be read, compiled, or run by onnxruntime.
    EngineError
        onnxruntime is not installed, or there is no adapter.
    """
    onnxruntime()  # before the work
    tell = tell or _quiet
    graph = open_graph(path, sizes)
    if tolerance is None:
        tolerance = HALF_TOLERANCE if is_half(graph) else TOLERANCE
    feeds = random_inputs(graph.inputs, seed)
    tell(f"compiling {len(graph.nodes)} nodes", 0.1)
    compiled = compile_opened(graph, str(path))
    tell("running onnxruntime", 0.35)
    names = [info.name for info in graph.outputs]
    wanted = reference(path, feeds, names)
    tell("running on the GPU", 0.45)
    with NativeRunner() as runner:
        found = runner.run(compiled.program, compiled.files, feeds)
        outputs = tuple(
            (name, wanted[name].shape, wanted[name].dtype.name, difference(found[name], want))
            for name, want in wanted.items()
        )
        result = Comparison(runner.name, len(compiled.program.dispatches), outputs, tolerance, None)
        if result.passed:
            return result
        wrong = [name for name, *_, d in outputs if not d.max_rel <= tolerance]
        search = Search(path, sizes, graph, feeds, runner, tolerance, tell)
        return replace(result, first=search.first(wrong))


def is_half(graph: Graph) -> bool:
    """Whether a network computes with 16-bit floats anywhere."""
    return any(info.dtype in ("float16", "bfloat16") for info in graph.infos.values())


def _quiet(_what: str, _done: float) -> None:
    pass
