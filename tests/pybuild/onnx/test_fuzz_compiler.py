"""Random networks and tables of rows: compiled programs give natively what the oracle gives.

The oracle of networks is onnxruntime, that of graphs of tensors the interpreter. The same few dozen
each time here; ``python -m tests.pybuild.onnx.test_fuzz_compiler FIRST COUNT`` goes through as many
others as one likes, and says which seeds fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx import interpret
from pybuild.onnx.compile import Compiled, compile_graph, compile_tensors
from pybuild.onnx.front import load_graph
from pybuild.onnx.ir import Input, topological
from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.oracle import difference
from pybuild.programs import NativeRunner
from tests.random_models import RandomModel, random_model
from tests.random_rows import random_rows
from tests.random_steps.grower import reference_values

pytestmark = pytest.mark.gpu

Array = NDArray[Any]

TOLERANCE = 1e-4
"""Of an output's largest magnitude: up to 25 operators, each with its own rounding."""
NUDGE = 3e-6
"""Relative change of the inputs that shows how much a network magnifies rounding."""
MAGNIFIED = 30
EXAMPLES = 32
WAYS = 2
"""Choices among the candidates of the dispatches that are run."""


def compiled(model: RandomModel) -> Compiled:
    """The program of a model."""
    return compile_graph(load_graph(model.model, supported=set(LOWERINGS)))


def wrong(model: RandomModel, found: Mapping[str, Array]) -> dict[str, float]:
    """Outputs that are off by more than rounding can be, and by how much."""
    apart = {n: difference(found[n], w).max_rel for n, w in model.outputs.items()}
    bad = {name: error for name, error in apart.items() if error > TOLERANCE}
    if not bad:
        return {}
    rng = np.random.default_rng(1)
    for _ in range(3):
        nudged = {
            name: (array * (1 + rng.uniform(-NUDGE, NUDGE, array.shape))).astype(array.dtype)
            for name, array in model.inputs.items()
        }
        moved = reference_values(model.model, nudged)
        for name in list(bad):
            if bad[name] < MAGNIFIED * difference(moved[name], model.outputs[name]).max_rel:
                del bad[name]
    return bad


def runs(
    program: Compiled, feeds: Mapping[str, Array], random: Random, runner: NativeRunner
) -> Iterator[tuple[dict[str, Array], dict[int, int]]]:
    """Outputs by a few choices of candidates, and the choices."""
    ways = [len(d.candidates) for d in program.program.dispatches]
    for _ in range(min(WAYS, max(ways, default=1))):
        chosen = {k: random.randrange(count) for k, count in enumerate(ways)}
        with runner.prepare(program.program, program.files, chosen, timed=False) as prepared:
            yield prepared.run(feeds), chosen


def check(seed: int, runner: NativeRunner) -> None:
    """The network ``random_model(Random(seed))``."""
    random = Random(seed)
    model = random_model(random)
    program = compiled(model)
    feeds = {t.name: model.inputs[t.name] for t in program.program.inputs}
    for found, chosen in runs(program, feeds, random, runner):
        assert not wrong(model, found), (wrong(model, found), chosen)


def check_rows(seed: int, runner: NativeRunner) -> None:
    """The graph ``random_rows(Random(seed))``."""
    random = Random(seed)
    outputs = random_rows(random)
    inputs = [t for t in topological(outputs) if isinstance(t.source, Input)]
    rng = np.random.default_rng(seed)
    feeds = {t.name: (rng.integers(-16, 17, t.shape) / 8).astype(np.float32) for t in inputs}
    wanted = interpret.run(outputs, feeds)
    program = compile_tensors("rows", inputs, outputs)
    for found, chosen in runs(program, feeds, random, runner):
        for tensor, value in zip(outputs, wanted, strict=True):
            error = difference(found[tensor.name], value).max_rel
            assert error <= TOLERANCE, (tensor, error, chosen)


COMMON = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@COMMON
@given(seed=st.integers(0, 1 << 30))
def test_random_networks(runner: NativeRunner, seed: int) -> None:
    """Of up to 25 operators."""
    check(seed, runner)


@COMMON
@given(seed=st.integers(0, 1 << 30))
def test_random_rows(runner: NativeRunner, seed: int) -> None:
    """Of up to 12 steps."""
    check_rows(seed, runner)


def test_a_seed_is_one_network() -> None:
    """A step chose from a set of names, whose order is another one in each process."""
    code = (
        "import random, sys; from tests.random_models import random_model; "
        "[sys.stdout.buffer.write(random_model(random.Random(seed)).model.SerializeToString()) "
        "for seed in range(8)]"
    )
    command = [sys.executable, "-c", code]
    first, second = (
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, stdout=subprocess.PIPE
        ).stdout
        for seed in "12"
    )
    assert first == second


def main(first: int, count: int) -> int:
    """Number of seeds that fail."""
    failed = 0
    with NativeRunner() as runner:
        for seed in range(first, first + count):
            for one in (check, check_rows):
                try:
                    one(seed, runner)
                except Exception as error:
                    failed += 1
                    print(f"{one.__name__} {seed}: {type(error).__name__}: {str(error)[:300]}")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]))))
