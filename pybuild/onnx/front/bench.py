"""What an adapter or a rewrite may put around its node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx import helper

from pybuild.onnx.front.flat import Flat, Scope
from pybuild.onnx.front.values import Array, Step, Unfit, Value

__all__ = ["Bench"]


class Bench:
    """The `front.versions.Workbench` of one node.

    Parameters
    ----------
    flat : Flat
        Takes constants and names.
    scope : Scope
        That the node stands in.
    walk : callable
        Walks a new node at once.
    """

    def __init__(self, flat: Flat, scope: Scope, walk: Callable[[Scope, Step], None]) -> None:
        self.after: list[Step] = []
        self._flat, self._scope, self._walk = flat, scope, walk

    def value(self, name: str) -> Value:
        """The value of a name in scope; Unfit where a problem left it unknown."""
        value = self._scope.find(name)
        if value is None or value.info is None:
            raise Unfit(f"its input {name!r} is not known")
        return value

    def constant(self, step: Step, name: str, array: Array) -> str:
        """A new constant; its name in scope."""
        made = self._flat.temporary(step, name)
        self._flat.constant(self._scope, made, array)
        return made

    def named(self, step: Step, value: Value) -> str:
        """A name in scope for a value that may have none there."""
        made = self._flat.temporary(step, "part")
        self._scope.values[made] = value
        return made

    def emitted(
        self, step: Step, op: str, inputs: Sequence[str], opset: int, **attributes: object
    ) -> str:
        """A new node before this one; the name of its one result."""
        made = self._flat.temporary(step, op)
        self._walk(self._scope, self._new(step, op, inputs, [made], opset, attributes))
        return made

    def finished(
        self, step: Step, op: str, inputs: Sequence[str], opset: int, **attributes: object
    ) -> tuple[str, ...]:
        """A new node behind this one, which `after` keeps for later."""
        made = self._flat.temporary(step, step.op)
        actual = [name or made for name in inputs]
        self.after.append(self._new(step, op, actual, step.outputs, opset, attributes))
        return (made,)

    def _new(
        self,
        step: Step,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        opset: int,
        attributes: Mapping[str, object],
    ) -> Step:
        protos = {key: helper.make_attribute(key, value) for key, value in attributes.items()}
        name = self._flat.node_name(Scope({}, {}), f"{step.name}/{op}")
        return Step(op, "", name, opset, inputs, outputs, protos)
