"""Files unpacked by shaders, against the numpy readers and `pybuild.pack` on the same bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray

from pybuild import formats
from pybuild.formats import compressed_ply, ply, splat, spz
from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pybuild.pack import Packed, unpack
from pybuild.render import in_memory, render
from pyengine import drop
from pyengine.bundle import SH_WORDS, Scene
from pyengine.errors import DeviceError, FormatError
from pyengine.hosts.native import NativeHost
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.sources import Bytes, Source, open_source
from pyengine.sources.spz import inflated_bytes, unpack_streams, version_of
from pyengine.view import WORLD_UP, View
from tests.pyengine.scenes import psnr_db

HALF_STEP = 0.51
"""Of a quantisation step; rounding in single precision may choose the neighbour of a tie."""
FLOAT_NOISE = 4e-7
"""Of the largest number: positions are float32, and so is the arithmetic of their box."""
ROTATION_ERROR = 0.006
"""Of a matrix entry: three components in steps of 1/(511 sqrt 2), the fourth from them."""
LOG_SCALE_ERROR = 12 / 1023 / 2 * 1.01
COLOR_ERROR = 0.51
SH_ERROR = 2 ** (16 / 255) / 127 * 0.51
"""Of a Gaussian's largest coefficient: half a step of 1/127 under a scale up to 4.4 % too large."""
IMAGE_DB = 50.0

SIZES = (0, 1, 255, 256, 257, 5000)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of a file: the scene, the cloud in its buffers, and the row each splat had."""

    source: Source
    scene: Scene
    buffers: Mapping[str, bytes]
    packed: Packed
    order: NDArray[np.uint32]


Decode = Callable[[bytes, str], Decoded]


def zstd(frame: bytes, size: int) -> bytes:
    """What Python 3.14 has in its standard library."""
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)


def opened(data: bytes, name: str) -> tuple[Source, bytes]:
    """The source, and the bytes that are uploaded: what the page does, done with zlib."""
    if version_of(data[:8]) >= 4:
        return unpack_streams(data, name, zstd)
    if data[:2] == b"\x1f\x8b":
        stream = zlib.decompressobj(wbits=31)
        head = stream.decompress(data, 16)
        limit = inflated_bytes(head, len(data), name) + (1 << 16)
        data = head + stream.decompress(stream.unconsumed_tail, limit)
        if not stream.eof:
            raise zlib.error("no end")  # as the browser's DecompressionStream has it
    source = open_source(Bytes.of(data), name)
    return source, data[source.start_byte : source.start_byte + source.size_bytes]


@pytest.fixture(scope="module")
def decode(adapter: Any) -> Decode:
    """Unpacks a file on the adapter."""

    def decode_(data: bytes, name: str) -> Decoded:
        source, rows = opened(data, name)
        offered = NativeHost.describe(adapter)
        plan = drop.decode_plan(source, offered)
        limits = drop.decode_limits(source, offered)
        host = NativeHost(8, 8, adapter, limits)
        host.build(plan)
        if rows:
            host.write("source", rows + bytes(-len(rows) % 4))
        host.write("source_table", drop.table_bytes(source))
        host.run(drop.DECODE)
        scene = drop.decoded_scene(source, {name: bytes(host.read(name)) for name in drop.READBACK})
        sizes = scene.expected_sizes()
        buffers = {name: bytes(host.read(name))[:size] for name, size in sizes.items()}
        order = np.frombuffer(bytes(host.read("values_1")), np.uint32)[: scene.count]
        host.close()
        return Decoded(source, scene, buffers, packed_of(scene, buffers), order)

    return decode_


def packed_of(scene: Scene, buffers: Mapping[str, bytes]) -> Packed:
    """The buffers as `pybuild.pack` has them."""
    words = {name: np.frombuffer(data, np.uint32) for name, data in buffers.items()}
    sh = words.get("sh", np.zeros(0, np.uint32))
    return Packed(
        scene.count,
        scene.sh_degree,
        scene.antialiased,
        np.frombuffer(buffers["chunks"], np.float32).reshape(-1, 16),
        words["geometry"].reshape(-1, 4),
        words["color"],
        sh.reshape(len(words["color"]), SH_WORDS[scene.sh_degree]),
        np.zeros(0, np.int64),
    )


def cloud(count: int, degree: int, seed: int = 5) -> Gaussians:
    """A random cloud within what every format holds."""
    rng = np.random.default_rng(seed)
    quaternions = rng.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return Gaussians(
        (rng.normal(size=(count, 3)) * (3, 1, 0.5)).astype(np.float32),
        rng.uniform(-7, -1, (count, 3)).astype(np.float32),
        quaternions.astype(np.float32),
        rng.uniform(-5, 5, count).astype(np.float32),
        rng.uniform(-0.9, 0.9, (count, (degree + 1) ** 2, 3)).astype(np.float32),
        antialiased=bool(degree % 2),
    )


def matrices(q: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rotation matrices, which do not care for a quaternion's sign."""
    w, x, y, z = q.astype(np.float64).T
    return np.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        axis=1,
    )


