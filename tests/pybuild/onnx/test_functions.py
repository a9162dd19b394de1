"""The functions that WGSL lacks, run on an adapter, against what the interpreter takes them for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.onnx.interpret import _CALLS

FOLDER = Path(__file__).resolve().parents[3] / "shaders" / "program" / "functions"
F32 = np.float32
EXACT = 0.0
CLOSE = 1e-6
"""Relative: eight units in the last place, which the builtins alone may cost."""
STEEP = 2e-5
"""Relative, of what goes through exp of a large number: its argument's rounding is magnified."""

Array = NDArray[Any]
Run = Callable[..., Array]


def spread(low: float, high: float, seed: int = 0) -> Array:
    """Values of every size between two bounds, and the bounds."""
    random = np.random.default_rng(seed)
    values = random.uniform(low, high, 3000)
    small = values * 2.0 ** random.uniform(-20, 0, 3000)
    return np.concatenate([values, small, [low, high, 0.0]]).astype(F32)


BITS = np.random.default_rng(1).integers(0, 2**32, 50_000, dtype=np.uint32).view(F32)
EDGES = np.array([65504, 65519.9, 65520, 3e-8, 2.9e-8, np.inf, -np.inf, np.nan], F32)
ROUNDED = np.concatenate([BITS, spread(-1000, 1000), EDGES])

FUNCTIONS: dict[str, tuple[str, list[Array], float]] = {
    "arccosine": ("f32", [spread(-1, 0.99)], CLOSE),
    "arcsine": ("f32", [spread(-1, 1)], CLOSE),
    "arsinh": ("f32", [np.concatenate([spread(-9, 9), spread(-1e30, 1e30)])], CLOSE),
    "artanh": ("f32", [spread(-0.99, 0.99)], CLOSE),
    "erf": ("f32", [spread(-6, 6)], CLOSE),
    "is_inf": ("bool", [ROUNDED], EXACT),
    "is_nan": ("bool", [ROUNDED], EXACT),
    "log1p": ("f32", [np.concatenate([spread(-0.9, 2), spread(0, 1e9)])], CLOSE),
    "power": ("f32", [np.abs(spread(0, 20)), spread(-5, 5, 1)], STEEP),
    "power_i32": (
        "i32",
        [np.arange(-50, 50, dtype=np.int32).repeat(43), np.tile(np.arange(-3, 40), 100)],
        EXACT,
    ),
    "round_bf16": ("f32", [ROUNDED], EXACT),
    "round_f16": ("f32", [ROUNDED], EXACT),
    "cosine": ("f32", [np.concatenate([spread(-9, 9), spread(-9000, 9000)])], CLOSE),
    "sine": ("f32", [np.concatenate([spread(-9, 9), spread(-9000, 9000)])], CLOSE),
    "sine_hyperbolic": ("f32", [spread(-80, 80)], STEEP),
    "tangent": ("f32", [np.concatenate([spread(-1.5, 1.5), spread(8, 10)])], CLOSE),
    "tangent_hyperbolic": ("f32", [np.concatenate([spread(-1, 1), spread(-99, 99)])], CLOSE),
}
"""By name: what it gives, its arguments, and how far from the interpreter it may be."""


