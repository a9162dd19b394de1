"""What every stage of the compiler promises the next, checked after each rewrite.

A broken promise is a bug of the compiler, never of the model: `InvariantError` names the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pybuild.onnx.expr import Expr
from pybuild.onnx.ir import Compute, Constant, Input, Scan, Scatter, Tensor, sources
from pybuild.onnx.nest import Nest, extent
from pybuild.onnx.rows.group import Group, invert, reads_of, strangers
from pybuild.onnx.substitution import walk

__all__ = ["InvariantError", "check_groups", "check_nests", "check_tensors"]


class InvariantError(AssertionError):
    """The compiler broke a promise to itself."""


def check_tensors(outputs: Sequence[Tensor], rule: str) -> None:
    """The tensor graph: no cycle, declared variables, one type an operation, ranks that fit."""
    for tensor in _acyclic(outputs, rule):
        source = tensor.source
        match source:
            case Input():
                continue
            case Constant(array):
                _require(array.shape == tensor.shape, rule, f"{tensor}: holds {array.shape}")
                continue
            case Compute():
                _axes(tensor, source.axes, rule)
                declared = {*source.axes, *source.over}
                roots: tuple[Expr, ...] = (source.body,)
                _require(
                    source.combine is not None or not source.over,
                    rule,
                    f"{tensor}: loops for nothing",
                )
            case Scan():
                _axes(tensor, source.axes, rule)
                declared, roots = set(source.axes), (source.body,)
            case Scatter():
                _require(
                    source.data.shape == tensor.shape, rule, f"{tensor}: data {source.data.shape}"
                )
                _require(
                    len(source.index) == len(tensor.shape),
                    rule,
                    f"{tensor}: {len(source.index)} indices",
                )
                declared, roots = set(source.over), (*source.index, source.value, source.where)
        value = source.value if isinstance(source, Scatter) else source.body
        _require(value.type == tensor.type, rule, f"{tensor}: computes {value.type}")
        _expressions(roots, declared, f"{tensor}", rule)


def check_nests(nests: Mapping[Tensor, Nest], rule: str) -> None:
    """Every element of a nest's tensor is written once, with declared variables only."""
    for tensor, nest in nests.items():
        _nest(tensor, nest, rule)


def check_groups(groups: Iterable[Group], rule: str) -> None:
    """Stages after those they read, over the same rows, each read at its own row."""
    made: set[Tensor] = set()
    for group in groups:
        before: set[Tensor] = set()
        for stage in group.stages:
            _nest(stage.nest.tensor, stage.nest, rule)
            _require(
                tuple(extent(a) for a in stage.rows) == group.extents,
                rule,
                f"{stage.nest.tensor}: other rows than its group's {group.extents}",
            )
            late = [t for t in reads_of(stage.nest) if t in group.tensors and t not in before]
            _require(not late, rule, f"{stage.nest.tensor}: reads {late} before they are there")
            before.add(stage.nest.tensor)
        elsewhere = strangers(group)
        _require(not elsewhere, rule, f"{elsewhere}: read other rows than their own")
        twice = made & group.tensors
        _require(not twice, rule, f"{twice}: made by two groups")
        made |= group.tensors


def _nest(tensor: Tensor, nest: Nest, rule: str) -> None:
    _require(nest.points == tensor.size, rule, f"{tensor}: {nest.points} points")
    _require(invert(nest, nest.index) is not None, rule, f"{tensor}: written at {nest.index}")
    declared = {*nest.axes, *nest.over}
    _expressions((nest.body,), declared, f"{tensor}", rule)
    known = {*nest.axes} | ({nest.acc} if nest.acc is not None else set())
    if nest.combine is not None:
        _expressions((nest.finish, *nest.index), known, f"{tensor}: epilogue", rule)
    _require(nest.finish.type == tensor.type, rule, f"{tensor}: computes {nest.finish.type}")


def _acyclic(outputs: Sequence[Tensor], rule: str) -> list[Tensor]:
    """Sources first; refuses a tensor that needs itself."""
    done: dict[Tensor, None] = {}
    opened: set[Tensor] = set()
    stack = [(tensor, False) for tensor in outputs]
    while stack:
        tensor, ready = stack.pop()
        if ready:
            opened.discard(tensor)
            done[tensor] = None
        elif tensor not in done:
            _require(tensor not in opened, rule, f"{tensor}: needs itself")
            opened.add(tensor)
            stack.append((tensor, True))
            stack += [(t, False) for t in sources(tensor) if t not in done]
    return list(done)


def _axes(tensor: Tensor, axes: tuple[Expr, ...], rule: str) -> None:
    found = tuple(extent(a) if a.op == "var" else 1 for a in axes)
    fits = len(found) == len(tensor.shape) and all(
        n == m or m <= 1 for n, m in zip(found, tensor.shape, strict=True)
    )
    _require(fits, rule, f"{tensor}: loops over {found}")


def _expressions(roots: tuple[Expr, ...], declared: set[Expr], where: str, rule: str) -> None:
    for node in walk(*roots):
        fault = _fault(node, declared)
        if fault:  # its text is only made where it is needed: it takes longer than the check
            _require(False, rule, f"{where}: {node} {fault}")


def _fault(node: Expr, declared: set[Expr]) -> str:
    if node.op in ("var", "acc"):
        return "" if node in declared else "is not one of its variables"
    if node.op == "load":
        if len(node.args) != len(node.attr.shape):
            return "of the wrong rank"
        return "" if all(arg.type == "i32" for arg in node.args) else "is no index"
    if node.op in ("add", "sub", "mul", "div", "lt", "le", "eq"):
        return "" if node.args[0].type == node.args[1].type else "mixes types"
    return ""


def _require(holds: bool, rule: str, message: str) -> None:
    if not holds:
        raise InvariantError(f"after {rule}: {message}")