def check(decoded: Decoded, wanted: Gaussians) -> None:
    """Every attribute within its quantisation; ``wanted`` is what the numpy reader gave."""
    scene = decoded.scene
    assert scene.count == wanted.count
    assert scene.antialiased == wanted.antialiased
    assert sorted(decoded.order) == list(range(wanted.count))
    if not wanted.count:
        assert not any(decoded.buffers["geometry"])
        return
    low, high = wanted.positions.min(axis=0), wanted.positions.max(axis=0)
    np.testing.assert_allclose(scene.bounds, (low, high), rtol=FLOAT_NOISE)
    got, want = unpack(decoded.packed), wanted.take(decoded.order)
    box = np.repeat(decoded.packed.chunks, 256, axis=0)[: wanted.count]
    noise = FLOAT_NOISE * np.abs(want.positions).max()
    error = np.abs(got.positions - want.positions)
    assert np.all(error <= HALF_STEP * box[:, 4:7] + noise)
    log_scales = np.maximum(want.log_scales, -20)
    chunk = np.arange(wanted.count) // 256
    largest = np.maximum.reduceat(log_scales.max(axis=1), np.unique(chunk, return_index=True)[1])
    log_scales = np.maximum(log_scales, (largest - 12)[chunk][:, None])
    assert np.abs(got.log_scales - log_scales).max() <= LOG_SCALE_ERROR
    radius = np.exp(largest) * np.sqrt(2 * np.log(255))
    assert np.all(decoded.packed.chunks[:, 11] >= radius)
    assert np.all(decoded.packed.chunks[:, 11] <= radius * 1.01)
    assert np.abs(matrices(got.quaternions) - matrices(want.quaternions)).max() <= ROTATION_ERROR
    alpha = 1 / (1 + np.exp(-np.clip(want.opacity_logits, -80, 80).astype(np.float64)))
    assert np.abs((decoded.packed.geometry[: wanted.count, 1] >> 16 & 255) - alpha * 255).max() <= (
        0.51
    )
    rgb = 0.28209479 * (got.sh[:, 0] - want.sh[:, 0])
    assert np.all(np.abs(rgb) <= COLOR_ERROR * box[:, 12:15] + 1e-6)
    rest = want.sh[:, 1:]
    if rest.size:
        scale = np.abs(rest).max(axis=(1, 2))
        stored = np.zeros_like(rest)
        stored[:, : got.sh.shape[1] - 1] = got.sh[:, 1:]
        assert np.all(np.abs(stored - rest).max(axis=(1, 2)) <= SH_ERROR * scale + 1e-6)


