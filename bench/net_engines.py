"""What runs a network: Vitrine and onnxruntime, each in a page and natively.

A `PageEngine` is a page of a Chromium, a `ProcessEngine` a process with `bench.net_worker` in it.
Either is opened (loaded and run once, timed), given turns, asked for its outputs and closed.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ml_dtypes
import numpy as np

from bench.chromium import PackageMissing, npm_package, within
from bench.chromium import page as new_page
from bench.measured import CACHE, ROOT
from bench.net_server import NetServer, brotli_bytes
from bench.nets import Array, Net
from pybuild.runner import stored_inputs
from pybuild.tensors import from_storage
from pyengine.program import Program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = [
    "OURS",
    "RIVALS",
    "USUAL",
    "Engine",
    "Opened",
    "PageEngine",
    "ProcessEngine",
    "Unavailable",
    "ort_python",
    "ort_web",
    "software_icd",
]

OURS = ("vitrine", "vitrine-native")
USUAL = ("web-webgpu", "web-wasm", "native-webgpu", "native-cpu")
RIVALS = (*USUAL, "web-jspi", "web-jsep")
PACKAGE = "onnxruntime-webgpu"
ICD = "vk_swiftshader_icd.json"
PIP_TIMEOUT_S = 600
OPEN_MS = 20_000
"""For the modules of a page."""
_FAULT_LENGTH = 160


class Unavailable(Exception):
    """An engine does not run here, or not this network; says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an opening told.

    Attributes
    ----------
    first_ms : float
        Fetch, compile, upload, first run.
    adapter : str
    version : str or None
    dispatches : int or None
        Of a run.
    code_bytes, model_bytes : int or None
        Fetched, brotli.
    """

    first_ms: float
    adapter: str
    version: str | None = None
    dispatches: int | None = None
    code_bytes: int | None = None
    model_bytes: int | None = None


class Engine(Protocol):
    """One network on one engine."""

    name: str

    def open(self) -> Opened:
        """Load and run it, closing what was open before; raises `Unavailable`."""

    def turn(self, seconds: float) -> list[float]:
        """Milliseconds of runs for so long, one at least; raises `Unavailable`."""

    def outputs(self) -> list[Array]:
        """All outputs, in the model's order; raises `Unavailable`."""

    def close(self) -> None:
        """Free it."""


@dataclass
class PageEngine:
    """An engine in a page.

    Attributes
    ----------
    name : str
    browser : Browser
    server : NetServer
        Has ``net/`` and ``in/`` in its files.
    net : Net
    program : Program
        Of the network.
    threads : int
        Of wasm.
    tune_s : float
        Seconds that Vitrine may choose kernels for.
    limit_s : float
        For one call.
    """

    name: str
    browser: Browser
    server: NetServer
    net: Net
    program: Program
    threads: int
    tune_s: float
    limit_s: float
    page: Page | None = field(default=None, init=False)

    def open(self) -> Opened:
        """A new page in a new profile."""
        self.close()
        self.server.taken.pop(self.name, None)
        self.page = page = new_page(self.browser)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        stored = stored_inputs(self.program, self.net.inputs)
        inputs = [
            {"name": name, "dtype": str(array.dtype), "shape": array.shape, "buffer": buffer}
            for (name, array), (buffer, _) in zip(self.net.inputs.items(), stored, strict=True)
        ]
        setup = {
            "engine": self.name,
            "inputs": inputs,
            "threads": self.threads,
            "tuneSeconds": self.tune_s,
        }
        try:
            page.goto(f"{self.server.url}{self.name}/net.html")
            page.wait_for_function("globalThis.bench", timeout=OPEN_MS)
        except Exception as error:  # a rival may fail in any way
            raise Unavailable([*faults, _line(error)][0]) from None
        told = self._call("bench.open(view)", setup)
        taken = dict(self.server.taken[self.name])
        model = {path: data for path, data in taken.items() if path.startswith("net/")}
        bench = ("net.html", "net.mjs", "gpu.mjs", "in/")
        code = {p: d for p, d in taken.items() if p not in model and not p.startswith(bench)}
        return Opened(
            told["firstMs"],
            told["adapter"],
            told.get("version"),
            told["dispatches"] or None,
            brotli_bytes(code),
            brotli_bytes(model),
        )

    def turn(self, seconds: float) -> list[float]:
        """Runs in the page, which comes to the front for them."""
        times: list[float] = self._call("bench.turn(view)", seconds)
        return times

    def outputs(self) -> list[Array]:
        """Sent to the server by the page."""
        count = self._call("bench.outputs()")
        data = [self.server.put.pop(f"{self.name}/out/{k}") for k in range(count)]
        ports = self.program.outputs
        if self.name in OURS:
            return [from_storage(d, t) for d, t in zip(data, ports, strict=True)]
        return [np.frombuffer(d, _dtype(t.dtype)) for d, t in zip(data, ports, strict=True)]

    def _call(self, expression: str, argument: Any = None) -> Any:
        if self.page is None:
            raise Unavailable("its page is closed")
        try:
            self.page.bring_to_front()
            return self.page.evaluate(within(expression, int(1000 * self.limit_s)), argument)
        except Exception as error:  # a rival may fail in any way
            raise Unavailable(_line(error)) from None

    def close(self) -> None:
        """Close the page and its profile."""
        if self.page is not None:
            self.page.context.close()
            self.page = None


