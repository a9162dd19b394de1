"""SPZ: four versions, the coordinate-system extension, and bombs."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.formats import ply, spz
from pybuild.formats.axes import placed, system_matrix
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError, InputError
from pyengine.sources.spz_header import SYSTEMS

POSITION = 0.5 / 4096 + 1e-6
"""Half a step of twelve fractional bits."""
LOG_SCALE = 0.5 / 16 + 1e-6
ROTATION = {2: 3 / 127.5, 3: 3 / 511, 4: 3 / 511}
"""The component left out gathers the errors of three; version 2 may leave out a small one."""
OPACITY = 0.5 / 255 + 1e-6
DC = 0.5 / 255 / 0.15 + 1e-6
HARMONICS = 8.5 / 128 + 1e-6
"""Half a step of four bits, after rounding to eight."""
SMALLEST = -10.0
VERSIONS = (2, 3, 4)
COORDINATE_SYSTEM = 0xADBE0003
NAMES = [
    *("RUB", "LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF"),
    *("LFD", "RFD", "LFU", "RFU", "LBD", "RBD", "LBU", "RBU"),
]
"""From the extension's specification; 0 is unspecified."""


def legacy(data: bytes) -> bytes:
    """The payload of a gzip file."""
    return gzip.decompress(data)


def with_extension(data: bytes, kind: int, payload: bytes) -> bytes:
    """A version 2 to 4 file with one more extension record."""
    record = struct.pack("<II", kind, len(payload)) + payload
    if data[:4] == b"NGSP":
        head = bytearray(data[:32])
        end = struct.unpack_from("<I", data, 16)[0]
        head[14] |= 2
        head[16:20] = struct.pack("<I", end + len(record))
        return bytes(head) + data[32:end] + record + data[end:]
    body = bytearray(legacy(data))
    body[14] |= 2
    return gzip.compress(bytes(body) + record)


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_round_trip(
    version: int,
    clouds: st.SearchStrategy[Gaussians],
    compare: Callable[..., None],
    data: st.DataObject,
) -> None:
    cloud = data.draw(clouds)
    got = spz.parse(spz.encode(cloud, version), "x.spz")
    rotation = ROTATION[version]
    if version == 2:
        w = np.abs(cloud.quaternions[:, 0])
        assert np.all(np.abs(np.linalg.norm(got.quaternions, axis=1) - 1) < 1e-6)
        rotation = max(rotation, math.sqrt(2 * rotation)) if np.any(w < 0.3) else rotation
    compare(
        got,
        cloud,
        position=POSITION,
        log_scale=LOG_SCALE,
        rotation=rotation,
        opacity=OPACITY,
        dc=DC,
        harmonics=HARMONICS,
        smallest_log_scale=SMALLEST,
    )
    assert got.antialiased == cloud.antialiased


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_are_right_up_back(cloud_of: Callable[..., Gaussians], version: int) -> None:
    cloud = cloud_of(8, 5, 3)
    data = spz.encode(cloud, version)
    got = spz.parse(data, "x", up="source")
    wanted = cloud.positions * np.float32([1, -1, -1])
    np.testing.assert_allclose(got.positions, wanted, atol=POSITION)
    declared = spz.parse(data, "x")
    said = spz.parse(data, "x", up="y")
    for field in ("positions", "quaternions", "sh"):
        np.testing.assert_array_equal(getattr(declared, field), getattr(said, field))
    # RUB is a half turn about x: the same covariances and colours as Gaussians.with_up("y").
    np.testing.assert_allclose(got.with_up("y").sh, declared.sh, atol=1e-6)


def test_positions_far_out_take_fewer_fractional_bits(cloud_of: Callable[..., Gaussians]) -> None:
    cloud = cloud_of(8, 5, 0)
    far = replace(cloud, positions=cloud.positions * np.float32(1e5))
    got = spz.parse(spz.encode(far), "x")
    np.testing.assert_allclose(got.positions, far.positions, atol=0.5 / 2**4)
    with pytest.raises(InputError, match="scale it down"):
        spz.encode(replace(cloud, positions=cloud.positions * np.float32(1e8)))
    with pytest.raises(InputError, match="2, 3 or 4, got 1"):
        spz.encode(cloud, 1)