ENCODERS: dict[str, Callable[[Gaussians], bytes]] = {
    "a.ply": ply.encode,
    "big.ply": lambda g: ply.encode(g, "binary_big_endian"),
    "a.compressed.ply": compressed_ply.encode,
    "a.splat": splat.encode,
    "2.spz": lambda g: spz.encode(g, 2),
    "3.spz": lambda g: spz.encode(g, 3),
    "4.spz": lambda g: spz.encode(g, 4),
}


@pytest.mark.gpu
@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("name", ENCODERS)
def test_sizes(decode: Decode, name: str, count: int) -> None:
    """Around a chunk's edge, in every format."""
    degree = 0 if name == "a.splat" else 1
    data = ENCODERS[name](cloud(count, degree))
    check(decode(data, name), formats.parse(data, name))


@pytest.mark.gpu
@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "a.splat"])
def test_degrees(decode: Decode, name: str, degree: int) -> None:
    """Harmonics of every degree; the axes of SPZ turn them too."""
    data = ENCODERS[name](cloud(600, degree))
    decoded = decode(data, name)
    assert decoded.scene.sh_degree == degree
    check(decoded, formats.parse(data, name))


def shuffled_ply(gaussians: Gaussians, order: str = "<") -> bytes:
    """Properties in a random order, of several types, with columns that nobody asked for."""
    rng = np.random.default_rng(2)
    n, k = gaussians.count, gaussians.sh.shape[1] - 1
    columns = {label: gaussians.positions[:, i] for i, label in enumerate("xyz")}
    columns |= {f"scale_{i}": gaussians.log_scales[:, i] for i in range(3)}
    columns |= {f"rot_{i}": gaussians.quaternions[:, i] for i in range(4)}
    columns |= {f"f_dc_{i}": gaussians.sh[:, 0, i] for i in range(3)}
    columns |= {
        f"f_rest_{c * k + i}": gaussians.sh[:, 1 + i, c] for c in range(3) for i in range(k)
    }
    columns |= {"opacity": np.rint(gaussians.opacity_logits)}
    types = dict.fromkeys(columns, "f4") | {"x": "f8", "scale_1": "f8", "f_dc_2": "f8"}
    types |= {"opacity": "i1"}
    columns |= {
        "nx": np.zeros(n),
        "label": np.arange(n) % 200,
        "odd": np.arange(n),
        "id": -columns["x"],
    }
    types |= {"nx": "f4", "label": "u1", "odd": "u2", "id": "i2"}
    names = {
        "f4": "float",
        "f8": "double",
        "u1": "uchar",
        "u2": "ushort",
        "i2": "int16",
        "i1": "char",
    }
    labels = list(rng.permutation(list(columns)))
    rows = np.zeros(n, [(label, order + types[label]) for label in labels])
    for label in labels:
        rows[label] = columns[label]
    form = "binary_little_endian" if order == "<" else "binary_big_endian"
    header = "".join(f"property {names[types[label]]} {label}\n" for label in labels)
    text = f"ply\nformat {form} 1.0\ncomment antialiased 1\nelement camera 3\nproperty uchar c\n"
    text += f"element vertex {n}\n{header}end_header\n"
    return text.encode() + b"abc" + rows.tobytes() + b"behind"


