"""Expressions to WGSL text, each written once and as far out of the loops as it can be.

A `Writer` holds a stack of blocks, one for each open loop. An expression goes into the block of the
innermost variable that it depends on, so that what does not change in a loop stands before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pybuild.onnx.expr import I32_MIN, Expr, Type, const, constant_value, linear
from pybuild.onnx.interpret import constant_of
from pybuild.onnx.ir import Combine, Tensor
from pybuild.onnx.substitution import walk

__all__ = ["Block", "Writer", "combine_text", "literal", "wgsl_type"]

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "lt": "<",
    "le": "<=",
    "eq": "==",
    "xor": "^",
}
_NAMED = ("load", "load4", "texel", "word", "unpack2x16float", "call")
"""Written once, however seldom they are used."""
_UNKNOWN = ("load", "load4", "texel", "word", "unpack2x16float", "half")
"""Not computed at build even of constants."""
_LOWEST = "bitcast<i32>(0x80000000u)"


def wgsl_type(type_: Type) -> str:
    """Type of a value in a register."""
    return type_


def literal(expr: Expr) -> str:
    """Text of a constant; infinities and nan come from a private variable (see `Writer`)."""
    value = constant_value(expr)
    if expr.type == "bool":
        return "true" if value else "false"
    if expr.type == "u32":
        return f"{value}u"
    if expr.type == "i32":
        return _LOWEST if value == -(2**31) else f"{value}i" if value >= 0 else f"({value}i)"
    number = float(value)
    if math.isnan(number):
        return "bitcast<f32>(NAN_BITS)"
    if math.isinf(number):
        return "bitcast<f32>(INFINITY_BITS)" if number > 0 else "(-bitcast<f32>(INFINITY_BITS))"
    # 9 digits name an f32, but those of the largest lie beyond it, which Tint refuses
    text = f"{number:.9g}" if abs(number) < 3.4e38 else repr(number)
    if "." not in text and "e" not in text:
        text += ".0"
    return f"({text}f)" if number < 0 or text.startswith("-") else f"{text}f"


def _wrapped(value: int) -> int:
    return (value - I32_MIN) % 2**32 + I32_MIN


def combine_text(combine: Combine, type_: Type, acc: str, value: str) -> str:
    """Statement that takes a value into an accumulator."""
    if combine == "sum":
        return f"{acc} += {value};"
    if combine == "prod":
        return f"{acc} *= {value};"
    # no && and ||: each is a branch to SwiftShader, and of many it compiles for minutes
    if combine in ("and", "or"):
        return f"{acc} = {acc} {'&' if combine == 'and' else '|'} {value};"
    if type_ == "bool":
        return f"{acc} = {acc} {'|' if combine == 'max' else '&'} {value};"
    return f"{acc} = {combine}({acc}, {value});"


@dataclass(slots=True)
class Block:
    """One nesting level: its variables, its lines, and the names of what it has computed."""

    variables: frozenset[Expr]
    lines: list[str] = field(default_factory=list)
    names: dict[Expr, str] = field(default_factory=dict)


class Writer:
    """Text of a kernel's body.

    Parameters
    ----------
    load : callable
        ``load(expr, writer) -> text`` of a load expression; it asks the writer for its indices.
    """

    def __init__(self, load: Callable[[Expr, Writer], str]) -> None:
        self._load = load
        self.blocks = [Block(frozenset())]
        self.functions: dict[str, None] = {}
        self.pinned: set[Tensor] = set()
        """Tensors that are read where they are used: private arrays, whose elements would
        otherwise all be held in registers across a loop."""
        self._count = 0
        self._levels: dict[Expr, int] = {}
        self._uses: dict[Expr, int] = {}
        self._known: set[Expr] = set()

    # -- structure

    def fresh(self, stem: str = "v") -> str:
        """A name that is not taken."""
        self._count += 1
        return f"{stem}{self._count}"

    def alias(self, expr: Expr, text: str) -> None:
        """Name an expression of the innermost block by text that costs nothing."""
        self.blocks[-1].names[expr] = text

    def line(self, text: str) -> None:
        """A statement in the innermost block."""
        self.blocks[-1].lines.append(text)

    def define(self, var: Expr, name: str) -> None:
        """Name a variable (or a stand-in) that the innermost block sets."""
        self.blocks[-1].names[var] = name
        self._levels[var] = len(self.blocks) - 1

    def open(self, head: str, variables: dict[Expr, str]) -> None:
        """Open a loop or an if; the variables are its own."""
        self.blocks.append(Block(frozenset(variables)))
        self._heads = [*getattr(self, "_heads", []), head]
        for var, name in variables.items():
            self.define(var, name)

    def close(self) -> None:
        """Close the innermost block."""
        block = self.blocks.pop()
        head = self._heads.pop()
        level = len(self.blocks)
        self._levels = {e: k for e, k in self._levels.items() if k < level}
        self.line(head + " {")
        self.blocks[-1].lines += ["  " + text for text in block.lines]
        self.line("}")

    def text(self) -> str:
        """Everything written."""
        assert len(self.blocks) == 1
        return "\n".join("  " + line for line in self.blocks[0].lines)

    # -- expressions

    def count_uses(self, roots: Iterable[Expr]) -> None:
        """Tell how often each node is used; those used once are written in place."""
        for expr in walk(*roots):
            for arg in expr.args:
                self._uses[arg] = self._uses.get(arg, 0) + 1

    def level(self, expr: Expr) -> int:
        """Index of the block where an expression can be computed first."""
        known = self._levels.get(expr)
        if known is not None:
            return known
        for node in walk(expr):
            if node not in self._levels:
                if node.op in ("var", "acc"):
                    raise KeyError(f"{node!r} is not defined here")
                if node.op == "load" and node.attr in self.pinned:
                    self._levels[node] = len(self.blocks) - 1
                    continue
                self._levels[node] = max((self._levels[a] for a in node.args), default=0)
        return self._levels[expr]

    def value(self, expr: Expr) -> str:
        """Text that names an expression's value here; writes what must be written first."""
        if expr.op == "const":
            return self._constant(expr)
        level = self.level(expr)
        for block in self.blocks[: level + 1]:
            name = block.names.get(expr)
            if name is not None:
                return name
        # arguments first and iteratively, so that deep graphs do not exhaust the stack
        for node in walk(expr):
            if node.op in ("const", "var", "acc"):
                continue
            self._place(node, expr)
        return self._named(expr)

    def term(self, expr: Expr) -> str:
        """As `value`, but an operation that nothing else uses is written in place."""
        if expr.op in ("add", "sub", "mul") and not self._uses.get(expr, 0) and len(expr.args) == 2:
            left, right = (self.value(arg) for arg in expr.args)
            if self._is_known(expr):
                return self.value(expr)
            return (
                f"{left} {_INFIX[expr.op]} {right}"
                if expr.op == "mul"
                else f"({left} {_INFIX[expr.op]} {right})"
            )
        return self.value(expr)

    def _is_known(self, node: Expr) -> bool:
        return (
            bool(node.args)
            and node.op not in _UNKNOWN
            and all(arg.op == "const" or arg in self._known for arg in node.args)
        )

    def _place(self, node: Expr, root: Expr) -> None:
        if self._is_known(node):
            self._known.add(node)
            # compilers refuse constant expressions that overflow or give nan
            self.blocks[0].names[node] = self._constant(constant_of(node))
            self._levels[node] = 0
            return
        level = self.level(node)
        if any(node in block.names for block in self.blocks[: level + 1]):
            return
        text = self._text(node)
        simple = node.op not in _NAMED and self._uses.get(node, 0) <= 1
        if simple and level == len(self.blocks) - 1 and node is not root:
            self.blocks[level].names[node] = text
            return
        name = self.fresh()
        self.blocks[level].lines.append(f"let {name} = {text};")
        self.blocks[level].names[node] = name

    def _named(self, expr: Expr) -> str:
        if expr.op == "const":
            return self._constant(expr)
        for block in reversed(self.blocks[: self.level(expr) + 1]):
            name = block.names.get(expr)
            if name is not None:
                return name
        return self.value(expr)

    def _constant(self, expr: Expr) -> str:
        text = literal(expr)
        if "_BITS" in text:
            self.functions["infinity"] = None
        return text

    def _text(self, expr: Expr) -> str:
        op = expr.op
        if op in ("load", "load4", "texel", "word"):
            return self._load(expr, self)
        if op == "linear":
            return self._linear(expr)
        args = [self._named(arg) for arg in expr.args]
        if op == "floordiv":
            return self._divide(expr, args[0])
        if op == "mod":
            return self._remainder(expr, args[0])
        if op == "select":
            return f"select({args[2]}, {args[1]}, {args[0]})"
        if op == "half":
            return f"f16({args[0]})"
        if op == "cast":
            return f"{expr.type}({args[0]})"
        if op == "bitcast":
            return f"bitcast<{expr.type}>({args[0]})"
        if op == "call":
            self.functions[expr.attr] = None
            return f"{expr.attr}({', '.join(args)})"
        if op == "not":
            return f"(!{args[0]})" if expr.type == "bool" else f"(~{args[0]})"
        if op == "neg":
            return f"(-{args[0]})"
        if op in ("and", "or"):
            return f"({args[0]} {'&' if op == 'and' else '|'} {args[1]})"
        if op in ("shl", "shr"):
            amount = args[1] if expr.args[1].type == "u32" else f"u32({args[1]})"
            return f"({args[0]} {'<<' if op == 'shl' else '>>'} {amount})"
        if op in ("div", "rem") and expr.args[1].op == "const" and not expr.args[1].attr:
            # refused as a constant; at run time a remainder is 0, and a quotient what was divided
            return args[0] if op == "div" else literal(const(0, expr.type))
        if op == "div" and expr.args[1].op == "const" and float(expr.args[1].attr) == 0:
            # some drivers give 0
            infinity = math.copysign(math.inf, float(expr.args[1].attr))
            return f"({args[0]} * {self._constant(const(infinity, 'f32'))})"
        if op in _INFIX:
            if op == "rem" and expr.type == "f32":
                self.functions["float_remainder"] = None
                return f"float_remainder({args[0]}, {args[1]})"
            return f"({args[0]} {_INFIX[op]} {args[1]})"
        return f"{op}({', '.join(args)})"

    def _linear(self, expr: Expr) -> str:
        # data may have factors beyond 32 bits: products are computed modulo 2^32
        factors = (_wrapped(factor) for factor in expr.attr[0])
        terms = {arg: f for arg, f in zip(expr.args, factors, strict=True) if f}
        constant = _wrapped(expr.attr[1])
        if not terms:
            return literal(const(constant, "i32"))
        levels = {arg: self.level(arg) for arg in terms}
        top = max(levels.values())
        outer = {arg: factor for arg, factor in terms.items() if levels[arg] < top}
        parts: list[str] = []
        if constant and len(terms) > 1:
            # neighbours share the base
            base = self.value(linear(terms, 0))
            if constant > 0 or constant == I32_MIN:
                return f"({base} + {literal(const(constant, 'i32'))})"
            return f"({base} - {-constant}i)"
        if outer and (len(outer) > 1 or constant):
            partial = linear(outer, constant)
            if partial.op == "linear" and partial is not expr:
                parts.append(self.value(partial))
                terms = {arg: factor for arg, factor in terms.items() if arg not in outer}
                constant = 0
        for arg, factor in terms.items():
            text = self._named(arg)
            if factor == 1:
                parts.append(text)
            elif factor > 0 and factor & (factor - 1) == 0:
                parts.append(f"({text} << {factor.bit_length() - 1}u)")
            else:
                parts.append(f"{text} * {literal(const(factor, 'i32'))}")
        if constant:
            parts.append(literal(const(constant, "i32")))
        return "(" + " + ".join(parts) + ")"

    def _divide(self, expr: Expr, text: str) -> str:
        divisor = expr.attr
        if divisor & (divisor - 1) == 0:
            return f"({text} >> {divisor.bit_length() - 1}u)"
        if expr.args[0].low >= 0:
            return f"({text} / {divisor}i)"
        self.functions["floor_divide"] = None
        return f"floor_divide({text}, {divisor}i)"

    def _remainder(self, expr: Expr, text: str) -> str:
        divisor = expr.attr
        if divisor & (divisor - 1) == 0:
            return f"({text} & {divisor - 1}i)"
        if expr.args[0].low >= 0:
            return f"({text} % {divisor}i)"
        self.functions["floor_divide"] = None
        return f"({text} - floor_divide({text}, {divisor}i) * {divisor}i)"