@pytest.mark.parametrize(
    ("file", "z", "red"), [("raw", 1, 0x55), ("v2", 1, 0x55), ("v3", -1, 0x69), ("v4", -1, 0x69)]
)
def test_the_minimal_samples(assets: Path, file: str, z: int, red: int) -> None:
    """Bytes of the four files, decoded by hand; z is negated from RUB."""
    cloud = spz.read(assets / "fixtures" / f"minimal-{file}.spz")
    np.testing.assert_array_equal(cloud.positions, [[-1, 0, z], [0, 0, z], [-1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(cloud.log_scales, np.full((4, 3), 0x7B / 16 - 10))
    np.testing.assert_allclose(cloud.opacity_logits, math.log(0xE6 / (255 - 0xE6)), atol=1e-6)
    dark, bright = ((b / 255 - 0.5) / 0.15 for b in (red, 255 - red))
    wanted = [[dark, dark], [bright, dark], [dark, bright], [bright, bright]]
    np.testing.assert_allclose(cloud.sh[:, 0, :2], wanted, atol=1e-6)
    np.testing.assert_allclose(np.abs(cloud.quaternions), [[1, 0, 0, 0]] * 4, atol=0.005)


def test_version_1_holds_half_floats(cloud_of: Callable[..., Gaussians]) -> None:
    cloud = cloud_of(8, 5, 1)
    body = bytearray(legacy(spz.encode(cloud, 2)))
    body[4] = 1
    halves = (cloud.positions * np.float32([1, -1, -1])).astype("<f2")
    data = bytes(body[:16]) + halves.tobytes() + bytes(body[16 + 45 :])
    got = spz.parse(gzip.compress(data), "x")
    np.testing.assert_array_equal(got.positions, cloud.positions.astype(np.float16))
    np.testing.assert_allclose(got.sh, cloud.sh, atol=HARMONICS)


@pytest.mark.parametrize("version", [3, 4])
def test_degree_4_is_read_without_its_last_band(
    cloud_of: Callable[..., Gaussians], version: int
) -> None:
    cloud = cloud_of(8, 3, 3)
    wanted = spz.parse(spz.encode(cloud, version), "x")
    body = bytearray(legacy(spz.encode(cloud, 3)))
    rows = np.frombuffer(bytes(body[-135:]), np.uint8).reshape(3, 45)
    sh = np.concatenate([rows, np.full((3, 27), 77, np.uint8)], axis=1).tobytes()
    if version == 3:
        body[12] = 4
        data = gzip.compress(bytes(body[:-135]) + sh)
    else:
        old = bytearray(spz.encode(cloud, 4))
        frame = zstandard.ZstdCompressor().compress(sh)
        cut = len(old) - struct.unpack_from("<Q", old, 32 + 80)[0]
        old[12] = 4
        old[32 + 80 : 32 + 96] = struct.pack("<QQ", len(frame), len(sh))
        data = bytes(old[:cut]) + frame
    got = spz.parse(data, "x")
    assert got.sh_degree == 3
    np.testing.assert_array_equal(got.sh, wanted.sh)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", range(17))
def test_the_extension_names_the_axes(
    cloud_of: Callable[..., Gaussians], version: int, code: int
) -> None:
    assert tuple(NAMES) == SYSTEMS
    data = with_extension(spz.encode(cloud_of(8, 6, 3), version), 0xADBE0002, bytes(12))
    data = with_extension(data, COORDINATE_SYSTEM, struct.pack("<I", code))
    raw = spz.parse(data, "x", up="source")
    wanted = placed(raw.take(np.arange(6)), system_matrix(NAMES[code]))
    got = spz.parse(data, "x")
    np.testing.assert_array_equal(got.positions, wanted.positions)
    np.testing.assert_array_equal(got.sh, wanted.sh)
    np.testing.assert_array_equal(got.quaternions, wanted.quaternions)


def test_an_unknown_coordinate_system_needs_up(cloud_of: Callable[..., Gaussians]) -> None:
    data = with_extension(spz.encode(cloud_of(8, 6, 1)), COORDINATE_SYSTEM, struct.pack("<I", 17))
    with pytest.raises(FormatError, match=r"coordinate system.*got 17\. Say which axis is up"):
        spz.parse(data, "x")
    assert spz.parse(data, "x", up="z").count == 6


def test_three_formats_of_one_cloud_agree(assets: Path, compare: Callable[..., None]) -> None:
    stem = assets / "fixtures" / "test-splat.3-points-from-train"
    compare(
        spz.read(f"{stem}.spz"),
        ply.read(f"{stem}.ply"),
        position=POSITION,
        log_scale=LOG_SCALE,
        rotation=ROTATION[3],
        opacity=OPACITY,
        dc=DC,
        harmonics=HARMONICS,
    )


def gzipped(data: bytes) -> bytes:
    """Gzip without the time of day: a parameter's bytes are its name, alike in every process."""
    return gzip.compress(data, mtime=0)


def header(version: int, count: int, degree: int = 0, bits: int = 12, flags: int = 0) -> bytes:
    return struct.pack("<4sIIBBBB", b"NGSP", version, count, degree, bits, flags, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an SPZ file"),
        (b"NGSP", "not an SPZ file"),
        (b"NGSPxxxx", "header is incomplete"),
        (gzipped(b"PSGN" + bytes(12)), "not an SPZ file"),
        (gzipped(header(0, 0)), "version.*got 0"),
        (gzipped(header(4, 0)), "version.*got 4"),
        (header(5, 0), "version.*got 5"),
        (gzipped(header(3, 0, degree=5)), "degree.*got 5"),
        (gzipped(header(3, 0, bits=31)), "fractional bits.*got 31"),
        (gzipped(header(3, 1)), "ends before its 1 splats"),
        (gzipped(header(3, 0))[:-1], "does not end"),
        (gzipped(header(3, 4_000_000_000)), "4000000000 splats.*64 times the file's size"),
        (gzipped(header(3, 0) + bytes(30 << 20)), "does not end where the header says"),
        (header(2, 4_000_000_000) + bytes(100), "64 times the file's size"),
        (header(4, 0), "table of streams"),
        (header(4, 0) + struct.pack("<I12x", 20), "table of streams"),
        (gzipped(header(3, 0, flags=2) + struct.pack("<II", 1, 9)), "runs past its end"),
    ],
)
def test_broken_files_are_told(data: bytes, message: str, survives: Callable[..., bool]) -> None:
    with pytest.raises(FormatError, match=message):
        spz.parse(data, "x.spz")
    assert not survives(spz.parse, data)


def test_an_empty_version_4_file_has_no_streams() -> None:
    assert spz.parse(header(4, 0) + struct.pack("<I12x", 32), "x").count == 0


@pytest.mark.parametrize("write_size", [True, False])
def test_a_zstd_bomb_is_refused(
    cloud_of: Callable[..., Gaussians], survives: Callable[..., bool], write_size: bool
) -> None:
    data = spz.encode(cloud_of(8, 6, 0), 4)
    compressor = zstandard.ZstdCompressor(write_content_size=write_size)
    frame = compressor.compress(bytes(40 << 20))
    first = struct.unpack_from("<QQ", data, 32)
    bomb = data[:32] + struct.pack("<QQ", len(frame), first[1]) + data[48:112] + frame
    bomb += data[112 + first[0] :]
    with pytest.raises(FormatError, match="stream 'positions'"):
        spz.parse(bomb, "x")
    assert not survives(spz.parse, bomb)
