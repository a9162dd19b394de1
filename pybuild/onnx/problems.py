"""Why a graph cannot be compiled: one error that lists every offending node.

::

    InputError
    └── GraphError        problems: what is wrong, and with which node
        └── NotConstant   a shape, an axis or a size is computed at run time; values: from what
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.errors import InputError

__all__ = ["GraphError", "NotConstant", "Problem"]

_SHOWN = 64
"""Problems spelled out in the message; the attribute holds them all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a graph cannot be compiled.

    Attributes
    ----------
    reason : str
        What is wrong: wanted and got.
    hint : str
        What to do.
    op, node : str
        Operator and name of the node at fault; '' when the whole model is.
    domain : str
        '' is ONNX's own.
    opset : int
        That the node follows; 0 where none is known.
    values : tuple of str or None
        For a value that ought to be constant: the graph inputs that it depends on, and on
        nothing else. None for every other problem.
    """

    reason: str
    hint: str = ""
    op: str = ""
    node: str = ""
    domain: str = ""
    opset: int = 0
    values: tuple[str, ...] | None = None

    def __str__(self) -> str:
        where = ""
        if self.op:
            opset = f", opset {self.opset}" if self.opset else ""
            where = f"{self.op} {self.node!r} ({self.domain or 'ai.onnx'}{opset}): "
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.reason}.{hint}"


class GraphError(InputError):
    """A model that cannot be compiled.

    Parameters
    ----------
    model : str
        The file, or the graph's name, for the message.
    problems : sequence of Problem
        All of them, in the order of the nodes.
    """

    problems: tuple[Problem, ...]

    def __init__(self, model: str, problems: Sequence[Problem]) -> None:
        self.model = model
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"... and {len(self.problems) - _SHOWN} more.")
        if len(lines) == 1:
            super().__init__(f"{model}: {lines[0]}")
        else:
            count = len(self.problems)
            super().__init__("\n  ".join([f"{model}: {count} problems.", *lines]))


class NotConstant(GraphError):
    """Shapes, axes or sizes are computed at run time and nothing else is wrong.

    Attributes
    ----------
    values : tuple of str
        The graph inputs on which the needed values depend; pass them as ``specialise`` and
        try again. Empty when they depend on something else as well.
    """

    values: tuple[str, ...]

    def __init__(self, model: str, problems: Sequence[Problem]) -> None:
        super().__init__(model, problems)
        needed = [problem.values for problem in self.problems]
        if all(needed):
            self.values = tuple(dict.fromkeys(v for values in needed for v in values or ()))
        else:
            self.values = ()
