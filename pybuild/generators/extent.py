"""How far a generator's Gaussians reach: it is run at several times, on this machine's GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.networks import Network
from pybuild.render import Renderer
from pyengine.bundle import Scene
from pyengine.camera_inputs import IDENTITY
from pyengine.errors import DeviceError, InputError
from pyengine.generator_spec import GeneratorSpec
from pyengine.hosts.native import open_adapter
from pyengine.passes.network import PREFIX
from pyengine.view import WORLD_UP, View

__all__ = ["corners", "extent"]

Floats = NDArray[np.float64]

MOMENTS = 9
SPAN_S = 2.0
"""Seconds that are looked at where no clip says how long."""
MARGIN = 0.1
"""Of the box's longest side, for what happens between the moments."""
FARTHEST = 1e18
"""Rows beyond are never drawn."""
FAINTEST = 1 / 255
DISTANCE = 4.0
SIZE_PX = 16


def extent(scene: Scene, network: Network) -> tuple[Floats, Floats]:
    """The box around all centres that can be seen at `MOMENTS` times of the clip.

    The camera goes round meanwhile, and sliders to their ends.

    Parameters
    ----------
    scene : Scene
        Of one instance that is not moved; its bounds do not matter.
    network : Network
        One that makes all rows, seen or not.

    Returns
    -------
    low, high : (3,) float64
        Model's units.

    Raises
    ------
    InputError
        Nothing can be seen at any of the times, or there is no GPU to tell.
    """
    spec = scene.generator
    assert spec is not None
    try:
        adapter = open_adapter()
    except DeviceError as error:
        raise InputError(
            f"the generator's bounds are not known and cannot be found by running it ({error}); "
            "add vitrine.bounds = [[x, y, z], [x, y, z]] to the model's metadata"
        ) from None
    boxes = _boxes(scene, spec, network, adapter)
    if not boxes:
        raise InputError(
            "the generator made no Gaussians that can be seen at any of "
            f"{MOMENTS} times; are opacities above 0, and numbers finite? If it needs inputs to "
            "show something, give them with --input, or add vitrine.bounds to the model's metadata"
        )
    low = np.min([box[0] for box in boxes], axis=0)
    high = np.max([box[1] for box in boxes], axis=0)
    margin = MARGIN * max(float((high - low).max()), 1e-3)
    return low - margin, high + margin


def corners(low: Floats, high: Floats) -> Floats:
    """The eight corners of a box: (8, 3)."""
    box = (low, high)
    return np.array([(box[x][0], box[y][1], box[z][2]) for x, y, z in np.ndindex(2, 2, 2)])


def _boxes(
    scene: Scene, spec: GeneratorSpec, network: Network, adapter: Any
) -> list[tuple[Floats, Floats]]:
    outputs = {tensor.name: tensor for tensor in network.program.outputs}
    duration_s = spec.clip.duration_s if spec.clip else SPAN_S
    span = MOMENTS if spec.clip and spec.clip.loop else MOMENTS - 1
    alone = replace(spec, transforms=(IDENTITY,))
    found = []
    scene = replace(scene, generator=alone)
    with Renderer(scene, lambda _: b"", SIZE_PX, SIZE_PX, network, adapter) as renderer:
        for moment in range(MOMENTS):
            for feed in spec.feeds:
                if feed.control is not None and moment:
                    ends = feed.control.low, feed.control.high
                    renderer.engine.set_input(feed.name, ends[moment % 2])
            angle = 2 * np.pi * moment / MOMENTS
            eye = DISTANCE * float(np.sin(angle)), 0.0, -DISTANCE * float(np.cos(angle))
            view = View.look_at(eye, (0, 0, 0), WORLD_UP, 60, SIZE_PX, SIZE_PX)
            if spec.stateful and moment:  # from where it is; a time of its own would begin anew
                renderer.engine.skip(view, duration_s / span)
                renderer.draw(view)
            else:
                renderer.draw(view, duration_s * moment / span)
            packed = renderer.read(PREFIX + outputs["gaussian.packed"].buffer)
            rows = packed[: 10 * spec.capacity].reshape(-1, 10)
            if spec.counted:
                count = renderer.read(PREFIX + outputs["gaussian.count"].buffer, np.int32)[0]
                rows = rows[: max(0, min(int(count), spec.capacity))]
            with np.errstate(invalid="ignore"):
                seen = (np.abs(rows) < FARTHEST).all(axis=1) & (rows[:, 3] >= FAINTEST)
            points = rows[seen, :3].astype(np.float64)
            if len(points):
                found.append((points.min(axis=0), points.max(axis=0)))
    return found
