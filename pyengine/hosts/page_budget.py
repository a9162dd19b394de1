"""How much memory of the GPU a scene may take in the page: fewer bands of SH first, then a refusal.

What counts is the buffers of the scene's plan. The pictures of the canvas and what a filter takes
come on top: they follow the size of the element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pyengine.bundle import SH_WORDS, BufferFile, Scene
from pyengine.errors import DeviceError
from pyengine.plan import Plan

__all__ = ["MEGABYTE", "Fitted", "fitted", "size_bytes", "within_budget"]

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Fitted:
    """A scene that keeps its budget.

    Attributes
    ----------
    scene : Scene
        With as many bands of SH as there is room for.
    cut : dict of str to (int, int)
        Buffers whose rows are stored in more bytes than the scene takes: bytes of a row in the
        file, and how many of them, from the first, are the scene's.
    """

    scene: Scene
    plan: Plan
    cut: dict[str, tuple[int, int]]


def size_bytes(plan: Plan) -> int:
    """Bytes of all buffers."""
    return sum(buffer.size_bytes for buffer in plan.buffers)


def fitted(scene: Scene, plan: Callable[[Scene], Plan], budget_bytes: int) -> Fitted:
    """The scene with the most bands of SH that the budget has room for; 0 is no budget.

    Only a scene of one packed file can do without bands: a generator computes all of them, and
    objects share one buffer.

    Raises
    ------
    DeviceError
        None has room; with both numbers.
    """
    for candidate in _candidates(scene):
        made = plan(candidate)
        if not budget_bytes or size_bytes(made) <= budget_bytes:
            return Fitted(candidate, made, _cut(scene, candidate))
    return Fitted(candidate, within_budget(made, budget_bytes), {})


def within_budget(plan: Plan, budget_bytes: int) -> Plan:
    """The plan; a budget of 0 is none.

    Raises
    ------
    DeviceError
        It takes more than the budget.
    """
    wanted = size_bytes(plan)
    if budget_bytes and wanted > budget_bytes:
        raise DeviceError(
            f"the scene takes {wanted / MEGABYTE:.1f} MB of the GPU's memory, the page's budget "
            f"for it is {budget_bytes / MEGABYTE:g} MB; a scene with fewer Gaussians takes less"
        )
    return plan


def _candidates(scene: Scene) -> Iterator[Scene]:
    """The scene, then with fewer and fewer bands."""
    yield scene
    if scene.generator is not None or scene.objects:
        return
    for degree in range(scene.sh_degree - 1, -1, -1):
        buffers = dict(scene.buffers)
        stored = buffers.pop("sh")
        if degree:
            size = stored.size_bytes // SH_WORDS[scene.sh_degree] * SH_WORDS[degree]
            buffers["sh"] = BufferFile(stored.file, size)
        yield replace(scene, sh_degree=degree, buffers=buffers)


def _cut(stored: Scene, scene: Scene) -> dict[str, tuple[int, int]]:
    if scene is stored or not scene.sh_degree:
        return {}
    return {"sh": (4 * SH_WORDS[stored.sh_degree], 4 * SH_WORDS[scene.sh_degree])}
