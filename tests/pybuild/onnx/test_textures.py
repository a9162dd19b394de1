"""Textures as inputs: the text of their loads, what they take of WebGPU's limits, and values.

Programs are run natively behind a pass that draws the textures, once for every candidate of their
dispatches, and compared with the interpreter, to which a texture is an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.onnx import interpret
from pybuild.onnx.bindings import least_bindings
from pybuild.onnx.compile import Compiled, compile_tensors
from pybuild.onnx.expr import Expr, cast, clamp_index, const, logical_and, maximum, select, unary
from pybuild.onnx.ir import (
    Input,
    Tensor,
    constant,
    describe,
    input_tensor,
    map_tensor,
    reduce_tensor,
    scan_tensor,
    scatter_tensor,
    topological,
)
from pybuild.programs import NativeRunner
from pyengine.errors import BundleError, InputError
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from tests.drawn_textures import drawn_plan, run_drawn

Array = NDArray[Any]
Check = Callable[..., Compiled]

ONE = const(1.0, "f32")
TOLERANCE = 2e-5
"""Of an output's largest magnitude: sums of some hundred products in another order."""


def image(height: int, width: int, name: str = "image") -> Tensor:
    """A texture."""
    return input_tensor(name, (height, width, 4), "f32", texture=True)


def compiled(*outputs: Tensor) -> Compiled:
    """A program of tensors."""
    inputs = [t for t in topological(outputs) if isinstance(t.source, Input)]
    return compile_tensors("textures", inputs, outputs)


def texts(program: Compiled) -> list[str]:
    """Its different shaders."""
    return [data.decode() for name, data in program.files.items() if name.endswith(".wgsl")]


# ------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("shape", [(3, 5, 3), (3, 5), (3, 5, 5), (0, 5, 4), (1, 3, 5, 4)])
def test_a_texture_has_four_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"texture 'x' must be f32 of shape \(height, width, 4\)"):
        input_tensor("x", shape, "f32", texture=True)


def test_a_texture_is_of_floats() -> None:
    with pytest.raises(ValueError, match=r"got i32 \[3, 5, 4\]"):
        input_tensor("x", (3, 5, 4), "i32", texture=True)


def test_channels_of_a_pixel_share_a_load() -> None:
    """Four of them in one sum; the declaration has no address space."""
    x = image(3, 5)
    (text,) = texts(
        compiled(
            map_tensor("y", (3, 5), lambda i, j: sum((x[i, j, c] for c in range(1, 4)), x[i, j, 0]))
        )
    )
    assert "@group(0) @binding(1) var t1: texture_2d<f32>;" in text
    (load,) = re.findall(r"let (\w+) = textureLoad\(t1, vec2i\((\w+), (\w+)\), 0i\);", text)
    assert f"let {load[1]} = (thread % 5i);" in text
    assert f"let {load[2]} = (thread / 5i);" in text
    assert re.findall(rf"{load[0]}\.([xyzw])", text) == ["x", "y", "z", "w"]


def test_a_channel_may_be_computed() -> None:
    """Within 0 .. 3; a constant one beyond them is the nearest, as a compiler refuses any other."""
    x = image(2, 2)
    which = input_tensor("which", (2, 2), "i32")
    text = texts(compiled(map_tensor("y", (2, 2), lambda i, j: x[i, j, which[i, j]])))[0]
    (channel,) = re.findall(r"let (v\d+) = min\(max\(v\d+, 0i\), 3i\);", text)
    assert re.search(rf"v\d+\[{channel}\]", text)
    beyond = texts(compiled(map_tensor("y", (2, 2), lambda i, j: x[i, j, 7] + x[i, j, -1])))[0]
    assert set(re.findall(r"v\d+\.([xyzw])", beyond)) == {"w", "x"}


def test_a_row_of_pixels_is_stored_in_fours_and_loaded_once() -> None:
    """The texture is never an array of vectors; the buffer is."""
    x = image(64, 64)
    (text,) = texts(compiled(map_tensor("y", (64, 64, 4), lambda i, j, c: x[i, j, c])))
    assert text.count("textureLoad") == 1
    assert "array<vec4<f32>, 4096>" in text


