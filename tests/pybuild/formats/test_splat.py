"""The .splat format: exact values of a sample, round trips to its eight bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybuild.formats import DroppedSplats, splat
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError

SH_C0 = 0.28209479177387814
HALF_BYTE = 0.5 / 255 + 1e-6
DC = HALF_BYTE / SH_C0
LOG_SCALE = 1e-6
"""exp and log of float32."""
ROTATION = 2 * (0.5 / 128 + 1 / 128)
"""Half a step, and a whole one where 1 is clipped to 127/128; normalising doubles at most."""


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_round_trip(
    clouds: st.SearchStrategy[Gaussians], compare: Callable[..., None], data: st.DataObject
) -> None:
    cloud = data.draw(clouds)
    got = splat.parse(splat.encode(cloud), "x.splat")
    compare(
        got,
        cloud.with_sh_degree(0),
        position=0,
        log_scale=LOG_SCALE,
        rotation=ROTATION,
        opacity=HALF_BYTE,
        dc=DC,
    )


def test_the_minimal_sample(assets: Path) -> None:
    cloud = splat.read(assets / "fixtures" / "minimal.splat")
    np.testing.assert_array_equal(cloud.positions, [[-1, 0, -1], [0, 0, -1], [-1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(cloud.log_scales, math.log(0.1), atol=1e-6)
    np.testing.assert_array_equal(cloud.quaternions, [[0, 0, 0, 1]] * 4)
    np.testing.assert_allclose(cloud.opacity_logits, math.log(230 / 25), atol=1e-6)
    rgb = np.array([[0x55, 0x55, 0x80], [0xAA, 0x55, 0x80], [0x55, 0xAA, 0x80], [0xAA, 0xAA, 0x80]])
    np.testing.assert_allclose(cloud.sh[:, 0], (rgb / 255 - 0.5) / SH_C0, atol=1e-6)


def test_opaque_flat_and_negative_scales(cloud_of: Callable[..., Gaussians]) -> None:
    data = bytearray(splat.encode(cloud_of(0, 3, 0)))
    data[12:16] = bytes(4)
    data[27] = 255
    data[32 + 16 : 32 + 20] = np.float32(-1).tobytes()
    data[64 + 28 : 64 + 32] = bytes([128] * 4)
    with pytest.warns(DroppedSplats, match="2 of 3"):
        cloud = splat.parse(bytes(data), "x")
    assert cloud.count == 1
    assert cloud.log_scales[0, 0] == -np.inf
    assert cloud.opacity_logits[0] == np.inf


def test_a_wrong_length_is_told() -> None:
    with pytest.raises(FormatError, match=r"^x\.splat: .*multiple of 32 bytes; got 33 bytes"):
        splat.parse(bytes(33), "x.splat")
