"""Random small networks in Chromium: Tint compiles what naga does, to the same results."""

from __future__ import annotations

from random import Random

import pytest
from playwright.sync_api import Browser

from tests.page.programs import ProgramPage, arrays_of, job_of
from tests.pybuild.onnx.test_fuzz_compiler import compiled, wrong
from tests.random_models import random_model

pytestmark = pytest.mark.page

SEEDS = range(500, 530)


def test_random_networks_in_one_page(browser: Browser) -> None:
    """For each dispatch one of its candidates, chosen by chance."""
    cases = []
    for seed in SEEDS:
        random = Random(seed)
        model = random_model(random)
        program = compiled(model)
        ways = [len(d.candidates) for d in program.program.dispatches]
        cases.append((seed, model, program, {k: random.randrange(n) for k, n in enumerate(ways)}))
    with ProgramPage(browser) as page:
        jobs = []
        for _, model, program, chosen in cases:
            feeds = {t.name: model.inputs[t.name] for t in program.program.inputs}
            jobs.append(job_of(program.program, program.files, feeds, page.adapter, chosen=chosen))
        answers = page.run(jobs)
    failed = {}
    for (seed, model, program, _), answer in zip(cases, answers, strict=True):
        if answer.error is not None:
            failed[seed] = answer.error
        elif found := wrong(model, arrays_of(program.program, answer)):
            failed[seed] = str(found)
    assert not failed
