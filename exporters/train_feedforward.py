"""Train the feed-forward model on made-up rooms and write assets/generators/feedforward.onnx.

::

    python -m exporters.train_feedforward [--steps N] [--out FILE]

About nine minutes on one thread. Prints the errors on rooms that it was not trained on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from exporters.export import export
from exporters.feedforward import BOUNDS, POSE, FeedForward, ImageToGaussians, filled_behind, folded
from exporters.pictures import FAR, NEAR, SIZE, Pictures, pictures

__all__ = ["held_out_errors", "train", "write"]

STEPS = 3000
BATCH = 16
SEED, HELD_OUT_SEED = 5, 1_000_003
OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "feedforward.onnx"
_KEPT = 1536
"""Pictures are trained on a few times: so many are kept at once."""
_RENDER_EVERY = 12


def disparity(depth: Tensor) -> Tensor:
    """Depths as the network says them: 1 at NEAR, 0 at FAR, linear in 1 / depth."""
    return (1 / depth - 1 / FAR) / (1 / NEAR - 1 / FAR)


def train(steps: int = STEPS) -> FeedForward:
    """A trained network; the same steps and the same PyTorch give the same weights."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    net = FeedForward().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: 3e-3 * min(1, i / 100, 1e-3 + (steps - i) / (0.6 * steps))
    )
    kept: list[tuple[Tensor, ...]] = []
    started = time.monotonic()
    for step in range(steps):
        if step % _RENDER_EVERY == 0:
            kept = (kept + _packed(pictures(BATCH, generator)))[-_KEPT:]
        chosen = torch.randint(len(kept), (BATCH,), generator=generator)
        batch = [torch.stack(column) for column in zip(*(kept[i] for i in chosen), strict=True)]
        image, near, behind = _varied(batch, generator)
        with torch.autocast("cpu", torch.bfloat16):
            found = net(image.to(memory_format=torch.channels_last))
        loss = _loss([part.float() for part in found], near, behind)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if step % 200 == 0:
            print(f"step {step}: {loss.item():.4f}, {time.monotonic() - started:.0f} s", flush=True)
    return net.eval()


def held_out_errors(net: FeedForward, count: int = 64) -> dict[str, float]:
    """Errors on rooms of another seed.

    ``depth``: the mean over pixels of the difference, as a share of the depth; ``within_10``: the
    share of pixels where it is below a tenth; ``behind``: as ``depth``, of the room where objects
    hide it; ``colour``: the mean difference of the second layer's colours there.
    """
    generator = torch.Generator().manual_seed(HELD_OUT_SEED)
    sums = torch.zeros(4)
    for _ in range(count // BATCH):
        made = pictures(BATCH, generator)
        with torch.no_grad():
            near, behind = net(made.image)
            colour = filled_behind(made.image, near, behind)
        error = _relative(near, made.depth)
        hidden = made.room_depth > 1.02 * functional.avg_pool2d(made.depth, 2)
        sums += torch.stack(
            [
                error.mean(),
                (error < 0.1).float().mean(),
                _relative(behind, made.room_depth)[hidden].mean(),
                (colour - made.room_image).abs().mean(1, keepdim=True)[hidden].mean(),
            ]
        )
    names = ("depth", "within_10", "behind", "colour")
    return {name: float(v) for name, v in zip(names, sums / (count // BATCH), strict=True)}


def write(net: FeedForward, path: Path = OUT) -> None:
    """Export with float16 weights."""
    report = export(
        ImageToGaussians(folded(net).to(memory_format=torch.contiguous_format)),
        {"image": ("image", torch.rand(1, 3, SIZE, SIZE))},
        {"packed": "gaussian.packed", "color": "gaussian.color"},
        path,
        images={"image": {"range": [0, 1], "channels": "rgb"}},
        bounds=BOUNDS,
        pose=POSE,
        background=[0.05, 0.05, 0.06],
        half=True,
    )
    print(report)


def _packed(made: Pictures) -> list[tuple[Tensor, ...]]:
    """One tuple a picture: the image as bytes, disparities as float16."""
    columns = (
        (made.image * 255).round().byte(),
        disparity(made.depth).half(),
        disparity(made.room_depth).half(),
    )
    return list(zip(*columns, strict=True))


def _varied(batch: list[Tensor], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Mirrored, in other colours, blurred and with noise, each by chance."""
    image, near, behind = (part.float() for part in batch)
    count = len(image)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    flip = uniform(0, 1) < 0.5
    image, near, behind = (
        torch.where(flip, part.flip(3), part) for part in (image / 255, near, behind)
    )
    order = torch.randperm(3, generator=generator)
    saturation, gain, lift = uniform(0.1, 1.1), uniform(0.7, 1.2), uniform(-0.1, 0.1)

    image = image[:, order]
    grey = image.mean(1, keepdim=True)
    image = ((grey + (image - grey) * saturation) * gain + lift).clamp(0, 1)
    soft = functional.avg_pool2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    image = image + uniform(0, 1) * (soft - image)
    noise = torch.randn(image.shape, generator=generator) * uniform(0, 0.04).clamp(min=0.01)
    return (image + noise).clamp(0, 1), near, behind


def _loss(found: list[Tensor], near: Tensor, behind: Tensor) -> Tensor:
    """Of disparities and of their slopes at four scales: edges in the right place."""
    total = 2 * (found[0] - near).abs().mean() + 2 * (found[1] - behind).abs().mean()
    error = found[0] - near
    for _ in range(4):
        total = total + (error[..., 1:] - error[..., :-1]).abs().mean()
        total = total + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
        error = functional.avg_pool2d(error, 2)
    return total


def _relative(found: Tensor, depth: Tensor) -> Tensor:
    inverse = 1 / FAR + found * (1 / NEAR - 1 / FAR)
    return (1 / inverse - depth).abs() / depth


def main() -> None:
    """Train, print the errors, write."""
    parser = argparse.ArgumentParser(description="Train the feed-forward generator.")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net = train(arguments.steps)
    write(net, arguments.out)
    print({name: round(value, 4) for name, value in held_out_errors(net).items()})


if __name__ == "__main__":
    main()
