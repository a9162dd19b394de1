"""A program as a part of a plan: which kernels an adapter takes, buffers, limits, aliases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pybuild.runner import shader_texts
from pyengine.errors import DeviceError
from pyengine.hosts.null import NullHost
from pyengine.plan import DEFAULT_LIMITS, Adapter, Buffer, ComputePass, Indirect, Part, Plan, Range
from pyengine.program import Candidate, defaults, eligible, program_part, required_limits
from tests.small_programs import CASES, Case, add, counted, perceptron

GPU = Adapter(DEFAULT_LIMITS, 32)
SOFTWARE = Adapter(DEFAULT_LIMITS, 0, software=True)


@pytest.mark.parametrize("adapter", [GPU, SOFTWARE], ids=["gpu", "software"])
@pytest.mark.parametrize("name", CASES)
def test_a_program_is_a_plan_that_keeps_the_rules(name: str, adapter: Adapter) -> None:
    """One compute pass; alone and twice in one plan."""
    case = CASES[name]()
    texts = shader_texts(case.program, case.files)
    parts = [program_part(case.program, texts, adapter, prefix) for prefix in ("a.", "b.")]
    plan = Plan.of({"run": tuple(parts)})
    NullHost().build(plan)
    assert all(len(part.steps) == 1 for part in parts)
    assert plan.count_dispatches("run") == 2 * len(case.program.dispatches)
    assert required_limits(plan, adapter).keys() == {"maxBufferSize", "maxStorageBufferBindingSize"}


def names_of(part: Part) -> list[str]:
    """Pipelines that the dispatches of a program's part use, in order."""
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    return [dispatch.pipeline for dispatch in step.dispatches]


def test_the_adapter_chooses_when_nothing_was_tuned() -> None:
    """By preference, else the first; what tuning chose goes first."""
    case = add()
    texts = shader_texts(case.program, case.files)
    assert names_of(program_part(case.program, texts, GPU)) == ["k64"]
    assert names_of(program_part(case.program, texts, SOFTWARE)) == ["k32"]
    assert names_of(program_part(case.program, texts, SOFTWARE, chosen={0: 0})) == ["k64"]
    assert names_of(program_part(case.program, texts, SOFTWARE, chosen={0: 9})) == ["k32"]
    only = replace(
        case.program,
        dispatches=(
            replace(case.program.dispatches[0], candidates=(Candidate("k64", (1, 1, 1), "gpu"),)),
        ),
    )
    assert names_of(program_part(only, texts, SOFTWARE)) == ["k64"]
    assert defaults(case.program, texts, SOFTWARE) == (1,)
    assert eligible(case.program, 0, texts, SOFTWARE) == (1, 0)


def halves(directive: str) -> Case:
    """The sum with a first candidate in a shader that begins with a directive."""
    case = add()
    program = case.program
    half = replace(program.pipelines[0], name="k_half", shader="half")
    first = replace(program.dispatches[0].candidates[0], pipeline="k_half")
    dispatch = program.dispatches[0]
    dispatch = replace(dispatch, candidates=(first, *dispatch.candidates))
    text = directive.encode() + case.files["kernels/k.wgsl"]
    return replace(
        case,
        program=replace(
            program,
            shaders={**program.shaders, "half": "kernels/half.wgsl"},
            pipelines=(half, *program.pipelines),
            dispatches=(dispatch,),
            features=("shader-f16",),
        ),
        files={**case.files, "kernels/half.wgsl": text},
    )


@pytest.mark.parametrize("directive", ["enable f16;", "enable subgroups, f16;", "  enable\nf16;"])
def test_half_floats_are_chosen_where_the_adapter_has_them(directive: str) -> None:
    """The shader says that it needs them, as WGSL wants it to."""
    case = halves(directive)
    texts = shader_texts(case.program, case.files)
    able = replace(GPU, shader_f16=True)
    part = program_part(case.program, texts, able)
    assert names_of(part) == ["k_half"]
    assert Plan.of({"run": (part,)}).features == ("shader-f16",)
    part = program_part(case.program, texts, GPU, chosen={0: 0})
    assert names_of(part) == ["k64"]
    assert part.needs == ()
    assert list(part.shaders) == ["k"]


