"""What several tests share: sample data, an adapter, a browser, a server, a built site."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from pybuild import formats
from pybuild.gaussians import Gaussians
from pybuild.server import serving

settings.register_profile("repeatable", derandomize=True)
if os.environ.get("VITRINE_RANDOM") != "1":  # with it, each run tries other examples
    settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
NO_GPU = "VITRINE_NO_GPU"
"""Set to 1 to skip what needs an adapter or a browser; otherwise lacking one is a failure."""

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--ignore-gpu-blocklist",
    "--use-vulkan=swiftshader",
    "--enable-features=Vulkan",
    "--use-angle=swiftshader",
)
"""Together they give WebGPU in software with pixels in screenshots; none can be left out."""

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # Mesa warns without it


def _without_gpu() -> bool:
    return os.environ.get(NO_GPU) == "1"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of sample data beside the checkout, which no clone has."""
    folder = Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared"))
    if not (folder / "assets").is_dir():
        pytest.skip(f"no sample data in {folder}; VITRINE_SHARED names its folder")
    return folder


@pytest.fixture(scope="session")
def cloud() -> Gaussians:
    """700 Gaussians of SH degree 1 in a box of 4 x 2 x 1; three chunks, the last one padded."""
    random = np.random.default_rng(3)
    n = 700
    quaternions = random.normal(size=(n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    arrays = (
        random.uniform(-1, 1, (n, 3)) * [2, 1, 0.5],
        random.uniform(-5, -3, (n, 3)),
        quaternions,
        random.uniform(-2, 4, n),
        random.normal(size=(n, 4, 3)) * 0.3,
    )
    return Gaussians(*(array.astype(np.float32) for array in arrays))


@pytest.fixture(scope="session")
def scene_file(cloud: Gaussians, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud as a PLY file; not to be changed."""
    path = tmp_path_factory.mktemp("scene") / "cloud.ply"
    formats.write(path, cloud)
    return path


@pytest.fixture(scope="session")
def adapter() -> Any:
    """A WebGPU adapter of wgpu-py."""
    if _without_gpu():
        pytest.skip(f"{NO_GPU}=1")
    from pyengine.hosts.native import open_adapter

    return open_adapter()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How pytest-playwright's ``browser``, ``context`` and ``page`` start Chromium."""
    if _without_gpu():
        pytest.skip(f"{NO_GPU}=1")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        pytest.fail("no Chromium; make test installs it, or: apt-get install chromium")
    return {"executable_path": found, "args": list(CHROMIUM_FLAGS), "headless": True}


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder on a free port until the session ends: folder in, URL out."""
    with ExitStack() as stack:
        urls: dict[Path, str] = {}

        def start(folder: Path) -> str:
            if folder not in urls:
                urls[folder] = stack.enter_context(serving(folder))
            return urls[folder]

        yield start


@pytest.fixture(scope="session")
def built_site(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of the guitar, built once a session; not to be changed."""
    from pybuild.site import build_site

    folder = tmp_path_factory.mktemp("site") / "guitar"
    build_site(shared / "assets/compressed-ply/guitar.compressed.ply", folder)
    return folder
