"""A process that runs one network natively, told what to do by lines of JSON on its standard input.

    python -P net_worker.py vitrine|webgpu|cpu FOLDER

FOLDER holds ``model.onnx``, ``program/`` and the inputs ``in/NAME.npy`` by their index. Commands:
``{"do": "open"}``, ``{"do": "turn", "seconds": 0.2}``, ``{"do": "outputs"}``. A run ends when the
smallest output that is no scalar is in this process's memory; inputs go up each time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Runs(Protocol):
    """An engine with the network in it."""

    info: dict[str, Any]

    def run(self) -> None:
        """Run it once, to the end."""

    def outputs(self) -> list[Any]:
        """All outputs of the last run."""


class Vitrine:
    """The compiled program on wgpu-native."""

    def __init__(self, folder: Path, inputs: list[Any]) -> None:
        from pybuild.programs import NativeRunner, read_program
        from pybuild.runner import SCHEDULE, stored_inputs

        program, files = read_program(folder / "program")
        self._runner = NativeRunner()
        self._prepared = self._runner.prepare(program, files, timed=False)
        self._inputs = {t.name: a for t, a in zip(program.inputs, inputs, strict=True)}
        self._stored = stored_inputs(program, self._inputs)
        self._schedule = SCHEDULE
        sizes = {t.buffer: int(np.prod(t.shape)) for t in program.outputs}
        self._read = smallest(sizes)
        self.info = {"adapter": self._runner.name, "dispatches": len(program.dispatches)}

    def run(self) -> None:
        """Upload, dispatch, read."""
        host = self._prepared.host
        for buffer, data in self._stored:
            host.write(buffer, data)
        host.run(self._schedule)
        host.read(self._read)

    def outputs(self) -> list[Any]:
        """In the program's order."""
        return list(self._prepared.run(self._inputs).values())


class Onnxruntime:
    """onnxruntime with one of its providers."""

    def __init__(self, folder: Path, inputs: list[Any], provider: str) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(1 if provider.startswith("WebGpu") else 3)
        options = onnxruntime.SessionOptions()
        model = str(folder / "model.onnx")
        self._session = onnxruntime.InferenceSession(model, options, providers=[provider])
        self._log = onnxruntime.set_default_logger_severity
        self._on_gpu = provider.startswith("WebGpu")
        ports = self._session.get_inputs()
        self._binding = self._session.io_binding()
        for port, array in zip(ports, inputs, strict=True):
            self._binding.bind_cpu_input(port.name, array)
        for port in self._session.get_outputs():
            self._binding.bind_output(port.name, "webgpu" if self._on_gpu else "cpu")
        self.info = {"version": onnxruntime.__version__}

    def run(self) -> None:
        """Upload, dispatch, read; it tells of its dispatches the first time only."""
        self._session.run_with_iobinding(self._binding)
        if self._on_gpu:
            found = self._binding.get_outputs()
            sizes = {k: int(np.prod(value.shape())) for k, value in enumerate(found)}
            found[smallest(sizes)].numpy()
        self._log(3)

    def outputs(self) -> list[Any]:
        """In the model's order."""
        return [value.numpy() for value in self._binding.get_outputs()]


def smallest(sizes: dict[Any, int]) -> Any:
    """Key of the fewest elements beyond one."""
    several = {key: size for key, size in sizes.items() if size > 1}
    return min(several or sizes, key=lambda key: sizes[key])


def opened(kind: str, folder: Path) -> Runs:
    """The engine of a name."""
    count = len(list((folder / "in").glob("*.npy")))
    inputs = [np.load(folder / "in" / f"{k}.npy") for k in range(count)]
    if kind == "vitrine":
        return Vitrine(folder, inputs)
    names = {"webgpu": "WebGpuExecutionProvider", "cpu": "CPUExecutionProvider"}
    return Onnxruntime(folder, inputs, names[kind])


def turn(runs: Runs, seconds: float) -> list[float]:
    """Milliseconds of runs for so long; one at least."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        runs.run()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Answer each line with a line."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    runs: Runs | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if runs is None:
                import_all(kind)
                start = time.perf_counter()
                runs = opened(kind, folder)
                runs.run()
                answer = {"first_ms": 1e3 * (time.perf_counter() - start), **runs.info}
            elif asked["do"] == "turn":
                answer = {"ms": turn(runs, asked["seconds"])}
            else:
                for k, array in enumerate(runs.outputs()):
                    np.save(folder / f"{kind}-{k}.npy", array)
        except Exception as error:  # a rival may fail in any way
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def import_all(kind: str) -> None:
    """Import what is not to be timed."""
    if kind == "vitrine":
        import pybuild.programs  # noqa: F401
    else:
        import onnxruntime  # noqa: F401


if __name__ == "__main__":
    main()
