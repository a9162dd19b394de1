"""Tint compiles each function of shaders/program; tests/pybuild/onnx asks naga, and for values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.page

FOLDER = Path(__file__).resolve().parents[2] / "shaders" / "program" / "functions"
HEAD = re.compile(r"^fn (\w+)\((.*)\) -> \w+ \{$", re.MULTILINE)
ORIGIN = "http://localhost:1/"
"""Nothing listens there: the test answers. WebGPU needs a trustworthy origin."""

COMPILE = """async (shaders) => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const said = [];
    device.onuncapturederror = ({ error }) => said.push(error.message);
    for (const [label, code] of Object.entries(shaders)) {
        const module = device.createShaderModule({ label, code });
        const { messages } = await module.getCompilationInfo();
        said.push(...messages.map((m) => `${label}:${m.lineNum}: ${m.type}: ${m.message}`));
        const compute = { module };
        await device.createComputePipelineAsync({ layout: 'auto', compute })
            .catch((error) => said.push(`${label}: ${error}`));
    }
    return said;
}"""


def shader_of(path: Path) -> str:
    """A kernel that calls every function of a file with what it reads."""
    text = path.read_text(encoding="utf-8")
    calls = []
    for name, given in HEAD.findall(text):
        types = [part.split(":")[1].strip() for part in given.split(",")]
        arguments = ", ".join(f"{kind}(seen[0])" for kind in types)
        calls.append(f"  sum += f32({name}({arguments}));")
    if not calls:  # variables alone
        calls = [f"  sum += bitcast<f32>({name});" for name in re.findall(r"(\w+_BITS):", text)]
    assert calls, path.name
    return "\n".join([
        "@group(0) @binding(0) var<storage, read_write> seen: array<f32>;",
        text,
        "@compute @workgroup_size(64) fn main() {",
        "  var sum = 0.0;",
        *calls,
        "  seen[0] = sum;",
        "}",
    ])  # fmt: skip


def test_tint_compiles_every_function(browser: Browser) -> None:
    """Without an error and without a warning."""
    shaders = {path.stem: shader_of(path) for path in sorted(FOLDER.glob("*.wgsl"))}
    assert len(shaders) > 10
    context = browser.new_context()
    page = context.new_page()
    page.route(f"{ORIGIN}**", lambda route: route.fulfill(body="<!doctype html>"))
    page.goto(ORIGIN)
    said = page.evaluate(COMPILE, shaders)
    context.close()
    assert not said, "\n".join(said)
