"""Every plan that the engine can make, without a bundle: for compilers and for the null host."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pybuild.filters.bundle import make_filters
from pybuild.runner import shader_texts
from pyengine.bundle import BufferFile, Pose, Scene
from pyengine.drop import decode_plan
from pyengine.object_spec import ObjectSpec
from pyengine.passes.modes import MODES
from pyengine.passes.pick import pick_plan
from pyengine.plan import DEFAULT_LIMITS, Adapter, ComputePipeline, Plan, RenderPipeline
from pyengine.scene_plan import scene_plan
from pyengine.sources import Source
from tests.pyengine.filters import deep
from tests.pyengine.generators import Made, generator

SUBGROUP_SIZES = (0, 4, 8, 16, 32, 64, 128)
"""All that WGSL allows, and an adapter that does not say."""

TWO_PASSES, THREE_PASSES = 300, (1 << 18) + 1
"""Counts with 16 and with 24 bits of depth."""


def scene_of(count: int, sh_degree: int = 0, antialiased: bool = False) -> Scene:
    """The description of a packed cloud that nobody packed."""
    scene = Scene(
        count=count,
        sh_degree=sh_degree,
        antialiased=antialiased,
        bounds=((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
        pose=Pose((0.0, 0.0, -4.0), (0.0, 0.0, 0.0), 50.0),
        background=(0.0, 0.0, 0.0),
        buffers={},
    )
    files = {name: BufferFile(f"{name}.bin", n) for name, n in scene.expected_sizes().items()}
    return replace(scene, buffers=files)


def objects_of(degree: int, made: Made | None = None) -> Scene:
    """Two files that nobody packed, one without SH, and perhaps a generator, as objects."""
    alone = scene_of(TWO_PASSES + 9, degree)
    objects = [
        ObjectSpec("a", "a.ply", TWO_PASSES, (0, 2), 0, degree, alone.bounds),
        ObjectSpec("b", "b.ply", 9, (2, 1), 2, 0, alone.bounds),
    ]
    if made is not None:
        own = made.scene
        chunks = 3, own.chunk_count
        objects.append(
            ObjectSpec("g", "g", own.count, chunks, 0, own.sh_degree, own.bounds, is_generator=True)
        )
    return replace(
        alone,
        count=sum(item.count for item in objects),
        sh_degree=max(item.sh_degree for item in objects),
        objects=tuple(objects),
        generator=made.spec if made else None,
    )


def adapters() -> list[Adapter]:
    """One for each decision that a plan takes."""
    hardware = [Adapter(DEFAULT_LIMITS, size) for size in SUBGROUP_SIZES]
    software = [
        Adapter(DEFAULT_LIMITS, 4, software=True, float32_blendable=floats)
        for floats in (False, True)
    ]
    return [*hardware, *software]


def kind_of(adapter: Adapter) -> str:
    """A name for an adapter of `adapters`."""
    if adapter.software:
        return "software, float blending" if adapter.float32_blendable else "software"
    return f"subgroups {adapter.subgroup_size}"


def real_plans() -> Iterator[tuple[str, Plan]]:
    """Each plan with a name: all adapters, and all scenes, in two and in three radix passes."""
    for adapter, count in itertools.product(adapters(), (TWO_PASSES, THREE_PASSES)):
        yield f"{kind_of(adapter)}, {count} splats", scene_plan(scene_of(count), adapter)
    for degree, antialiased in itertools.product(range(4), (False, True)):
        scene = scene_of(TWO_PASSES, degree, antialiased)
        yield f"degree {degree}, antialiased {antialiased}", scene_plan(scene, adapters()[0])
    for shader, degree in itertools.product(("ply", "splat", "spz", "compressed_ply"), range(4)):
        source = Source("file", shader, TWO_PASSES, degree, False, 0, 4096, ())
        yield f"decode {shader} of degree {degree}", decode_plan(source, adapters()[0])
    for adapter in adapters()[::4]:  # one of each sort
        counted = generator(TWO_PASSES, 2, counted=True)
        yield f"generator, {kind_of(adapter)}", counted.plan(adapter)
    for sh_degree, antialiased in ((None, True), (0, False), (3, False)):
        stepping = generator(TWO_PASSES, 1, sh_degree, stateful=True, antialiased=antialiased)
        yield f"generator of degree {sh_degree}, {antialiased}", stepping.plan(adapters()[0])
    with TemporaryDirectory() as folder:
        made = make_filters([str(deep(Path(folder)))], (96, 64))[0]
    for adapter, count in itertools.product(adapters()[::4], (TWO_PASSES, THREE_PASSES)):
        plan = scene_plan(scene_of(count), adapter, filtering=made.filtering(rests=True))
        yield f"a filter with depth, {kind_of(adapter)}, {count} splats", plan
    for adapter, mode in itertools.product(adapters()[::4], MODES):
        plan = scene_plan(scene_of(TWO_PASSES), adapter, mode=mode)
        yield f"mode {mode}, {kind_of(adapter)}", plan
    for scene in (scene_of(TWO_PASSES, 1), scene_of(THREE_PASSES)):
        picking = pick_plan(scene_plan(scene, adapters()[0]), scene)
        yield f"picking in {scene.count} splats", picking
    for degree in (0, 3):
        yield f"objects of degree {degree}", scene_plan(objects_of(degree), adapters()[0])
        for made in (
            generator(TWO_PASSES, 1, degree),
            generator(TWO_PASSES, 2, counted=True, stateful=bool(degree)),
        ):
            program, files = made.compiled.program, made.compiled.files
            plan = scene_plan(
                objects_of(degree, made), adapters()[0], program, shader_texts(program, files)
            )
            yield f"objects of degree {degree} and a generator, {made.spec.counted}", plan
    for adapter in adapters():
        source = Source("file", "ply", TWO_PASSES, 0, False, 0, 4096, ())
        yield f"decode, {kind_of(adapter)}", decode_plan(source, adapter)


def every_pipeline(plans: Sequence[Plan]) -> Plan:
    """The different shaders and pipelines of plans as one plan, without resources or passes."""
    texts: dict[tuple[str, bool], str] = {}
    subgroups: list[str] = []
    compute: dict[str, ComputePipeline] = {}
    render: dict[str, RenderPipeline] = {}
    for plan in plans:
        names = {}
        for name, text in plan.shaders.items():
            key = (text, name in plan.subgroups)
            if key not in texts:
                texts[key] = f"{name} {len(texts)}"
                subgroups += [texts[key]] * key[1]
            names[name] = texts[key]
        for pipeline in plan.compute:
            same = replace(pipeline, name="", shader=names[pipeline.shader])
            compute.setdefault(repr(same), replace(same, name=f"{pipeline.name} {len(compute)}"))
        for drawn in plan.render:
            same_draw = replace(drawn, name="", shader=names[drawn.shader])
            render.setdefault(
                repr(same_draw), replace(same_draw, name=f"{drawn.name} {len(render)}")
            )
    return Plan(
        buffers=(),
        textures=(),
        shaders={name: text for (text, _), name in texts.items()},
        compute=tuple(compute.values()),
        render=tuple(render.values()),
        schedules={},
        subgroups=tuple(subgroups),
    )
