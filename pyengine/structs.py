"""Every struct that a shader and the host share, declared once.

A `Struct` computes WGSL's memory layout and yields the WGSL text, the packer and the offsets that
JavaScript reads, so that the three cannot disagree. Source: WGSL §14.4.1, "Alignment and Size".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "BATCHES",
    "STRUCTS",
    "ChunkBox",
    "DrawArgs",
    "FilterFrame",
    "Frame",
    "Instance",
    "LiveArgs",
    "SceneObject",
    "SortState",
    "SourceTable",
    "Splat",
    "Struct",
]

BATCHES = 8
"""Draws of a frame's splats, an eighth of them each, nearest first."""

_SCALARS = {"f32": "f", "u32": "I", "i32": "i"}
_SUFFIXES = {"f": "f", "u": "I", "i": "i"}


@dataclass(frozen=True, slots=True)
class Field:
    """One member: its WGSL type, and a comment that names its unit or space."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class _Layout:
    size_bytes: int
    align_bytes: int
    code: str
    count: int


def _layout_of(wgsl_type: str) -> _Layout:
    """Size, alignment and packing of a host-shareable type.

    vec3 is refused on purpose, and arrays of anything but vec4: a uniform one would need a stride
    of 16 bytes, on which naga and Tint disagree.
    """
    if wgsl_type in _SCALARS:
        return _Layout(4, 4, _SCALARS[wgsl_type], 1)
    if wgsl_type == "mat4x4f":
        return _Layout(64, 16, "f", 16)
    if wgsl_type[:3] == "vec" and wgsl_type[3:4] in ("2", "4") and wgsl_type[4:] in _SUFFIXES:
        count = int(wgsl_type[3])
        return _Layout(4 * count, 4 * count, _SUFFIXES[wgsl_type[4:]], count)
    if wgsl_type.startswith("array<vec4") and wgsl_type.endswith(">"):
        element, length = wgsl_type[6:-1].split(",")
        layout = _layout_of(element)
        count = int(length)
        return _Layout(16 * count, 16, layout.code, 4 * count)
    raise ValueError(f"type {wgsl_type!r} is not supported in a shared struct")


class Struct:
    """A struct with WGSL's layout.

    Parameters
    ----------
    name : str
        PascalCase, the name in WGSL.
    purpose : str
        One line, printed above the WGSL text.
    fields : sequence of (name, type, comment)
    """

    def __init__(self, name: str, purpose: str, fields: Sequence[tuple[str, str, str]]) -> None:
        self.name = name
        self.purpose = purpose
        self.fields = tuple(Field(*field) for field in fields)
        self.offsets: dict[str, int] = {}
        self._packers: dict[str, tuple[struct.Struct, int]] = {}
        offset, align = 0, 4
        for field in self.fields:
            layout = _layout_of(field.type)
            offset = -(-offset // layout.align_bytes) * layout.align_bytes
            self.offsets[field.name] = offset
            packer = struct.Struct(f"<{layout.count}{layout.code}")
            self._packers[field.name] = (packer, layout.count)
            offset += layout.size_bytes
            align = max(align, layout.align_bytes)
        self.size_bytes = -(-offset // align) * align

    def wgsl(self) -> str:
        """The declaration, with a comment a field."""
        lines = [f"// {self.purpose}", f"struct {self.name} {{"]
        for field in self.fields:
            offset = self.offsets[field.name]
            lines.append(f"  {field.name}: {field.type}, // @{offset} {field.comment}")
        return "\n".join([*lines, "}", ""])

    def pack_into(self, target: bytearray, name: str, *values: float, at: int = 0) -> None:
        """Write one field's numbers (column-major for a matrix) at its offset; no allocation."""
        packer, count = self._packers[name]
        if len(values) != count:
            raise ValueError(f"{self.name}.{name} takes {count} numbers, got {len(values)}")
        packer.pack_into(target, at + self.offsets[name], *values)

    def unpack(
        self, data: bytes | bytearray | memoryview, name: str, at: int = 0
    ) -> tuple[float, ...]:
        """Read one field's numbers back."""
        values: tuple[float, ...] = self._packers[name][0].unpack_from(
            data, at + self.offsets[name]
        )
        return values


Frame = Struct(
    "Frame",
    "What a frame depends on: the camera, the canvas and how it is drawn.",
    [
        ("view", "mat4x4f", "world to camera; x right, y down, z forward"),
        ("camera_position", "vec4f", "world; w unused"),
        ("focal_px", "vec2f", "pixels"),
        ("principal_px", "vec2f", "pixels, origin at the top left corner"),
        ("viewport_px", "vec2f", "pixels"),
        ("tangent_limit", "vec2f", "1.3 tan(fov / 2) of x and y: clamp before the Jacobian"),
        ("background", "vec4f", "display-referred RGB; w: 1, or 0 where there is none"),
        ("key_scale", "f32", "sort key = key_scale * log2(z / key_near)"),
        ("key_near", "f32", "world units, > 0"),
        ("key_max", "f32", "largest sort key"),
        ("splat_scale", "f32", "multiplies every sigma; 1 unless told"),
        ("chunk_count", "u32", "chunks of the scene"),
        ("sh_degree", "u32", "bands to evaluate, at most the scene's"),
        ("antialiased", "u32", "1: a smaller dilation, and opacity that makes up for it (mip)"),
    ],
)

