"""Random small networks: what the compiled program gives natively is what onnxruntime gives.

The same few dozen each time here; ``python -m tests.pybuild.onnx.test_fuzz_compiler FIRST COUNT``
goes through as many others as one likes, and says which seeds fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pybuild.onnx.ops  # noqa: F401 - fills the registry
from pybuild.onnx.compile import Compiled, compile_graph
from pybuild.onnx.front import load_graph
from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.oracle import difference
from pybuild.programs import NativeRunner
from tests.random_models import RandomModel, random_model, reference_values

pytestmark = pytest.mark.gpu

Array = NDArray[Any]

TOLERANCE = 1e-4
"""Of an output's largest magnitude: up to 25 operators, each with its own rounding."""
NUDGE = 3e-6
"""Relative change of the inputs that shows how much a network magnifies rounding."""
MAGNIFIED = 30
EXAMPLES = 40
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


def check(model: RandomModel, random: Random, runner: NativeRunner) -> None:
    """Run a few choices of candidates."""
    program = compiled(model)
    feeds = {t.name: model.inputs[t.name] for t in program.program.inputs}
    ways = [len(d.candidates) for d in program.program.dispatches]
    for _ in range(min(WAYS, max(ways, default=1))):
        chosen = {k: random.randrange(count) for k, count in enumerate(ways)}
        with runner.prepare(program.program, program.files, chosen, timed=False) as prepared:
            found = prepared.run(feeds)
        assert not wrong(model, found), (wrong(model, found), chosen)


@pytest.fixture(scope="module")
def runner(adapter: Any) -> Iterator[NativeRunner]:
    """One device for all networks."""
    with NativeRunner(adapter) as runner:
        yield runner


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 1 << 30))
def test_random_networks(runner: NativeRunner, seed: int) -> None:
    """The seed names the network: ``random_model(Random(seed))``."""
    random = Random(seed)
    model = random_model(random)
    assume(model.outputs)
    check(model, random, runner)


def main(first: int, count: int) -> int:
    """Number of seeds that fail."""
    failed = 0
    with NativeRunner() as runner:
        for seed in range(first, first + count):
            random = Random(seed)
            try:
                check(random_model(random), random, runner)
            except Exception as error:
                failed += 1
                print(f"{seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]))))
