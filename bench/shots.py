"""What docs/gallery.md shows: which demo, what is done to it first, on which devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pybuild.demos import read_demos

__all__ = ["CLEAN", "DEVICES", "LIMIT_BYTES", "OPEN", "SHOTS", "TABLE", "Device", "Shot"]

TABLE = Path(__file__).resolve().parents[1] / "assets" / "demos.toml"
LIMIT_BYTES = 2_500_000
"""Of all pictures of docs/images together: a clone takes them along."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a visitor holds.

    Attributes
    ----------
    width, height : int
        Of the page, CSS pixels.
    ratio : int
        Pixels of the screen in one of them, along a side.
    touch : bool
    """

    name: str
    width: int
    height: int
    ratio: int
    touch: bool

    @property
    def size_px(self) -> tuple[int, int]:
        """Of a picture."""
        return self.width * self.ratio, self.height * self.ratio


DEVICES = (Device("desktop", 1280, 800, 1, touch=False), Device("phone", 390, 844, 2, touch=True))


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture.

    Attributes
    ----------
    name : str
        Begins the names of its files.
    demo : str
        Which one; empty for the gallery itself.
    steps : str
        JavaScript: what is done before it. ``view``, ``part``, ``press`` and ``shown`` are those
        of `OPEN`. Shots of one demo follow each other, and each begins where the last has ended.
    """

    name: str
    demo: str
    steps: str = ""


CLEAN = """
.ring, .hint { display: none !important }
.root.idle :is(.toolbar, .player) { opacity: 1 !important }
"""
"""A style for the time of a picture: nothing has the focus, and the controls do not fade."""

OPEN = """
if (!view) {
    const seen = (image) => image.getBoundingClientRect().top < innerHeight;
    await Promise.all([...document.images].filter(seen).map((image) => image.decode()));
    return;
}
await customElements.whenDefined("vitrine-view");
window.part = (selector) => view.shadowRoot.querySelector(selector);
window.press = (label) => {
    const button = part(`button[aria-label="${label}"]`);
    if (!button || button.hidden) throw new Error(`there is no button ${label}`);
    button.click();
};
window.shown = async () => {
    await view.settled();
    view.shadowRoot.activeElement?.blur();
};
window.until = async (test) => {
    while (!test()) await new Promise((next) => setTimeout(next, 20));
};
await view.ready;
await shown();
await until(() => getComputedStyle(part(".poster")).visibility === "hidden");
"""
"""What every page begins with: the demo is on screen, and what is done to it has names."""

AT = "view.seek({time}); await shown();"
STEPPED = "view.play(); await until(() => view.time >= {time}); view.pause(); await shown();"
"""A state is where its steps have led: it is played until then."""

VIEW_PANEL = """
press("View"); await shown();
"""
STATISTICS = """
press("View"); press("Frame times");
for (const x of [0.861, 0.862, 0.86]) {
    await view.setCamera({ eye: [x, -0.56, -2.95] });
    await shown();
}
await until(() => part(".stats dd[data-row=fps]").textContent === "still");
"""
HELP = """
press("Frame times"); press("Controls"); await shown();
"""
MODE = """
press("Controls");
view.mode = "normals";
if (innerWidth >= 640) press("View"); // on a phone it covers all
await shown();
"""
INPUTS = """
await view.setInput("arms", 0.7); await view.setInput("head", 0.4);
if (part(".dials").hidden) press("Inputs");
await shown();
"""
OBJECTS = """
press("View"); view.select("bell jar"); await shown();
"""
SPLIT = """
if (part(".dials").hidden) press("Inputs");
const buttons = [...view.shadowRoot.querySelectorAll("button")];
buttons.find(({ textContent }) => textContent === "Before | after").click();
await shown();
"""
UI = {
    "bell-jar": (
        ("ui-view", VIEW_PANEL),
        ("ui-statistics", STATISTICS),
        ("ui-help", HELP),
        ("ui-mode", MODE),
    ),
    "objects": (("ui-objects", OBJECTS),),
    "walker": (("ui-inputs", INPUTS),),
    "painted": (("ui-filter", SPLIT),),
}
"""Pictures of the controls, each after that of the demo in which they are."""
STATES = ("cloth", "pond")


def _shots() -> tuple[Shot, ...]:
    found = [Shot("gallery", "")]
    for demo in read_demos(TABLE):
        time_s = demo.options.generator.time_s
        template = STEPPED if demo.name in STATES else AT
        steps = template.format(time=time_s) if time_s else ""
        found.append(Shot(demo.name, demo.name, steps))
        found += [Shot(name, demo.name, lines) for name, lines in UI.get(demo.name, ())]
    return tuple(found)


SHOTS = _shots()
