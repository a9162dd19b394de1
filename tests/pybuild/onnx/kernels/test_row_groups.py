"""Kernels of row groups: norms, perceptrons, attention, and groups that one workgroup does."""

from __future__ import annotations

import math

import pytest

from pybuild.onnx.expr import cast, const, logical_and, maximum, minimum, select, unary
from pybuild.onnx.ir import input_tensor, map_tensor, reduce_tensor, scan_tensor, scatter_tensor
from tests.pybuild.onnx.kernels.tensors import (
    Check,
    layer,
    normalised,
    product_of,
    softmax,
    weights,
)

pytestmark = pytest.mark.gpu

ROWS = ((1, 1), (1, 7), (7, 1), (3, 31), (17, 64), (255, 5), (256, 33), (257, 129), (20, 1000),
        (2, 3072), (2, 3073), (5000, 4), (17000, 3))  # fmt: skip


@pytest.mark.parametrize("shape", ROWS)
def test_softmax(check: Check, shape: tuple[int, int]) -> None:
    check(softmax(input_tensor("x", shape, "f32")))


@pytest.mark.parametrize("shape", ROWS)
def test_layer_norm(check: Check, shape: tuple[int, int]) -> None:
    x = input_tensor("x", shape, "f32")
    scale, bias = weights("s", shape[1]), weights("b", shape[1], seed=6)
    y = normalised(x, 1)
    check(map_tensor("z", shape, lambda i, j: y[i, j] * scale[j] + bias[j]))


@pytest.mark.parametrize("shape", [(1, 4, 9, 9), (2, 16, 24, 24), (1, 3, 100, 101)])
def test_instance_norm(check: Check, shape: tuple[int, ...]) -> None:
    x, scale = input_tensor("x", shape, "f32"), weights("s", shape[1])
    y = normalised(x, 2)
    check(map_tensor("z", shape, lambda *i: y[i] * scale[i[1]]))


@pytest.mark.parametrize(
    ("rows", "widths"),
    [
        *((rows, (3, 8, 5)) for rows in (1, 255, 256, 1023, 1024, 1026, 4099)),
        (1026, (16, 32, 32, 4)),
        *((rows, (12, 48, 40)) for rows in (1, 255, 257)),
        *((rows, (16, 96, 90)) for rows in (1024, 1026)),
    ],
)
def test_perceptrons(check: Check, rows: int, widths: tuple[int, ...]) -> None:
    """Written out with their weights as literals; in loops; with one and four rows a thread."""
    x = input_tensor("x", (rows, widths[0]), "f32")
    for k, width in enumerate(widths[1:]):
        x = layer(x, width, f"layer{k}")
    check(x, dispatches=1 if rows > 255 else None)


def test_perceptrons_hand_on_inner_layers(check: Check) -> None:
    """What the caller wants of a row is written too."""
    x = input_tensor("x", (1024, 12), "f32")
    first = layer(x, 16, "first")
    second = layer(first, 8, "second")
    both = map_tensor("both", (1024, 8), lambda i, j: second[i, j] * first[i, j * 2])
    check(first, both)


@pytest.mark.parametrize("rows", [300, 1024])
def test_rows_that_read_themselves_at_their_number(check: Check, rows: int) -> None:
    """Which element of a row is read depends on the row."""
    x = input_tensor("x", (rows, 6), "f32")
    first = layer(x, 6, "first")
    turned = map_tensor("turned", (rows, 6), lambda i, j: first[i, (i + j) % 6] * 2.0)
    check(layer(turned, 4, "second"))


@pytest.mark.parametrize("rows", [300, 1024])
def test_rows_that_read_themselves_by_data(check: Check, rows: int) -> None:
    x, k = input_tensor("x", (rows, 6), "f32"), input_tensor("k", (rows, 3), "i32")
    first = layer(x, 6, "first")
    lanes = map_tensor(
        "lanes", (rows, 3), lambda i, j: minimum(maximum(k[i, j], const(0, "i32")), const(5, "i32"))
    )
    picked = map_tensor("picked", (rows, 3), lambda i, j: first[i, lanes[i, j]] * 2.0)
    check(layer(picked, 4, "second"))


