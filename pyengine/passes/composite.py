"""The image over the background, onto the canvas."""

from __future__ import annotations

from pyengine.passes.splat import IMAGE
from pyengine.plan import CANVAS, Draw, Part, RenderPass, RenderPipeline
from pyengine.shaders import assemble

__all__ = ["composite"]


def composite() -> Part:
    """The stage that writes the canvas."""
    return Part(
        shaders={"composite": assemble("composite/composite.wgsl")},
        render=(RenderPipeline("composite", "composite", ("uniform", "texture"), CANVAS),),
        steps=(RenderPass("composite", CANVAS, (Draw("composite", ("frame", IMAGE), (3, 1)),)),),
    )