@dataclass
class ProcessEngine:
    """An engine in a process of its own.

    Attributes
    ----------
    name : str
    kind : str
        As `bench.net_worker` knows it.
    python : Path
        Of the environment that has the engine.
    folder : Path
        With the model, its program and inputs.
    icd : Path or None
        The Vulkan driver to use, if not the system's.
    limit_s : float
        For one call.
    """

    name: str
    kind: str
    python: Path
    folder: Path
    icd: Path | None
    limit_s: float
    process: subprocess.Popen[str] | None = field(default=None, init=False)
    answers: queue.Queue[str] = field(default_factory=queue.Queue, init=False)

    def open(self) -> Opened:
        """A new process."""
        self.close()
        environment = {"XDG_RUNTIME_DIR": tempfile.gettempdir(), **os.environ}
        environment["PYTHONPATH"] = str(ROOT)
        if self.icd is not None:
            environment["VK_ICD_FILENAMES"] = str(self.icd)
        worker = ROOT / "bench" / "net_worker.py"
        log = self.folder / f"{self.name}.log"
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(self.python), "-P", str(worker), self.kind, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self.answers = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process, self.answers)).start()
        told = self._call({"do": "open"})
        dispatches = told.get("dispatches")
        if self.kind == "webgpu":  # it falls back to the processor and does not say so
            dispatches = log.read_text(errors="replace").count("Starting program")
            if not dispatches:
                raise Unavailable("it took no WebGPU adapter and ran on the processor")
        adapter = told.get("adapter") or ("processor" if self.kind == "cpu" else "the same driver")
        return Opened(told["first_ms"], adapter, told.get("version"), dispatches)

    def turn(self, seconds: float) -> list[float]:
        """Runs in the process."""
        times: list[float] = self._call({"do": "turn", "seconds": seconds})["ms"]
        return times

    def outputs(self) -> list[Array]:
        """Read from the files that it wrote."""
        for old in self.folder.glob(f"{self.kind}-*.npy"):
            old.unlink()
        self._call({"do": "outputs"})
        count = len(list(self.folder.glob(f"{self.kind}-*.npy")))
        return [np.load(self.folder / f"{self.kind}-{k}.npy") for k in range(count)]

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        for line in process.stdout or ():
            answers.put(line)
        answers.put("")

    def _call(self, command: dict[str, Any]) -> dict[str, Any]:
        if self.process is None or self.process.stdin is None:
            raise Unavailable("its process is closed")
        try:
            print(json.dumps(command), file=self.process.stdin, flush=True)
            line = self.answers.get(timeout=self.limit_s)
        except queue.Empty:
            self.close()
            raise Unavailable(f"did not end within {self.limit_s:.0f} s") from None
        except OSError:
            line = ""
        if not line:
            self.close()
            last = (self.folder / f"{self.name}.log").read_text(errors="replace").split("\n")[-2:]
            raise Unavailable(f"its process ended: {' '.join(last).strip()[-_FAULT_LENGTH:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Unavailable(_line(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _line(error: object) -> str:
    """What a fault says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.removeprefix("Page.evaluate: ").removeprefix("Error: ")[:_FAULT_LENGTH]


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def ort_web() -> Path:
    """Folder of onnxruntime-web's files, from npm; raises `PackageMissing`."""
    return npm_package("onnxruntime-web", "onnxruntime-web") / "onnxruntime-web" / "dist"


def ort_python() -> Path:
    """Python of an environment with onnxruntime's WebGPU provider, which goes with no other build.

    Raises
    ------
    PackageMissing
        pip failed.
    """
    folder = CACHE / "pip" / PACKAGE
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / ".installed"
    if stamp.is_file():
        return python
    quiet = ("--quiet", "--disable-pip-version-check")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", *quiet, PACKAGE],
    )
    for step in steps:
        try:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=PIP_TIMEOUT_S)
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if "ERROR" in line]
            reason = lines[0] if lines else f"exit status {error.returncode}"
            raise PackageMissing(f"pip could not install {PACKAGE} ({reason})") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PackageMissing(f"pip failed: {error}") from None
    stamp.touch()
    return python


def software_icd(program: str | None) -> Path | None:
    """Chromium's SwiftShader as a Vulkan driver for other processes; None where it is not.

    Parameters
    ----------
    program : str, optional
        Of Chromium, if not that of the PATH.
    """
    found = program or shutil.which("chromium") or shutil.which("chromium-browser")
    folders = [Path(found).resolve().parent] if found else []
    folders += [Path("/usr/lib/chromium"), Path("/usr/lib/chromium-browser")]
    return next((folder / ICD for folder in folders if (folder / ICD).is_file()), None)
