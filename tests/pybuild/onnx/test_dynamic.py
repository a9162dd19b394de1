"""Axes that follow a count: the same results as a model of that size, and no more work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pybuild.onnx import interpret
from pybuild.onnx.compile import Compiled, compile_graph
from pybuild.onnx.dynamic import lower_counted
from pybuild.onnx.expr import Expr
from pybuild.onnx.fits import Fit, NotFitted
from pybuild.onnx.front import load_graph
from pybuild.onnx.ir import input_tensor, map_tensor
from pybuild.onnx.lower import LOWERINGS
from pybuild.onnx.problems import GraphError
from pybuild.runner import NativeRunner
from pyengine.plan import Indirect
from pyengine.program import Tensor
from tests.counted_models import MODELS, REFUSED, assert_live, counted_graph, padded, wanted

CAPACITY = 12
NOT_OF_NOTHING = {
    *("last_row", "convolution", "average_pool", "largest_row", "two_largest"),
    "ramps",  # of one row: 0 / 0
}
"""Not of no rows, and the last two not of one."""


def sizes_of(name: str, capacity: int = CAPACITY) -> list[dict[str, int]]:
    """Counts to try."""
    sizes = sorted({0, 1, 2, 5, capacity - 1, capacity})
    if name in NOT_OF_NOTHING:
        sizes = [size for size in sizes if size > 1]
    if name == "two_counts":
        return [{"n": n, "m": m} for n, m in [(0, 3), (1, 1), (5, 9), (12, 10), (3, 10)]]
    return [{"n": n} for n in sizes]


def capacities_of(name: str, capacity: int = CAPACITY) -> dict[str, int]:
    """One or two symbols."""
    return {"n": capacity, "m": 10} if name == "two_counts" else {"n": capacity}


# ------------------------------------------------------------------------------------------- fits


def fit_of(*sizes: int) -> Fit:
    """Of symbols n and m with these capacities."""
    symbols = ("n", "m")[: len(sizes)]
    counts = {symbol: input_tensor(f"count.{symbol}", (1,), "u32") for symbol in symbols}
    return Fit(symbols, sizes, counts)


def at(fit: Fit, value: Expr, *sizes: int) -> float:
    """Value of an expression of the counts."""
    named = zip(fit.symbols, sizes, strict=True)
    inputs = {f"count.{s}": np.array([n], np.uint32) for s, n in named}
    (found,) = interpret.run([map_tensor("value", (1,), lambda _: value)], inputs)
    return float(found[0])


def test_whole_numbers_are_multiples_and_an_offset() -> None:
    """2 n + 1 at 10, 20 and 30."""
    fit = fit_of(10)
    value = fit.whole([21, 41, 61])
    assert [at(fit, value, n) for n in (0, 1, 7, 10)] == [1, 3, 15, 21]
    assert at(fit, value, 99) == 21  # a count beyond the capacity is the capacity


def test_whole_numbers_of_two_counts() -> None:
    """3 n - m + 4."""
    fit = fit_of(10, 8)
    values = [3 * n - m + 4 for n, m in fit.points()]
    assert at(fit, fit.whole(values), 5, 2) == 17


@pytest.mark.parametrize(
    "values", [[5, 10, 15], [10, 40, 90], [10, 10, 11]], ids=["half", "square", "late"]
)
def test_other_whole_numbers_are_refused(values: list[int]) -> None:
    """Half a count is no number of elements; a square and a limit are no multiples."""
    with pytest.raises(NotFitted, match="wanted a whole multiple"):
        fit_of(10).whole(values)
    with pytest.raises(NotFitted, match="wanted a whole multiple"):
        fit_of(10, 10).whole([100, 200, 300, 200, 300, 400])  # n m


@pytest.mark.parametrize(
    "rule",
    [
        lambda n: 3 * n,
        lambda n: 0.25 / n,
        lambda n: n**0.5,
        lambda n: 7 * n**-0.5,
        lambda n: n - 1,
        lambda n: 1 / (n - 1),
        lambda n: 2.5 * n + 4,
        lambda n: -n,
    ],
)
def test_numbers_follow_rules(rule: object) -> None:
    """A mean's divisor, a standard deviation's, an unbiased one's."""
    assert callable(rule)
    fit = fit_of(1000)
    value = fit.number([float(np.float32(rule(n))) for (n,) in fit.points()])
    for count in (2, 3, 17, 999, 1000):
        assert at(fit, value, count) == pytest.approx(rule(count), rel=2e-6)


