"""Numbers as text for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["megabytes", "text", "transfer"]

ON_DEMAND = re.compile(
    r"vitrine/(files\.json|vitrine-view\.mjs|pyodide-[^/]+/library-[^/]+)"
    r"|vitrine/app-[^/]+/engine\.zip"
)
"""Files of a site that its page does not ask for, unless it cannot take the snapshot of Python."""


def megabytes(size_bytes: float) -> str:
    """Size with three digits in the unit that fits."""
    for unit, bytes_ in (("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= bytes_:
            return (
                f"{size_bytes / bytes_:.3g} {unit}"
                if size_bytes < 1e9
                else f"{size_bytes / 1e6:.0f} MB"
            )
    return f"{size_bytes:.0f} B"


def transfer(sizes: Mapping[str, int]) -> tuple[int, int]:
    """Bytes of a site's files as they are, and as a server with Brotli sends them."""
    files = {name: size for name, size in sizes.items() if not name.endswith(".br")}
    sent = {name: sizes.get(f"{name}.br", size) for name, size in files.items()}
    return sum(files.values()), sum(
        size for name, size in sent.items() if not ON_DEMAND.fullmatch(name)
    )


def text(facts: Mapping[str, Any]) -> str:
    """The report of ``vitrine inspect``."""
    count = facts["count"]
    degree = f"degree {facts['sh_degree']}"
    if facts.get("sh_degree_stored", facts["sh_degree"]) != facts["sh_degree"]:
        degree += f" (the file stores {facts['sh_degree_stored']}; the bands above are zero)"
    lines = [
        f"{facts['source']}: {facts['format']}",
        f"  Gaussians   {count:,}"
        + (", trained with the mip filter" if facts["antialiased"] else ""),
        f"  SH          {degree}",
        f"  bounds      {_point(facts['bounds'][0])} to {_point(facts['bounds'][1])}",
        f"  camera      {_camera(facts['pose'])}",
        *_objects(facts.get("objects", ())),
        *_generator(facts.get("generator")),
        "",
        *_disk(facts["disk_bytes"]),
        "",
        *_gpu(facts["gpu_buffers"], count),
        f"  and {facts['gpu_pixel_bytes']} bytes a pixel of the canvas",
    ]
    if "packing_errors" in facts:
        lines += ["", f"Error that packing added{'':<22}{'largest':>12}{'rms':>12}"]
        for error in facts["packing_errors"]:
            label = f"{error['quantity']}, {error['unit']}"
            lines.append(f"  {label:<44}{error['largest']:>12.3g}{error['rms']:>12.3g}")
    return "\n".join(lines)


def _objects(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for item in objects:
        told = f"  object      {item['name']}: {item['count']:,} Gaussians of {item['file']}"
        lines.append(told + f", at {_point(item['position'])}" + ", hidden" * (not item["visible"]))
    return lines


def _generator(spec: Mapping[str, Any] | None) -> list[str]:
    if spec is None:
        return []
    feeds = [f"{feed['name']} ({feed['role']})" for feed in spec["feeds"]]
    told = f"{spec['instances']} of {spec['capacity']:,}" + " at most" * spec["counted"]
    if spec["clip"]:
        told += f"; clip of {spec['clip']['duration']:g} s" + ", looping" * spec["clip"]["loop"]
    return [f"  generator   {told}", f"  inputs      {', '.join(feeds) or 'none'}"]


def _disk(sizes: Mapping[str, int]) -> list[str]:
    lines = [f"On disk{'':<39}{'bytes':>12}{'brotli':>12}"]
    files = {name: size for name, size in sizes.items() if not name.endswith(".br")}
    for name, size in files.items():
        packed = sizes.get(f"{name}.br")
        lines.append(f"  {name:<44}{size:>12,}" + (f"{packed:>12,}" if packed else ""))
    raw, sent = transfer(sizes)
    if len(files) > 1:
        lines.append(f"  {'total':<44}{raw:>12,}{sent:>12,}")
    return lines


def _gpu(buffers: list[dict[str, Any]], count: int) -> list[str]:
    lines = [f"On the GPU{'':<36}{'bytes':>12}{'a Gaussian':>12}"]
    for stored, title in ((True, "stored"), (False, "working")):
        chosen = [buffer for buffer in buffers if buffer["stored"] is stored]
        for buffer in chosen:
            lines.append(_gpu_line(f"  {buffer['name']} ({title})", buffer["size_bytes"], count))
    lines.append(_gpu_line("  total", sum(buffer["size_bytes"] for buffer in buffers), count))
    return lines


def _gpu_line(label: str, size_bytes: int, count: int) -> str:
    return f"{label:<46}{size_bytes:>12,}{size_bytes / max(count, 1):>12.2f}"


def _camera(pose: Mapping[str, Any]) -> str:
    eye, target = _point(pose["eye"]), _point(pose["target"])
    return f"at {eye}, looks at {target}, {pose['fov_deg']:g} degrees"


def _point(point: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in point)
