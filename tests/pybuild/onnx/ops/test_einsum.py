"""Einsum against numpy: ellipses, diagonals, implicit results, many operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported
from pybuild.onnx.ops.einsum import parse


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("ij->ji", [(3, 4)]),
        ("ij->", [(3, 4)]),
        ("ii->i", [(4, 4)]),
        ("ii", [(4, 4)]),
        ("iij->j", [(4, 4, 3)]),
        ("b i j , b j k -> b i k", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (5, 1, 4, 6)]),
        ("...ij,...jk", [(2, 3, 4), (4, 6)]),
        ("i...,i...->...", [(3, 4, 5), (3, 5)]),
        ("b...h,hk->b...k", [(2, 3, 4, 5), (5, 6)]),
        ("...->...", [(3, 4)]),
        ("...", [(3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bqhd,bkhd->bhqk", [(2, 4, 3, 5), (2, 6, 3, 5)]),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 2)]),
        ("a,b,c,d->abcd", [(2,), (3,), (4,), (5,)]),
        ("ab,bc,ca->", [(2, 3), (3, 4), (4, 2)]),
        ("nvj,jab,nvb->nva", [(2, 5, 3), (3, 4, 4), (2, 5, 4)]),
        ("ij,kl->k", [(3, 4), (5, 6)]),
        ("aB,Bc->ac", [(2, 3), (3, 4)]),
        (",ij->ij", [(), (3, 4)]),
        ("ij,j->i", [(3, 0), (0,)]),
    ],
)
def test_einsum_is_numpys(
    lowered: Callable[..., list[np.ndarray]], equation: str, shapes: list[tuple[int, ...]]
) -> None:
    inputs = [random(*shape) for shape in shapes]
    (got,) = lowered("Einsum", inputs, equation=equation)
    wanted = np.einsum(equation, *inputs)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)


def test_implicit_results_put_capitals_first() -> None:
    assert parse("bA,A", [2, 1]) == ([("b", "A"), ("A",)], ("b",))
    assert parse("ba,C", [2, 1])[1] == ("C", "a", "b")


@pytest.mark.parametrize(
    ("equation", "shapes", "reason"),
    [
        ("ij,jk->ik", [(3, 4)], "2 terms for 1 operands"),
        ("ij->ii", [(3, 4)], "repeats a label"),
        ("ij->k", [(3, 4)], "one of no operand"),
        ("i->i", [(3, 4)], "does not fit an operand of 2 axes"),
        ("i1->i", [(3, 4)], "not understood"),
        ("ij,jk->ik", [(3, 4), (5, 6)], "'j' has 4 and 5 elements"),
    ],
)
def test_what_einsum_refuses(
    lowered: Callable[..., list[np.ndarray]],
    equation: str,
    shapes: list[tuple[int, ...]],
    reason: str,
) -> None:
    with pytest.raises(Unsupported, match=reason):
        lowered("Einsum", [random(*shape) for shape in shapes], equation=equation)
