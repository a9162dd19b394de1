"""The layout of shared structs: by the rules, and as naga has it.

tests/page/test_shaders.py asks Tint, with buffers that JavaScript filled by the offsets it is told.
"""

from __future__ import annotations

import struct as binary
from typing import Any

import pytest

from pyengine.hosts.native import NativeHost
from pyengine.plan import Buffer, ComputePass, ComputePipeline, Dispatch, Part, Plan
from pyengine.structs import BATCHES, STRUCTS, DrawArgs, Frame, Splat, Struct
from tests.pyengine.layouts import (
    ELEMENTS,
    MIXED,
    PROBED,
    count_of,
    filled,
    from_words,
    numbers,
    probe,
    values,
)


def struct_of(*types: str) -> Struct:
    """A struct with fields f0, f1, ... of these types."""
    return Struct("S", "Test.", [(f"f{i}", wgsl, "unit") for i, wgsl in enumerate(types)])


@pytest.mark.parametrize(
    ("types", "offsets", "size_bytes"),
    [
        (("f32",), [0], 4),
        (("f32", "u32", "i32"), [0, 4, 8], 12),
        (("f32", "vec2f"), [0, 8], 16),
        (("vec2f", "f32"), [0, 8], 16),
        (("vec2u", "vec2i"), [0, 8], 16),
        (("f32", "vec4f", "f32"), [0, 16, 32], 48),
        (("u32", "mat4x4f", "u32"), [0, 16, 80], 96),
        (("f32", "f32", "vec2f", "vec4u"), [0, 4, 8, 16], 32),
        (("u32", "array<vec4u, 3>", "u32"), [0, 16, 64], 80),
        (("f32", "f32", "f32", "f32", "f32"), [0, 4, 8, 12, 16], 20),
    ],
)
def test_layout(types: tuple[str, ...], offsets: list[int], size_bytes: int) -> None:
    """Worked out by hand from WGSL's table of alignment and size."""
    struct = struct_of(*types)
    assert list(struct.offsets.values()) == offsets
    assert struct.size_bytes == size_bytes


@pytest.mark.parametrize(
    "wgsl",
    [
        "vec3f",
        "vec3u",
        "vec3<f32>",
        "mat3x3f",
        "mat4x4",
        "f16",
        "bool",
        "vec5f",
        "vec2h",
        "vec4",
        "Frame",
        "atomic<u32>",
        "array<f32,4>",
        "array<vec2f,4>",
        "array<vec3f,4>",
        "array<u32>",
    ],
)
def test_types_on_which_compilers_or_readers_differ_are_refused(wgsl: str) -> None:
    """Vec3 above all: 12 bytes with the alignment of 16 is where hand-kept twins go wrong."""
    with pytest.raises(ValueError, match="is not supported in a shared struct"):
        struct_of("f32", wgsl)


def test_wgsl_text() -> None:
    """One comment a field, with the offset that a reader would otherwise count out."""
    struct = Struct("Ray", "A ray.", [("t_min", "f32", "world"), ("dir", "vec4f", "unit length")])
    assert struct.wgsl() == (
        "// A ray.\nstruct Ray {\n  t_min: f32, // @0 world\n  dir: vec4f, // @16 unit length\n}\n"
    )


@pytest.mark.parametrize("struct", PROBED, ids=lambda s: s.name)
def test_round_trip(struct: Struct) -> None:
    """Every field comes back as it went in, also from the second of two structs."""
    data, expected = filled(struct), values(struct)
    for element in range(ELEMENTS):
        for field in struct.fields:
            count = count_of(field.type)
            got = struct.unpack(data, field.name, at=element * struct.size_bytes)
            assert list(got) == expected[:count], field.name
            expected = expected[count:]


def test_a_matrix_is_column_major() -> None:
    """Sixteen numbers in the order of `View.view`, which WGSL reads as view[column][row]."""
    data = bytearray(Frame.size_bytes)
    Frame.pack_into(data, "view", *range(16))
    at = Frame.offsets["view"]
    assert binary.unpack_from("<16f", data, at) == tuple(range(16))


def test_packing_touches_its_own_bytes_only() -> None:
    """Neighbours keep theirs: a field that is packed too wide shows in the next one."""
    for field in MIXED.fields:
        data = bytearray(b"\xff" * MIXED.size_bytes)
        count = count_of(field.type)
        MIXED.pack_into(data, field.name, *[0] * count)
        at = MIXED.offsets[field.name]
        assert data[:at] == b"\xff" * at
        assert data[at : at + 4 * count] == bytes(4 * count)
        assert data[at + 4 * count :] == b"\xff" * (MIXED.size_bytes - at - 4 * count)


def test_wrong_number_of_values() -> None:
    """Told by struct and field, because the caller packs many."""
    with pytest.raises(ValueError, match=r"^Frame\.focal_px takes 2 numbers, got 3$"):
        Frame.pack_into(bytearray(Frame.size_bytes), "focal_px", 1, 2, 3)


def test_documented_sizes() -> None:
    """What other texts rely on: 24 bytes a splat, and draws where an indirect draw may read."""
    assert Splat.size_bytes == 24
    assert DrawArgs.offsets["draws"] % 4 == 0
    assert DrawArgs.size_bytes >= DrawArgs.offsets["draws"] + 16 * BATCHES
    assert list(STRUCTS) == [struct.name for struct in STRUCTS.values()]


@pytest.mark.gpu
@pytest.mark.parametrize("space", ["storage", "uniform"])
def test_naga_lays_structs_out_as_python_does(adapter: Any, space: str) -> None:
    """A shader reads what `Struct.pack_into` wrote, number by number."""
    plan = probe_plan(space)
    host = NativeHost(1, 1, adapter)
    host.build(plan)
    for struct in PROBED:
        host.write(f"{struct.name}_source", filled(struct))
    host.run("probe")
    for struct in PROBED:
        words = list(memoryview(host.read(f"{struct.name}_words")).cast("B").cast("I"))
        elements = 1 if space == "uniform" else ELEMENTS
        expected = values(struct)[: elements * numbers(struct)]
        assert from_words(struct, words)[: len(expected)] == expected, struct.name
    host.close()


def probe_plan(space: str) -> Plan:
    """One dispatch a struct."""
    return Plan.of({"probe": tuple(_probe_part(struct, space) for struct in PROBED)})


def _probe_part(struct: Struct, space: str) -> Part:
    name = struct.name
    source, words = f"{name}_source", f"{name}_words"
    access = "uniform" if space == "uniform" else "read"
    return Part(
        buffers=(
            Buffer(source, ELEMENTS * struct.size_bytes, ("storage", "uniform", "upload")),
            Buffer(words, ELEMENTS * numbers(struct) * 4, ("storage", "readback")),
        ),
        shaders={name: probe(struct, space)},
        compute=(ComputePipeline(name, name, (access, "read_write")),),
        steps=(ComputePass(name, (Dispatch(name, (source, words), (1, 1, 1)),)),),
    )
