"""Each rewrite: the graph before, the graph after, and that both mean the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pybuild.onnx.expr import Expr, const, logical_and, select, unary
from pybuild.onnx.fuse import epilogues, fold_constants, inline_maps, inline_views
from pybuild.onnx.interpret import run
from pybuild.onnx.invariants import InvariantError, check_tensors
from pybuild.onnx.ir import (
    Compute,
    Tensor,
    constant,
    describe,
    input_tensor,
    map_tensor,
    reduce_tensor,
    reshape,
)
from pybuild.onnx.nest import Nest

Rule = Callable[[Sequence[Tensor]], list[Tensor]]


def rewritten(rule: Rule, *outputs: Tensor) -> list[str]:
    """Lines after the rule; the values are those of before."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {}
    stack = list(outputs)
    while stack:
        tensor = stack.pop()
        if isinstance(tensor.source, Compute):
            from pybuild.onnx.ir import sources

            stack += sources(tensor)
        elif not hasattr(tensor.source, "array"):
            shapes[tensor.name] = tensor.shape
    inputs = {name: rng.random(shape, dtype=np.float32) for name, shape in shapes.items()}
    after = rule(outputs)
    check_tensors(after, rule.__name__)
    for old, new in zip(run(outputs, inputs), run(after, inputs), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6)
    return describe(after).splitlines()


def test_fold_constants_computes_what_depends_on_constants_alone() -> None:
    w = constant("w", np.array([1.0, 2.0], np.float32), "f32")
    doubled = map_tensor("doubled", (2,), lambda i: w[i] * 2.0)
    x = input_tensor("x", (2,), "f32")
    y = map_tensor("y", (2,), lambda i: x[i] + doubled[i])
    assert describe([y]).splitlines() == [
        "x: f32[2] given",
        "w: f32[2] constant",
        "doubled: f32[2] = mul(w[i0], 2.0)",
        "y: f32[2] = add(x[i0], doubled[i0])",
    ]
    assert rewritten(fold_constants, y) == [
        "x: f32[2] given",
        "doubled: f32[2] constant",
        "y: f32[2] = add(x[i0], doubled[i0])",
    ]


def test_fold_constants_leaves_an_expansion_as_it_is() -> None:
    """A constant that is repeated a million times is not written down a million times."""
    one = constant("one", np.ones(1, np.float32), "f32")
    many = map_tensor("many", (1 << 20,), lambda i: one[0] * 2.0)
    (after,) = fold_constants([many])
    assert isinstance(after.source, Compute)


def test_inline_views_reads_through_reshapes_transposes_and_slices() -> None:
    x = input_tensor("x", (4, 6), "f32")
    flat = reshape("flat", x, (24,))
    back = reshape("back", flat, (2, 2, 6))
    turned = map_tensor("turned", (6, 2, 2), lambda i, j, k: back[j, k, i])
    part = map_tensor("part", (3, 2, 2), lambda i, j, k: turned[i * 2 + 1, j, k])
    y = map_tensor("y", (3, 2, 2), lambda i, j, k: unary("exp", part[i, j, k]))
    assert rewritten(inline_views, y) == [
        "x: f32[4, 6] given",
        "y: f32[3, 2, 2] = exp(x[(2*i1 + i2), (2*i0 + 1)])",
    ]


def test_inline_views_reads_through_padding_and_concatenation() -> None:
    a, b = input_tensor("a", (3,), "f32"), input_tensor("b", (2,), "f32")
    joined = map_tensor("joined", (5,), lambda i: select(i < 3, a[i], b[i - 3]))
    padded = map_tensor(
        "padded",
        (7,),
        lambda i: select(logical_and(i >= 1, i < 6), joined[i - 1], const(0, "f32")),
    )
    y = map_tensor("y", (7,), lambda i: padded[i] + 1.0)
    assert rewritten(inline_views, y) == [
        "a: f32[3] given",
        "b: f32[2] given",
        "y: f32[7] = add(select(and(le(1, i0), lt(i0, 6)), "
        "select(lt((i0 + -1), 3), a[(i0 + -1)], b[(i0 + -4)]), 0.0), 1.0)",
    ]


def test_inline_maps_joins_elementwise_chains() -> None:
    x = input_tensor("x", (3, 4), "f32")
    a = map_tensor("a", (3, 4), lambda i, j: unary("exp", x[i, j]))
    b = map_tensor("b", (3, 4), lambda i, j: a[i, j] + 1.0)
    c = map_tensor("c", (3, 4), lambda i, j: const(1.0, "f32") / b[i, j])
    assert rewritten(inline_maps, c) == [
        "x: f32[3, 4] given",
        "c: f32[3, 4] = div(1.0, add(exp(x[i0, i1]), 1.0))",
    ]


