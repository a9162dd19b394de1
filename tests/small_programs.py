"""Programs written by hand, with arrays that go in and what numpy says must come out.

They use what a compiler may write: ranges of an arena, weights, constant outputs, indirect
dispatches, counts, several candidates, every type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np

from pybuild.programs import file_name
from pybuild.tensors import Array
from pyengine.plan import Access, ComputePipeline, Indirect, Range
from pyengine.program import (
    STORAGE,
    Candidate,
    Program,
    ProgramBuffer,
    ProgramDispatch,
    Tensor,
)

__all__ = ["CASES", "Case", "assert_outputs", "tensor"]

SUM_TOLERANCE = 1e-5
"""Of the largest element: sums of up to a thousand products in another order."""


@dataclass(frozen=True, slots=True)
class Case:
    """A program, the files of its folder, and an example."""

    program: Program
    files: Mapping[str, bytes]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    counts: Mapping[str, int] = field(default_factory=dict)


def assert_outputs(found: Mapping[str, Array], case: Case) -> None:
    """Names, types, shapes, values."""
    assert found.keys() == case.outputs.keys()
    for name, wanted in case.outputs.items():
        assert found[name].dtype == wanted.dtype
        assert found[name].shape == wanted.shape
        exact = wanted.astype(np.float64)
        scale = np.abs(exact).max(initial=0)
        np.testing.assert_allclose(
            found[name].astype(np.float64), exact, rtol=0, atol=SUM_TOLERANCE * scale
        )


def tensor(name: str, shape: tuple[int, ...], dtype: str = "float32", buffer: str = "") -> Tensor:
    """A tensor in a buffer of its own name."""
    return Tensor(name, shape, dtype, STORAGE[dtype], buffer or f"t.{name}")


def _own(*tensors: Tensor) -> tuple[ProgramBuffer, ...]:
    """The buffers of tensors."""
    return tuple(ProgramBuffer(t.buffer, max(t.size_bytes, 4)) for t in tensors)


def _whole(item: Tensor) -> Range:
    return Range(item.buffer, 0, max(item.size_bytes, 4))


def _kernels(**texts: str) -> dict[str, Any]:
    """Fields of a program for shaders, and their files."""
    return {
        "shaders": {name: f"kernels/{name}.wgsl" for name in texts},
        "files": {f"kernels/{name}.wgsl": text.encode() for name, text in texts.items()},
    }


BINARY = """
@group(0) @binding(0) var<storage, read> a: array<{t}>;
@group(0) @binding(1) var<storage, read> b: array<{t}>;
@group(0) @binding(2) var<storage, read_write> c: array<{t}>;
override WORKGROUP: u32 = 64u;
@compute @workgroup_size(WORKGROUP) fn main(@builtin(global_invocation_id) id: vec3u) {{
  if (id.x < arrayLength(&c)) {{ c[id.x] = {e}; }}
}}
"""


def elementwise(name: str, dtype: str, expression: str, arrays: tuple[Array, Array, Array]) -> Case:
    """An expression of a and b."""
    a, b, c = (tensor(n, arrays[0].shape, dtype) for n in "abc")
    made = _kernels(k=BINARY.format(t=STORAGE[dtype], e=expression))
    size = arrays[0].size
    program = Program(
        name=name,
        inputs=(a, b),
        outputs=(c,),
        buffers=_own(a, b, c),
        shaders=made["shaders"],
        pipelines=tuple(
            ComputePipeline(f"k{n}", "k", ("read", "read", "read_write"), {"WORKGROUP": n})
            for n in (64, 32)
        ),
        dispatches=(
            ProgramDispatch(
                f"{name} of {size}",
                (_whole(a), _whole(b), _whole(c)),
                (
                    Candidate("k64", (-(-size // 64), 1, 1), "gpu"),
                    Candidate("k32", (-(-size // 32), 1, 1), "software"),
                ),
            ),
        )
        * (size > 0),
    )
    return Case(program, made["files"], {"a": arrays[0], "b": arrays[1]}, {"c": arrays[2]})


def add(shape: tuple[int, ...] = (3, 5)) -> Case:
    """Two floats; a scalar, nothing, or many."""
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    return elementwise("add", "float32", "a[id.x] + b[id.x]", (a, b, a + b))


def typed(dtype: str) -> Case:
    """Sums in a type that has no 32-bit element of its own; exact in all of them."""
    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    a, b = np.arange(6).reshape(2, 3).astype(kind), np.full((2, 3), 2).astype(kind)
    return elementwise(f"typed {dtype}", dtype, "a[id.x] + b[id.x]", (a, b, (a + b).astype(kind)))


def logic() -> Case:
    """Booleans are 0 and 1."""
    a, b = np.array([[True, False, True, False]]), np.array([[True, True, False, False]])
    return elementwise("and", "bool", "a[id.x] & b[id.x]", (a, b, a & b))


MATMUL = """
override ROWS: u32 = 1u;
override INNER: u32 = 1u;
override COLUMNS: u32 = 1u;
@group(0) @binding(0) var<storage, {access}> a: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {{
  if (id.x >= COLUMNS || id.y >= ROWS) {{ return; }}
  var sum = 0.0;
  for (var k = 0u; k < INNER; k++) {{ sum += a[id.y * INNER + k] * w[k * COLUMNS + id.x]; }}
  c[id.y * COLUMNS + id.x] = sum;
}}
"""
RELU = """
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&b)) { b[id.x] = max(a[id.x], 0.0); }
}
"""


def perceptron(rows: int = 5, inner: int = 7, hidden: int = 6, columns: int = 4) -> Case:
    """relu(x w1) w2 through two ranges of one arena, weights in one file."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, inner)).astype(np.float32)
    w1 = rng.normal(size=(inner, hidden)).astype(np.float32)
    w2 = rng.normal(size=(hidden, columns)).astype(np.float32)
    pad = -(-w1.nbytes // 256) * 256
    weights = w1.tobytes().ljust(pad, b"\0") + w2.tobytes()
    name = file_name("weights", weights)
    tx, ty = tensor("x", x.shape), tensor("y", (rows, columns))
    slot = -(-rows * hidden * 4 // 256) * 256
    hidden_1, hidden_2 = (Range("arena", slot * i, rows * hidden * 4) for i in range(2))
    made = _kernels(
        matmul=MATMUL.format(access="read"),
        matmul_arena=MATMUL.format(access="read_write"),
        relu=RELU,
    )
    sizes = ({"ROWS": rows, "INNER": inner, "COLUMNS": hidden},)
    sizes += ({"ROWS": rows, "INNER": hidden, "COLUMNS": columns},)
    program = Program(
        name="perceptron",
        inputs=(tx,),
        outputs=(ty,),
        buffers=(
            *_own(tx, ty),
            ProgramBuffer("arena", 2 * slot),
            ProgramBuffer("weights", len(weights), name),
        ),
        shaders=made["shaders"],
        pipelines=(
            ComputePipeline("matmul_1", "matmul", ("read", "read", "read_write"), sizes[0]),
            ComputePipeline(
                "matmul_2", "matmul_arena", ("read_write", "read", "read_write"), sizes[1]
            ),
            ComputePipeline("relu", "relu", ("read_write", "read_write")),
        ),
        dispatches=(
            ProgramDispatch(
                "MatMul 1",
                (_whole(tx), Range("weights", 0, w1.nbytes), hidden_1),
                (Candidate("matmul_1", (-(-hidden // 8), -(-rows // 8), 1)),),
            ),
            ProgramDispatch(
                "Relu",
                (hidden_1, hidden_2),
                (Candidate("relu", (-(-rows * hidden // 64), 1, 1)),),
            ),
            ProgramDispatch(
                "MatMul 2",
                (hidden_2, Range("weights", pad, w2.nbytes), _whole(ty)),
                (Candidate("matmul_2", (-(-columns // 8), -(-rows // 8), 1)),),
            ),
        ),
        metadata={"author": "a test"},
        report={"nodes": 3, "by_op": {"MatMul": 2, "Relu": 1}},
    )
    y = np.maximum(x @ w1, 0) @ w2
    return Case(program, {**made["files"], name: weights}, {"x": x}, {"y": y})


ARGUMENTS = """
@group(0) @binding(0) var<storage, read> count: array<u32>;
@group(0) @binding(1) var<storage, read_write> args: array<u32>;
@compute @workgroup_size(1) fn main() {
  args[0] = (count[0] + 63u) / 64u;
  args[1] = 1u;
  args[2] = 1u;
}
"""
DOUBLE = """
@group(0) @binding(0) var<storage, read> count: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < count[0]) { y[id.x] = 2.0 * x[id.x]; }
}
"""


def counted(live: int = 130, capacity: int = 200) -> Case:
    """An axis of which a count is alive; the GPU makes the workgroups of it."""
    x = np.arange(1, capacity + 1, dtype=np.float32)
    tx, ty = tensor("x", (capacity,)), tensor("y", (capacity,))
    made = _kernels(arguments=ARGUMENTS, double=DOUBLE)
    program = Program(
        name="counted",
        inputs=(tx,),
        outputs=(ty,),
        counts={"n": "count.n"},
        buffers=(*_own(tx, ty), ProgramBuffer("count.n", 4), ProgramBuffer("args", 16)),
        shaders=made["shaders"],
        pipelines=(
            ComputePipeline("arguments", "arguments", ("read", "read_write")),
            ComputePipeline("double", "double", ("read", "read", "read_write")),
        ),
        dispatches=(
            ProgramDispatch(
                "arguments",
                (Range("count.n", 0, 4), Range("args", 0, 16)),
                (Candidate("arguments", (1, 1, 1)),),
            ),
            ProgramDispatch(
                "double",
                (Range("count.n", 0, 4), _whole(tx), _whole(ty)),
                (Candidate("double", Indirect("args", 0)),),
            ),
        ),
    )
    y = np.where(np.arange(capacity) < live, 2 * x, 0).astype(np.float32)
    return Case(program, made["files"], {"x": x}, {"y": y}, {"n": live})


def constant() -> Case:
    """Nothing to do: an output with a file."""
    value = np.array([[1, -2], [3, 40]], np.int64)
    data = value.astype("<i4").tobytes()
    name = file_name("output", data)
    ty = tensor("y", (2, 2), "int64")
    program = Program(
        "constant", (), (ty,), (ProgramBuffer(ty.buffer, len(data), name),), {}, (), ()
    )
    return Case(program, {name: data}, {}, {"y": value})


HALF = """enable f16;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&c)) { c[id.x] = f32(f16(a[id.x]) + f16(b[id.x])); }
}
"""


def halves() -> Case:
    """A first candidate for adapters with half floats; exact for these numbers."""
    a, b = np.arange(70, dtype=np.float32), np.full(70, 0.5, np.float32)
    case = elementwise("halves", "float32", "a[id.x] + b[id.x]", (a, b, a + b))
    return with_first(
        case, "half", HALF, ("read", "read", "read_write"), {"features": ("shader-f16",)}
    )


SUM = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
  var sum = 0.0;
  for (var i = 0u; i < arrayLength(&x); i++) { sum += x[i]; }
  y[0] = sum;
}
"""
SUBGROUP_SUM = """
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> sums: array<f32, 64>;
@compute @workgroup_size(64) fn main(
    @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) part: u32) {
  sums[lane] = 0.0;
  workgroupBarrier();
  let sum = subgroupAdd(x[lane]);
  if (part == 0u) { sums[lane] = sum; }
  workgroupBarrier();
  if (lane == 0u) {
    var all = 0.0;
    for (var i = 0u; i < 64u; i++) { all += sums[i]; }
    y[0] = all;
  }
}
"""


def subgroups() -> Case:
    """A first candidate for adapters with subgroups, of whatever size."""
    x = np.arange(64, dtype=np.float32)
    tx, ty = tensor("x", (64,)), tensor("y", ())
    made = _kernels(sum=SUM)
    program = Program(
        name="subgroups",
        inputs=(tx,),
        outputs=(ty,),
        buffers=_own(tx, ty),
        shaders=made["shaders"],
        pipelines=(ComputePipeline("sum", "sum", ("read", "read_write")),),
        dispatches=(
            ProgramDispatch("sum", (_whole(tx), _whole(ty)), (Candidate("sum", (1, 1, 1)),)),
        ),
    )
    case = Case(program, made["files"], {"x": x}, {"y": np.asarray(x.sum())})
    return with_first(case, "fast", SUBGROUP_SUM, ("read", "read_write"), {"subgroups": ("fast",)})


def with_first(
    case: Case, name: str, text: str, layout: tuple[Access, ...], fields: Mapping[str, Any]
) -> Case:
    """The case with one more candidate, the first, of its only dispatch."""
    program = case.program
    (dispatch,) = program.dispatches
    file = f"kernels/{name}.wgsl"
    first = Candidate(name, (-(-dispatch.bindings[-1].size_bytes // 256), 1, 1))
    return replace(
        case,
        program=replace(
            program,
            shaders={**program.shaders, name: file},
            pipelines=(*program.pipelines, ComputePipeline(name, name, layout)),
            dispatches=(replace(dispatch, candidates=(first, *dispatch.candidates)),),
            **fields,
        ),
        files={**case.files, file: text.encode()},
    )


CASES: dict[str, Callable[[], Case]] = {
    "add": add,
    "scalars": lambda: add(()),
    "nothing": lambda: add((0, 3)),
    "a thousand": lambda: add((1000,)),
    "perceptron": perceptron,
    "a count": counted,
    "a count of 0": lambda: counted(0),
    "a constant": constant,
    "bool": logic,
    "halves": halves,
    "subgroups": subgroups,
    **{
        dtype: lambda dtype=dtype: typed(dtype)  # type: ignore[misc]
        for dtype in STORAGE
        if dtype not in ("float32", "bool")
    },
}
"""Each makes a program and its example."""
