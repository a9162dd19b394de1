"""Several files to a bundle: what is in it, what is refused, what the command line says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pybuild import formats
from pybuild.assembling import assemble_scene, write_assembled
from pybuild.bundle import read_bundle
from pybuild.cli import main
from pybuild.composing import Part, compose
from pybuild.gaussians import Gaussians
from pybuild.networks import read_network
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.pack import pack
from pybuild.reference import Ellipsoids
from pybuild.reference import render as oracle
from pybuild.scene_file import read_scene_file, source_of
from pyengine.bundle import Scene
from pyengine.errors import InputError
from pyengine.object_spec import UNMOVED, Placement
from pyengine.structs import ChunkBox
from pyengine.view import WORLD_UP, View
from tests.pybuild.generators.small_generators import row


@pytest.fixture
def folder(cloud: Gaussians, tmp_path: Path) -> Path:
    """Two clouds of unlike degree, a generator and a scene.toml of all."""
    import onnx

    formats.write(tmp_path / "a.ply", cloud)
    formats.write(tmp_path / "b.ply", cloud.take(np.arange(300)).with_sh_degree(0))
    onnx.save(row(bounds=((-1, 0, 0), (1, 0, 0))), str(tmp_path / "gen.onnx"))
    (tmp_path / "scene.toml").write_text(
        """
        [[object]]
        file = "gen.onnx"
        position = [0, -1.5, 0]
        [[object]]
        file = "a.ply"
        [[object]]
        file = "b.ply"
        name = "second"
        position = [0, 2, 0]
        scale = 0.5
        """,
        encoding="utf-8",
    )
    return tmp_path


def test_buffers_one_after_the_other(cloud: Gaussians) -> None:
    """Each as it is packed alone; a chunk tells whose it is, and SH have the words of their own."""
    clouds = [cloud, cloud.take(np.arange(10)).with_sh_degree(0), cloud.take(np.arange(400))]
    made = compose([Part(str(i), "x.ply", c) for i, c in enumerate(clouds)])
    alone = [pack(c) for c in clouds]
    assert [item.chunks for item in made.scene.objects] == [(0, 3), (3, 1), (4, 2)]
    boxes = np.frombuffer(made.buffers["chunks"], np.float32).reshape(-1, 16)
    whose = ChunkBox.offsets["color_step"] // 4 + 3
    assert boxes[:, whose].tolist() == [0, 0, 0, 1, 2, 2]
    wanted = np.concatenate([packed.chunks for packed in alone])
    np.testing.assert_array_equal(np.delete(boxes, whose, 1), np.delete(wanted, whose, 1))
    for name in ("geometry", "color", "sh"):
        joined = b"".join(getattr(packed, name).tobytes() for packed in alone)
        assert made.buffers[name] == joined
    assert made.scene.sh_degree == 1
    assert made.scene.count == 1110


def test_objects_of_one_file_share_its_gaussians(cloud: Gaussians) -> None:
    """Only the chunks' boxes are there for each."""
    other = cloud.take(np.arange(300)).with_sh_degree(0)
    made = compose([Part(str(i), "x.ply", c) for i, c in enumerate((cloud, other, cloud, other))])
    assert [item.chunks for item in made.scene.objects] == [(0, 3), (3, 2), (5, 3), (8, 2)]
    assert [item.data for item in made.scene.objects] == [0, 3, 0, 3]
    twice = compose([Part("a", "x.ply", cloud), Part("b", "x.ply", other)])
    for name in ("geometry", "color", "sh"):
        assert made.buffers[name] == twice.buffers[name]
    sizes = {name: len(data) for name, data in made.buffers.items()}
    assert made.scene.expected_sizes() == sizes
    assert sizes["chunks"] == 10 * ChunkBox.size_bytes


def test_bounds_and_pose_are_of_what_can_be_seen(cloud: Gaussians) -> None:
    """Where it stands: the first view moves with an object, and passes a hidden one over."""
    there = Placement(position=(50.0, 0.0, 0.0))
    one = compose([Part("a", "a.ply", cloud, there)]).scene
    wanted = cloud.positions.min(axis=0) + np.array([50, 0, 0])
    np.testing.assert_allclose(one.bounds[0], wanted, rtol=1e-6)
    assert abs(one.pose.target[0] - 50) < 1
    hidden = Part("b", "b.ply", cloud, replace(UNMOVED, visible=False))
    both = compose([Part("a", "a.ply", cloud, there), hidden]).scene
    assert (both.bounds, both.pose) == (one.bounds, one.pose)
    assert compose([hidden]).scene.pose.fov_deg == one.pose.fov_deg


