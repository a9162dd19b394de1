"""A generator's files, and arrays as its inputs take them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pybuild.networks import input_bytes, read_network
from pybuild.programs import write_program
from pyengine.contract import Control
from pyengine.errors import BundleError, InputError
from pyengine.feeds import FeedSpec, Track
from tests.pyengine.generators import generator


def test_a_bundles_network(tmp_path: Path) -> None:
    """The program's folder, and the files of tracks."""
    made = generator(300)
    assert read_network(tmp_path, replace(made.scene, generator=None)) is None
    with pytest.raises(BundleError, match="program"):
        read_network(tmp_path, made.scene)
    write_program(tmp_path / "generator", made.compiled.program, made.compiled.files)
    found = read_network(tmp_path, made.scene)
    assert found is not None
    assert (found.program, found.tracks) == (made.compiled.program, {})
    assert found.shaders.keys() == made.compiled.program.shaders.keys()
    first = replace(made.spec.feeds[0], track=Track("track-1.bin", 2, 30.0, True))
    spec = replace(made.spec, feeds=(first, *made.spec.feeds[1:]))
    scene = replace(made.scene, generator=spec)
    with pytest.raises(BundleError, match=r"track-1\.bin: No such file.*build the scene again"):
        read_network(tmp_path, scene)
    (tmp_path / "track-1.bin").write_bytes(b"rows")
    found = read_network(tmp_path, scene)
    assert found is not None
    assert found.tracks == {"packed": b"rows"}


PIXELS = np.array([[[1, 2, 3], [255, 0, 9]]], np.uint8)


@pytest.mark.parametrize(
    ("feed", "values", "wanted"),
    [
        (FeedSpec("x", "latent", (2, 2), "float32"), [[1, 2], [3, 4]], np.float32([1, 2, 3, 4])),
        (FeedSpec("x", "latent", (), "float16"), np.float64(0.5), np.float32([0.5])),
        (FeedSpec("x", "frame", (1,), "int64"), np.int64([7]), np.int32([7])),
        (FeedSpec("x", "image", (1, 2), "uint32"), PIXELS, np.uint32([0xFF030201, 0xFF0900FF])),
        (
            FeedSpec("x", "control", (1,), "float32", control=Control("a", 0.0, 1.0, 0.5)),
            3.0,
            np.float32([1]),
        ),
        (
            FeedSpec("x", "joints", (2, 1, 3), "float32", batched=True),
            [[1, 2, 3]],
            np.float32([1, 2, 3]),
        ),
    ],
)
def test_arrays(feed: FeedSpec, values: object, wanted: Any) -> None:
    """Of the input's type; pictures as words."""
    assert input_bytes(feed, values) == wanted.tobytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 2)), r"^input 'x': wanted \[2, 2\], got float64 \[3, 2\]$"),
        ([[1, 2], [3]], "no array of numbers"),
        ("text", "no array of numbers"),
        ([1, 2, 3, np.nan], "not finite"),
    ],
)
def test_arrays_that_do_not_fit(values: object, message: str) -> None:
    """With both shapes."""
    with pytest.raises(InputError, match=message):
        input_bytes(FeedSpec("x", "latent", (2, 2), "float32"), values)
