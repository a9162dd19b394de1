"""What the filters' training has in common: frames as tensors, pieces, steps, the file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from exporters.export import Exported, export

__all__ = ["TURNS", "as_image", "as_tensor", "fit", "turned", "write_filter"]

TURNS = 8
"""Ways in which a square lies on itself."""
LEAST_STEPS = 100
"""What the rate's rise and fall takes, however few steps there are."""


def as_tensor(image: NDArray[Any]) -> Tensor:
    """An image (H, W, C) as a tensor (C, H, W) of its type."""
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def as_image(model: nn.Module, image: NDArray[Any]) -> Tensor:
    """What a model makes of an image of 0 to 255: (H', W', 3) of 0 to 255, not rounded."""
    with torch.no_grad():
        made: Tensor = model(as_tensor(image)[None].float() / 255)[0]
    return 255 * made.permute(1, 2, 0).clamp(0, 1)


def turned(piece: Tensor, turn: int) -> Tensor:
    """A piece (C, N, N) in one of its `TURNS`."""
    if turn & 1:
        piece = piece.flip(2)
    if turn & 2:
        piece = piece.flip(1)
    return piece.transpose(1, 2) if turn & 4 else piece


def fit(
    model: nn.Module,
    loss: Callable[[], Tensor],
    steps: int,
    rate: float,
    save: Callable[[], None],
    every: int,
    told: int,
) -> None:
    """Learn by Adam at a rate that rises for a twentieth of the steps and then falls to nothing.

    Parameters
    ----------
    model : nn.Module
    loss : callable
        Of a new batch, a scalar.
    steps : int
    rate : float
        The highest.
    save : callable
        Called after each ``every`` steps and at the end.
    told : int
        Steps between two lines about the mean loss.
    """
    optimiser = torch.optim.Adam(model.parameters(), rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=max(steps, LEAST_STEPS), pct_start=0.05, final_div_factor=1e3
    )
    began_s, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        missed = loss()
        optimiser.zero_grad()
        missed.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        total += missed.item()
        if step % told == 0:
            took_s = time.monotonic() - began_s
            print(f"{step:6d}  {total / told:.4f}  {took_s:.0f} s", flush=True)
            total = 0.0
        if step % every == 0 or step == steps:
            save()


def write_filter(
    model: nn.Module,
    path: Path,
    output: str,
    channels: int = 3,
    images: Mapping[str, Mapping[str, Any]] | None = None,
) -> Exported:
    """The model as it is now, for images of any height and width that it takes.

    Parameters
    ----------
    channels : int
        Of its input ``image``.
    images : mapping, optional
        See `exporters.export.to_model`.
    """
    example = torch.rand(1, channels, 36, 64, generator=torch.Generator().manual_seed(3))
    return export(
        model,
        {"image": ("image", example)},
        {output: "image"},
        path,
        kind="filter",
        images=images,
        symbols={"image": ("height", "width")},
    )
