"""The last step that every reader shares: drop what cannot be drawn, bring into PLY axes."""

from __future__ import annotations

import warnings

import numpy as np

from pybuild.formats.axes import check_up, placed, system_matrix
from pybuild.gaussians import UP_ROTATIONS, Gaussians
from pyengine.errors import malformed

__all__ = ["DroppedSplats", "empty", "finished"]


class DroppedSplats(UserWarning):
    """Splats of a scene file were dropped: NaN, infinite positions or zero quaternions."""


def empty(name: str, count: int, sh_degree: int, antialiased: bool = False) -> Gaussians:
    """A cloud of uninitialised arrays for a reader to fill.

    Raises
    ------
    FormatError
        The machine's memory does not hold it.
    """
    try:
        return Gaussians(
            np.empty((count, 3), np.float32),
            np.empty((count, 3), np.float32),
            np.empty((count, 4), np.float32),
            np.empty(count, np.float32),
            np.empty((count, (sh_degree + 1) ** 2, 3), np.float32),
            antialiased,
        )
    except MemoryError as error:
        raise malformed(
            name, f"{count} splats of SH degree {sh_degree} do not fit in this machine's memory"
        ) from error


def finished(gaussians: Gaussians, name: str, up: str | None, system: str = "RDF") -> Gaussians:
    """Clean a cloud that was just read and turn it into PLY axes.

    Parameters
    ----------
    gaussians : Gaussians
        In the file's axes, quaternions of any length; its memory is reused.
    name : str
        The file, for the warning.
    up : str or None
        None trusts ``system``; ``source`` leaves the axes as they stand; y, -y, z, -z says which
        of the file's axes points up, whatever ``system`` says.
    system : str
        The axes that the format declares (see `axes`).

    Warns
    -----
    DroppedSplats
        Some splats could not be drawn.
    """
    check_up(up)
    with np.errstate(over="ignore", invalid="ignore"):
        kept, dropped = gaussians.cleaned()
    if dropped:
        warnings.warn(
            f"{name}: {dropped} of {gaussians.count} splats dropped"
            " (NaN, infinite position or size, or no rotation)",
            DroppedSplats,
            stacklevel=2,
        )
    if up == "source":
        return kept
    return placed(kept, system_matrix(system) if up is None else UP_ROTATIONS[up])