FilterFrame = Struct(
    "FilterFrame",
    "What showing a filtered image depends on.",
    [
        ("background", "vec4f", "display-referred RGB; w unused"),
        ("canvas_px", "vec2f", "pixels of the canvas"),
        ("render_px", "vec2f", "pixels of the splats' image, which the filter reads"),
        ("output_px", "vec2f", "pixels of what it writes"),
        ("strength", "f32", "0 shows the splats as they are, 1 the filter's image"),
        ("split", "f32", "share of the canvas, from the left, that is shown unfiltered"),
        (
            "tolerance",
            "f32",
            "the filter rests while its image differs less; 0 to 1; 0: it never rests",
        ),
        ("force", "u32", "1: the filter runs whatever the image is"),
    ],
)

# In a scene of several objects color_step.w holds the index of the chunk's object: only
# shaders/project/objects.wgsl reads it.
ChunkBox = Struct(
    "ChunkBox",
    "What the quantised values of a chunk are relative to; bounds include three sigma.",
    [
        ("position_min", "vec4f", "world; w: smallest log-scale"),
        ("position_step", "vec4f", "world units a step of 1/65535; w: log-scale a step of 1/2047"),
        ("color_min", "vec4f", "SH DC as colour; w: largest drawn radius of a splat, world units"),
        ("color_step", "vec4f", "colour a step of 1/2047 (r, g) and 1/1023 (b); w unused"),
    ],
)

Splat = Struct(
    "Splat",
    "A Gaussian as it lands on the image: 24 bytes.",
    [
        ("center_px", "vec2f", "pixels"),
        ("axes", "vec2u", "half floats: major x, y; minor x, y; pixels to the edge of the quad"),
        ("color", "vec2u", "half floats: r, g; b, log2 of opacity"),
    ],
)

SortState = Struct(
    "SortState",
    "Live number of keys and the indirect arguments that follow from it.",
    [
        ("key_count", "u32", "survivors"),
        ("tile_count", "u32", "ceil(key_count / TILE)"),
        ("live_chunks", "u32", "chunks that may hold keys, where a count on the GPU rules"),
        ("reserved", "u32", "zero"),
    ],
)

LiveArgs = Struct(
    "LiveArgs",
    "Indirect arguments that follow a generator's live rows: of project, and of the sort.",
    [
        ("project_x", "u32", "workgroups"),
        ("project_y", "u32", "1, or 0 where there is none"),
        ("project_z", "u32", "1"),
        ("chunk_count", "u32", "chunks of live rows"),
        ("sort_x", "u32", "workgroups over the tiles of those chunks"),
        ("sort_y", "u32", "1, or 0 where there is none"),
        ("sort_z", "u32", "1"),
        ("tile_count", "u32", "tiles of those chunks"),
    ],
)

Instance = Struct(
    "Instance",
    "Where a copy of a generator's Gaussians stands.",
    [
        ("to_world", "mat4x4f", "the model's space to the world's; affine"),
        ("to_model", "mat4x4f", "back"),
    ],
)

SceneObject = Struct(
    "SceneObject",
    "Where an object of the scene stands, how it is drawn, and where its SH lies.",
    [
        ("to_world", "mat4x4f", "the object's space to the world's; affine"),
        ("to_object", "mat4x4f", "back"),
        ("tint", "vec4f", "multiplies colours; w: multiplies opacities, 0 to 1"),
        ("largest_scale", "f32", "by which a length of the object grows at most"),
        ("visible", "u32", "0: none of it is drawn"),
        ("first_row", "u32", "of its splats and keys"),
        ("data_row", "u32", "of its Gaussians in the packed buffers"),
        ("sh_first", "u32", "word of `sh` at which its first Gaussian's begin"),
        ("sh_words", "u32", "words of `sh` a Gaussian"),
        ("sh_degree", "u32", "bands that it has"),
        ("antialiased", "u32", "1: as Frame's, whatever that says"),
    ],
)

DrawArgs = Struct(
    "DrawArgs",
    "Indirect arguments: a dispatch over the sort's tiles, then a draw a batch of splats.",
    [
        ("dispatch_x", "u32", "workgroups"),
        ("dispatch_y", "u32", "1"),
        ("dispatch_z", "u32", "1"),
        ("reserved", "u32", "zero"),
        ("draws", f"array<vec4u, {BATCHES}>", "vertices, 1, vertices of the batches before, 0"),
    ],
)

SourceTable = Struct(
    "SourceTable",
    "Where the numbers of a dropped scene file lie; each loader says what its columns mean.",
    [
        ("columns", "array<vec4u, 32>", "bytes and codes, by the loader"),
        ("count", "u32", "splats in the file"),
        ("chunk_count", "u32", "chunks that hold them all"),
        ("sample_stride", "u32", "sorted rows from one that is sampled to the next"),
        ("axis_flips", "u32", "axes to negate: 1 x, 2 y, 4 z"),
        ("sh_flips", "u32", "coefficients above DC to negate, as bits"),
        ("big_endian", "u32", "1 where the most significant byte comes first"),
        ("reserved_0", "u32", "zero"),
        ("reserved_1", "u32", "zero"),
    ],
)

_ALL = (
    Frame,
    FilterFrame,
    ChunkBox,
    Splat,
    SortState,
    LiveArgs,
    Instance,
    SceneObject,
    DrawArgs,
    SourceTable,
)
STRUCTS: dict[str, Struct] = {s.name: s for s in _ALL}
