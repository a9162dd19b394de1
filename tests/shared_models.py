"""The networks beside the checkout: what each may cost, and what other runtimes make of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.compile import Compiled
from pybuild.onnx.models import compile_opened, open_graph
from pybuild.onnx.oracle import difference, reference
from pybuild.onnx.verify import HALF_TOLERANCE, TOLERANCE, is_half
from pybuild.random_inputs import random_inputs

__all__ = ["DISPATCHES", "Case", "case"]

Arrays = dict[str, NDArray[Any]]

DISPATCHES: dict[str, int | None] = {
    "SqueezeNet_fp16": None,
    "blazeface_front_128": 45,
    "candy_256_op17": 35,
    "espcn_x3_224": 5,
    "mlsd_320x320_tiny": 50,
    "mnist": 5,
    "synth/synth_avatar_lbs": 6,
    "synth/synth_avatar_lbs_f32": 6,
    "synth/synth_ffsplat_vit_f32": 70,
    "synth/synth_hexplane_4dgs": 6,
    "synth/synth_hexplane_4dgs_f32": 6,
    "synth/synth_scaffold_gs": 6,
    "synth/synth_scaffold_gs_f32": 6,
    "synth/synth_unet_post_f32": 45,
}
"""The most that each may take; None: no figure to beat."""


@dataclass(frozen=True, slots=True)
class Case:
    """A compiled network, and pairs of inputs and wanted outputs.

    Attributes
    ----------
    runs : list of (str, inputs, outputs)
        Whose outputs they are.
    tolerance : float
        Of an output's largest magnitude.
    """

    compiled: Compiled
    runs: list[tuple[str, Arrays, Arrays]]
    tolerance: float

    def check(self, who: str, found: Arrays, wanted: Arrays) -> None:
        """Every output is near enough."""
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype
            apart = difference(found[name], array)
            assert apart.max_rel <= self.tolerance, f"{name}: {apart} from {who}"


@cache
def case(path: Path) -> Case:
    """A model compiled, with onnxruntime's outputs on random inputs, and PyTorch's if there."""
    graph = open_graph(path)
    compiled = compile_opened(graph, str(path))
    feeds = random_inputs(graph.inputs, 0)
    names = [info.name for info in graph.outputs]
    runs = [("onnxruntime", feeds, reference(path, feeds, names))]
    beside = path.with_name(f"{path.stem}_torch.npz")
    if beside.is_file():
        with np.load(beside) as arrays:
            inputs = {info.name: arrays[f"in{k}"] for k, info in enumerate(graph.inputs)}
            runs.append(
                ("PyTorch", inputs, {name: arrays[f"out{k}"] for k, name in enumerate(names)})
            )
    return Case(compiled, runs, HALF_TOLERANCE if is_half(graph) else TOLERANCE)
