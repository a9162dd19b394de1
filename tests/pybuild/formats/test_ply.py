"""INRIA PLY: every header that turns up, exact round trips, clear errors."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.formats import DroppedSplats, ply
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError

UNIT = 1.2e-7
"""Reading normalises quaternions again: one unit in the last place of float32."""

FORMS = ("binary_little_endian", "binary_big_endian", "ascii")
CODES = {
    "char": "b",
    "uchar": "B",
    "short": "h",
    "ushort": "H",
    "int": "i",
    "uint": "I",
    "float": "f",
    "double": "d",
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "uint16": "H",
}
BASE = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity")
SHAPE = ("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")


def built(
    properties: list[tuple[str, str]],
    rows: list[dict[str, float]],
    *,
    order: str = "<",
    before: str = "",
    before_data: bytes = b"",
    comments: tuple[str, ...] = (),
    end: str = "\n",
) -> bytes:
    """A PLY assembled by hand with struct, apart from the code under test."""
    form = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    lines = ["ply", f"format {form} 1.0", *(f"comment {text}" for text in comments)]
    lines += before.split("\n") if before else []
    lines.append(f"element vertex {len(rows)}")
    lines += [f"property {kind} {label}" for kind, label in properties]
    body = b"".join(
        struct.pack(
            order + "".join(CODES[k] for k, _ in properties), *(row[p] for _, p in properties)
        )
        for row in rows
    )
    return (end.join([*lines, "end_header"]) + end).encode() + before_data + body


def row(**values: float) -> dict[str, float]:
    """A splat at the origin with the identity rotation, with some values changed."""
    base = dict.fromkeys((*BASE, *SHAPE, *(f"f_rest_{i}" for i in range(45))), 0.0)
    return {**base, "rot_0": 1.0, **values}


def floats(*extra: str) -> list[tuple[str, str]]:
    return [("float", label) for label in (*BASE, *SHAPE, *extra)]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_round_trip_is_exact(
    form: str, clouds: st.SearchStrategy[Gaussians], data: st.DataObject
) -> None:
    cloud = data.draw(clouds)
    got = ply.parse(ply.encode(cloud, form), "x.ply")
    for field in ("positions", "log_scales", "opacity_logits", "sh"):
        np.testing.assert_array_equal(getattr(got, field), getattr(cloud, field))
    np.testing.assert_allclose(got.quaternions, cloud.quaternions, atol=UNIT)
    assert got.antialiased == cloud.antialiased


def test_the_sample_scene_has_the_values_of_its_bytes(assets: Path) -> None:
    path = assets / "ply" / "train-1000.ply"
    data = path.read_bytes()
    start = data.index(b"end_header\n") + 11
    cloud = ply.read(path)
    assert (cloud.count, cloud.sh_degree, cloud.antialiased) == (1000, 3, False)
    for index in (0, 1, 500, 999):
        v = np.array(struct.unpack_from("<62f", data, start + 248 * index), np.float32)
        np.testing.assert_array_equal(cloud.positions[index], v[:3])
        np.testing.assert_array_equal(cloud.sh[index, 0], v[6:9])
        for channel in range(3):
            rest = v[9 + 15 * channel : 24 + 15 * channel]
            np.testing.assert_array_equal(cloud.sh[index, 1:, channel], rest)
        assert cloud.opacity_logits[index] == v[54]
        np.testing.assert_array_equal(cloud.log_scales[index], v[55:58])
        unit = v[58:] / np.linalg.norm(v[58:].astype(np.float64))
        np.testing.assert_allclose(cloud.quaternions[index], unit, atol=UNIT)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_order_any_type_and_extra_columns(order: str, end: str) -> None:
    kinds = ["double", "short", "uchar", "int", "float64", "float32", "char", "uint16", "int8"]
    labels = [
        *SHAPE[::-1],
        "nx",
        "f_rest_0",
        *BASE[::-1],
        "label",
        *(f"f_rest_{i}" for i in range(8, 0, -1)),
    ]
    properties = [(kinds[i % len(kinds)], label) for i, label in enumerate(labels)]
    values = {label: i % 7 for i, label in enumerate(labels)}
    cloud = ply.parse(built(properties, [values] * 2, order=order, end=end), "x.ply")
    assert cloud.count == 2
    assert cloud.sh_degree == 1
    np.testing.assert_array_equal(cloud.positions[1], [values[p] for p in "xyz"])
    np.testing.assert_array_equal(cloud.log_scales[1], [values[f"scale_{i}"] for i in range(3)])
    q = np.array([values[f"rot_{i}"] for i in range(4)])
    np.testing.assert_allclose(cloud.quaternions[1], q / np.linalg.norm(q), atol=UNIT)
    for k in range(3):
        for channel in range(3):
            assert cloud.sh[1, 1 + k, channel] == values[f"f_rest_{3 * channel + k}"]


def test_other_elements_are_skipped() -> None:
    before = "element camera 2\nproperty int id\nproperty double f\nelement nothing 7"
    data = built(floats(), [row(x=4)], before=before, before_data=bytes(24))
    assert ply.parse(data + b"more", "x.ply").positions[0, 0] == 4


def test_ascii_skips_lines_of_other_elements_and_reads_infinities() -> None:
    text = (
        "ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_indices\n"
        "element vertex 1\n" + "".join(f"property float {p}\n" for p in (*BASE, *SHAPE))
    )
    text += "end_header\n3 0 1 2\n1 2 3 0 0 0 inf -inf 0 0 2 0 0 0"
    cloud = ply.parse(text.encode(), "x.ply")
    np.testing.assert_array_equal(cloud.positions, [[1, 2, 3]])
    assert cloud.opacity_logits[0] == np.inf
    assert cloud.log_scales[0, 0] == -np.inf
    np.testing.assert_array_equal(cloud.quaternions, [[1, 0, 0, 0]])


@pytest.mark.parametrize(
    ("comments", "wanted"),
    [
        ((), False),
        (("SplatRenderMode: mip",), True),
        (("splatrendermode: MIP",), True),
        (("antialiased 1",), True),
        (("antialiased 1", "SplatRenderMode: default"), False),
        (("SplatRenderMode: default", "antialiased 1"), True),
        (("SplatRenderMode: mip", "antialiased 0"), False),
        (("not antialiased 1", "SplatRenderMode: other"), False),
        (("SplatRenderMode: 2dgs", "SplatRenderMode: mip"), True),
    ],
)
def test_the_last_comment_says_whether_it_is_antialiased(
    comments: tuple[str, ...], wanted: bool
) -> None:
    assert ply.parse(built(floats(), [row()], comments=comments), "x").antialiased is wanted


def test_undrawable_rows_are_dropped_with_a_warning() -> None:
    rows = [row(x=1), row(y=float("nan")), row(x=2, rot_0=0.0), row(z=float("inf")), row(x=5)]
    with pytest.warns(DroppedSplats, match=r"x\.ply: 3 of 5 splats dropped"):
        cloud = ply.parse(built(floats(), rows), "x.ply")
    np.testing.assert_array_equal(cloud.positions[:, 0], [1, 5])


def test_a_surfel_file_is_refused_by_its_missing_scale() -> None:
    properties = [p for p in floats() if p[1] != "scale_2"]
    with pytest.raises(FormatError) as error:
        ply.parse(built(properties, [row()]), "scene.ply")
    assert str(error.value) == (
        "scene.ply: property 'scale_2' is missing; a 2DGS file?; wanted three scales."
        " Vitrine draws 3D Gaussians; train or export the scene as 3DGS."
    )


def test_a_surfel_comment_is_refused() -> None:
    with pytest.raises(FormatError, match="2dgs"):
        ply.parse(built(floats(), [row()], comments=("SplatRenderMode: 2dgs",)), "x")


def test_a_point_cloud_is_refused_by_the_properties_it_lacks() -> None:
    properties = [("float", p) for p in "xyz"]
    with pytest.raises(FormatError) as error:
        ply.parse(built(properties, [row()]), "cloud.ply")
    assert str(error.value).startswith("cloud.ply: properties f_dc_0, f_dc_1, f_dc_2, opacity, ")
    assert "rot_3 are missing" in str(error.value)
    assert "point cloud" in str(error.value)


@pytest.mark.parametrize("rest", [1, 3, 8, 10, 44, 46, 72])
def test_harmonics_of_no_degree_are_refused(rest: int) -> None:
    labels = [f"f_rest_{i}" for i in range(rest)]
    with pytest.raises(FormatError, match=f"got {rest} f_rest"):
        ply.parse(built(floats(*labels), [row(**dict.fromkeys(labels, 0.0))]), "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"plx\n", "not a PLY file"),
        (b"format binary_little_endian 1.0\n", b"", "no sense"),
        (b"end_header", b"end_headed", "does not end"),
        (b"element vertex 1", b"element vertex -1", "no sense"),
        (b"element vertex 1", b"element vertex 2", "ends inside element 'vertex'"),
        (b"element vertex 1", b"element vertex 99999999999999", "ends inside element 'vertex'"),
        (b"element vertex 1", b"element vertices 1", "no element 'vertex'"),
        (b"property float x", b"property flaot x", "cannot be understood"),
        (b"property float y", b"property float x", "appears twice"),
        (b"property float x", b"property list uchar float x", "list property"),
    ],
)
def test_broken_headers_are_told(old: bytes, new: bytes, message: str) -> None:
    data = built(floats(), [row()])
    assert old in data
    with pytest.raises(FormatError, match=message):
        ply.parse(data.replace(old, new), "x.ply")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\n0.5 ", b"\n0.5x ", "something else than numbers"),
        (b"\n0.5 ", b"\n", "incomplete"),
        (b"\n0.5 ", b"\n0.5 0.5 ", "incomplete"),
        (b"\n0.5 ", b" 0.5 ", "ends inside"),
        (b"vertex 2", b"vertex 3", "ends inside"),
    ],
)
def test_broken_ascii_rows_are_told(
    cloud_of: Callable[..., Gaussians], old: bytes, new: bytes, message: str
) -> None:
    cloud = cloud_of(0, 2, 0)
    cloud.positions[1, 0] = 0.5
    data = ply.encode(cloud, "ascii")
    assert data.count(old) == 1
    with pytest.raises(FormatError, match=message):
        ply.parse(data.replace(old, new), "x.ply")


def test_a_missing_file_is_a_format_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"absent\.ply: cannot be read \(No such file"):
        ply.read(tmp_path / "absent.ply")


def test_written_files_equal_encoded_bytes_and_progress_ends_at_one(
    tmp_path: Path, cloud_of: Callable[..., Gaussians]
) -> None:
    cloud = cloud_of(1, 9000, 1)
    ply.write(tmp_path / "a.ply", cloud)
    assert (tmp_path / "a.ply").read_bytes() == ply.encode(cloud)
    seen: list[float] = []
    ply.read(tmp_path / "a.ply", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) == 2
