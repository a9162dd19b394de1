"""Numbers that differ between capacities, as expressions of the counts.

A whole number is fitted by whole multiples of the counts plus a number; a float by powers of them,
by a sum, or by a sum's reciprocal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pybuild.onnx.expr import Expr, binary, cast, const, load, minimum, unary
from pybuild.onnx.front.sizes import FITTED
from pybuild.onnx.ir import Tensor

__all__ = ["CLOSE", "Affine", "Fit", "NotFitted"]

CLOSE = 1e-6
"""Rounding of an f32, and a little: how far a rule may be off."""
_POWERS = (-1.0, -0.5, 0.5, 1.0)


class NotFitted(Exception):
    """Something depends on a size in a way that has no counterpart at run time."""


@dataclass(frozen=True, slots=True)
class Affine:
    factors: tuple[float, ...]
    offset: float

    def at(self, sizes: Sequence[int]) -> float:
        """Value at some sizes."""
        return self.offset + sum(f * n for f, n in zip(self.factors, sizes, strict=True))


@dataclass(slots=True)
class Fit:
    """Numbers at each capacity as functions of the counts.

    Numbers come in the order of `front.sizes.with_others`: at the capacities, for each symbol at
    its multiples, and with all symbols doubled where there are several.
    """

    symbols: tuple[str, ...]
    sizes: tuple[int, ...]
    counts: dict[str, Tensor]

    def points(self) -> list[tuple[int, ...]]:
        """Sizes of the symbols for each number."""
        found = [self.sizes]
        for k, size in enumerate(self.sizes):
            for factor in FITTED:
                found.append((*self.sizes[:k], factor * size, *self.sizes[k + 1 :]))
        if len(self.sizes) > 1:
            found.append(tuple(2 * size for size in self.sizes))
        return found

    def count(self, symbol: str) -> Expr:
        """The count as an i32: never more than the capacity."""
        size = self.sizes[self.symbols.index(symbol)]
        zero = const(0, "i32")
        held = load(self.counts[symbol], (zero,))
        return cast(minimum(held, const(size, "u32")), "i32")

    def affine(self, values: Sequence[float]) -> Affine | None:
        """The sum of multiples of the sizes and a number that gives these values."""
        factors = []
        for k, size in enumerate(self.sizes):
            first = values[1 + len(FITTED) * k]
            factors.append((first - values[0]) / ((FITTED[0] - 1) * size))
        found = Affine(
            tuple(factors),
            values[0] - sum(f * n for f, n in zip(factors, self.sizes, strict=True)),
        )
        return found if self._holds(found.at, values) else None

    def _near(self, values: Sequence[float]) -> Affine | None:
        """As `affine`, with whole numbers in place of what rounding made of them."""
        parts = self.affine(values)
        if parts is None:
            return None
        plain = Affine(tuple(map(float, map(round, parts.factors))), float(round(parts.offset)))
        return plain if self._holds(plain.at, values) else parts

    def _holds(self, rule: Callable[[Sequence[int]], float], values: Sequence[float]) -> bool:
        return all(
            math.isclose(rule(sizes), value, rel_tol=CLOSE, abs_tol=1e-30)
            for sizes, value in zip(self.points(), values, strict=True)
        )

    def whole(self, values: Sequence[int]) -> Expr:
        """An i32 that follows the counts."""
        if all(value == values[0] for value in values):
            return const(values[0], "i32")
        parts = self.affine(values)
        if parts is None or any(f != round(f) for f in (*parts.factors, parts.offset)):
            told = ", ".join(map(str, values))
            raise NotFitted(
                f"it needs a number that is {told} at {self._told()}; wanted a whole multiple of "
                "the count plus a number"
            )
        total = const(round(parts.offset), "i32")
        for symbol, factor in zip(self.symbols, parts.factors, strict=True):
            if factor:
                total = total + self.count(symbol) * round(factor)
        return total

    def number(self, values: Sequence[float]) -> Expr:
        """An f32 that follows the counts: a product of powers, a sum, or a sum's reciprocal."""
        if all(repr(value) == repr(values[0]) for value in values):
            return const(values[0], "f32")
        found = self._power(values)
        if found is not None:
            return found
        for upside_down in (False, True):
            if upside_down and not all(values):
                break
            parts = self._near([1 / v for v in values] if upside_down else list(values))
            if parts is not None:
                total = const(parts.offset, "f32")
                for symbol, factor in zip(self.symbols, parts.factors, strict=True):
                    if factor:
                        total = total + cast(self.count(symbol), "f32") * factor
                return const(1, "f32") / total if upside_down else total
        told = ", ".join(f"{value:g}" for value in values)
        raise NotFitted(
            f"it needs a number that is {told} at {self._told()}, which follows no rule that "
            "Vitrine knows"
        )

    def _power(self, values: Sequence[float]) -> Expr | None:
        if not all(math.isfinite(v) and v * values[0] > 0 for v in values):
            return None
        powers = []
        for k in range(len(self.sizes)):
            ratio = values[1 + len(FITTED) * k] / values[0]
            powers.append(round(2 * math.log(ratio, FITTED[0])) / 2)
        factor = values[0] / math.prod(n**p for n, p in zip(self.sizes, powers, strict=True))
        if any(p not in (0, *_POWERS) for p in powers) or not self._holds(
            lambda sizes: factor * math.prod(n**p for n, p in zip(sizes, powers, strict=True)),
            values,
        ):
            return None
        total = const(factor, "f32")
        for symbol, power in zip(self.symbols, powers, strict=True):
            if power:
                count = cast(self.count(symbol), "f32")
                root = unary("sqrt", count) if abs(power) == 0.5 else count
                total = binary("mul" if power > 0 else "div", total, root)
        return total

    def _told(self) -> str:
        points = self.points()
        if len(self.symbols) == 1:
            return f"{self.symbols[0]} = {', '.join(str(n) for (n,) in points)}"
        return f"({', '.join(self.symbols)}) = {', '.join(map(str, points))}"
