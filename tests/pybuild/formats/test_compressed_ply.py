"""Compressed PLY: every field against a scalar decoder, and round trips to its bits."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.formats import compressed_ply
from pybuild.formats.morton import morton_order
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError

SH_C0 = 0.28209479177387814
EXTENT = 12.0
"""More than any chunk of a random normal cloud spans, in positions as in log-scales of ±20."""
POSITION = EXTENT / 1023
SCALE_SPAN = 10.0
ROTATION = 2 * math.sqrt(2) / 1023
"""A step of ten bits; the component left out gathers the error of three."""
HALF_BYTE = 0.5 / 255 + 1e-6
DC = 1.8 / 255
HARMONICS = 8 / 256
"""Truncated to 256 steps of -4..4."""


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_round_trip(
    clouds: st.SearchStrategy[Gaussians], compare: Callable[..., None], data: st.DataObject
) -> None:
    cloud = data.draw(clouds)
    got = compressed_ply.parse(compressed_ply.encode(cloud, reorder=False), "x")
    smallest = -20.0
    flat = bool(np.isinf(cloud.log_scales).any())
    compare(
        got,
        cloud,
        position=POSITION,
        log_scale=(22.0 if flat else SCALE_SPAN) / 1023,
        rotation=ROTATION,
        opacity=HALF_BYTE,
        dc=DC,
        harmonics=HARMONICS,
        smallest_log_scale=smallest,
    )
    assert got.antialiased == cloud.antialiased


def test_morton_order_makes_chunks_small(cloud_of: Callable[..., Gaussians]) -> None:
    cloud = cloud_of(2, 20000, 0)
    sums = []
    for reorder in (False, True):
        wanted = cloud.take(morton_order(cloud.positions)) if reorder else cloud
        got = compressed_ply.parse(compressed_ply.encode(cloud, reorder), "x")
        sums.append(np.abs(got.positions - wanted.positions).sum())
    assert sums[1] < 0.5 * sums[0]


def test_the_sample_scene_against_a_scalar_decoder(assets: Path) -> None:
    path = assets / "compressed-ply" / "guitar.compressed.ply"
    data = path.read_bytes()
    start = data.index(b"end_header\n") + 11
    cloud = compressed_ply.read(path)
    assert (cloud.count, cloud.sh_degree) == (90854, 0)
    for index in (0, 255, 256, 40000, 90853):
        c = struct.unpack_from("<18f", data, start + 72 * (index // 256))
        p, r, s, rgba = struct.unpack_from("<4I", data, start + 72 * 355 + 16 * index)
        for field, word, low in ((cloud.positions, p, 0), (cloud.log_scales, s, 6)):
            q = (word >> 21) / 2047, (word >> 11 & 1023) / 1023, (word & 2047) / 2047
            wanted = [c[low + i] + (c[low + 3 + i] - c[low + i]) * q[i] for i in range(3)]
            np.testing.assert_allclose(field[index], wanted, atol=2e-6)
        for i in range(3):
            t = (rgba >> (24 - 8 * i) & 255) / 255
            rgb = c[12 + i] + (c[15 + i] - c[12 + i]) * t
            assert cloud.sh[index, 0, i] == pytest.approx((rgb - 0.5) / SH_C0, abs=1e-5)
        alpha = (rgba & 255) / 255
        assert 1 / (1 + math.exp(-cloud.opacity_logits[index])) == pytest.approx(alpha, abs=1e-6)
        three = [((r >> shift & 1023) / 1023 - 0.5) * math.sqrt(2) for shift in (20, 10, 0)]
        three.insert(r >> 30, math.sqrt(1 - sum(v * v for v in three)))
        np.testing.assert_allclose(cloud.quaternions[index], three, atol=1e-6)


def test_old_files_have_no_colour_bounds(cloud_of: Callable[..., Gaussians]) -> None:
    data = compressed_ply.encode(cloud_of(2, 3, 0), reorder=False)
    head, body = data.split(b"end_header\n", 1)
    for end in (b"min", b"max"):
        for channel in (b"r", b"g", b"b"):
            head = head.replace(b"property float " + end + b"_" + channel + b"\n", b"")
    old = head + b"end_header\n" + body[:48] + body[72:]
    got = compressed_ply.parse(old, "x")
    word = struct.unpack_from("<I", body, 72 + 12)[0]
    rgb = np.array([word >> 24, word >> 16 & 255, word >> 8 & 255]) / 255
    np.testing.assert_allclose(got.sh[0, 0], (rgb - 0.5) / SH_C0, atol=1e-5)


def test_harmonic_bytes(cloud_of: Callable[..., Gaussians]) -> None:
    data = bytearray(compressed_ply.encode(cloud_of(2, 1, 1), reorder=False))
    data[-9:] = bytes([0, 1, 127, 128, 254, 255, 10, 20, 30])
    got = compressed_ply.parse(bytes(data), "x")
    inner = {b: ((b + 0.5) / 256 - 0.5) * 8 for b in (1, 127, 128, 254, 10, 20, 30)}
    wanted = [
        [-4, inner[1], inner[127]],
        [inner[128], inner[254], 4],
        [inner[b] for b in (10, 20, 30)],
    ]
    np.testing.assert_allclose(got.sh[0, 1:].T, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"element chunk 1", b"element chunk 0", "too few chunks|ends inside"),
        (b"element chunk 1", b"element lump 1", "no element 'chunk'"),
        (b"property uint packed_scale", b"property float packed_scale", "wanted uint"),
        (b"property float min_x", b"property float mon_x", "min_x are missing"),
        (b"property float min_r", b"property float mon_r", "min_r are missing"),
        (b"element sh 3", b"element sh 2", "another length"),
        (b"uchar f_rest_8", b"uchar f_rest_9", "no degree"),
        (b"uchar f_rest_8", b"char f_rest_8", "no degree"),
        (b"binary_little_endian", b"ascii", "ascii"),
    ],
)
def test_broken_files_are_told(
    cloud_of: Callable[..., Gaussians], old: bytes, new: bytes, message: str
) -> None:
    data = compressed_ply.encode(cloud_of(0, 3, 1))
    assert old in data
    with pytest.raises(FormatError, match=message):
        compressed_ply.parse(data.replace(old, new, 1), "x")