def test_what_a_program_tells_of_its_textures() -> None:
    """Name and size; they are no inputs and have no buffers, whether they are read or not."""
    x, unread = image(3, 5), image(2, 7, "unread")
    y = input_tensor("y", (3, 5), "f32")
    z = map_tensor("z", (3, 5), lambda i, j: x[i, j, 3] * y[i, j])
    program = compile_tensors("p", [unread, x, y], [z]).program
    assert program.textures == {"unread": (2, 7), "image": (3, 5)}
    assert [tensor.name for tensor in program.inputs] == ["y"]
    assert [buffer.name for buffer in program.buffers] == ["in0", "out0"]
    (dispatch,) = program.dispatches
    assert "image" in dispatch.bindings
    assert "unread" not in dispatch.bindings
    layouts = {pipeline.layout for pipeline in program.pipelines}
    assert {layout.index("texture") for layout in layouts} == {dispatch.bindings.index("image")}
    assert describe([z]).splitlines()[0] == "image: f32[3, 5, 4] given as a texture"


def test_a_texture_has_a_name_of_its_own() -> None:
    x, y = image(3, 5), input_tensor("image", (3, 5), "f32")
    z = map_tensor("z", (3, 5), lambda i, j: x[i, j, 3] * y[i, j])
    with pytest.raises(BundleError, match="texture 'image' has the name of an input"):
        compile_tensors("p", [x, y], [z])


def test_textures_take_no_buffers() -> None:
    """Seven inputs, an output, three textures: one kernel. Of eight inputs, some are copied."""

    def total(count: int) -> Compiled:
        xs = [image(3, 5, f"image{k}") for k in range(3)]
        ys = [input_tensor(f"y{k}", (3, 5), "f32") for k in range(count)]
        out = map_tensor(
            "z",
            (3, 5),
            lambda i, j: sum(
                (y[i, j] for y in ys), xs[0][i, j, 0] + xs[1][i, j, 1] + xs[2][i, j, 2]
            ),
        )
        assert least_bindings([*xs, *ys, out], [out]) == count + 1
        return compiled(out)

    program = total(7).program
    assert len(program.dispatches) == 1
    assert len(program.dispatches[0].bindings) == 11
    several = total(8).program
    assert len(several.dispatches) > 1
    for pipeline in several.pipelines:
        assert len(pipeline.layout) - pipeline.layout.count("texture") <= 8


def test_a_program_with_textures_does_not_run_by_itself(tmp_path: Any) -> None:
    """It says what it lacks, before there is a device."""
    from pybuild.programs import write_program
    from pybuild.running import RunOptions, run_program

    x = image(3, 5)
    made = compiled(map_tensor("y", (3, 5), lambda i, j: x[i, j, 0]))
    write_program(tmp_path / "p", made.program, made.files)
    with pytest.raises(InputError, match=r"reads textures \('image'\) that are drawn each frame"):
        run_program(tmp_path / "p", None, RunOptions(seed=0))


# ----------------------------------------------------------------------------------------- values