def test_other_numbers_are_refused() -> None:
    """A logarithm."""
    fit = fit_of(1000)
    with pytest.raises(NotFitted, match="follows no rule"):
        fit.number([float(np.log(n)) for (n,) in fit.points()])


# ----------------------------------------------------------------------------------------- lowering


@pytest.mark.parametrize("name", MODELS)
def test_the_interpreter_computes_what_a_model_of_that_size_does(name: str) -> None:
    """At every count, with rows beyond it that are not numbers."""
    capacities = capacities_of(name)
    graph = counted_graph(name, **capacities)
    counted = lower_counted(graph)
    assert set(counted.counts) == set(capacities)
    for counts in sizes_of(name):
        small, large = padded(MODELS[name], capacities, counts)
        held = {f"count.{s}": np.array([n], np.uint32) for s, n in counts.items()}
        found = interpret.run(counted.outputs, large | held)
        names = [info.name for info in graph.outputs]
        expected = wanted(MODELS[name], small)
        assert_live(dict(zip(names, found, strict=True)), expected, f"{name} of {counts}")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_follow_a_count_is_refused(name: str) -> None:
    """With the node, and what to do."""
    model, told = REFUSED[name]
    with pytest.raises(GraphError) as caught:
        compile_graph(load_graph(model, capacities={"n": 12}, supported=LOWERINGS.keys()))
    assert told in str(caught.value)
    assert "--shape" in str(caught.value)


def test_a_capacity_of_one_is_refused() -> None:
    """An axis of one element is no axis, and nothing could follow it."""
    with pytest.raises(GraphError, match="capacity of 'n' is 1; wanted at least 2"):
        load_graph(MODELS["generator"], capacities={"n": 1}, supported=LOWERINGS.keys())


def test_without_capacities_nothing_follows() -> None:
    """A static model has no counts and no indirect dispatch."""
    graph = load_graph(MODELS["generator"], shapes={"n": (12,)}, supported=LOWERINGS.keys())
    program = compile_graph(graph).program
    assert program.counts == {}
    assert not any(indirect(program.dispatches))


def indirect(dispatches: object) -> list[Indirect]:
    """Workgroups that the GPU makes."""
    return [
        candidate.workgroups
        for dispatch in dispatches  # type: ignore[attr-defined]
        for candidate in dispatch.candidates
        if isinstance(candidate.workgroups, Indirect)
    ]


def test_a_program_starts_full() -> None:
    """Its count's buffer has a file that holds the capacity."""
    compiled = compile_graph(counted_graph("generator", n=1000))
    program = compiled.program
    assert program.counts == {"n": "count.n"}
    (buffer,) = [b for b in program.buffers if b.name == "count.n"]
    assert buffer.size_bytes == 4
    assert compiled.files[str(buffer.file)] == (1000).to_bytes(4, "little")


# ------------------------------------------------------------------------------------------ the GPU


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_kernels_compute_what_a_model_of_that_size_does(name: str, runner: NativeRunner) -> None:
    """As the interpreter, one after the other in the same program."""
    capacities = capacities_of(name)
    compiled = compile_graph(counted_graph(name, **capacities))
    with runner.prepare(compiled.program, compiled.files) as prepared:
        for counts in sizes_of(name):
            small, large = padded(MODELS[name], capacities, counts)
            found = prepared.run(large, counts)
            assert_live(found, wanted(MODELS[name], small), f"{name} of {counts}")


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["generator", "wide_generator", "attention", "layer_norm"])
@pytest.mark.parametrize("capacity", [1000, 4099])
def test_many_rows(name: str, capacity: int, runner: NativeRunner) -> None:
    """Every candidate of every kernel, at sizes around those of workgroups and tiles."""
    compiled = compile_graph(counted_graph(name, n=capacity))
    if name == "attention" and capacity > 1000:
        pytest.skip("its scores are many")
    most = max(len(d.candidates) for d in compiled.program.dispatches)
    for number in range(most):
        chosen = {
            index: min(number, len(dispatch.candidates) - 1)
            for index, dispatch in enumerate(compiled.program.dispatches)
        }
        with runner.prepare(compiled.program, compiled.files, chosen=chosen) as prepared:
            for n in (0, 1, 63, 65, capacity - 1, capacity):
                small, large = padded(MODELS[name], {"n": capacity}, {"n": n})
                found = prepared.run(large, {"n": n})
                assert_live(found, wanted(MODELS[name], small), f"{name} of {n}")