def test_objects_trained_with_the_mip_filter_and_without(cloud: Gaussians) -> None:
    """Each says so where they differ; the scene says it where they are alike."""
    parts = [
        Part("a", "one/a.ply", cloud),
        Part("b", "two/b.ply", replace(cloud, antialiased=True)),
    ]
    scene = compose(parts).scene
    assert not scene.antialiased
    assert [item.antialiased for item in scene.objects] == [False, True]
    assert Scene.from_json(scene.to_json()).objects == scene.objects
    alike = compose(parts[1:]).scene
    assert alike.antialiased
    assert not alike.objects[0].antialiased
    assert "antialiased" not in alike.objects[0].to_dict()


def test_the_oracles_tint_and_move(cloud: Gaussians) -> None:
    """Dyed is the picture times the tint, for colours and for SH; joined is what both are."""
    view = View.look_at((1.0, -1.5, -3.5), (0.0, 0.0, 0.0), WORLD_UP, 50, 40, 30)
    plain = Ellipsoids.of_cloud(cloud)
    picture = oracle(plain, view)
    np.testing.assert_allclose(picture, oracle(cloud, view), atol=1e-12)
    np.testing.assert_allclose(oracle(plain.dyed(1, (2, 0.5, 1)), view), picture * (2, 0.5, 1))
    flat = replace(plain, shade=np.full((cloud.count, 3), 0.5))
    mixed = Ellipsoids.joined([plain.take(np.arange(350)), flat.take(np.arange(350, 700))])
    assert mixed.shade.shape == (700, 4, 3)
    only = Ellipsoids.joined([flat.take(np.arange(350)), flat.take(np.arange(350, 700))])
    np.testing.assert_array_equal(oracle(only, view), oracle(flat, view))
    back = mixed.take(np.arange(350, 700))
    np.testing.assert_allclose(
        oracle(back, view), oracle(flat.take(np.arange(350, 700)), view), atol=1e-12
    )


def test_a_bundle_there_and_back(folder: Path) -> None:
    """The generator is the last object; a second build removes what the first one left."""
    source = read_scene_file(folder / "scene.toml")
    np.save(folder / "lift.npy", np.zeros((4, 1), np.float32))
    tracks = GeneratorOptions(tracks=(f"lift={folder / 'lift.npy'}@10",))
    made = assemble_scene(source, BuildOptions(generator=tracks))
    write_assembled(made, folder / "out")
    scene, load = read_bundle(folder / "out")
    assert [item.name for item in scene.objects] == ["a", "second", "gen"]
    assert [item.is_generator for item in scene.objects] == [False, False, True]
    assert scene.objects == made.scene.objects
    assert all(load(name) == data for name, data in made.composed.buffers.items())
    assert scene.generator is not None
    assert (folder / "out" / scene.generator.program / "program.json").is_file()
    network = read_network(folder / "out", scene)
    assert network is not None
    assert len(network.tracks["lift"]) == 16
    again = assemble_scene(source_of([folder / "a.ply", folder / "a.ply"]))  # type: ignore[arg-type]
    write_assembled(again, folder / "out")
    scene, load = read_bundle(folder / "out")
    assert [item.name for item in scene.objects] == ["a", "a-2"]
    assert {b.file for b in scene.buffers.values()} == {
        p.name for p in (folder / "out").glob("*.bin")
    }


def test_options(folder: Path) -> None:
    """The camera and the background; a slider only where there is a generator."""
    source = read_scene_file(folder / "scene.toml")
    options = BuildOptions(eye=(0, 0, -9), fov_deg=33, background=(0.1, 0.2, 0.3))
    scene = assemble_scene(source, options).scene
    assert (scene.pose.eye, scene.pose.fov_deg) == ((0, 0, -9), 33)
    assert scene.background == (0.1, 0.2, 0.3)
    files = source_of([folder / "a.ply", folder / "b.ply"])
    with pytest.raises(InputError, match="none of its objects is a generator; leave out --set"):
        assemble_scene(files, BuildOptions(generator=GeneratorOptions(settings=("a=1",))))  # type: ignore[arg-type]


def test_the_command_line(adapter: object, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Draw and inspect a scene.toml, draw several files, one line for a fault."""
    out, scene = folder / "out.png", str(folder / "scene.toml")
    assert main(["render", scene, "-o", str(out), "--size", "96x64"]) == 0
    assert np.asarray(Image.open(out)).max() > 100
    assert "1,020 Gaussians" in capfd.readouterr().out
    files = [str(folder / name) for name in ("a.ply", "b.ply")]
    assert main(["render", *files, "-o", str(out), "--size", "96x64"]) == 0
    assert "1,000 Gaussians" in capfd.readouterr().out
    assert main(["inspect", scene, "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert [item["name"] for item in facts["objects"]] == ["a", "second", "gen"]
    assert main(["inspect", scene]) == 0
    assert "second" in capfd.readouterr().out
    (folder / "scene.toml").write_text('[[object]]\nfile = "a.ply"\nscael = 2\n')
    assert main(["build", scene, "-o", str(folder / "site")]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "scene.toml: object 1 ('a'): unknown key 'scael'; did you mean 'scale'?" in err
    assert not (folder / "site").exists()
