"""Many plans in Chromium, through web/executor.mjs, in few page loads.

A `ProgramPage` runs jobs one after the other on one device of a page, and takes a new page after
some. Bytes go over HTTP on this machine. A job that fails, loses the device or never ends is
answered with what was wrong, and the next one goes on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from pybuild.runner import shader_texts
from pybuild.tensors import Array, from_storage, to_storage
from pyengine.plan import Adapter, Plan
from pyengine.program import Program, program_part

__all__ = ["Answer", "Job", "ProgramPage", "arrays_of", "job_of"]

ROOT = Path(__file__).resolve().parents[2]
JOBS_A_PAGE = 250
"""What a page keeps of a shader is only freed with the page."""
TIMEOUT_S = 180.0
"""Of one job: large models on two busy cores."""


@dataclass(frozen=True, slots=True)
class Job:
    """A plan with one schedule, the bytes to write before, and the buffers to read after.

    Attributes
    ----------
    plan : Plan or dict
        Of `Plan.of`, or its `to_dict`.
    writes : sequence of (str, bytes)
        Buffer and content.
    reads : sequence of (str, int)
        Buffer and bytes from its start.
    runs : int
        How many times to run it, for times.
    """

    label: str
    plan: Plan | Mapping[str, Any]
    writes: Sequence[tuple[str, bytes]]
    reads: Sequence[tuple[str, int]]
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a job: ``error`` is None or tells what was wrong, in Tint's words.

    ``runs_ms`` is the time from a submission to its bytes, of each run.
    """

    label: str
    outputs: tuple[bytes, ...] = ()
    error: str | None = None
    compile_ms: float = 0.0
    runs_ms: tuple[float, ...] = ()


def job_of(
    program: Program,
    files: Mapping[str, bytes],
    inputs: Mapping[str, Array],
    adapter: Adapter,
    counts: Mapping[str, int] | None = None,
    chosen: Mapping[int, int] | None = None,
    runs: int = 1,
) -> Job:
    """The job that runs a program on arrays; `arrays_of` reads its answer."""
    part = program_part(program, shader_texts(program, files), adapter, chosen=chosen)
    writes = [(b.name, files[b.file]) for b in program.buffers if b.file is not None]
    writes += [(t.buffer, to_storage(inputs[t.name], t)) for t in program.inputs]
    for symbol, count in (counts or {}).items():
        writes.append((program.counts[symbol], count.to_bytes(4, "little")))
    reads = [(tensor.buffer, tensor.size_bytes) for tensor in program.outputs]
    return Job(program.name, Plan.of({"program": (part,)}), writes, reads, runs)


def arrays_of(program: Program, answer: Answer) -> dict[str, Array]:
    """Outputs by name; raises AssertionError with what was wrong."""
    assert answer.error is None, f"{answer.label}: {answer.error}"
    return {
        tensor.name: from_storage(data, tensor)
        for tensor, data in zip(program.outputs, answer.outputs, strict=True)
    }


class ProgramPage:
    """Runs jobs in a browser; a context manager.

    Attributes
    ----------
    adapter : Adapter
        What plans for it depend on.
    loads : int
        Pages that were opened.
    """

    def __init__(
        self, browser: Browser, jobs_a_page: int = JOBS_A_PAGE, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._context = browser.new_context()
        self._jobs_a_page, self._timeout_s = jobs_a_page, timeout_s
        self._jobs: Sequence[Job] = ()
        self._answers: dict[int, tuple[Answer, bool]] = {}
        self._answered = threading.Condition()
        self.loads = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        page = self._open()
        self.adapter = Adapter(**page.evaluate("import('/programs.mjs').then(m => m.describe())"))
        page.close()

    def run(self, jobs: Sequence[Job]) -> list[Answer]:
        """An answer for each job, in order."""
        self._jobs, self._answers = jobs, {}
        at = 0
        while at < len(jobs):
            at = self._run_page(at, min(at + self._jobs_a_page, len(jobs)))
        return [self._answers[index][0] for index in range(len(jobs))]

    def close(self) -> None:
        """End the page and the server."""
        self._context.close()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> ProgramPage:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> Page:
        page = self._context.new_page()
        page.goto(f"http://127.0.0.1:{self._server.server_address[1]}/")
        self.loads += 1
        return page

    def _run_page(self, first: int, end: int) -> int:
        """Run jobs in a new page until all are answered or one spoils it; the next job's number."""
        page = self._open()
        failed: list[str] = []
        page.on("crash", lambda _: failed.append("the page crashed"))
        page.on("pageerror", lambda error: failed.append(f"the page failed: {error}"))
        script = "([a, b]) => { import('/programs.mjs').then((m) => m.runJobs(a, b)); }"
        page.evaluate(script, [first, end])
        try:
            for index in range(first, end):
                answer = self._wait(index, page, failed)
                if answer is None:
                    told = failed[0] if failed else f"no answer in {self._timeout_s:g} s"
                    answer = Answer(self._jobs[index].label, error=told), True
                    self._answers[index] = answer
                if answer[1]:
                    return index + 1
        finally:
            page.close()
        return end

    def _wait(self, index: int, page: Page, failed: list[str]) -> tuple[Answer, bool] | None:
        limit = time.monotonic() + self._timeout_s
        while True:
            with self._answered:
                self._answered.wait_for(lambda: index in self._answers, 0.5)
                if index in self._answers:
                    return self._answers[index]
            page.wait_for_timeout(1)  # lets the events of the page come
            if failed or time.monotonic() > limit:
                return None

    def _job_bytes(self, index: int) -> list[bytes]:
        job = self._jobs[index]
        head = {
            "plan": job.plan.to_dict() if isinstance(job.plan, Plan) else job.plan,
            "writes": [(name, len(data)) for name, data in job.writes],
            "reads": list(job.reads),
            "runs": job.runs,
        }
        text = json.dumps(head).encode()
        return [len(text).to_bytes(4, "little"), text, *(data for _, data in job.writes)]

    def _take(self, index: int, body: bytes) -> None:
        size = int.from_bytes(body[:4], "little")
        head = json.loads(body[4 : 4 + size])
        job = self._jobs[index]
        outputs = []
        at = 4 + size
        for _, count in job.reads if head["error"] is None else ():
            outputs.append(body[at : at + count])
            at += count
        answer = Answer(
            job.label,
            tuple(outputs),
            head["error"],
            head.get("compileMs", 0.0),
            tuple(head.get("runsMs", ())),
        )
        with self._answered:
            self._answers[index] = answer, bool(head["lost"])
            self._answered.notify_all()


def _handler(owner: ProgramPage) -> type[BaseHTTPRequestHandler]:
    """Serves the empty page, the modules of web/, jobs; takes results."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            if name.startswith("job/"):
                self._answer("application/octet-stream", owner._job_bytes(int(name[4:])))
            elif name == "programs.mjs":
                self._file(ROOT / "tests/page/programs.mjs")
            elif name.startswith("web/") and name.endswith(".mjs") and ".." not in name:
                self._file(ROOT / name)
            else:
                self._answer("text/html", [b"<!doctype html><meta charset=utf-8>"])

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer("text/plain", [])
            owner._take(int(self.path.rsplit("/", 1)[1]), body)

        def _file(self, path: Path) -> None:
            self._answer("text/javascript", [path.read_bytes()])

        def _answer(self, kind: str, parts: list[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            for part in parts:
                self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
