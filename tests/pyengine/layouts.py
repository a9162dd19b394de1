"""A shader that tells where a WGSL compiler puts each number of a struct.

It copies a struct, field by field and number by number, to a plain array of words. Filled by
offsets that are wrong, or read by a compiler that disagrees, the words come out in another order.
"""

from __future__ import annotations

import re
import struct as binary

from pyengine.structs import STRUCTS, Struct

MIXED = Struct(
    "Mixed",
    "Every type that a shared struct may have, in an order that needs padding everywhere.",
    [
        ("a", "f32", ""),
        ("b", "mat4x4f", ""),
        ("c", "u32", ""),
        ("d", "vec2f", ""),
        ("e", "i32", ""),
        ("f", "vec4f", ""),
        ("g", "f32", ""),
        ("h", "vec2u", ""),
        ("i", "vec2i", ""),
        ("j", "array<vec4u, 3>", ""),
        ("k", "u32", ""),
        ("l", "vec4i", ""),
        ("m", "vec4u", ""),
        ("n", "array<vec4f, 2>", ""),
        ("o", "f32", ""),
    ],
)
PROBED = (*STRUCTS.values(), MIXED)
ELEMENTS = 2
"""Of each struct: the second one tells the stride, which includes the padding at the end."""


def count_of(wgsl_type: str) -> int:
    """Numbers in a field; told by the WGSL type alone, on purpose not by `structs`."""
    if wgsl_type == "mat4x4f":
        return 16
    array = re.fullmatch(r"array<(\w+), (\d+)>", wgsl_type)
    if array:
        return count_of(array[1]) * int(array[2])
    return int(wgsl_type[3]) if wgsl_type.startswith("vec") else 1


def numbers(struct: Struct) -> int:
    """Numbers in a struct, padding left out."""
    return sum(count_of(field.type) for field in struct.fields)


def values(struct: Struct) -> list[float]:
    """Distinct numbers for `ELEMENTS` structs, in order; negative where the type allows it."""
    result: list[float] = []
    for element in range(ELEMENTS):
        for field in struct.fields:
            signed = -1 if element and not _is(field.type, "u") else 1
            result += [signed * (len(result) + i + 1) for i in range(count_of(field.type))]
    return result


def filled(struct: Struct) -> bytes:
    """`values` laid out by `Struct.pack_into`."""
    data = bytearray(ELEMENTS * struct.size_bytes)
    left = values(struct)
    for element in range(ELEMENTS):
        for field in struct.fields:
            count = count_of(field.type)
            struct.pack_into(data, field.name, *left[:count], at=element * struct.size_bytes)
            left = left[count:]
    return bytes(data)


def from_words(struct: Struct, words: list[int]) -> list[float]:
    """What the probe wrote, as numbers of the fields' types."""
    codes = "".join(
        ("f" if _is(field.type, "f") else "I" if _is(field.type, "u") else "i")
        * count_of(field.type)
        for field in struct.fields
    )
    return list(binary.unpack("<" + codes * ELEMENTS, binary.pack(f"<{len(words)}I", *words)))


def probe(struct: Struct, space: str) -> str:
    """WGSL of the copying shader, from storage (`ELEMENTS` structs) or uniform (the first)."""
    uniform = space == "uniform"
    qualifier = "uniform" if uniform else "storage, read"
    held = struct.name if uniform else f"array<{struct.name}>"
    lines = [
        struct.wgsl(),
        f"@group(0) @binding(0) var<{qualifier}> source: {held};",
        "@group(0) @binding(1) var<storage, read_write> words: array<u32>;",
        "@compute @workgroup_size(1)",
        "fn main() {",
    ]
    at = 0
    for element in range(1 if uniform else ELEMENTS):
        base = "source" if uniform else f"source[{element}]"
        for field in struct.fields:
            for member in _members(field.type):
                lines.append(f"  words[{at}] = bitcast<u32>({base}.{field.name}{member});")
                at += 1
    return "\n".join([*lines, "}", ""])


def _members(wgsl_type: str) -> list[str]:
    array = re.fullmatch(r"array<(\w+), (\d+)>", wgsl_type)
    if array:
        return [f"[{i}]{m}" for i in range(int(array[2])) for m in _members(array[1])]
    if wgsl_type == "mat4x4f":
        return [f"[{column}].{row}" for column in range(4) for row in "xyzw"]
    if wgsl_type.startswith("vec"):
        return [f".{axis}" for axis in "xyzw"[: int(wgsl_type[3])]]
    return [""]


def _is(wgsl_type: str, scalar: str) -> bool:
    inner = wgsl_type.removeprefix("array<").split(",")[0]
    return inner[0] == scalar if inner in ("f32", "u32", "i32") else inner[-1] == scalar
