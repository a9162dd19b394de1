"""Which loop nests become one kernel: the nests before, the groups after, and what must not join.

Every model and tensor graph is also run, by the interpreter before and after its rewriting; kernels
are held against it in the tests of `kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx.parser
import pytest
from numpy.typing import NDArray

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx import interpret
from pybuild.onnx.compile import compile_graph, compile_tensors
from pybuild.onnx.expr import Expr, cast, clamp_index, const, select, unary
from pybuild.onnx.front import load_graph
from pybuild.onnx.fuse import epilogues
from pybuild.onnx.ir import (
    Input,
    Tensor,
    constant,
    input_tensor,
    map_tensor,
    reduce_tensor,
    scan_tensor,
    scatter_tensor,
    topological,
)
from pybuild.onnx.lower import LOWERINGS, lower
from pybuild.onnx.nest import extent
from pybuild.onnx.ops.joining import concatenated
from pybuild.onnx.partition import REWRITES
from pybuild.onnx.rows.grouping import group_rows
from pybuild.onnx.rows.worth import LOCAL
from pybuild.runner import NativeRunner

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Grouped:
    """What grouping did.

    Attributes
    ----------
    before : tuple of str
        The nests, by the tensors that they write.
    after : tuple of (rows, names)
        For each group its rows and the tensors of its stages.
    """

    before: tuple[str, ...]
    after: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]


def grouped(outputs: Sequence[Tensor]) -> Grouped:
    """Rewrite and group; the values stay what they were."""
    rng = np.random.default_rng(0)
    inputs = [t for t in topological(outputs) if isinstance(t.source, Input)]
    feeds = {t.name: rng.standard_normal(t.shape).astype(np.float32) for t in inputs}
    wanted = interpret.run(outputs, feeds)
    finals = list(outputs)
    for rule in REWRITES:
        finals = rule(finals)
    for value, expected in zip(interpret.run(finals, feeds), wanted, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
    nests = epilogues(finals)
    groups = group_rows(nests, finals)
    return Grouped(
        tuple(t.name for t in nests),
        tuple((g.extents, tuple(s.nest.tensor.name for s in g.stages)) for g in groups),
    )


def of_model(text: str) -> Grouped:
    """The same from ONNX's text; initialisers may be written as ``<float[8] w = random>``."""
    graph = load_graph(model(text), supported=set(LOWERINGS))
    found = grouped(lower(graph)[1])
    assert len(compile_graph(graph).program.dispatches) == len(found.after)
    return found


