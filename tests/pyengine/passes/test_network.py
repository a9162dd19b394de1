"""A generator's program in a plan: aliases, states that take turns, what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.compile import compile_tensors
from pybuild.onnx.ir import constant, input_tensor, map_tensor
from pybuild.runner import shader_texts
from pyengine.errors import BundleError, DeviceError
from pyengine.feeds import FeedSpec
from pyengine.generator_spec import INPUTS
from pyengine.hosts.null import NullHost
from pyengine.passes.network import PREFIX, network
from pyengine.plan import DEFAULT_LIMITS, Adapter, ComputePass, Range
from pyengine.scene_plan import required_limits, scene_plan
from tests.pyengine.generators import Made, generator

HARDWARE = Adapter(DEFAULT_LIMITS, subgroup_size=32)


def bound(step: object) -> list[tuple[str, ...]]:
    """Buffers of each dispatch."""
    assert isinstance(step, ComputePass)
    return [tuple(b.buffer for b in d.bindings if isinstance(b, Range)) for d in step.dispatches]


def fitted(made: Made) -> Any:
    """The network of a generator made by hand."""
    program, files = made.compiled.program, made.compiled.files
    return network(made.scene, program, shader_texts(program, files), HARDWARE)


def test_inputs_lie_in_one_buffer() -> None:
    """The program's own buffers of inputs are not made."""
    made = generator(300, timed=True, counted=True)
    (run,) = fitted(made).runs
    own = {PREFIX + tensor.buffer for tensor in made.compiled.program.inputs}
    assert not own & {buffer.name for buffer in run.buffers}
    used = {name for names in bound(run.steps[0]) for name in names}
    assert INPUTS in used
    assert not own & used


def test_states_are_exchanged_and_nothing_else() -> None:
    """The second run reads what the first one wrote, and has no kernels or buffers of its own."""
    made = generator(300, stateful=True)
    first, second = fitted(made).runs
    assert (second.buffers, second.shaders, second.compute) == ((), {}, ())
    tensors = {t.name: t for t in (*made.compiled.program.inputs, *made.compiled.program.outputs)}
    a, b = (PREFIX + tensors[name].buffer for name in ("memory", "state.memory"))
    swapped = [
        tuple({a: b, b: a}.get(name, name) for name in names) for names in bound(first.steps[0])
    ]
    assert bound(second.steps[0]) == swapped
    assert swapped != bound(first.steps[0])
    usages = {buffer.name: buffer.usage for buffer in first.buffers}
    assert "readback" in usages[a]
    assert "readback" in usages[b]
    NullHost().build(made.plan(HARDWARE))


def changed(made: Made, **changes: Any) -> Callable[[], object]:
    """Fit the program to a scene that says something else."""
    scene = replace(made.scene, generator=replace(made.spec, **changes))
    return lambda: fitted(replace(made, scene=scene))


def with_feed(made: Made, index: int, **changes: Any) -> Callable[[], object]:
    """... of an input."""
    feeds = list(made.spec.feeds)
    feeds[index] = replace(feeds[index], **changes)
    return changed(made, feeds=tuple(feeds))


PLAIN, STATEFUL, COUNTED = generator(300), generator(300, stateful=True), generator(9, counted=True)
MISFITS: dict[str, tuple[Callable[[], object], str]] = {
    "an input too many": (
        changed(PLAIN, feeds=(*PLAIN.spec.feeds, FeedSpec("x", "latent", (1,), "float32"))),
        "there is no input 'x', which the scene feeds",
    ),
    "an input too few": (
        changed(PLAIN, feeds=PLAIN.spec.feeds[:1]),
        "nothing feeds the input 'shade'",
    ),
    "another shape": (
        with_feed(PLAIN, 1, shape=(3, 300)),
        r"input 'shade' has float32 \[300, 3\], the scene says float32 \[3, 300\]",
    ),
    "another type": (with_feed(PLAIN, 1, dtype="int32"), "the scene says int32"),
    "another capacity": (
        changed(PLAIN, capacity=301),
        r"output 'gaussian\.packed' must have 3010 f32 elements, got f32 \[300, 10\]",
    ),
    "a count that is not there": (changed(PLAIN, counted=True), "disagree about 'gaussian.count'"),
    "a count that is not asked for": (changed(COUNTED, counted=False), "disagree about"),
    "SH that are not there": (
        lambda: fitted(replace(PLAIN, scene=replace(PLAIN.scene, sh_degree=1))),
        "the scene has SH of degree 1, the program colours",
    ),
    "a state of nothing": (
        with_feed(STATEFUL, 3, state="other"),
        r"there is no output 'state\.other'",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit(name: str) -> None:
    """Told before anything is made."""
    misfit, message = MISFITS[name]
    with pytest.raises(BundleError, match=message):
        misfit()


def test_a_constant_state_is_refused() -> None:
    """Its buffer would be taken for the one that is written."""
    memory = input_tensor("memory", (4,), "f32")
    kept = constant("kept", np.ones(4, np.float32), "f32")
    compiled = compile_tensors(
        "constant",
        [memory],
        [
            replace_name(kept, "state.memory"),
            map_tensor("gaussian.packed", (2, 10), lambda i, j: memory[i] + 0 * memory[j % 4]),
            map_tensor("gaussian.color", (2, 3), lambda i, j: memory[j]),
        ],
    )
    feed = FeedSpec("memory", "state", (4,), "float32", state="memory")
    spec = replace(PLAIN.spec, capacity=2, feeds=(feed,))
    made = Made(replace(PLAIN.scene, count=2, generator=spec), compiled)
    with pytest.raises(BundleError, match="a state is constant"):
        fitted(made)


def replace_name(tensor: Any, name: str) -> Any:
    """The same constant as an output of a name."""
    return type(tensor)(name, tensor.shape, tensor.type, tensor.source)


def test_a_scene_without_its_program() -> None:
    """Or a program without a scene's word of it."""
    with pytest.raises(BundleError, match="whose program is missing"):
        scene_plan(PLAIN.scene, HARDWARE)
    static = replace(PLAIN.scene, generator=None)
    with pytest.raises(BundleError, match="a program without the key 'generator'"):
        network(static, PLAIN.compiled.program, {}, HARDWARE)


def test_bindings_beyond_the_adapter_are_told() -> None:
    """Of the program's buffers too."""
    made = generator(300)
    small = {**DEFAULT_LIMITS, "maxBufferSize": 1 << 10, "maxStorageBufferBindingSize": 1 << 10}
    plan = made.plan(HARDWARE)
    with pytest.raises(DeviceError, match=r"^the generator needs .*Use a smaller model, or"):
        required_limits(plan, replace(HARDWARE, limits=small))


def test_an_arena_bound_in_parts_needs_no_large_binding() -> None:
    """Only what is bound together counts."""
    made = generator(300)
    plan = made.plan(HARDWARE)
    buffers = [replace(b, size_bytes=200 << 20) if b.name == INPUTS else b for b in plan.buffers]
    needed = required_limits(replace(plan, buffers=tuple(buffers)), HARDWARE)
    assert needed["maxBufferSize"] == DEFAULT_LIMITS["maxBufferSize"]
    assert needed["maxStorageBufferBindingSize"] == DEFAULT_LIMITS["maxStorageBufferBindingSize"]