def test_inline_maps_keeps_what_a_contraction_would_repeat() -> None:
    """An exponential read by every column of a product is computed once, before it."""
    n = 128
    x = input_tensor("x", (n, n), "f32")
    w = input_tensor("w", (n, n), "f32")
    a = map_tensor("a", (n, n), lambda i, j: unary("exp", x[i, j]))
    y = reduce_tensor("y", (n, n), (n,), "sum", lambda o, r: a[o[0], r[0]] * w[r[0], o[1]])
    lines = rewritten(inline_maps, y)
    assert "a: f32[128, 128] = exp(x[i0, i1])" in lines


def _product(n: int) -> tuple[Tensor, Tensor, Tensor]:
    x, w = input_tensor("x", (n, n), "f32"), input_tensor("w", (n, n), "f32")
    y = reduce_tensor("y", (n, n), (n,), "sum", lambda o, r: x[o[0], r[0]] * w[r[0], o[1]])
    return x, w, y


def _only(nests: dict[Tensor, Nest]) -> Nest:
    (nest,) = nests.values()
    return nest


def test_epilogues_takes_bias_activation_and_residual_into_the_product() -> None:
    x, _, y = _product(8)
    bias = constant("bias", np.arange(8, dtype=np.float32), "f32")
    z = map_tensor("z", (8, 8), lambda i, j: unary("tanh", y[i, j] + bias[j]) + x[i, j])
    nest = _only(epilogues([z]))
    assert nest.combine == "sum"
    assert repr(nest.body) == "mul(x[i0, r0], w[r0, i1])"
    assert repr(nest.finish) == "add(tanh(add(acc(), bias[i1])), x[i0, i1])"


def test_epilogues_reads_the_product_at_another_index() -> None:
    """A transpose after a product costs nothing: its loops run in the order of the result."""
    _, _, y = _product(8)
    z = map_tensor("z", (8, 8), lambda i, j: unary("exp", y[j, i]))
    nest = _only(epilogues([z]))
    assert repr(nest.body) == "mul(x[i1, r0], w[r0, i0])"


def test_epilogues_leaves_a_product_that_two_read() -> None:
    _, _, y = _product(8)
    a = map_tensor("a", (8, 8), lambda i, j: y[i, j] + 1.0)
    b = map_tensor("b", (8, 8), lambda i, j: y[i, j] * 2.0)
    assert {t.name for t in epilogues([a, b])} == {"y", "a", "b"}


def test_epilogues_splits_axes_that_are_used_in_pieces() -> None:
    """Depth to space: the product's channels are the odd and even pixels of the result."""
    x, w = input_tensor("x", (4, 6), "f32"), input_tensor("w", (6, 8), "f32")
    y = reduce_tensor("y", (4, 8), (6,), "sum", lambda o, r: x[o[0], r[0]] * w[r[0], o[1]])
    z = map_tensor("z", (8, 4), lambda i, j: unary("exp", y[i // 2, (i % 2) * 4 + j]))
    nest = _only(epilogues([z]))
    assert [str(a) for a in nest.axes] == ["i0a", "i0b", "i1"]
    assert repr(nest.body) == "mul(x[i0a, r0], w[r0, (i1 + 4*i0b)])"


def _broken(tensor: Tensor) -> list[Tensor]:
    return [tensor]


def test_the_verifier_refuses_an_undeclared_variable() -> None:
    x = input_tensor("x", (4,), "f32")
    stray: list[Expr] = []

    def keep(i: Expr) -> Expr:
        stray.append(i)
        return x[i]

    map_tensor("a", (4,), keep)
    bad = map_tensor("bad", (4,), lambda _: x[stray[0]])
    with pytest.raises(InvariantError, match=r"after a rule: bad: .* is not one of its variables"):
        check_tensors(_broken(bad), "a rule")


def test_the_verifier_refuses_a_wrong_type() -> None:
    x = input_tensor("x", (4,), "f32")
    good = map_tensor("good", (4,), lambda i: x[i])
    bad = Tensor("bad", (4,), "i32", good.source)
    with pytest.raises(InvariantError, match="computes f32"):
        check_tensors([bad], "a rule")


def test_inline_maps_keeps_what_a_reduction_compares() -> None:
    """Computed for each side of a comparison it could be rounded in two ways: a lost maximum."""
    x = input_tensor("x", (3, 5), "f32")
    y = map_tensor("y", (3, 5), lambda i, j: x[i, j] * 3.0 + 0.1)
    best = reduce_tensor("best", (3,), (5,), "max", lambda o, r: y[o[0], r[0]])
    place = reduce_tensor(
        "place",
        (3,),
        (5,),
        "min",
        lambda o, r: select(y[o[0], r[0]].equals(best[o[0]]), r[0], const(4, "i32")),
    )
    assert "y: f32[3, 5] = add(mul(x[i0, i1], 3.0), 0.10000000149011612)" in rewritten(
        inline_maps, place
    )