def model(text: str) -> onnx.ModelProto:
    """A model of opset 17, with the weights that its text leaves open."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    rng = np.random.default_rng(1)
    for value in list(proto.graph.input):
        if value.name.startswith("w"):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            array = (rng.standard_normal(dims) / math.sqrt(max(dims[0], 1))).astype(np.float32)
            proto.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
            proto.graph.input.remove(value)
    return proto


# ------------------------------------------------------------------------------- norms, softmax


def test_softmax_is_one_kernel() -> None:
    found = of_model("g (float[300,40] x) => (float[300,40] y) { y = Softmax (x) }")
    assert found.before == ("y.max", "y.exp", "y.sum", "y")
    assert found.after == (((300,), ("y.max", "y.exp", "y.sum", "y")),)


def test_a_decomposed_layer_norm_is_one_kernel() -> None:
    """As PyTorch exported it before opset 17."""
    found = of_model("""
        g (float[1,300,48] x, float[48] w_scale, float[48] w_bias) => (float[1,300,48] y)
        <float two = {2}, float epsilon = {0.00001}> {
            mean = ReduceMean <axes = [-1]> (x)
            centred = Sub (x, mean)
            squared = Pow (centred, two)
            variance = ReduceMean <axes = [-1]> (squared)
            shifted = Add (variance, epsilon)
            deviation = Sqrt (shifted)
            normal = Div (centred, deviation)
            scaled = Mul (normal, w_scale)
            y = Add (scaled, w_bias)
        }""")
    assert found.after == (((300,), ("mean.sum", "squared", "deviation", "y")),)


def test_a_decomposed_instance_norm_is_one_kernel() -> None:
    """Few long rows: a workgroup for each plane."""
    found = of_model("""
        g (float[1,16,32,32] x, float[1,16,1,1] w_scale, float[1,16,1,1] w_bias)
        => (float[1,16,32,32] y) <float epsilon = {0.00001}> {
            mean = ReduceMean <axes = [2, 3]> (x)
            centred = Sub (x, mean)
            squared = Mul (centred, centred)
            variance = ReduceMean <axes = [2, 3]> (squared)
            shifted = Add (variance, epsilon)
            deviation = Sqrt (shifted)
            inverse = Reciprocal (deviation)
            normal = Mul (centred, inverse)
            scaled = Mul (normal, w_scale)
            y = Add (scaled, w_bias)
        }""")
    assert found.after == (((16,), ("mean.sum", "squared", "inverse", "y")),)


def test_a_group_norm_through_an_instance_norm_is_one_kernel() -> None:
    """As PyTorch exports GroupNorm: a reshape to groups, a norm, and back."""
    found = of_model("""
        g (float[1,16,24,24] x, float[16,1,1] w_scale, float[16,1,1] w_bias)
        => (float[1,16,24,24] y)
        <float[4] one = {1, 1, 1, 1}, float[4] zero = {0, 0, 0, 0},
         int64[3] groups = {0, 4, -1}, int64[4] back = {1, 16, 24, 24}> {
            flat = Reshape (x, groups)
            normal = InstanceNormalization (flat, one, zero)
            image = Reshape (normal, back)
            scaled = Mul (image, w_scale)
            y = Add (scaled, w_bias)
        }""")
    assert len(found.after) == 1
    assert found.after[0][0] == (4,)


# --------------------------------------------------------------- epilogues

ACTIVATIONS = {
    "gelu by erf": """
        <float root = {1.4142135}, float one = {1}, float half = {0.5}> {
            p = MatMul (x, w) d = Div (p, root) e = Erf (d) f = Add (e, one)
            g = Mul (p, f) y = Mul (g, half) }""",
    "gelu by tanh": """
        <float three = {3}, float a = {0.044715}, float b = {0.7978846}, float one = {1},
         float half = {0.5}> {
            p = MatMul (x, w) c = Pow (p, three) d = Mul (c, a) e = Add (p, d) f = Mul (e, b)
            t = Tanh (f) u = Add (t, one) v = Mul (p, u) y = Mul (v, half) }""",
    "hard swish": "{ p = MatMul (x, w) y = HardSwish (p) }",
    "hard swish in parts": """
        <float three = {3}, float zero = {0}, float six = {6}> {
            p = MatMul (x, w) s = Add (p, three) c = Clip (s, zero, six) d = Div (c, six)
            y = Mul (p, d) }""",
    "swish": "{ p = MatMul (x, w) s = Sigmoid (p) y = Mul (p, s) }",
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_end_the_product(name: str) -> None:
    """However an exporter writes them, they cost no kernel of their own."""
    head = "g (float[64,200] x, float[200,96] w) => (float[64,96] y)"
    found = of_model(f"{head} {ACTIVATIONS[name]}")
    assert found.before == ("y",)
    assert found.after == (((64, 96), ("y",)),)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_end_the_convolution(name: str) -> None:
    head = "g (float[1,8,20,20] x, float[12,8,3,3] w) => (float[1,12,18,18] y)"
    found = of_model(f"{head} {ACTIVATIONS[name].replace('MatMul', 'Conv')}")
    assert found.before == ("y",)
    assert len(found.after) == 1


# --------------------------------------------------------------- attention


def test_attention_is_one_kernel() -> None:
    """Scores, softmax and the weighted sum of a query; the scores never leave it."""
    found = of_model("""
        g (float[4,100,16] q, float[4,100,16] k, float[4,100,16] v) => (float[4,100,16] y)
        <float scale = {0.25}> {
            turned = Transpose <perm = [0, 2, 1]> (k)
            scores = MatMul (q, turned)
            scaled = Mul (scores, scale)
            chances = Softmax <axis = -1> (scaled)
            y = MatMul (chances, v)
        }""")
    ((rows, names),) = found.after
    assert rows == (4, 100)
    assert (names[0], names[-1]) == ("scaled", "y")


def test_attention_with_its_projections_is_few_kernels() -> None:
    """Three projections of all tokens, the heads' attention, and the projection of its results."""
    found = of_model("""
        g (float[1,80,32] x, float[32,96] w_in, float[32,32] w_out) => (float[1,80,32] y)
        <int64[5] apart = {1, 80, 3, 4, 8}, int64[3] joined = {1, 80, 32}, float scale = {0.35},
         int64 zero = {0}, int64 one = {1}, int64 two = {2}> {
            all = MatMul (x, w_in)
            five = Reshape (all, apart)
            heads = Transpose <perm = [2, 0, 3, 1, 4]> (five)
            q = Gather <axis = 0> (heads, zero)
            k = Gather <axis = 0> (heads, one)
            v = Gather <axis = 0> (heads, two)
            turned = Transpose <perm = [0, 1, 3, 2]> (k)
            scores = MatMul (q, turned)
            scaled = Mul (scores, scale)
            chances = Softmax <axis = -1> (scaled)
            mixed = MatMul (chances, v)
            back = Transpose <perm = [0, 2, 1, 3]> (mixed)
            flat = Reshape (back, joined)
            y = MatMul (flat, w_out)
        }""")
    assert len(found.after) <= 3


