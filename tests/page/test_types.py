"""The element's TypeScript declarations: the element's, the documentation's, and the site's.

A member that is missing in one of the three, or of another type, is named.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pybuild.site import write_engine

ROOT = Path(__file__).resolve().parents[2]
DECLARED = ROOT / "web" / "types" / "vitrine-view.d.mts"
TSC = ROOT / "node_modules" / ".bin" / "tsc"
STRICT = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext"]
STRICT += ["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"]
INTERNAL = "connectedCallback|disconnectedCallback|attributeChangedCallback|upgradeProperties"
HELD_TOGETHER = """
import type { VitrineView as Told } from "WEB/types/vitrine-view.d.mts";
import type { VitrineView as Real } from "WEB/vitrine-view.mjs";

type Own<T> = Exclude<keyof T, keyof HTMLElement | symbol | INTERNAL>;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Call<T> = T extends (...given: infer Given) => infer Got ? { given: Given; got: Got } : T;
type Other = {
  [K in Own<Told> & Own<Real>]: K extends "on" ? never
    : Same<Call<Told[K]>, Call<Real[K]>> extends true ? never : K;
}[Own<Told> & Own<Real>];

export const undeclared: Record<Exclude<Own<Real>, Own<Told>>, string> = {};
export const gone: Record<Exclude<Own<Told>, Own<Real>>, string> = {};
export const ofAnotherType: Record<Other, string> = {};
"""
"""Each constant lacks the members that are wrong, and the compiler names them."""


def compiled(folder: Path, text: str, *options: str) -> str:
    """What tsc says of a program; empty when it has no objection."""
    assert TSC.is_file(), "typescript is missing: make node_modules/.installed"
    source = folder / "program.mts"
    source.write_text(text, encoding="utf-8")
    command = [str(TSC), *STRICT, *options, str(source)]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def members(text: str) -> dict[str, str]:
    """Members of the declared class: how each is used in a program, by its name."""
    body = text[text.index("class VitrineView") :]
    body = body[: body.index("\n}\n")]
    found = {}
    pattern = r"^  (?:readonly |get |set )?(\w+)(<|\(|:)"
    for name, mark in re.findall(pattern, body, re.MULTILINE):
        found[name] = "method" if mark == "<" or f"  {name}(" in body else "property"
    return found


def documented() -> set[str]:
    """Names in the tables of docs/embedding.md: properties of attributes, and members."""
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    names: set[str] = set()
    for title, column in (("Attributes", 1), ("Methods and promises", 0)):
        part = text[text.index(f"## {title}\n") :]
        part = part[: part.index("\n## ", 4)]
        for row in re.findall(r"^\| (`.*) \|$", part, re.MULTILINE):
            cells = row.split("|")
            names |= set(re.findall(r"`(\w+)[`(]", cells[column]))
    return names


def test_declared_and_documented_are_the_same() -> None:
    """Each member once more in prose; in the table of attributes or in that of members."""
    declared = set(members(DECLARED.read_text(encoding="utf-8")))
    assert declared == documented()


def test_events_are_declared_as_documented() -> None:
    """Names in the table of events, and those that `on` takes."""
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    part = text[text.index("| event | `detail` |") :]
    rows = re.findall(r"^\| (`[^|]*)\|", part[: part.index("\n\n")], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    declared = DECLARED.read_text(encoding="utf-8")
    block = declared[declared.index("interface ViewEvents") :]
    assert set(re.findall(r'^  "?([\w-]+)"?:', block[: block.index("}\n\n")], re.MULTILINE)) == told


def test_declared_and_real_are_the_same(tmp_path: Path) -> None:
    """The compiler compares the declarations with the element itself, whose JSDoc has types too."""
    text = HELD_TOGETHER.replace("WEB", str(ROOT / "web"))
    text = text.replace("INTERNAL", INTERNAL.replace("|", '" | "').join('""'))
    options = ["--allowJs", "--skipLibCheck", "--allowImportingTsExtensions"]
    types = str(ROOT / "node_modules" / "@webgpu")
    assert compiled(tmp_path, text, *options, "--typeRoots", types, "--types", "types") == ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``vitrine/`` of a site."""
    folder = tmp_path_factory.mktemp("types") / "vitrine"
    write_engine(folder, False, [])
    return folder


def test_a_program_compiles_against_a_site(site: Path) -> None:
    """The declarations lie beside the module; every member is used, and a wrong use is refused."""
    text = (site / "vitrine-view.d.mts").read_text(encoding="utf-8")
    assert text == DECLARED.read_text(encoding="utf-8")
    uses = "\n".join(f"use(view.{name});" for name in members(text))
    program = f"""
import "./vitrine/vitrine-view.mjs";
const view = document.querySelector("vitrine-view")!;
const use = (_: unknown) => {{}};
{uses}
const off = view.on("frame", ({{ cpuMs }}) => use(cpuMs.toFixed(1)));
off();
view.on("error", ({{ code }}) => use(code === "limits"));
view.addEventListener("pick", ({{ detail }}) => use(detail?.position));
view.addEventListener("error", ({{ detail }}) => use(detail.code), {{ once: true }});
view.addEventListener("click", ({{ clientX }}) => use(clientX));
view.addEventListener("vitrine", use);
const {{ count, gpuBytes }} = await view.load("scene/scene.json");
await view.setCamera({{ eye: [0, -1, -4], fov: 50 }}, {{ seconds: 2 }});
await view.setLook({{ background: "#202830" }});
await view.setInput("lift", new Float32Array(3));
view.seek(1.5);
const picture: Blob = await view.screenshot({{ width: 7680, transparent: true }});
use([count, gpuBytes, picture]);
view.dispose();
"""
    assert compiled(site.parent, program) == ""
    wrong = program.replace("view.seek(1.5)", 'view.seek("end")')
    assert "TS2345" in compiled(site.parent, wrong)
    wrong = program.replace("detail.code", "detail.number")
    assert "detail.number" in wrong
    assert compiled(site.parent, wrong) != ""
