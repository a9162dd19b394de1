"""Filters in a bundle: what is written, shared, replaced and read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import brotli
import onnx
import pytest

from pybuild.bundle import read_bundle, write_bundle
from pybuild.compress import write_sibling
from pybuild.filters.bundle import BUFFERS, MadeFilter, add_filters, make_filters, read_filtering
from pybuild.gaussians import Gaussians
from pybuild.programs import read_program, write_program
from pyengine.bundle import Scene
from pyengine.errors import BundleError
from pyengine.filter_spec import FilterSpec
from pyengine.hosts.page import Display
from pyengine.hosts.page_filter import FilterHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from tests.pybuild.filters.small_filters import local

SIZES = ((32, 24), (24, 32), (16, 16))
ADAPTER = json.dumps({**asdict(Adapter({})), "limits": dict(DEFAULT_LIMITS)})


@pytest.fixture
def bundle(cloud: Gaussians, tmp_path: Path) -> Path:
    """Without filters."""
    folder = tmp_path / "scene"
    write_bundle(cloud, folder)
    return folder


def made_of(folder: Path, layers: int = 2, sizes: Sequence[tuple[int, int]] = SIZES) -> MadeFilter:
    """Convolutions whose weights are a file each."""
    path = folder / f"local{layers}.onnx"
    onnx.save(local(("h", "w"), layers=layers), path)
    (made,) = make_filters([f"{path}@size={'/'.join(f'{w}x{h}' for w, h in sizes)}"])
    return made


def buffers(folder: Path) -> dict[str, int]:
    """Bytes of all buffers of filters by their places."""
    found = (path for path in folder.glob("filter-*/*.bin"))
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


def test_sizes_share_their_weights(bundle: Path, tmp_path: Path) -> None:
    """They were written once for each of a ladder's sizes: 11 times."""
    made = made_of(tmp_path)
    once = {name: len(data) for name, data in made.files().items() if name.endswith(".bin")}
    assert sum(once.values()) > 1000
    assert len(made.networks) == len(SIZES)
    scene = add_filters(bundle, [made])
    assert buffers(bundle) == {f"{BUFFERS}/{name}": size for name, size in once.items()}
    assert len([*bundle.glob("filter-*/program.json")]) == len(SIZES)
    for width, height in SIZES:
        filtering, files = read_filtering(bundle, scene, made.spec.name, (width, height))
        assert filtering.rung.render == (width, height)
        assert files == made.files(SIZES.index((width, height)))


def test_a_missing_buffer_is_named(bundle: Path, tmp_path: Path) -> None:
    scene = add_filters(bundle, [made_of(tmp_path)])
    (name,) = buffers(bundle)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: No such file"):
        read_filtering(bundle, scene, "local2", SIZES[0])


def test_the_page_finds_them(bundle: Path, tmp_path: Path) -> None:
    """Wherever they lie: bundles of before had them beside each program."""
    made = made_of(tmp_path)
    scene = add_filters(bundle, [made])
    (name,) = buffers(bundle)
    assert found_by_page(bundle, scene, made) == [name]
    old = made.spec.to_dict()
    del old["buffers"]
    scene = add_filters(bundle, [MadeFilter(FilterSpec.parse(old), made.contracts, made.networks)])
    assert len(buffers(bundle)) == len(SIZES)
    (mine,) = found_by_page(bundle, scene, made)
    assert mine == f"{made.spec.rungs[0].programs[0]}/{Path(name).name}"
    assert (bundle / mine).is_file()
    read_filtering(bundle, scene, "local2", SIZES[0])


@pytest.mark.parametrize("folder", ["..", "../other", "a/b", 0, []])
def test_buffers_lie_in_the_bundle(tmp_path: Path, folder: object) -> None:
    """scene.json is not trusted."""
    told = made_of(tmp_path, sizes=SIZES[:1]).spec.to_dict()
    with pytest.raises(BundleError, match="'buffers' must be"):
        FilterSpec.parse(told | {"buffers": folder})


def found_by_page(bundle: Path, scene: Scene, made: MadeFilter) -> list[str]:
    """Where the page fetches a filter's buffers, of its first size."""
    display = Display()
    assert "error" not in json.loads(display.open_scene(scene.to_json(), ADAPTER))
    (folder,) = made.spec.rungs[0].programs
    text = (bundle / folder / "program.json").read_text()
    shaders = made.networks[folder].shaders
    answer = json.loads(
        FilterHost(display).open_filter(
            "local2", 0, json.dumps([text]), json.dumps([shaders]), ADAPTER
        )
    )
    return [file for file in answer["files"].values() if file.startswith("filter-")]


def test_the_filters_of_before_go_with_their_buffers(bundle: Path, tmp_path: Path) -> None:
    """And nothing of them stays behind."""
    first, second = made_of(tmp_path), made_of(tmp_path, layers=3)
    add_filters(bundle, [first])
    (old,) = buffers(bundle)
    write_sibling(bundle / old)
    add_filters(bundle, [second])
    assert len(buffers(bundle)) == 1
    assert not (bundle / old).exists()
    assert {path.name for path in bundle.glob("filter-*")} == {BUFFERS, *second.networks}
    assert len([*(bundle / BUFFERS).iterdir()]) == 1
    add_filters(bundle, [])
    assert not [*bundle.glob("filter-*")]
    assert read_bundle(bundle)[0].filters == ()


def test_a_compressed_scene_is_written_anew(bundle: Path, tmp_path: Path) -> None:
    """A server sends it in place of scene.json: the page had the filters of before."""
    assert write_sibling(bundle / "scene.json") is not None
    add_filters(bundle, [made_of(tmp_path)])
    text = (bundle / "scene.json").read_bytes()
    assert b"local2" in text
    assert brotli.decompress((bundle / "scene.json.br").read_bytes()) == text


def test_one_that_is_not_compressed_stays_so(bundle: Path, tmp_path: Path) -> None:
    add_filters(bundle, [made_of(tmp_path)])
    assert not [*bundle.rglob("*.br")]


def test_a_program_takes_its_buffers_elsewhere(tmp_path: Path) -> None:
    """Written over one that had them inside, which go."""
    made = made_of(tmp_path, sizes=SIZES[:1])
    (network,) = made.networks.values()
    folder, shared = tmp_path / "program", tmp_path / "shared"
    write_program(folder, network.program, network.files)
    assert [*folder.glob("*.bin")]
    write_program(folder, network.program, network.files, buffers=shared)
    assert not [*folder.glob("*.bin")]
    assert read_program(folder, shared) == (network.program, dict(network.files))
    with pytest.raises(BundleError, match="No such file"):
        read_program(folder)
