"""The notebook's widget on Python's side, with a comm that only listens."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vitrine
from pybuild import poster
from pyengine.errors import DeviceError, InputError
from vitrine import files

pytest.importorskip("anywidget", reason="anywidget is not installed: pip install '.[notebook]'")


class Comm:
    """Stands in for a notebook's: keeps what is sent."""

    comm_id = "a"
    kernel = "a kernel"

    def __init__(self, **_: Any) -> None:
        self.messages: list[tuple[dict[str, Any], list[Any]]] = []

    def open(self, **_: Any) -> None:
        """Nothing to do."""

    def on_msg(self, listen: Any) -> None:
        """What the page says goes to ``listen``."""
        self.listen = listen

    def on_close(self, listen: Any) -> None:
        """Never closed from outside."""

    def send(self, data: dict[str, Any], metadata: Any = None, buffers: Any = None) -> None:
        """To the page."""
        self.messages.append((data, list(buffers or [])))

    def close(self, *_: Any, **__: Any) -> None:
        """Nothing to do."""

    def say(self, data: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """From the page."""
        self.listen({"content": {"data": data}, "buffers": buffers or []})

    def custom(self) -> list[tuple[dict[str, Any], list[Any]]]:
        """Messages that are not of traits."""
        return [(d["content"], b) for d, b in self.messages if d.get("method") == "custom"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, no network: a small poster, and an engine of two files."""

    def no_adapter(*_: object) -> None:
        raise DeviceError("no WebGPU adapter")

    monkeypatch.setattr(poster, "render", no_adapter)
    monkeypatch.setattr(poster, "ORACLE_SIZE", (32, 18))

    def write(folder: Path, notices: list[str]) -> bool:
        (folder / "vitrine").mkdir()
        (folder / "vitrine/worker.mjs").write_text("self.x = 1;\n" * 100)
        return True

    monkeypatch.setattr(files, "write_held_engine", write)
    files.engine.cache_clear()


@pytest.fixture
def scene(scene_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A widget of the cloud, whose comm is `Comm`."""
    import comm

    monkeypatch.setattr(comm, "create_comm", Comm)
    made = vitrine.show(str(scene_file), height=300, inputs={"lift": 0.5})
    yield made
    made.close()


def test_what_the_page_is_given(scene: Any) -> None:
    """The traits of the start, and a script that imports nothing."""
    state = scene.get_state()
    assert state["height"] == 300
    assert state["label"] == "cloud"
    assert state["_inputs"] == {"lift": 0.5}
    assert state["_engine"].startswith("engine-")
    assert "import {" not in state["_esm"]
    assert "export default" in state["_esm"]


def file_of(comm: Comm, number: int) -> bytes:
    """What was sent for a request."""
    parts = [(d, b) for d, b in comm.custom() if d.get("id") == number]
    assert [d["last"] for d, _ in parts] == [False] * (len(parts) - 1) + [True]
    data = b"".join(bytes(piece) for _, buffers in parts for piece in buffers)
    return gzip.decompress(data) if parts[0][0]["packing"] == "gzip" else data


def test_files_are_sent_when_they_are_asked_for(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces; of the scene and of the engine, and of nothing else."""
    monkeypatch.setattr(files, "PIECE_BYTES", 100)
    assert scene.comm.custom() == []

    def ask(number: int, path: str) -> None:
        content = {"kind": "file", "id": number, "path": path}
        scene.comm.say({"method": "custom", "content": content})

    root = Path(scene._folder.name)
    ask(1, "scene/scene.json")
    assert file_of(scene.comm, 1) == (root / "scene/scene.json").read_bytes()
    assert sum(d["id"] == 1 for d, _ in scene.comm.custom()) > 1
    ask(2, "vitrine/worker.mjs")
    assert file_of(scene.comm, 2) == b"self.x = 1;\n" * 100
    (root.parent / "secret").write_text("x")
    for number, path in enumerate(("scene/no.bin", "scene/../../secret", "/etc/passwd"), 3):
        ask(number, path)
        (told,) = [d for d, _ in scene.comm.custom() if d["id"] == number]
        assert "is not here" in told["error"]
    (root.parent / "secret").unlink()


def test_inputs_are_a_dictionary_that_tells(scene: Any) -> None:
    """Numbers and arrays; what is no number is refused and changes nothing."""
    scene.inputs["lift"] = 0.7
    scene.inputs["pose"] = np.arange(3)
    state = [
        d["state"]["_inputs"] for d, _ in scene.comm.messages if "_inputs" in d.get("state", {})
    ]
    assert state[0] == {"lift": 0.7}
    assert scene.inputs["lift"] == 0.7
    np.testing.assert_array_equal(scene.inputs["pose"], [0, 1, 2])
    assert sorted(scene.inputs) == ["lift", "pose"]
    for wrong in ("high", float("nan"), [1, None]):
        with pytest.raises(ValueError, match="lift"):
            scene.inputs["lift"] = wrong
    assert scene.inputs["lift"] == 0.7
    del scene.inputs["lift"]
    assert list(scene.inputs) == ["pose"]
    scene.inputs = {"lift": 0.1}
    assert dict(scene.inputs) == {"lift": 0.1}


def test_what_the_visitor_does_is_observed(scene: Any) -> None:
    """Traits change, and events arrive by name."""
    seen: list[Any] = []
    scene.observe(lambda change: seen.append(change["new"]), "time")
    events: list[Any] = []
    scene.on_event(lambda name, detail: events.append((name, detail)))
    scene.comm.say(
        {"method": "update", "state": {"time": 1.5, "playing": True}, "buffer_paths": []}
    )
    assert seen == [1.5]
    assert scene.playing
    content = {"kind": "event", "name": "error", "detail": {"code": "input", "message": "no"}}
    scene.comm.say({"method": "custom", "content": content})
    assert events == [("error", {"code": "input", "message": "no"})]


def test_commands(scene: Any, tmp_path: Path) -> None:
    """Each is one message; a picture is a promise, and a file where one is named."""
    scene.play()
    assert scene.comm.messages[-1][0]["state"] == {"playing": True}
    scene.seek(2)
    scene.fly_to(eye=(0, 0, -3), seconds=2)
    said = [d for d, _ in scene.comm.custom()]
    assert [(d["command"], d["given"]) for d in said] == [
        ("seek", {"seconds": 2.0}),
        ("camera", {"eye": [0, 0, -3], "seconds": 2}),
    ]
    picture = scene.screenshot(tmp_path / "shot.png", width=64)
    asked = scene.comm.custom()[-1][0]
    assert asked["given"] == {"width": 64}
    assert not picture.done()
    scene.comm.say({"method": "custom", "content": {"kind": "done", "id": asked["id"]}}, [b"PNG"])
    assert picture.result(timeout=0) == b"PNG"
    assert (tmp_path / "shot.png").read_bytes() == b"PNG"
    lost = scene.screenshot()
    answer = {"kind": "done", "id": scene.comm.custom()[-1][0]["id"], "error": "no GPU"}
    scene.comm.say({"method": "custom", "content": answer})
    with pytest.raises(RuntimeError, match="no GPU"):
        lost.result(timeout=0)


def test_names_of_scenes_in_scripts(scene: Any) -> None:
    """They do what the traits do."""
    scene.set_camera(target=np.zeros(3), fov=40)
    said = scene.comm.custom()[-1][0]
    assert (said["command"], said["given"]) == (
        "camera",
        {"target": [0, 0, 0], "fov": 40, "seconds": 0},
    )
    scene.set_mode("fly")
    scene.set_look(background=np.array([0, 0, 1]), splat_scale=2)
    scene.set_look(splat_scale=None)
    scene.set_filter("candy", strength=0.5)
    scene.set_input("pose", [1, 2])
    assert (scene.mode, scene.look) == ("fly", {"background": [0, 0, 1]})
    assert (scene.filter, scene.strength, scene.split) == ("candy", 0.5, None)
    assert sorted(scene.inputs) == ["lift", "pose"]
    scene.set_input("pose", None)
    scene.set_input("never set", None)
    assert list(scene.inputs) == ["lift"]
    scene.set_filter(None)
    assert scene.filter == ""
    with pytest.raises(InputError, match="unknown key 'sh'"):
        scene.set_look(sh=1)
    with pytest.raises(InputError, match="event 'paused': wanted one of ready, play, pause"):
        scene.on("paused", print)
    heard: list[Any] = []
    off = scene.on("pause", heard.append)
    content = {"kind": "event", "name": "pause", "detail": {"time": 1}}
    scene.comm.say({"method": "custom", "content": content})
    off()
    scene.comm.say({"method": "custom", "content": content})
    assert heard == [{"time": 1}]
    assert scene.paused
    folder = Path(scene._folder.name)
    scene.dispose()
    assert not folder.exists()


def test_closing_removes_the_files(scene: Any) -> None:
    """And whoever waits for a picture is told."""
    folder = Path(scene._folder.name)
    picture = scene.screenshot()
    assert folder.is_dir()
    scene.close()
    assert not folder.exists()
    assert picture.cancelled()


def test_what_cannot_be_shown(scene_file: Path, cloud: Any) -> None:
    """Errors say what is wanted."""
    with pytest.raises(InputError, match="nothing to show"):
        vitrine.show()
    with pytest.raises(InputError, match="no such file; this process works in"):
        vitrine.show("nothing.ply")
    with pytest.raises(InputError, match=r"several scenes are given as files.*got Gaussians, str"):
        vitrine.show(cloud, str(scene_file))
    with pytest.raises(ValueError, match="lift"):
        vitrine.show(str(scene_file), inputs={"lift": [1, None]})


def test_without_anywidget_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: the command needs none of it."""
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "vitrine.widget", raising=False)
    monkeypatch.delattr(vitrine, "widget", raising=False)
    with pytest.raises(ImportError, match="pip install anywidget"):
        vitrine.show("scene.ply")