# --------------------------------------------------------------- rows of a table


def layer(x: Tensor, width: int, name: str) -> Tensor:
    """A dense layer and a hyperbolic tangent."""
    values = np.random.default_rng(width).standard_normal((x.shape[1], width)) / 8
    w = constant(f"{name}.w", values.astype(np.float32), "f32")
    y = reduce_tensor(
        f"{name}.product",
        (x.shape[0], width),
        (x.shape[1],),
        "sum",
        lambda o, r: x[o[0], r[0]] * w[r[0], o[1]],
    )
    return map_tensor(name, y.shape, lambda i, j: unary("tanh", y[i, j]))


def test_a_perceptron_over_rows_is_one_kernel() -> None:
    x = input_tensor("x", (5000, 12), "f32")
    y = layer(layer(layer(x, 32, "one"), 32, "two"), 3, "three")
    found = grouped([y])
    assert found.before == ("one", "two", "three")
    assert found.after == (((5000,), ("one", "two", "three")),)


def test_two_heads_of_a_perceptron_share_its_body() -> None:
    """Whatever a row's layers give, in whatever shape, comes out of the one kernel."""
    x = input_tensor("x", (5000, 12), "f32")
    body = layer(x, 32, "body")
    colour, scale = layer(body, 9, "colour"), layer(body, 3, "scale")
    folded = map_tensor("folded", (15_000, 3), lambda i, j: colour[i // 3, (i % 3) * 3 + j] * 0.5)
    sized = map_tensor("sized", (5000, 3), lambda i, j: scale[i, j] + x[i, j])
    found = grouped([folded, sized])
    assert [names for _, names in found.after] == [("body", "folded", "sized")]


def test_look_ups_by_row_join() -> None:
    """Tables read at computed places do not keep rows apart."""
    x = input_tensor("x", (5000, 3), "f32")
    table = input_tensor("table", (64, 8), "f32")

    def place(i: Expr, j: int) -> Expr:
        return clamp_index(cast(x[i, const(j, "i32")] * 8.0, "i32"), 64)

    found_at = [
        map_tensor(f"at{j}", (5000, 8), lambda i, c, j=j: table[place(i, j), c]) for j in (0, 1, 2)
    ]
    mixed = map_tensor(
        "mixed", (5000, 8), lambda i, c: found_at[0][i, c] * found_at[1][i, c] + found_at[2][i, c]
    )
    assert len(grouped([layer(mixed, 16, "body")]).after) == 1


def test_a_kinematic_chain_is_one_tiny_kernel() -> None:
    """Matrices that multiply one another in turn: one workgroup does what 24 kernels would."""
    turns = input_tensor("turns", (24, 3, 3), "f32")
    pose = map_tensor("pose0", (3, 3), lambda i, j: turns[0, i, j])
    for n in range(1, 24):
        pose = reduce_tensor(
            f"pose{n}",
            (3, 3),
            (3,),
            "sum",
            lambda o, r, n=n, pose=pose: pose[o[0], r[0]] * turns[n, r[0], o[1]],
        )
    found = grouped([pose])
    assert len(found.before) == 23
    assert [names for _, names in found.after] == [found.before]


# ------------------------------------------------------------------------------- what must not join


def test_convolutions_do_not_join() -> None:
    """A pixel reads its neighbours: as rows they would be computed nine times."""
    found = of_model("""
        g (float[1,3,40,40] x, float[8,3,3,3] w1, float[8,8,3,3] w2) => (float[1,8,36,36] y) {
            a = Conv (x, w1)
            b = Relu (a)
            y = Conv (b, w2)
        }""")
    assert [names for _, names in found.after] == [("b",), ("y",)]


def test_a_row_that_another_kernel_needs_between_does_not_join() -> None:
    """What a sum over all rows gives is only there when all rows are done."""
    x = input_tensor("x", (2000, 8), "f32")
    a = layer(x, 8, "a")
    total = reduce_tensor("total", (8,), (2000,), "sum", lambda o, r: a[r[0], o[0]])
    c = map_tensor("c", (2000, 8), lambda i, j: unary("exp", a[i, j]) + total[j])
    d = layer(c, 4, "d")
    found = grouped([d])
    assert len(found.after) == 3
    assert found.after[0][1] == ("a",)


def test_a_row_that_a_running_sum_needs_between_does_not_join() -> None:
    x = input_tensor("x", (2000, 8), "f32")
    a = layer(x, 8, "a")
    running = scan_tensor("running", (2000, 8), 0, "sum", lambda i, j: a[i, j])
    d = layer(map_tensor("c", (2000, 8), lambda i, j: a[i, j] * running[i, j]), 4, "d")
    found = grouped([d])
    assert [names for _, names in found.after if "a" in names and "d" in names] == []


def test_a_row_that_a_scatter_needs_between_does_not_join() -> None:
    x = input_tensor("x", (2000, 8), "f32")
    a = layer(x, 8, "a")
    put = scatter_tensor(
        "put", a, (5,), lambda r: ((r * 7, r), const(1.0, "f32"), const(True, "bool"))
    )
    d = layer(map_tensor("c", (2000, 8), lambda i, j: a[i, j] * put[i, j]), 4, "d")
    found = grouped([d])
    assert [names for _, names in found.after if "a" in names and "d" in names] == []


@pytest.mark.parametrize(("width", "kernels"), [(LOCAL, 1), (LOCAL + 1, 2)])
def test_rows_that_are_too_wide_do_not_join(width: int, kernels: int) -> None:
    """What a row keeps must fit in workgroup memory."""
    x = input_tensor("x", (300, width), "f32")
    y = map_tensor("y", (300, width), lambda i, j: unary("exp", x[i, j]))
    total = reduce_tensor("total", (300,), (width,), "sum", lambda o, r: y[o[0], r[0]])
    z = map_tensor("z", (300, width), lambda i, j: y[i, j] / total[i])
    names = [names for _, names in grouped([z]).after]
    assert ("y" in names[0] and "z" in names[0]) == (kernels == 1)


def test_rows_that_meet_do_not_join() -> None:
    """A row that reads the row before it is no row of its own."""
    x = input_tensor("x", (2000, 8), "f32")
    a = layer(x, 8, "a")
    shifted = map_tensor(
        "shifted", (2000, 8), lambda i, j: select(i >= 1, a[i - 1, j], const(0.0, "f32")) + a[i, j]
    )
    assert [names for _, names in grouped([layer(shifted, 4, "d")]).after] == [("a",), ("d",)]


def test_large_products_do_not_join() -> None:
    """A thread must not do for its row what many threads share tiles for."""
    x = input_tensor("x", (512, 512), "f32")
    y = layer(layer(x, 512, "one"), 512, "two")
    assert [names for _, names in grouped([y]).after] == [("one",), ("two",)]


# --------------------------------------------------------------- sizes


def test_groups_bind_at_most_eight_buffers() -> None:
    """Ten results of one softmax: no kernel writes them all."""
    x = input_tensor("x", (2000, 8), "f32")
    y = layer(x, 8, "a")
    made = [map_tensor(f"y{k}", (2000, 8), lambda i, j, k=k: y[i, j] * float(k)) for k in range(10)]
    found = grouped(made)
    assert all(len(names) <= 9 for _, names in found.after)
    assert sorted(n for _, names in found.after for n in names) == sorted(found.before)


def test_every_nest_is_in_one_group() -> None:
    x = input_tensor("x", (3, 5), "f32")
    y = map_tensor("y", (3, 5), lambda i, j: unary("exp", x[i, j]))
    nests = epilogues([y])
    groups = group_rows(nests, [y])
    assert [s.nest for g in groups for s in g.stages] == list(nests.values())
    assert all(math.prod(map(extent, s.rows)) == g.count for g in groups for s in g.stages)


@pytest.mark.gpu
def test_reads_behind_a_select_stay_within_the_row(adapter: Any) -> None:
    """A look-up over two joined tensors reads both, one of them beyond its end."""
    random = np.random.default_rng(0)
    x = input_tensor("x", (300, 3), "f32")
    matrix = constant("matrix", random.standard_normal((54, 3)), "f32")
    places = constant("places", np.array([3, 54, 7]), "i32")
    first = reduce_tensor(
        "first", (300, 54), (3,), "sum", lambda i, k: x[i[0], k[0]] * matrix[i[1], k[0]]
    )
    most = reduce_tensor("most", (300, 1), (54,), "max", lambda i, k: first[i[0], k[0]])
    both = concatenated("both", [first, most], 1)
    outputs = [map_tensor("y", (300, 3), lambda b, j: both[b, places[j]])]
    values = {"x": random.standard_normal((300, 3)).astype(np.float32)}
    made = compile_tensors("rows", [x], outputs)
    with NativeRunner(adapter) as runner:
        found = runner.run(made.program, made.files, values)["y"]
    np.testing.assert_allclose(found, interpret.run(outputs, values)[0], rtol=1e-5)