@pytest.mark.gpu
@pytest.mark.parametrize("order", ["<", ">"])
def test_properties_in_any_order_and_type(decode: Decode, order: str) -> None:
    """Rows of an odd size after another element, so that no number is aligned."""
    data = shuffled_ply(cloud(700, 2), order)
    check(decode(data, "shuffled.ply"), formats.parse(data, "shuffled.ply"))


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::pybuild.formats.DroppedSplats")
def test_what_cannot_be_drawn_is_dropped(decode: Decode) -> None:
    """As `Gaussians.cleaned` drops it: the others are there, infinite opacity and flatness too."""
    g = cloud(600, 1)
    g.positions[0, 1] = np.nan
    g.positions[300, 2] = np.inf
    g.quaternions[1] = 0
    g.quaternions[2, 3] = np.nan
    g.opacity_logits[[3, 4, 5]] = np.nan, np.inf, -np.inf
    g.log_scales[6, 0], g.log_scales[7, 1], g.log_scales[8, 2] = np.nan, np.inf, -np.inf
    g.log_scales[9, 0] = 90
    g.sh[10, 2, 1], g.sh[11, 0, 0] = np.nan, np.inf
    g.quaternions[12] *= 1e-3
    g.quaternions[13] *= 1e20
    kept = np.setdiff1d(np.arange(600), [0, 1, 2, 3, 6, 7, 9, 10, 11, 300])
    data = ply.encode(g)
    decoded = decode(data, "dirty.ply")
    assert sorted(decoded.order) == kept.tolist()
    renumbered = np.searchsorted(kept, decoded.order).astype(np.uint32)
    clean = formats.parse(data, "dirty.ply")
    check(
        Decoded(decoded.source, decoded.scene, decoded.buffers, decoded.packed, renumbered), clean
    )


@pytest.mark.gpu
def test_nothing_to_draw(decode: Decode) -> None:
    """A file of splats that are all broken is an error, not an empty picture."""
    g = cloud(5, 0)
    g.positions[:] = np.nan
    with pytest.raises(FormatError, match=r"none\.ply: none of its 5 splats can be drawn"):
        decode(ply.encode(g), "none.ply")


@pytest.mark.gpu
@pytest.mark.parametrize("system", range(9))
def test_coordinate_systems_of_spz(decode: Decode, system: int) -> None:
    """Half of them are mirrors; those that swap axes are left to the build."""
    raw = bytearray(zlib.decompress(spz.encode(cloud(300, 3), 3), 31))
    raw[14] |= 2
    raw += struct.pack("<III", 0xADBE0003, 4, system)
    data = bytes(raw)
    check(decode(data, "turned.spz"), formats.parse(data, "turned.spz"))


FIXTURES = (
    "ply/train-1000.ply",
    "compressed-ply/guitar.compressed.ply",
    *(f"fixtures/minimal-v{version}.spz" for version in (2, 3, 4)),
    "fixtures/minimal-raw.spz",
    "fixtures/minimal.splat",
    *(f"fixtures/test-splat.3-points-from-train.{suffix}" for suffix in ("ply", "splat", "spz")),
)


@pytest.mark.gpu
@pytest.mark.parametrize("path", FIXTURES)
def test_files_from_outside(decode: Decode, shared: Path, path: str) -> None:
    """Files that other programs wrote."""
    data = (shared / "assets" / path).read_bytes()
    check(decode(data, path), formats.parse(data, path))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["train", "guitar"])
def test_the_picture_and_the_camera(decode: Decode, shared: Path, name: str) -> None:
    """The unpacked scene draws what the packed one draws, from where the build would look."""
    path = {"train": FIXTURES[0], "guitar": FIXTURES[1]}[name]
    data = (shared / "assets" / path).read_bytes()
    decoded, wanted = decode(data, path), formats.parse(data, path)
    pose, asked = decoded.scene.pose, default_pose(wanted)
    distance = float(np.linalg.norm(np.subtract(asked.eye, asked.target)))
    assert np.abs(np.subtract(pose.eye, asked.eye)).max() < 0.05 * distance
    view = View.look_at(asked.eye, asked.target, WORLD_UP, asked.fov_deg, 256, 256)
    image = render(decoded.scene, decoded.buffers.__getitem__, view)
    assert psnr_db(image, render(*in_memory(wanted), view)) >= IMAGE_DB


def ply_text(count: str = "1", properties: str = "property float x\n") -> bytes:
    """A header with a line to be wrong in."""
    head = "ply\nformat binary_little_endian 1.0\nelement vertex "
    return f"{head}{count}\n{properties}end_header\n".encode() + bytes(64)