@pytest.fixture(scope="module")
def run(adapter: Any) -> Run:
    """Calls a function of WGSL once for each element of its arguments."""
    device = adapter.request_device_sync()

    def run_(name: str, result: str, *arguments: Array) -> Array:
        import wgpu

        count, wgsl = len(arguments[0]), {"f": "f32", "i": "i32"}
        lines = [
            f"@group(0) @binding({k}) var<storage, read> a{k}: array<{wgsl[a.dtype.kind]}>;"
            for k, a in enumerate(arguments)
        ]
        value = f"{name}({', '.join(f'a{k}[id.x]' for k in range(len(arguments)))})"
        stored, value = ("u32", f"u32({value})") if result == "bool" else (result, value)
        lines += [
            f"@group(0) @binding({len(arguments)}) var<storage, read_write> o: array<{stored}>;",
            (FOLDER / f"{name}.wgsl").read_text(encoding="utf-8"),
            "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {",
            f"  if (id.x < {count}u) {{ o[id.x] = {value}; }}",
            "}",
        ]
        module = device.create_shader_module(code="\n".join(lines))
        pipeline = device.create_compute_pipeline(
            layout="auto", compute={"module": module, "entry_point": "main"}
        )
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
        buffers = [device.create_buffer_with_data(data=a, usage=usage) for a in arguments]
        buffers.append(device.create_buffer(size=4 * count, usage=usage))
        entries = [{"binding": k, "resource": {"buffer": b}} for k, b in enumerate(buffers)]
        group = device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
        encoder = device.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(pipeline)
        compute.set_bind_group(0, group)
        compute.dispatch_workgroups(-(-count // 64))
        compute.end()
        device.queue.submit([encoder.finish()])
        dtypes = {"f32": F32, "i32": np.int32, "u32": np.uint32}
        return np.frombuffer(device.queue.read_buffer(buffers[-1]), dtypes[stored])

    return run_


def wanted(name: str, *arguments: Array) -> Array:
    """By the interpreter; floats in twice the precision where it takes them."""
    exact = FUNCTIONS.get(name, ("", [], EXACT))[2] == EXACT
    wide = [a if exact or a.dtype != F32 else a.astype(np.float64) for a in arguments]
    with np.errstate(all="ignore"):
        return np.asarray(_CALLS[name](*wide))


@pytest.mark.gpu
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(run: Run, name: str) -> None:
    result, arguments, tolerance = FUNCTIONS[name]
    given = [np.ascontiguousarray(a if a.dtype == F32 else a.astype(np.int32)) for a in arguments]
    got, expected = run(name, result, *given), wanted(name, *given)
    if tolerance == EXACT:
        np.testing.assert_array_equal(got, expected)
    else:
        with np.errstate(over="ignore"):
            expected = expected.astype(F32)
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=1e-37)


@pytest.mark.gpu
@pytest.mark.parametrize(("digits", "lowest"), [(3, -6), (3, -7), (2, -14), (2, -15), (1, 0)])
def test_small_formats(run: Run, digits: int, lowest: int) -> None:
    form = [np.full(len(ROUNDED), number, np.int32) for number in (digits, lowest)]
    arguments = [ROUNDED, *form]
    np.testing.assert_array_equal(
        run("round_small", "f32", *arguments), wanted("round_small", *arguments)
    )


@pytest.mark.gpu
def test_powers_of_negative_bases_and_zero(run: Run) -> None:
    """Where WGSL's pow is undefined."""
    bases = np.array([-2, -2, -2, -0.5, -1, 0, 0, 0, -8, 1], F32)
    exponents = np.array([3, 2, -1, 5, 0, 0, 2, -1, 0.5, 7.5], F32)
    got = run("power", "f32", bases, exponents)
    np.testing.assert_allclose(got, wanted("power", bases, exponents), rtol=CLOSE)


@pytest.mark.gpu
def test_remainders(run: Run) -> None:
    """Exact, though a GPU's quotient of 6 and 3 may be a little less than 2."""
    random = np.random.default_rng(2)
    a = random.integers(-1000, 1000, 50_000).astype(F32)
    b = random.integers(1, 50, 50_000).astype(F32) * random.choice([-1, 1], 50_000).astype(F32)
    a[:3], b[:3] = [1, -1, 5.5], [np.inf, np.inf, 2]
    np.testing.assert_array_equal(run("float_remainder", "f32", a, b), np.fmod(a, b))


def test_every_call_has_its_file() -> None:
    """Named as the function that it holds."""
    for name in _CALLS:
        assert f"fn {name}(" in (FOLDER / f"{name}.wgsl").read_text(encoding="utf-8")


def test_every_function_is_tested() -> None:
    assert set(_CALLS) == {*FUNCTIONS, "round_small"}


def test_every_file_has_its_use() -> None:
    """By a call, or by what the writer says in WGSL where the interpreter has a ufunc."""
    written = {"cosine", "float_remainder", "floor_divide", "infinity", "packed_pixel", "sine"}
    assert {path.stem for path in FOLDER.glob("*.wgsl")} == set(_CALLS) | written
