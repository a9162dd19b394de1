"""The element, `vitrine.Scene` and the notebook's widget have the same names, but for a table.

The table is docs/python.md's; the element's members are those of its TypeScript declarations.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import vitrine
from vitrine.staged import EVENTS

ROOT = Path(__file__).resolve().parents[2]
WIDGETS_OWN = {"fly_to", "on_event", "inputs", "close"}
"""Of the widget alone: older than the common names, or of every widget."""


def snake(name: str) -> str:
    """``setInput`` as Python has it."""
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def declared() -> tuple[set[str], set[str]]:
    """Members and events of the element."""
    text = (ROOT / "web/types/vitrine-view.d.mts").read_text(encoding="utf-8")
    body = text[text.index("class VitrineView") :]
    body = body[: body.index("\n}\n")]
    pattern = r"^  (?:readonly |get |set )?(\w+)(?:<|\(|:)"
    block = text[text.index("interface ViewEvents") :]
    events = re.findall(r'^  "?([\w-]+)"?:', block[: block.index("}\n\n")], re.MULTILINE)
    return set(re.findall(pattern, body, re.MULTILINE)), set(events)


def tabled(heading: str) -> set[str]:
    """Names in the first column of a table of docs/python.md; those of events begin so."""
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    part = text[text.index(f"| {heading} |") :]
    names: set[str] = set()
    for line in part[: part.index("\n\n")].splitlines()[2:]:
        _, first, reason, _ = line.split("|")
        assert reason.strip(), line
        names |= {kind + name for kind, name in re.findall(r"(event )?`([\w-]+)`", first)}
    return names


def members(kind: type) -> set[str]:
    """Public names that a class of ours declares."""
    own = [base for base in kind.__mro__ if base.__module__.startswith("vitrine.")]
    return {name for base in own for name in vars(base) if not name.startswith("_")}


def test_every_member_of_the_element_has_its_twin_or_a_reason() -> None:
    """And nothing has both; what the element does not have is told too."""
    named, events = declared()
    left_out = tabled("element")
    twins = {snake(name) for name in named - left_out}
    assert twins | tabled("only in Python") == members(vitrine.Scene)
    assert not twins & tabled("only in Python")
    assert left_out <= named | {f"event {name}" for name in events}
    assert {name for name in events if f"event {name}" not in left_out} == set(EVENTS)


def test_every_public_member_is_documented() -> None:
    """With a docstring of its own class."""
    for name in members(vitrine.Scene) | set(vitrine.__all__):
        holder = vitrine.Scene if name in members(vitrine.Scene) else vitrine
        assert inspect.getdoc(getattr(holder, name)), name


def test_the_widget_agrees() -> None:
    """A method or a property of both takes the same by the same names; it may take less."""
    pytest.importorskip("anywidget", reason="anywidget is not installed: pip install '.[notebook]'")
    import traitlets

    from vitrine.widget import SceneWidget

    own = {
        name
        for name, value in vars(SceneWidget).items()
        if not name.startswith("_") and not isinstance(value, traitlets.TraitType)
    }
    assert own - members(vitrine.Scene) == WIDGETS_OWN
    common = own & members(vitrine.Scene)
    assert {"set_camera", "set_input", "set_look", "set_filter", "screenshot", "on"} <= common
    for name in common:
        ours, scenes = getattr(SceneWidget, name), getattr(vitrine.Scene, name)
        if isinstance(ours, property):
            assert isinstance(scenes, property), name
            continue
        taken = inspect.signature(ours).parameters
        wanted = inspect.signature(scenes).parameters
        assert [key for key in wanted if key in taken] == list(taken), name
        for key, parameter in taken.items():
            assert parameter.default == wanted[key].default, f"{name}: {key}"
            assert parameter.kind == wanted[key].kind, f"{name}: {key}"


def test_types_are_shipped() -> None:
    """Whoever installs the packages has their types: the API's own speak of the others'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["*"]
    for package in ("pyengine", "pybuild", "vitrine"):
        assert (ROOT / package / "py.typed").is_file()


def test_load_and_show_take_the_same_options() -> None:
    """The options of ``vitrine build``, by the same names."""
    pytest.importorskip("anywidget", reason="anywidget is not installed: pip install '.[notebook]'")
    from vitrine import widget

    load = set(inspect.signature(vitrine.load).parameters)
    show = set(inspect.signature(widget.show).parameters)
    assert load - {"size"} == show - {"height", "traits"}