BAD: dict[str, tuple[bytes, str]] = {
    "empty.ply": (b"", r"not a scene that the page can open"),
    "other.ply": (b"PK\x03\x04", r"not a scene that the page can open"),
    "endless.ply": (b"ply\n" + b"comment\n" * 9, r"header does not end within"),
    "ascii.ply": (ply.encode(cloud(2, 0), "ascii"), r"ascii.*vitrine build"),
    "points.ply": (ply_text(), r"missing from element 'vertex'.*point cloud"),
    "count.ply": (ply_text("-1"), r"line that makes no sense"),
    "type.ply": (ply_text(properties="property quad x\n"), r"cannot be understood"),
    "huge.ply": (
        ply.encode(cloud(1, 0)).replace(b"vertex 1\n", b"vertex 999999999999\n"),
        r"the file ends inside element 'vertex'; wanted \d+ bytes",
    ),
    "cut.ply": (ply.encode(cloud(9, 0))[:-1], r"the file ends inside element 'vertex'"),
    "bands.ply": (
        ply.encode(cloud(1, 1)).replace(b"f_rest_8", b"f_none_8"),
        r"harmonics make no degree",
    ),
    "flat.ply": (ply.encode(cloud(1, 0)).replace(b"scale_2", b"scale_9"), r"2DGS"),
    "chunks.ply": (
        compressed_ply.encode(cloud(300, 0)).replace(b"chunk 2\n", b"chunk 1\n"),
        r"too few chunks for 300 splats; wanted 2; got 1",
    ),
    "cut.compressed.ply": (compressed_ply.encode(cloud(300, 1))[:-1], r"ends inside element 'sh'"),
    "odd.splat": (bytes(33), r"multiple of 32 bytes; got 33"),
    "version.spz": (
        b"NGSP\x09" + bytes(40),
        r"SPZ version is not supported here; wanted one of 4; got 9",
    ),
    "cut.spz": (spz.encode(cloud(9, 0), 4)[:-1], r"stream 'rotations' has a wrong size"),
    "bomb.spz": (
        b"NGSP\x03\0\0\0" + b"\xff\xff\xff\x7f" + bytes(20),
        r"would need \d+ bytes of memory; wanted at most 64 times the file's size",
    ),
    "system.spz": (
        b"NGSP\x03\0\0\0" + bytes(6) + b"\x02\0" + b"\x03\0\xbe\xad\x04\0\0\0\x09\0\0\0",
        r"not one that a page turns.*got LFD\. .*vitrine build",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str) -> None:
    """One line that names the file and says what is wrong, before anything is allocated."""
    data, message = BAD[name]
    with pytest.raises(FormatError, match=message) as told:
        opened(data, name)
    assert str(told.value).startswith(f"{name}: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["a.ply", "a.compressed.ply", "a.splat", "3.spz", "4.spz"])
def test_every_cut_is_noticed(name: str) -> None:
    """Of a file that ends early nothing is uploaded beyond its end."""
    data = ENCODERS[name](cloud(3, 0))

    for end in range(len(data)):
        try:
            source, rows = opened(data[:end], name)
        except (FormatError, zlib.error):
            continue
        assert len(rows) == source.size_bytes
        assert source.count < 3


def test_every_plan_is_sound() -> None:
    """Bindings, usages and sizes, with the limits that every adapter has."""
    for name, encode in ENCODERS.items():
        source, _ = opened(encode(cloud(300, 0)), name)
        NullHost().build(drop.decode_plan(source, Adapter(DEFAULT_LIMITS)))


def test_a_file_beyond_the_adapter() -> None:
    """The message has what the adapter offers."""
    source = Source("big.ply", "ply", 3 << 20, 0, False, 0, 200 << 20, ())
    with pytest.raises(DeviceError, match=r"200 MiB \('source'\); this adapter offers 128 MiB"):
        drop.decode_limits(source, Adapter(DEFAULT_LIMITS))
