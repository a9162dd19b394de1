"""Tint compiles every shader and pipeline that a plan can hold, and lays structs out as we do.

tests/pyengine/test_shaders.py and test_structs.py ask naga the same.
"""

from __future__ import annotations

import json
import struct as binary
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from pyengine.hosts.page import Display
from pyengine.plan import ComputePipeline, Plan
from pyengine.structs import STRUCTS, Struct
from tests.pyengine.layouts import ELEMENTS, PROBED, count_of, filled, from_words, numbers, values
from tests.pyengine.layouts import probe as probe_text
from tests.pyengine.plans import every_pipeline, real_plans, scene_of

pytestmark = pytest.mark.page

WEB = Path(__file__).resolve().parents[2] / "web"
ORIGIN = "http://localhost:1/"
"""Nothing listens there: the test answers. WebGPU needs a trustworthy origin."""

LIMITS = {"maxBufferSize": 256 << 20, "maxStorageBufferBindingSize": 128 << 20}

COMPILE = """async ({plan, features}) => {
    const { Executor } = await import('/executor.mjs');
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice({ requiredFeatures: features });
    const errors = [];
    device.onuncapturederror = ({ error }) => errors.push(error.message);
    const said = [];
    const create = device.createShaderModule.bind(device);
    device.createShaderModule = (descriptor) => {
        const module = create(descriptor);
        said.push(module.getCompilationInfo().then(({ messages }) =>
            messages.map((m) => `${descriptor.label}:${m.lineNum}: ${m.type}: ${m.message}`)));
        return module;
    };
    const context = new OffscreenCanvas(8, 8).getContext('webgpu');
    const executor = new Executor(device, plan, context, navigator.gpu.getPreferredCanvasFormat());
    let done = 0;
    await executor.compile(() => { done += 1; }).catch((error) => errors.push(String(error)));
    errors.push(...(await Promise.all(said)).flat());
    return { errors, done, modules: said.length };
}"""
"""Through the executor of the page, so that what it adds to a shader is compiled too."""

PROBE = """async ({shaders, layouts}) => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const errors = [];
    device.onuncapturederror = ({ error }) => errors.push(error.message);
    const results = {};
    for (const [name, { offsets, types, size, values }] of Object.entries(layouts)) {
        const bytes = new ArrayBuffer(size * %ELEMENTS%);
        const view = new DataView(bytes);
        let next = 0;
        for (let element = 0; element < %ELEMENTS%; element++) {
            for (const [field, [setter, count]] of Object.entries(types)) {
                const at = element * size + offsets[field];
                for (let i = 0; i < count; i++) view[setter](at + 4 * i, values[next++], true);
            }
        }
        results[name] = { bytes: [...new Uint8Array(bytes)] };
        for (const space of ['storage', 'uniform']) {
            const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
            const source = device.createBuffer({ size: bytes.byteLength, usage });
            device.queue.writeBuffer(source, 0, bytes);
            const words = device.createBuffer({
                size: 4 * next, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
            const readable = device.createBuffer({
                size: 4 * next, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
            const module = device.createShaderModule({ code: shaders[name][space] });
            const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
            const entries = [source, words].map((buffer, binding) =>
                ({ binding, resource: { buffer } }));
            const layout = pipeline.getBindGroupLayout(0);
            const encoder = device.createCommandEncoder();
            const work = encoder.beginComputePass();
            work.setPipeline(pipeline);
            work.setBindGroup(0, device.createBindGroup({ layout, entries }));
            work.dispatchWorkgroups(1);
            work.end();
            encoder.copyBufferToBuffer(words, 0, readable, 0, 4 * next);
            device.queue.submit([encoder.finish()]);
            await readable.mapAsync(GPUMapMode.READ);
            results[name][space] = [...new Uint32Array(readable.getMappedRange())];
        }
    }
    return { errors, results };
}""".replace("%ELEMENTS%", str(ELEMENTS))


@pytest.fixture(scope="module")
def gpu_page(browser: Browser) -> Iterator[Page]:
    """One load of an empty page that may import the modules of web/."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(ORIGIN)
        if name:
            route.fulfill(path=WEB / name, content_type="text/javascript")
        else:
            route.fulfill(content_type="text/html", body="<!doctype html>")

    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.route(f"{ORIGIN}**", answer)
    page.goto(ORIGIN)
    yield page
    context.close()


def test_tint_compiles_every_pipeline(gpu_page: Page) -> None:
    """Without an error, and without a warning: Tint warns of what browsers will refuse next."""
    plan = every_pipeline([plan for _, plan in real_plans()])
    assert any(name in plan.subgroups for name in plan.shaders)
    result: dict[str, Any] = gpu_page.evaluate(
        COMPILE, {"plan": plan.to_dict(), "features": list(plan.features)}
    )
    assert not result["errors"], "\n".join(result["errors"])
    assert result["modules"] == len(plan.shaders)
    assert result["done"] == len(plan.compute) + len(plan.render)


def test_what_tint_refuses_is_noticed(gpu_page: Page) -> None:
    """The test above can fail: a barrier that not all lanes reach passes naga and not Tint."""
    shader = """
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {
          if (lane == 0u) { workgroupBarrier(); }
        }"""
    pipelines = (ComputePipeline("bad", "bad", ()),)
    plan = Plan((), (), {"bad": shader}, pipelines, (), {})
    result = gpu_page.evaluate(COMPILE, {"plan": plan.to_dict(), "features": []})
    assert any("bad:3: error: 'workgroupBarrier'" in error for error in result["errors"])


def test_python_javascript_and_tint_agree_on_structs(gpu_page: Page) -> None:
    """JavaScript fills buffers by the offsets that the page's host tells; a shader reads them."""
    told: dict[str, dict[str, int]] = json.loads(
        Display().open_scene(scene_of(1).to_json(), json.dumps({"limits": LIMITS}))
    )["structs"]
    assert told.keys() == STRUCTS.keys()
    layouts = {
        struct.name: {
            "offsets": told.get(struct.name, struct.offsets),
            "types": {field.name: setter_of(field.type) for field in struct.fields},
            "size": struct.size_bytes,
            "values": values(struct),
        }
        for struct in PROBED
    }
    shaders = {
        struct.name: {space: probe_text(struct, space) for space in ("storage", "uniform")}
        for struct in PROBED
    }
    answer = gpu_page.evaluate(PROBE, {"shaders": shaders, "layouts": layouts})
    assert not answer["errors"], "\n".join(answer["errors"])
    for struct in PROBED:
        result = answer["results"][struct.name]
        assert bytes(result["bytes"]) == filled(struct), struct.name
        assert from_words(struct, result["storage"]) == values(struct), struct.name
        first = numbers(struct)
        assert from_words(struct, result["uniform"])[:first] == values(struct)[:first], struct.name


def setter_of(wgsl_type: str) -> tuple[str, int]:
    """How a DataView writes a field's numbers, and how many there are."""
    scalar = Struct("S", "", [("f", wgsl_type, "")])
    sample = bytearray(scalar.size_bytes)
    scalar.pack_into(sample, "f", *[1] * count_of(wgsl_type))
    is_float = binary.unpack_from("<f", sample)[0] == 1.0
    return ("setFloat32" if is_float else "setInt32"), count_of(wgsl_type)