def test_rows_that_read_themselves_at_what_they_reduced(check: Check) -> None:
    """The largest element by its place: the place is the accumulator of the reading stage."""
    x = input_tensor("x", (300, 7), "f32")
    y = map_tensor("y", (300, 7), lambda i, j: unary("exp", x[i, j]) * 3.0)
    best = reduce_tensor("best", (300,), (7,), "max", lambda o, r: y[o[0], r[0]])
    place = reduce_tensor(
        "place",
        (300,),
        (7,),
        "min",
        lambda o, r: select(y[o[0], r[0]].equals(best[o[0]]), r[0], const(6, "i32")),
    )
    check(map_tensor("z", (300,), lambda i: y[i, place[i]] * 2.0), place)
    check(map_tensor("z", (300,), lambda i: y[i, place[i]] * 2.0))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 8, 3), (70, 4, 2)])
def test_attention(check: Check, sizes: tuple[int, int, int]) -> None:
    tokens, width, heads = sizes
    shape = (heads, tokens, width)
    q, k, v = (input_tensor(name, shape, "f32") for name in "qkv")
    scores = reduce_tensor(
        "scores", (heads, tokens, tokens), (width,), "sum",
        lambda o, r: q[o[0], o[1], r[0]] * k[o[0], o[2], r[0]],
    )  # fmt: skip
    scaled = map_tensor("scaled", scores.shape, lambda *i: scores[i] * (1 / math.sqrt(width)))
    y = product_of(softmax(scaled), v)
    check(map_tensor("y", shape, lambda *i: y[i] + 0.0 * v[i]))


@pytest.mark.parametrize("rows", [24, 300])
def test_rows_of_every_type(check: Check, rows: int) -> None:
    """What a row keeps may be whole numbers or choices, in registers or in workgroup memory."""
    x = input_tensor("x", (rows, 70), "f32")
    above = map_tensor("above", (rows, 70), lambda i, j: x[i, j] > 0.25)
    count = reduce_tensor(
        "count", (rows,), (70,), "sum", lambda o, r: cast(above[o[0], r[0]], "i32")
    )
    some = reduce_tensor("some", (rows,), (70,), "and", lambda o, r: above[o[0], r[0]])
    most = reduce_tensor(
        "most",
        (rows,),
        (70,),
        "max",
        lambda o, r: cast(above[o[0], r[0]], "u32") * cast(r[0], "u32"),
    )
    check(
        map_tensor(
            "z",
            (rows, 70),
            lambda i, j: select(
                logical_and(above[i, j], ~some[i]),
                cast(count[i], "f32"),
                x[i, j] - cast(most[i], "f32"),
            ),
        ),
        count,
    )


def test_a_kinematic_chain(check: Check) -> None:
    """Matrices that multiply one another in turn: one workgroup, one dispatch."""
    joints = input_tensor("joints", (24, 3), "f32")
    turns = map_tensor(
        "turns",
        (24, 3, 3),
        lambda n, i, j: select(i.equals(j), unary("cos", joints[n, i]), joints[n, j] * 0.3),
    )
    pose = map_tensor("pose0", (3, 3), lambda i, j: turns[0, i, j])
    poses = [pose]
    for n in range(1, 24):
        parent = poses[(n - 1) // 2]
        poses.append(
            reduce_tensor(
                f"pose{n}",
                (3, 3),
                (3,),
                "sum",
                lambda o, r, n=n, parent=parent: parent[o[0], r[0]] * turns[n, r[0], o[1]],
            )
        )
    check(poses[23], poses[11], dispatches=1)


def test_tiny_groups_do_not_merge_across_a_running_sum(check: Check) -> None:
    """They were merged although one read the other through the sum, which then ran before both."""
    x = input_tensor("x", (18, 4), "f32")
    a = reduce_tensor("a", (18,), (4,), "max", lambda o, r: unary("exp", x[o[0], r[0]]))
    running = scan_tensor("running", (18,), 0, "sum", lambda i: a[i])
    check(map_tensor("y", (18,), lambda i: unary("log", running[i]) + a[i]), a, dispatches=3)


def test_tiny_groups_do_not_merge_across_a_scatter(check: Check) -> None:
    """The same through writes at computed places."""
    x = input_tensor("x", (12, 4), "f32")
    a = reduce_tensor("a", (12,), (4,), "max", lambda o, r: unary("exp", x[o[0], r[0]]))
    put = scatter_tensor(
        "put", a, (4,), lambda r: ((r * 3,), const(2, "f32"), const(True, "bool")), "sum"
    )
    check(map_tensor("y", (12,), lambda i: unary("log", put[i]) + a[i]))
