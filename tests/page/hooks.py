"""What tests see inside of the page's worker: Python, calls to WebGPU, and its errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, Route

from pybuild.site import WEB_FOLDER

__all__ = ["DISPLAY", "DISPLAYS", "ENTRIES", "PROFILE", "counts", "install", "python"]

WORKER = """
import { openDevice } from './loading.mjs';
{
const describe = openDevice.describe;
openDevice.describe = (adapter) => ({ ...describe(adapter), ...%OVERRIDE% });

const test = self.test = { python: null, errors: [], counts: {}, devices: 0 };
const count = (Class, name) => {
  const call = Class.prototype[name];
  Class.prototype[name] = function (...rest) {
    test.counts[name] = (test.counts[name] ?? 0) + 1;
    return call.apply(this, rest);
  };
};
for (const Class of [GPUDevice, GPUBuffer, GPUQueue, GPUTexture]) {
  for (const name of Object.getOwnPropertyNames(Class.prototype)) {
    if (/^(create|mapAsync|submit|writeBuffer|destroy)/.test(name)) count(Class, name);
  }
}
const requestDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...rest) {
  const device = await requestDevice.apply(this, rest);
  test.devices += 1;
  device.addEventListener('uncapturederror', ({ error }) => test.errors.push(error.message));
  return device;
};
}
"""
"""Before the worker's own text: counts the calls to WebGPU from outside of the modules that make
them."""

PYODIDE = """
import * as real from './pyodide.mjs?real';
export const loadPyodide = async (options) => self.test.python = await real.loadPyodide(options);
"""
"""In place of pyodide.mjs."""

PROFILE = """
import sys
entries = []
def note(frame, event, argument):
    if event == "call" and frame.f_back is None:
        entries.append(frame.f_code.co_name)
sys.setprofile(note)
"""
"""A Python frame without one below it was called by JavaScript."""
ENTRIES = "[name for name in entries if name != 'eval_code']"
"""What the page called; the test's own questions are called eval_code."""
DISPLAYS = "[d for d in __import__('gc').get_objects() if type(d).__name__ == 'Display']"
"""Python's side of the page's elements."""
DISPLAY = f"{DISPLAYS}[0]"
"""... of the one element that there is."""


def install(
    page: Page, override: Mapping[str, Any] | None = None, modules: Mapping[str, str] | None = None
) -> None:
    """Before the page is opened.

    ``override`` replaces what the engine is told of the adapter, ``modules`` texts of modules.
    """
    worker = WORKER.replace("%OVERRIDE%", json.dumps(override or {}))
    worker += (WEB_FOLDER / "worker.mjs").read_text(encoding="utf-8")
    own = {"pyodide.mjs": PYODIDE, "worker.mjs": worker}
    for name, text in (own | dict(modules or {})).items():
        page.route(f"**/{name}", _answer(text))


def _answer(module: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(content_type="text/javascript", body=module)


def python(page: Page, code: str) -> Any:
    """Value of Python code in the page's worker, as JSON has it."""
    text = f"import json; json.dumps({code})"
    return json.loads(page.workers[0].evaluate("(c) => self.test.python.runPython(c)", text))


def counts(page: Page) -> dict[str, int]:
    """Calls to WebGPU so far."""
    found: dict[str, int] = page.workers[0].evaluate("({ ...self.test.counts })")
    return found
