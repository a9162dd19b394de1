"""Vitrine in a notebook: ``import vitrine; vitrine.show("scene.ply")``.

The rest is in `pybuild`, which makes bundles, and `pyengine`, which draws them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrine.widget import Scene

__all__ = ["show"]


def show(*source: Any, **options: Any) -> Scene:
    """Show a scene below the cell; see `vitrine.widget.show`.

    Raises
    ------
    ImportError
        anywidget is not installed.
    pyengine.errors.InputError
        The scene cannot be read.
    """
    try:
        from vitrine import widget
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "traitlets"):
            raise
        raise ImportError(
            "vitrine.show needs anywidget, which is not installed here: "
            "pip install 'vitrine[notebook]', then restart the kernel"
        ) from None
    return widget.show(*source, **options)