def example(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Values for an input."""
    if tensor.type == "i32":
        return rng.integers(0, 4, tensor.shape).astype("i4")
    return rng.standard_normal(tensor.shape).astype(np.float32)


@pytest.fixture
def check(runner: NativeRunner) -> Check:
    """Compiles tensors, runs every candidate behind drawn textures, compares."""

    def check_(*outputs: Tensor, **given: Array) -> Compiled:
        rng = np.random.default_rng(11)
        inputs = [t for t in topological(outputs) if isinstance(t.source, Input)]
        feeds = {t.name: given.get(t.name, example(t, rng)) for t in inputs}
        wanted = interpret.run(outputs, feeds)
        made = compiled(*outputs)
        ways = [len(d.candidates) for d in made.program.dispatches]
        for way in range(max(ways)):
            chosen = {k: min(way, count - 1) for k, count in enumerate(ways)}
            found = run_drawn(runner, made.program, made.files, feeds, chosen)
            for tensor, value in zip(outputs, wanted, strict=True):
                largest = np.abs(value).max(initial=0)
                label = f"{tensor} by candidate {way}"
                np.testing.assert_allclose(
                    found[tensor.name], value, rtol=0, atol=TOLERANCE * largest, err_msg=label
                )
        return made

    return check_


@pytest.mark.gpu
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (32, 36), (31, 65)])
def test_pixels_are_copied(check: Check, height: int, width: int) -> None:
    """Around the sizes where maps begin to be cut in fours; a picture of its own."""
    x = image(height, width)
    check(map_tensor("y", (height, width, 4), lambda i, j, c: x[i, j, c]))
    check(map_tensor("z", (3, height, width), lambda c, i, j: x[i, j, c] * x[i, j, 3]))


def padded(x: Tensor, i: Expr, j: Expr, c: Expr) -> Expr:
    """A pixel, 0 outside the texture."""
    height, width, _ = x.shape
    inside = logical_and(i >= 0, i < height, j >= 0, j < width)
    return select(inside, x[i, j, c], 0.0)


def convolution(x: Tensor, size: int, outputs: int) -> Tensor:
    """Of the first three channels, (outputs, H, W), with zeros around."""
    height, width, _ = x.shape
    array = np.random.default_rng(1).standard_normal((outputs, 3, size, size)) / size
    weights = constant("w", array.astype(np.float32), "f32")

    def body(o: Sequence[Expr], r: Sequence[Expr]) -> Expr:
        n, i, j = o
        c, ki, kj = r
        return padded(x, i + ki - size // 2, j + kj - size // 2, c) * weights[n, c, ki, kj]

    return reduce_tensor("y", (outputs, height, width), (3, size, size), "sum", body)


@pytest.mark.gpu
@pytest.mark.parametrize(("height", "width"), [(3, 5), (40, 33), (64, 64)])
@pytest.mark.parametrize(("size", "outputs"), [(3, 4), (5, 8), (9, 3)])
def test_a_convolution_reads_beyond_the_edge(
    check: Check, height: int, width: int, size: int, outputs: int
) -> None:
    """It takes zeros there, whatever the adapter gives for a texel that is not there."""
    check(convolution(image(height, width), size, outputs))


@pytest.mark.gpu
@pytest.mark.parametrize("width", [5, 64, 1024])
def test_a_norm_over_channels(check: Check, width: int) -> None:
    """A row group: the mean, the variance and the result of each pixel in one kernel."""
    x = image(4, width)
    mean = reduce_tensor("m", (4, width), (4,), "sum", lambda o, r: x[(*o, *r)] * 0.25)
    square = reduce_tensor(
        "s",
        (4, width),
        (4,),
        "sum",
        lambda o, r: (x[(*o, *r)] - mean[o]) * (x[(*o, *r)] - mean[o]) * 0.25,
    )
    made = check(
        map_tensor(
            "y",
            (4, width, 4),
            lambda i, j, c: (x[i, j, c] - mean[i, j]) * unary("inverseSqrt", square[i, j] + 1e-5),
        )
    )
    assert len(made.program.dispatches) == 1


@pytest.mark.gpu
def test_a_long_row_is_shared_by_a_workgroup(check: Check) -> None:
    """A norm over a whole line of the picture."""
    x = image(3, 700)
    total = reduce_tensor("t", (3,), (700, 4), "sum", lambda o, r: unary("abs", x[(*o, *r)]))
    check(map_tensor("y", (3, 700), lambda i, j: x[i, j, 1] / total[i]))


@pytest.mark.gpu
def test_places_from_data(check: Check) -> None:
    """Pixel and channel."""
    x, which = image(6, 8), input_tensor("which", (5, 3), "i32")
    check(
        map_tensor(
            "y",
            (5,),
            lambda n: x[clamp_index(which[n, 0], 6), clamp_index(which[n, 1], 8), which[n, 2]],
        )
    )


@pytest.mark.gpu
def test_two_textures_beside_buffers(check: Check) -> None:
    """A picture over a background, and another texture of another size."""
    x, deep = image(9, 12), image(3, 4, "depth")
    background = input_tensor("background", (4,), "f32")

    def body(i: Expr, j: Expr, c: Expr) -> Expr:
        over = x[i, j, c] + (1.0 - x[i, j, 3]) * background[c]
        return over * (
            deep[i // 3, j // 3, 0] / maximum(unary("abs", deep[i // 3, j // 3, 3]), ONE)
        )

    check(map_tensor("y", (9, 12, 3), body))


@pytest.mark.gpu
def test_scans_and_scatters_read_textures(check: Check) -> None:
    """Kernels that are no loop nests; a texture is what a scatter starts from, too."""
    x = image(5, 7)
    order = input_tensor("order", (5,), "i32")
    running = scan_tensor("r", (5, 7), 1, "sum", lambda i, j: x[i, j, 2])
    changed = scatter_tensor(
        "s",
        x,
        (5,),
        lambda n: ((n, cast(order[n], "i32"), n % 4), x[n, 0, 3], ONE < 2.0),
    )
    check(running, changed)


def test_the_plan_keeps_the_rules_without_a_gpu() -> None:
    """Two textures and a buffer in every dispatch's layout."""
    x = image(16, 16)
    made = compiled(convolution(x, 3, 4))
    plan, writes = drawn_plan(
        made.program, made.files, {"image": np.zeros((16, 16, 4))}, Adapter(DEFAULT_LIMITS, 32)
    )
    NullHost().build(plan)
    assert [name for name, _ in writes][-1] == "drawn.image.texels"
