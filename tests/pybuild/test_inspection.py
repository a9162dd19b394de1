"""The numbers of ``vitrine inspect``, where they are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pybuild.bundle import describe
from pybuild.gaussians import Gaussians
from pybuild.inspection import Error, gpu_buffers, packing_errors, pixel_bytes
from pybuild.pack import Packed, pack
from pybuild.report import megabytes, text, transfer


def measured(cloud: Gaussians, packed: Packed) -> dict[tuple[str, str], Error]:
    """Errors by quantity and unit."""
    return {(error.quantity, error.unit): error for error in packing_errors(cloud, packed)}


def test_errors_are_measured_against_the_right_rows(cloud: Gaussians) -> None:
    """Packing sorts; a comparison that forgot would find errors as large as the scene."""
    packed = pack(cloud)
    errors = measured(cloud, packed)
    position = errors["position", "world units"]
    assert 0 < position.rms <= position.largest < 4 / 65535
    assert errors["position", "of the chunk's box"].largest <= 1 / 65536
    assert errors["scale", "of the Gaussian's largest sigma"].largest < 0.01
    assert errors["colour", "0 to 1"].largest < 0.01


def shifted(cloud: Gaussians) -> Gaussians:
    """Five units away."""
    return replace(cloud, positions=cloud.positions + np.array([0, 3, 4], np.float32))


def doubled(cloud: Gaussians) -> Gaussians:
    """Every sigma twice as large."""
    return replace(cloud, log_scales=cloud.log_scales + np.log(np.float32(2)))


def turned(cloud: Gaussians) -> Gaussians:
    """Every rotation followed by 90 degrees about its own axis x."""
    w, x, y, z = cloud.quaternions.T
    about_x = np.stack([w - x, w + x, y + z, z - y], axis=1) / np.float32(np.sqrt(2))
    return replace(cloud, quaternions=about_x)


@pytest.mark.parametrize(
    ("change", "quantity", "unit", "expected"),
    [
        (shifted, "position", "world units", 5.0),
        (doubled, "scale", "of the Gaussian's largest sigma", 0.5),
        (turned, "rotation", "degrees", 90.0),
    ],
)
def test_a_change_is_measured(
    cloud: Gaussians,
    change: Callable[[Gaussians], Gaussians],
    quantity: str,
    unit: str,
    expected: float,
) -> None:
    """A cloud that differs from what was packed shows it in that quantity."""
    error = measured(change(cloud), pack(cloud))[quantity, unit]
    assert error.largest == pytest.approx(expected, rel=0.02)


def test_flat_and_opaque_gaussians_have_finite_errors(cloud: Gaussians) -> None:
    """Sigmas of zero and opacities of one are in real files."""
    scales = cloud.log_scales.copy()
    scales[:, 2] = -np.inf
    logits = np.full_like(cloud.opacity_logits, np.inf)
    flat = replace(cloud, log_scales=scales, opacity_logits=logits)
    for error in packing_errors(flat, pack(flat)):
        assert np.isfinite([error.largest, error.rms]).all(), error
        assert error.largest < 0.3 or error.unit == "degrees", error


@pytest.mark.parametrize("count", [0, 1, 700])
def test_buffers_and_text(cloud: Gaussians, count: int) -> None:
    """Stored buffers have the sizes of the bundle; the report can be printed."""
    part = cloud.take(np.arange(count))
    packed = pack(part)
    scene = describe(packed, part, packed.buffers())
    buffers = gpu_buffers(scene)
    stored = {buffer.name: buffer.size_bytes for buffer in buffers if buffer.stored}
    assert stored == {name: len(data) for name, data in packed.buffers().items()}
    facts = {
        "source": "x",
        "format": "PLY",
        "count": count,
        "sh_degree": scene.sh_degree,
        "sh_degree_stored": 3,
        "antialiased": False,
        "bounds": scene.bounds,
        "pose": {"eye": scene.pose.eye, "target": scene.pose.target, "fov_deg": 50.0},
        "disk_bytes": {"a.bin": 2_000_000, "a.bin.br": 1000, "b": 5},
        "gpu_buffers": [
            {"name": b.name, "size_bytes": b.size_bytes, "stored": b.stored} for b in buffers
        ],
        "gpu_pixel_bytes": pixel_bytes(scene),
        "packing_errors": [],
    }
    report = text(facts)
    assert f"degree {scene.sh_degree} (the file stores 3" in report
    assert "a.bin" in report


def test_sizes_as_text() -> None:
    """Three digits; what a server with Brotli sends."""
    assert [megabytes(size) for size in (5, 1234, 15_500_000, 2_000_000_000)] == [
        "5 B",
        "1.23 kB",
        "15.5 MB",
        "2000 MB",
    ]
    assert transfer({"a": 100, "a.br": 10, "b": 5, "vitrine/files.json": 7}) == (112, 15)
