"""The page's tuning: the same choices as Python's, and kernels measured in a real Chromium."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from pybuild.programs import write_program
from pyengine.tuning import Task, tune
from tests.pybuild.test_tuning import BROKEN, with_slow
from tests.small_programs import add, counted

pytestmark = pytest.mark.page

WEB = Path(__file__).resolve().parents[2] / "web"

TUNE = """async (cases) => {
    const { tune } = await import('/web/tuning.mjs');
    const results = [];
    for (const { tasks, known, times, budget } of cases) {
        let now = 100;
        const measured = [];
        const measure = async ({ key }, candidate) => {
            now += 1;
            const all = times[`${key} ${candidate}`];
            measured.push(`${key} ${candidate}`);
            const seen = measured.filter((name) => name === `${key} ${candidate}`).length;
            return all[(seen - 1) % all.length];
        };
        results.push([await tune(tasks, known, measure, () => now, budget), measured]);
    }
    return results;
}"""

LOAD = """async ([url, inputs, options]) => {
    const { loadProgram, programDevice } = await import('/web/program.mjs');
    const { keepChoices, nameOf } = await import('/web/tuning.mjs');
    const device = await programDevice(await navigator.gpu.requestAdapter());
    const errors = [];
    device.onuncapturederror = ({ error }) => errors.push(error.message);
    let measured = 0;
    const createQuerySet = device.createQuerySet.bind(device);
    device.createQuerySet = (descriptor) => { measured += 1; return createQuerySet(descriptor); };
    const program = await loadProgram(device, new URL(url, location.href), options);
    const outputs = await program.run(inputs);
    const values = Object.fromEntries(
        Object.entries(outputs).map(([name, elements]) => [name, [...elements]]));
    const kernels = program.executor.plan.compute.map(({ name }) => name);
    program.destroy();
    device.destroy();
    return { values, kernels, measured, errors, adapter: nameOf(device) };
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where the modules of web/ and programs are served."""
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "index.html").write_text("<!doctype html>")
    shutil.copytree(WEB, folder / "web")
    for first, name in ((True, "first"), (False, "last")):
        case = with_slow(add((5000,)), first)
        write_program(folder / name, case.program, case.files)
    case = with_slow(add((5000,)), False, BROKEN)
    write_program(folder / "broken", case.program, case.files)
    write_program(folder / "counted", counted().program, counted().files)
    return serve(folder)


@pytest.fixture
def page(browser: Browser, url: str) -> Any:
    """A page of a profile that remembers nothing yet."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(url)
    yield page
    context.close()


def random_case(seed: int) -> dict[str, Any]:
    """Tasks with times that vary from one measurement to the next; some kernels fail."""
    rng = random.Random(seed)
    tasks, times, known = [], {}, {}
    at = 0
    for number in range(rng.randint(0, 5)):
        candidates = rng.sample(range(8), rng.randint(2, 5))
        count = rng.randint(1, 3)
        tasks.append(Task(f"t{number}", tuple(range(at, at + count)), tuple(candidates)))
        at += count
        for candidate in candidates:
            values = [rng.choice([None, *rng.choices(range(1, 40), k=9)]) for _ in range(3)]
            times[f"t{number} {candidate}"] = values
        if rng.random() < 0.3:
            known[f"t{number}"] = rng.randrange(8)
    budget = rng.choice([0, 1, 3, 7, 20, 1000])
    return {"tasks": tasks, "times": times, "known": known, "budget": budget}


def chosen_by_python(case: dict[str, Any]) -> list[Any]:
    """Choices, and what was measured in which order."""
    now = [100.0]
    measured: list[str] = []

    def measure(task: Task, candidate: int) -> float | None:
        name = f"{task.key} {candidate}"
        now[0] += 1
        measured.append(name)
        values: list[float | None] = case["times"][name]
        return values[(measured.count(name) - 1) % len(values)]

    choices = tune(case["tasks"], case["known"], measure, lambda: now[0], case["budget"])
    return [choices, measured]


def test_the_page_chooses_as_python_does(page: Any) -> None:
    """The same measurements in the same order, and the same choices."""
    cases = [random_case(seed) for seed in range(400)]
    wanted = [chosen_by_python(case) for case in cases]
    assert sum(len(measured) for _, measured in wanted) > 1000
    plain = [{**case, "tasks": [asdict(task) for task in case["tasks"]]} for case in cases]
    assert page.evaluate(TUNE, plain) == wanted


@pytest.mark.parametrize("name", ["first", "last", "broken"])
def test_a_slow_or_broken_kernel_is_not_chosen(page: Any, name: str) -> None:
    """And what was chosen is not measured again, in this page or in the next."""
    case = add((5000,))
    inputs = {key: array.tolist() for key, array in case.inputs.items()}
    first = page.evaluate(LOAD, [f"{name}/", inputs, {"tuneSeconds": 20}])
    again = page.evaluate(LOAD, [f"{name}/", inputs, {"tuneSeconds": 20}])
    page.reload()
    later = page.evaluate(LOAD, [f"{name}/", inputs, {"tuneSeconds": 20}])
    assert first["measured"] == 1
    assert (again["measured"], later["measured"]) == (0, 0)
    for answer in (first, again, later):
        assert answer["errors"] == []
        assert answer["kernels"] == first["kernels"]
        assert answer["kernels"] != ["slow"]
        assert "swiftshader" in answer["adapter"].lower()
        np.testing.assert_allclose(answer["values"]["c"], case.outputs["c"], rtol=1e-6)


def test_the_result_is_one_whatever_is_chosen(page: Any) -> None:
    """Each candidate by its number; no time for tuning; a number that none has."""
    case = add((5000,))
    inputs = {key: array.tolist() for key, array in case.inputs.items()}
    options = [{"chosen": {0: index}} for index in (0, 1, 2, 9)]
    kernels = []
    for option in [*options, {"tuneSeconds": 0}]:
        answer = page.evaluate(LOAD, ["first/", inputs, option])
        assert answer["measured"] == 0
        kernels += answer["kernels"]
        np.testing.assert_allclose(answer["values"]["c"], case.outputs["c"], rtol=1e-6)
    assert kernels == ["slow", "k64", "k32", "slow", "slow"], "any GPU takes the first"
