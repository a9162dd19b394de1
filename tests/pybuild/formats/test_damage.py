"""Damaged files: every cut and every flipped byte gives FormatError or a drawable cloud.

Memory stays below 64 times the file plus a constant (see the fixture `survives`). The memory that
Python does not see: zlib's window is 32 KiB; zstd's window is at most the array or 8 MiB; Pillow's
canvases are counted in `sog._TEXEL_BYTES` before an image is opened.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pybuild import formats
from pybuild.formats import compressed_ply, ply, sog, splat, spz
from pybuild.formats.bounds import FACTOR
from pybuild.gaussians import Gaussians

PATTERNS = (0x01, 0x80, 0xFF)
"""Bits that are flipped in a byte."""

SAMPLES = 400

Parse = Callable[[bytes, str], Gaussians]

READERS: dict[str, Parse] = {
    "ply": ply.parse,
    "splat": splat.parse,
    "spz": spz.parse,
    "sog": sog.parse,
    "compressed.ply": compressed_ply.parse,
}


@pytest.fixture(autouse=True, scope="module")
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def exhaust(survives: Callable[..., bool], parse: Parse, data: bytes) -> tuple[int, int]:
    """Every cut and every flip; how many were read, of how many."""
    read = [survives(parse, data[:cut], f"cut at {cut}") for cut in range(len(data))]
    for at in range(len(data)):
        for pattern in PATTERNS:
            damaged = data[:at] + bytes([data[at] ^ pattern]) + data[at + 1 :]
            read.append(survives(parse, damaged, f"byte {at} ^ {pattern:#x}"))
    return sum(read), len(read)


def sample(survives: Callable[..., bool], parse: Parse, data: bytes, samples: int) -> int:
    """Some cuts and flips, more of them near both ends, where the structure is."""
    rng = np.random.default_rng(len(data))
    near = rng.integers(0, min(4096, len(data)), samples)
    places = np.concatenate([near, len(data) - 1 - near, rng.integers(0, len(data), samples)])
    read = 0
    for at in np.unique(places).tolist():
        read += survives(parse, data[:at], f"cut at {at}")
        damaged = data[:at] + bytes([data[at] ^ rng.integers(1, 256)]) + data[at + 1 :]
        read += survives(parse, damaged, f"byte {at}")
    return read


@pytest.mark.parametrize(
    "file",
    [
        "minimal.splat",
        "minimal-raw.spz",
        "minimal-v2.spz",
        "minimal-v3.spz",
        "minimal-v4.spz",
        "test-splat.3-points-from-train.ply",
        "test-splat.3-points-from-train.splat",
        "test-splat.3-points-from-train.spz",
    ],
)
def test_every_damage_to_the_tiny_samples(
    assets: Path, survives: Callable[..., bool], file: str
) -> None:
    parse = READERS[file.rsplit(".", 1)[1]]
    read, tried = exhaust(survives, parse, (assets / "fixtures" / file).read_bytes())
    assert 0 < read < tried


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("ply", {"form": "binary_big_endian"}),
        ("ply", {"form": "ascii"}),
        ("compressed.ply", {}),
        ("spz", {"version": 4}),
    ],
)
def test_every_damage_to_tiny_clouds(
    cloud_of: Callable[..., Gaussians],
    survives: Callable[..., bool],
    suffix: str,
    options: dict[str, object],
) -> None:
    encoders = {"ply": ply.encode, "compressed.ply": compressed_ply.encode, "spz": spz.encode}
    data = encoders[suffix](cloud_of(4, 2, 1), **options)
    read, tried = exhaust(survives, READERS[suffix], data)
    assert 0 < read < tried


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_damage_below_the_gzip_checksum(
    cloud_of: Callable[..., Gaussians], survives: Callable[..., bool], version: int
) -> None:
    """A flip in a gzip file fails its checksum, so the payload is damaged and packed again."""
    body = gzip.decompress(spz.encode(cloud_of(4, 2, 1), max(version, 2)))
    if version == 1:
        body = body[:4] + b"\1" + body[5:16] + bytes(range(60, 72)) + body[16 + 18 :]

    def parse(damaged: bytes, name: str) -> Gaussians:
        return spz.parse(gzip.compress(damaged, 1), name)

    read, tried = exhaust(survives, parse, body)
    assert 0 < read < tried


def test_sampled_damage_to_a_sog(
    cloud_of: Callable[..., Gaussians], survives: Callable[..., bool]
) -> None:
    data = sog.encode(cloud_of(4, 60, 2))
    assert sample(survives, sog.parse, data, SAMPLES) > 0


def test_sampled_damage_below_the_zip_checksum(
    cloud_of: Callable[..., Gaussians],
    survives: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flip in an entry fails its checksum, so the check is switched off to reach the images."""
    monkeypatch.setattr("zipfile.ZipExtFile._update_crc", lambda self, newdata: None)
    data = sog.encode(cloud_of(4, 60, 2))
    assert sample(survives, sog.parse, data, SAMPLES) > 0


@pytest.mark.parametrize(
    "file",
    ["ply/train-1000.ply", "compressed-ply/guitar.compressed.ply", "sog/massa.sog"],
)
def test_sampled_damage_to_larger_samples(
    assets: Path, survives: Callable[..., bool], file: str
) -> None:
    data = (assets / file).read_bytes()
    parse = READERS["compressed.ply" if "compressed" in file else file.rsplit(".", 1)[1]]
    read = sample(survives, parse, data, 12)
    assert (read > 0) == (not file.endswith(".sog")), "zip checksums catch every flip, PLY has none"


@pytest.mark.parametrize("seed", range(200))
def test_noise_of_every_kind(survives: Callable[..., bool], seed: int) -> None:
    rng = np.random.default_rng(seed)
    magic = [
        b"",
        b"ply\n",
        b"NGSP\4\0\0\0",
        b"NGSP\2\0\0\0",
        b"\x1f\x8b\x08",
        b"PK\3\4",
        b"\x89PNG",
    ]
    suffix = list(READERS)[seed % len(READERS)]
    data = magic[seed % len(magic)] + rng.bytes(int(rng.integers(0, 300)))
    survives(lambda d, name: formats.parse(d, name), data)
    survives(READERS[suffix], data)


@pytest.mark.parametrize("suffix", READERS)
def test_memory_of_an_honest_scene(cloud_of: Callable[..., Gaussians], suffix: str) -> None:
    """Peak memory while reading, as a multiple of the arrays that come out: 3 at most."""
    degree = 0 if suffix == "splat" else 3
    cloud = cloud_of(4, 40_000, degree)
    encoders = {
        "ply": ply.encode,
        "splat": splat.encode,
        "spz": spz.encode,
        "sog": lambda c: sog.encode(c, palette_size=64),
        "compressed.ply": compressed_ply.encode,
    }
    data = encoders[suffix](cloud)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    result = READERS[suffix](data, "x")
    peak = tracemalloc.get_traced_memory()[1] - before
    arrays = 4 * result.count * (11 + result.sh[0].size)
    assert peak < 3 * arrays + (4 << 20)
    assert peak < FACTOR * len(data)
