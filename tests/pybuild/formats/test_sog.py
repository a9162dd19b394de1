"""SOG: samples against a scalar decoder, versions 1 and 2, folders, bombs and bad JSON."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pybuild.formats import sog
from pybuild.formats.webp import decode_texture, encode_texture
from pybuild.gaussians import Gaussians
from pyengine.errors import FormatError

SPAN = 2 * math.log(8)
"""The log positions of a random normal cloud, at most 7 in size."""
POSITION = SPAN / 65535 * 8
LOG_SCALE = 0.1
"""256 levels over 10 units of log-scale, and wider cells near the ends of the codebook."""
ROTATION = 3 / 255 / math.sqrt(2) * 1.5
OPACITY = 0.5 / 255 + 1e-6
DC = 0.02
HARMONICS = 0.02
"""256 levels over -0.9..0.9."""
SMALLEST = -30.0


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def changed(data: bytes, edit: Callable[[dict], object]) -> bytes:
    """The archive with its meta.json edited in place."""
    files = entries(data)
    meta = json.loads(files["meta.json"])
    edit(meta)
    return zipped({**files, "meta.json": json.dumps(meta).encode()})


@pytest.fixture(scope="module")
def small(cloud_of: Callable[..., Gaussians]) -> bytes:
    return sog.encode(cloud_of(2, 5, 1), reorder=False)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_round_trip(
    clouds: st.SearchStrategy[Gaussians], compare: Callable[..., None], data: st.DataObject
) -> None:
    cloud = data.draw(clouds)
    got = sog.parse(sog.encode(cloud, reorder=False), "x.sog")
    wanted = cloud if cloud.count else cloud.with_sh_degree(0)
    compare(
        got,
        wanted,
        position=POSITION,
        log_scale=LOG_SCALE * (3 if np.isinf(cloud.log_scales).any() else 1),
        rotation=ROTATION,
        opacity=OPACITY,
        dc=DC,
        harmonics=HARMONICS,
        smallest_log_scale=SMALLEST,
    )
    assert got.antialiased == cloud.antialiased


def test_a_palette_smaller_than_the_cloud(cloud_of: Callable[..., Gaussians]) -> None:
    """Harmonics that lie in 8 clusters come back from a palette of 64 entries."""
    cloud = cloud_of(2, 2000, 2)
    centres = np.random.default_rng(0).uniform(-0.5, 0.5, size=(8, 8, 3)).astype(np.float32)
    cloud.sh[:, 1:] = centres[np.arange(2000) % 8]
    got = sog.parse(sog.encode(cloud, reorder=False, palette_size=64), "x")
    np.testing.assert_allclose(got.sh[:, 1:], cloud.sh[:, 1:], atol=HARMONICS)


@pytest.mark.parametrize("scene", ["angel", "massa", "narcissus", "st-peter", "trumpet"])
def test_the_sample_scenes_against_a_scalar_decoder(assets: Path, scene: str) -> None:
    path = assets / "sog" / f"{scene}.sog"
    files = entries(path.read_bytes())
    meta = json.loads(files["meta.json"])
    images = {
        n[:-5]: Image.open(io.BytesIO(d)).convert("RGBA") for n, d in files.items() if "webp" in n
    }
    cloud = sog.read(path)
    assert (cloud.count, cloud.sh_degree) == (meta["count"], 0)
    width = images["means_l"].width
    for index in np.random.default_rng(0).integers(0, cloud.count, 20):
        texel = {
            n: image.getpixel((int(index) % width, int(index) // width))
            for n, image in images.items()
        }
        for axis in range(3):
            low, high = meta["means"]["mins"][axis], meta["means"]["maxs"][axis]
            q = texel["means_l"][axis] + 256 * texel["means_u"][axis]
            v = low + (high - low) * q / 65535
            wanted = math.copysign(math.exp(abs(v)) - 1, v)
            assert cloud.positions[index, axis] == pytest.approx(wanted, abs=1e-6)
            book = meta["scales"]["codebook"]
            assert cloud.log_scales[index, axis] == np.float32(book[texel["scales"][axis]])
            assert cloud.sh[index, 0, axis] == np.float32(
                meta["sh0"]["codebook"][texel["sh0"][axis]]
            )
        alpha = texel["sh0"][3] / 255
        logit = float(cloud.opacity_logits[index])
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(alpha, abs=1e-6)
        three = [(b / 255 * 2 - 1) / math.sqrt(2) for b in texel["quats"][:3]]
        three.insert(texel["quats"][3] - 252, math.sqrt(1 - sum(v * v for v in three)))
        np.testing.assert_allclose(cloud.quaternions[index], three, atol=1e-6)


def test_a_folder_and_its_meta_json_read_alike(assets: Path) -> None:
    """A unit of a streamed scene has harmonics of degree 2 from a palette."""
    folder = assets / "streamed-sog" / "playbot" / "6_0"
    meta = json.loads((folder / "meta.json").read_text())
    got = sog.read(folder)
    assert (got.count, got.sh_degree) == (meta["count"], meta["shN"]["bands"]) == (meta["count"], 2)
    np.testing.assert_array_equal(sog.read(folder / "meta.json").sh, got.sh)
    book = np.array(meta["shN"]["codebook"], np.float32)
    with Image.open(folder / "shN_labels.webp") as image:
        labels, width = image.convert("RGBA"), image.width
    with Image.open(folder / "shN_centroids.webp") as image:
        centroids = image.convert("RGBA")
    for index in (0, 7, 500, got.count - 1):
        red, green, *_ = labels.getpixel((index % width, index // width))
        label = red + 256 * green
        for k in range(8):
            texel = centroids.getpixel((label % 64 * 8 + k, label // 64))
            np.testing.assert_array_equal(got.sh[index, 1 + k], book[list(texel[:3])])


def test_a_streamed_scene_is_told(assets: Path) -> None:
    with pytest.raises(FormatError, match=r"streamed SOG.*folder of one of its units"):
        sog.read(assets / "streamed-sog" / "playbot" / "lod-meta.json")
    with pytest.raises(FormatError, match=r"streamed SOG.*folder of one of its units"):
        sog.read(assets / "streamed-sog" / "playbot")


def test_version_1_has_bounds_instead_of_codebooks(small: bytes) -> None:
    def edit(meta: dict) -> None:
        count = meta.pop("count")
        del meta["version"]
        meta["means"]["shape"] = [count, 3]
        meta["scales"] |= {"mins": [-8, -7, -6], "maxs": [1, 2, 3]}
        meta["sh0"] |= {"mins": [-1, -1, -1, -5], "maxs": [1, 1, 1, 5]}
        meta["shN"] = {"mins": -0.5, "maxs": 0.5, "files": meta["shN"]["files"]}

    new, old = sog.parse(small, "x"), sog.parse(changed(small, edit), "x")
    assert (old.count, old.sh_degree) == (5, 1)
    np.testing.assert_array_equal(old.positions, new.positions)
    files = entries(small)
    byte = {
        n: np.asarray(Image.open(io.BytesIO(files[f"{n}.webp"])).convert("RGBA")).reshape(-1, 4)[:5]
        for n in ("scales", "sh0", "shN_labels")
    }
    wanted = np.array([-8, -7, -6]) + 9 * byte["scales"][:, :3] / 255
    np.testing.assert_allclose(old.log_scales, wanted, atol=1e-5)
    np.testing.assert_allclose(old.sh[:, 0], byte["sh0"][:, :3] / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_allclose(old.opacity_logits, byte["sh0"][:, 3] / 255 * 10 - 5, atol=1e-5)
    table = np.asarray(Image.open(io.BytesIO(files["shN_centroids.webp"])).convert("RGB"))
    label = byte["shN_labels"][3, 0]
    texels = table[label // 64, label % 64 * 3 : label % 64 * 3 + 3]
    np.testing.assert_allclose(old.sh[3, 1:], texels / 255 - 0.5, atol=1e-6)


def test_a_quaternion_tag_out_of_range_is_the_identity(small: bytes) -> None:
    files = entries(small)
    texels = np.full((16, 4), 200, np.uint8)
    got = sog.parse(zipped({**files, "quats.webp": encode_texture(texels, 4)}), "x")
    np.testing.assert_array_equal(got.quaternions, [[1, 0, 0, 0]] * 5)


def test_deflated_archives_are_read(small: bytes) -> None:
    got = sog.parse(zipped(entries(small), zipfile.ZIP_DEFLATED), "x")
    np.testing.assert_array_equal(got.positions, sog.parse(small, "x").positions)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(version=3), "SOG version.*got 3"),
        (lambda m: m.update(version="2"), "version; wanted an integer"),
        (lambda m: m.update(model="2dgs"), "2dgs"),
        (lambda m: m.update(count=-1), "count; wanted an integer"),
        (lambda m: m.update(count=True), "count; wanted an integer.*got True"),
        (lambda m: m.update(count=5.0), "count; wanted an integer"),
        (lambda m: m.update(count=17), "too small; wanted 17 texels; got 16"),
        (lambda m: m.update(count=100_000_000), "100000000 splats.*64 times"),
        (lambda m: m.pop("means"), "no 'means'"),
        (lambda m: m.update(means=[]), "means is no object"),
        (lambda m: m["means"].update(mins=[0, 0]), "mins; wanted 3 numbers"),
        (lambda m: m["means"].update(mins=[0, 0, "0"]), "mins; wanted 3 numbers"),
        (lambda m: m["means"].update(mins=[0, 0, False]), "mins; wanted 3 numbers"),
        (lambda m: m["means"].update(maxs=[0, 0, 100]), "maxs; wanted 3 numbers within ±88"),
        (lambda m: m["means"].update(maxs=[0, 0, 10**400]), "maxs; wanted 3 numbers"),
        (lambda m: m["means"].update(maxs=[0, 0, math.nan]), "NaN is not a number"),
        (lambda m: m["means"].update(maxs=[0, 0, math.inf]), "Infinity is not a number"),
        (lambda m: m["scales"].update(codebook=[0] * 255), "codebook; wanted 256.*list of 255"),
        (lambda m: m["sh0"].update(codebook=[[0]] * 256), "codebook; wanted 256 numbers"),
        (lambda m: m["shN"].update(count=4), "label is outside the palette; wanted below 4; got 4"),
        (lambda m: m["shN"].update(bands=4), "bands; wanted an integer, 1 to 3"),
        (lambda m: m["shN"].update(bands=2), "palette has a wrong width|too small"),
        (lambda m: m["quats"].update(files=["../quats.webp"]), "plain file names"),
        (lambda m: m["quats"].update(files=["/etc/passwd"]), "plain file names"),
        (lambda m: m["quats"].update(files=["..\\quats.webp"]), "plain file names"),
        (lambda m: m["quats"].update(files=[".."]), "plain file names"),
        (lambda m: m["quats"].update(files=[None]), "plain file names"),
        (lambda m: m["quats"].update(files=[]), "plain file names"),
        (lambda m: m["quats"].update(files=["none.webp"]), "no 'none.webp'"),
        (lambda m: m["quats"].update(files=["meta.json"]), "meta.json: not a WebP"),
    ],
)
def test_bad_meta_is_told(small: bytes, edit: Callable[[dict], object], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        sog.parse(changed(small, edit), "x.sog")


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b'{"version": 1e999}'),
        *(b"[" * 100_000, b" " * 300_000, b'{"version":2,"count":' + b"9" * 5000 + b"}"),
        b'{"version":2,"model":' + b"[" * 900 + b"]" * 900,
    ],
    ids=range(10),
)
def test_bad_json_is_told(small: bytes, text: bytes, survives: Callable[..., bool]) -> None:
    assert not survives(sog.parse, zipped({**entries(small), "meta.json": text}))


def test_deep_nesting_in_a_number_is_told(small: bytes, survives: Callable[..., bool]) -> None:
    files = entries(small)
    deep = b"[" * 900 + b"]" * 900
    text = files["meta.json"].replace(b'"count": 5', b'"count": ' + deep)
    assert not survives(sog.parse, zipped({**files, "meta.json": text}))


def test_a_folder_cannot_reach_outside(tmp_path: Path, small: bytes) -> None:
    inside = tmp_path / "scene"
    inside.mkdir()
    for name, data in entries(small).items():
        (inside / name).write_bytes(data)
    assert sog.read(inside).count == 5
    (tmp_path / "quats.webp").write_bytes((inside / "quats.webp").read_bytes())
    meta = (inside / "meta.json").read_text()
    (inside / "meta.json").write_text(meta.replace("quats.webp", "../quats.webp"))
    with pytest.raises(FormatError, match="plain file names"):
        sog.read(inside)


def test_an_image_bomb_is_refused_before_it_is_decoded(
    small: bytes, survives: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One colour at 16383 x 16383 takes a few bytes in WebP and gigabytes in memory."""
    files = entries(small)
    image = bytearray(files["quats.webp"])
    at = image.index(b"VP8L") + 9
    size = 16382 | 16382 << 14 | int.from_bytes(image[at : at + 4], "little") & 0xF0000000
    image[at : at + 4] = size.to_bytes(4, "little")
    real, opened = Image.open, []

    def watched(file: io.BytesIO, **options: object) -> Image.Image:
        opened.append(real(file, **options).size)
        return real(file, **options)

    monkeypatch.setattr(Image, "open", watched)
    data = zipped({**files, "quats.webp": bytes(image)})
    with pytest.raises(FormatError, match=r"quats\.webp: a texture of 16383 x 16383"):
        sog.parse(data, "x")
    assert max(opened) == (4, 4)
    assert not survives(sog.parse, data)


def chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "little") + payload + bytes(len(payload) % 2)


@pytest.mark.parametrize("hidden", ["canvas", "lossy"])
def test_an_image_bomb_cannot_hide_behind_a_small_image(
    small: bytes, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """The decoder goes by the canvas, and by the first image of the file."""
    files = entries(small)
    lossless = files["quats.webp"][12:]
    if hidden == "canvas":
        side = (16382).to_bytes(3, "little")
        body = chunk(b"VP8X", bytes([16, 0, 0, 0]) + side + side) + lossless
    else:
        body = chunk(b"VP8 ", bytes([0x10, 0, 0, 0x9D, 1, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F])) + lossless
    image = chunk(b"RIFF", b"WEBP" + body)
    monkeypatch.setattr("pybuild.formats.webp.Image.open", None)
    with pytest.raises(FormatError, match=r"two sizes|not a still, lossless"):
        decode_texture(image, "quats.webp")


def test_a_deflate_bomb_is_refused(small: bytes, survives: Callable[..., bool]) -> None:
    for entry in ("quats.webp", "meta.json"):
        data = zipped({**entries(small), entry: bytes(100 << 20)}, zipfile.ZIP_DEFLATED)
        with pytest.raises(FormatError, match="too large"):
            sog.parse(data, "x")
        assert not survives(sog.parse, data)


def test_lossy_and_animated_images_are_refused(small: bytes) -> None:
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    for options in ({"quality": 80}, {"save_all": True, "append_images": [picture.rotate(90)]}):
        file = io.BytesIO()
        picture.save(file, "WEBP", **options)
        if b"ANIM" not in file.getvalue() and b"VP8 " not in file.getvalue():
            file = io.BytesIO(file.getvalue().replace(b"VP8L", b"VP8 "))
        with pytest.raises(FormatError, match="not a still, lossless image"):
            sog.parse(zipped({**entries(small), "sh0.webp": file.getvalue()}), "x")


def test_encrypted_and_odd_archives_are_told(small: bytes, survives: Callable[..., bool]) -> None:
    encrypted = bytearray(small)
    at = encrypted.rindex(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    local = encrypted.rindex(b"PK\x03\x04")
    encrypted[local + 6] |= 1
    for data in (
        bytes(encrypted),
        zipped(entries(small), zipfile.ZIP_LZMA),
        small[:-30],
        b"PK\x03\x04",
    ):
        assert not survives(sog.parse, data)