@pytest.mark.gpu
@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_written_beyond_the_count(name: str, runner: NativeRunner) -> None:
    """What the buffer held there stays; here zeros."""
    capacities = capacities_of(name, 100)
    counts = {"n": 37, "m": 3} if len(capacities) > 1 else {"n": 37}
    compiled = compile_graph(counted_graph(name, **capacities))
    small, large = padded(MODELS[name], capacities, counts)
    found = runner.run(compiled.program, compiled.files, large, counts)
    for output, array in wanted(MODELS[name], small).items():
        beyond = np.ones(found[output].shape, bool)
        beyond[tuple(slice(0, size) for size in array.shape)] = False
        assert not found[output][beyond].any()


@pytest.mark.gpu
def test_a_count_that_is_not_given_is_the_capacity(runner: NativeRunner) -> None:
    """And one beyond it is too."""
    compiled = compile_graph(counted_graph("generator", n=100))
    small, large = padded(MODELS["generator"], {"n": 100}, {"n": 100})
    expected = wanted(MODELS["generator"], small)
    with runner.prepare(compiled.program, compiled.files) as prepared:
        assert_live(prepared.run(large), expected, "not given")
        assert_live(prepared.run(large, {"n": 5000}), expected, "beyond")


def with_arguments(compiled: Compiled) -> Compiled:
    """The program with its workgroups as another output."""
    program = compiled.program
    (buffer,) = [b for b in program.buffers if b.name == "arguments"]
    shape = (buffer.size_bytes // 4,)
    output = Tensor("arguments", shape, "uint32", "u32", "arguments")
    return replace(compiled, program=replace(program, outputs=(*program.outputs, output)))


@pytest.mark.gpu
def test_the_workgroups_that_are_dispatched_follow_the_count(runner: NativeRunner) -> None:
    """A thread a row, 64 threads a workgroup; none for no rows."""
    compiled = with_arguments(compile_graph(counted_graph("generator", n=1000)))
    (rows,) = [k for k in compiled.kernels if k.variants[0].live is not None]
    first = rows.variants[0]
    assert first.live is not None
    assert (first.live.step, first.live.each) == (1, 1)
    (place,) = {a.offset_bytes // 4 for a in indirect(compiled.program.dispatches)[:1]}
    with runner.prepare(compiled.program, compiled.files) as prepared:
        for n, groups in [(0, 0), (1, 1), (64, 1), (65, 2), (999, 16), (1000, 16)]:
            _, large = padded(MODELS["generator"], {"n": 1000}, {"n": n})
            found = prepared.run(large, {"n": n})["arguments"]
            assert tuple(found[place : place + 3]) == (groups, 1, 1)


@pytest.mark.gpu
def test_more_workgroups_than_one_dimension_holds(runner: NativeRunner) -> None:
    """A second dimension, as where the number is known at build."""
    capacity = 70_000
    compiled = compile_graph(counted_graph("layer_norm", n=capacity))
    wide = [
        index
        for index, kernel in enumerate(compiled.kernels)
        for variant in kernel.variants
        if variant.live is not None
    ]
    assert wide
    compiled = with_arguments(compiled)
    for n in (65535 * 64 // 64, capacity):
        small, large = padded(MODELS["layer_norm"], {"n": capacity}, {"n": n})
        with runner.prepare(compiled.program, compiled.files) as prepared:
            found = prepared.run(large, {"n": n})
        assert_live(found, wanted(MODELS["layer_norm"], small), f"{n} rows")


@pytest.mark.gpu
def test_packed_weights_and_counts_go_together(runner: NativeRunner) -> None:
    """Bytes for the weights, a count for the rows."""
    compiled = compile_graph(counted_graph("wide_generator", n=300), weights="f16")
    assert "f16" in compiled.program.report["packed_bytes"]
    small, large = padded(MODELS["wide_generator"], {"n": 300}, {"n": 37})
    found = runner.run(compiled.program, compiled.files, large, {"n": 37})
    for name, array in wanted(MODELS["wide_generator"], small).items():
        part = found[name][: len(array)]
        assert np.abs(part - array).max() < 5e-3 * np.abs(array).max()