def test_subgroups_are_chosen_where_the_adapter_has_them() -> None:
    """And the part tells which of its shaders use them."""
    case = halves("")
    program = replace(case.program, subgroups=("half",), features=())
    texts = shader_texts(program, case.files)
    part = program_part(program, texts, GPU, "p.")
    assert part.subgroups == ("p.half",)
    assert names_of(program_part(program, texts, SOFTWARE)) == ["k32"]
    alone = replace(
        program,
        dispatches=(
            replace(program.dispatches[0], candidates=program.dispatches[0].candidates[:1]),
        ),
    )
    with pytest.raises(DeviceError, match=r"^program 'add': 'add of 15' has only kernels with sub"):
        program_part(alone, texts, SOFTWARE)


def test_equal_pipelines_are_made_once() -> None:
    """Whatever the compiler called them; shaders that nothing uses stay behind."""
    case = add()
    program = case.program
    twin = replace(program.pipelines[0], name="twin")
    dispatch = program.dispatches[0]
    second = replace(dispatch, candidates=(Candidate("twin", (1, 1, 1)),))
    program = replace(
        program,
        pipelines=(*program.pipelines, twin),
        shaders={**program.shaders, "unused": "kernels/unused.wgsl"},
        dispatches=(dispatch, second, dispatch),
    )
    part = program_part(program, {"k": "text", "unused": "text"}, GPU, "p/")
    assert [pipeline.name for pipeline in part.compute] == ["p/k64"]
    assert names_of(part) == ["p/k64"] * 3
    assert list(part.shaders) == ["p/k"]


def test_buffers_have_the_usages_that_they_need() -> None:
    """Inputs and files are uploaded, outputs read, arguments too, counts both ways."""
    case = counted()
    part = program_part(case.program, shader_texts(case.program, case.files), GPU, "c.")
    assert part.buffers == (
        Buffer("c.t.x", 800, ("storage", "upload")),
        Buffer("c.t.y", 800, ("storage", "readback")),
        Buffer("c.count.n", 4, ("storage", "upload", "readback")),
        Buffer("c.args", 16, ("storage", "indirect", "readback")),
    )
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    assert step.dispatches[1].workgroups == Indirect("c.args", 0)
    assert step.dispatches[1].bindings[0] == Range("c.count.n", 0, 4)
    weights = program_part(
        (p := perceptron()).program, shader_texts(p.program, p.files), GPU, "p."
    ).buffers[-1]
    assert weights.source == next(iter(p.program.files))
    assert weights.usage == ("storage", "upload")


def test_limits_are_those_of_the_largest_range() -> None:
    """Not of the buffer, which is bound in parts."""
    mib = 1 << 20
    case = perceptron()
    texts = shader_texts(case.program, case.files)
    part = program_part(case.program, texts, GPU)
    step = part.steps[0]
    assert isinstance(step, ComputePass)
    plan = Plan.of({"run": (replace(part, buffers=(Buffer("arena", 300 * mib, ("storage",)),)),)})
    able = Adapter({"maxBufferSize": 400 * mib, "maxStorageBufferBindingSize": 128 * mib})
    assert required_limits(plan, able) == {
        "maxBufferSize": 300 * mib,
        "maxStorageBufferBindingSize": 128 * mib,
    }
    with pytest.raises(
        DeviceError,
        match=r"^the model needs a GPU buffer of 300 MiB \('arena'\); this adapter offers 256 MiB "
        r"\(maxBufferSize\)",
    ):
        required_limits(plan, GPU, "the model")
    large = replace(step.dispatches[1], bindings=(Range("arena", 0, 200 * mib),))
    plan = replace(plan, schedules={"run": (replace(step, dispatches=(large,)),)})
    with pytest.raises(DeviceError, match=r"200 MiB .* 128 MiB \(maxStorageBufferBindingSize\)"):
        required_limits(plan, able)


def test_aliases_lie_in_other_buffers() -> None:
    """Bindings and arguments move along; the part makes no buffer for what is elsewhere."""
    case = counted()
    aliases = {"t.x": Range("inputs", 512, 1024), "args": Range("other", 256, 16)}
    texts = shader_texts(case.program, case.files)
    part = program_part(case.program, texts, GPU, "c.", aliases=aliases)
    assert [buffer.name for buffer in part.buffers] == ["c.t.y", "c.count.n"]
    (step,) = part.steps
    assert isinstance(step, ComputePass)
    arguments, double = step.dispatches
    assert arguments.bindings == (Range("c.count.n", 0, 4), Range("other", 256, 16))
    assert double.bindings[1:] == (Range("inputs", 512, 800), Range("c.t.y", 0, 800))
    assert double.workgroups == Indirect("other", 256)
