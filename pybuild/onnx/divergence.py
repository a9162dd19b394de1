"""Where a network's results part from another runtime's: the first node that differs.

The model is cut behind nodes; each piece is compiled for itself and compared. The place where
pieces begin to differ is bisected along the nodes in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from pybuild.onnx.front.intake import read_model
from pybuild.onnx.graph import Graph, Node, operator_name
from pybuild.onnx.models import Sizes, compile_model
from pybuild.onnx.oracle import Difference, difference, reference
from pybuild.runner import NativeRunner
from pyengine.errors import InputError

__all__ = ["Divergence", "Search"]

Array = NDArray[Any]
Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first node whose result differs.

    Attributes
    ----------
    node, operator, output : str
        Its name, its operator, and the value that differs.
    difference : Difference
    """

    node: str
    operator: str
    output: str
    difference: Difference


class Search:
    """Looks for the first node whose result differs.

    Parameters
    ----------
    path : Path
        The model.
    sizes : Sizes or None
    graph : Graph
        Of the whole model.
    feeds : mapping of str to ndarray
        Its inputs.
    runner : NativeRunner
    tolerance : float
        What `Difference.max_rel` may be.
    tell : callable
        Progress.
    """

    def __init__(
        self,
        path: Path,
        sizes: Sizes | None,
        graph: Graph,
        feeds: Mapping[str, Array],
        runner: NativeRunner,
        tolerance: float,
        tell: Tell,
    ) -> None:
        _, self._model, folder = read_model(path)
        if any(tensor.external_data for tensor in self._model.graph.initializer):
            onnx.load_external_data_for_model(self._model, str(folder))
        self._sizes = sizes
        self._graph = graph
        self._feeds = feeds
        self._runner = runner
        self._tolerance = tolerance
        self._tell = tell
        self._known: dict[str, Difference | None] = {}
        own = {name for node in self._model.graph.node for name in node.output}
        self._maker = {name: node for node in graph.nodes for name in node.outputs if name}
        self._own = own & self._maker.keys()

    def first(self, wrong: Sequence[str]) -> Divergence | None:
        """The first node on the way to outputs that are wrong; None where no piece is."""
        nodes = self._before(wrong)
        low, high = -1, len(nodes)
        while high - low > 1:
            middle = (low + high) // 2
            if self._differs(nodes[middle]):
                high = middle
            else:
                low = middle
        if high == len(nodes):
            return None
        found = self._upwards(nodes[high])
        output = next(name for name in self._values(found) if self._parted(name))
        apart = self._apart(output)
        assert apart is not None
        return Divergence(found.name, operator_name(found.domain, found.op), output, apart)

    def _upwards(self, node: Node) -> Node:
        """From a node that differs to one whose sources do not: bisection may skip branches."""
        while True:
            sources = (s for s in self._before(node.inputs) if self._reads(node, s))
            worse = next((s for s in sources if self._differs(s)), None)
            if worse is None:
                return node
            node = worse

    def _reads(self, node: Node, source: Node) -> bool:
        """Whether a node reads another, through none that has a name in the file."""
        reached, seen = list(node.inputs), set()
        while reached:
            name = reached.pop()
            maker = self._maker.get(name)
            if maker is None or name in seen:
                continue
            seen.add(name)
            if maker is source:
                return True
            if not self._values(maker):
                reached += maker.inputs
        return False

    def _before(self, names: Sequence[str]) -> list[Node]:
        """Nodes that values depend on and that the file has too, in order."""
        needed = set(names)
        kept = []
        for node in reversed(self._graph.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                if self._values(node):
                    kept.append(node)
        return kept[::-1]

    def _values(self, node: Node) -> list[str]:
        return [name for name in node.outputs if name in self._own]

    def _differs(self, node: Node) -> bool:
        return any(self._parted(name) for name in self._values(node))

    def _parted(self, value: str) -> bool:
        apart = self._apart(value)
        return apart is not None and not apart.max_rel <= self._tolerance

    def _apart(self, value: str) -> Difference | None:
        """How far a value is off when the model ends there; None where that cannot be told."""
        if value not in self._known:
            count = len(self._known)
            self._tell(f"searching: {value}", 0.5 + 0.5 * count / (count + 8))
            self._known[value] = self._measured(value)
        return self._known[value]

    def _measured(self, value: str) -> Difference | None:
        piece = onnx.ModelProto()
        piece.CopyFrom(self._model)
        del piece.graph.output[:]
        piece.graph.output.append(onnx.ValueInfoProto(name=value))
        try:
            wanted = reference(piece, self._feeds, [value])[value]
            compiled = compile_model(piece, self._sizes)
            left = {tensor.name for tensor in compiled.program.inputs}
            feeds = {name: array for name, array in self._feeds.items() if name in left}
            found = self._runner.run(compiled.program, compiled.files, feeds)[value]
        except InputError:
            return None
        return difference(found, wanted)
