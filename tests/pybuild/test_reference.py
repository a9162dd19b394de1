"""The oracle against closed forms and against a renderer that is even more naive."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pybuild.gaussians import Gaussians
from pybuild.reference import project, render, render_with_transmittance, to_uint8
from pybuild.sh import SH_C0, SH_C1, basis, coefficient_count
from pyengine.view import WORLD_UP, View

VIEW = View.look_at((0, 0, 0), (0, 0, 1), WORLD_UP, 60, 40, 30)
# Both sides are float64; only the order of operations differs.
TOLERANCE = 1e-12


def logit(opacity: float) -> float:
    return math.log(opacity / (1 - opacity)) if 0 < opacity < 1 else math.inf * (opacity - 0.5)


def splat(
    position: tuple[float, float, float] = (0, 0, 2),
    scale: float | tuple[float, float, float] = 0.05,
    opacity: float = 0.8,
    colour: tuple[float, float, float] = (1, 0.5, 0.25),
    quaternion: tuple[float, float, float, float] = (1, 0, 0, 0),
    degree: int = 0,
) -> Gaussians:
    sh = np.zeros((1, coefficient_count(degree), 3), np.float32)
    sh[0, 0] = (np.array(colour) - 0.5) / SH_C0
    scales = np.broadcast_to(np.asarray(scale, np.float64), 3)
    q = np.array([quaternion], np.float32)
    with np.errstate(divide="ignore"):
        return Gaussians(
            np.array([position], np.float32),
            np.log(scales)[None].astype(np.float32),
            q / np.linalg.norm(q),
            np.array([logit(opacity)], np.float32),
            sh,
        )


def together(*clouds: Gaussians) -> Gaussians:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(cloud, name) for cloud in clouds])

    names = ("positions", "log_scales", "quaternions", "opacity_logits", "sh")
    return Gaussians(*(joined(name) for name in names), clouds[0].antialiased)


def random_cloud(n: int, seed: int, degree: int = 3, antialiased: bool = False) -> Gaussians:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(n, 4))
    return Gaussians(
        rng.uniform((-1.5, -1.2, -0.5), (1.5, 1.2, 4), (n, 3)).astype(np.float32),
        rng.uniform(-5, -1, (n, 3)).astype(np.float32),
        (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32),
        rng.normal(1, 3, n).astype(np.float32),
        rng.normal(0, 0.4, (n, coefficient_count(degree), 3)).astype(np.float32),
        antialiased,
    )


def naive(cloud: Gaussians, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel asks every splat; written from the specification, sharing no code."""
    matrix = np.array(view.view).reshape(4, 4).T
    rotation, centre = matrix[:3, :3], np.array(view.position)
    splats = []
    for i in range(cloud.count):
        position = cloud.positions[i].astype(np.float64)
        x, y, z = rotation @ position + matrix[:3, 3]
        if not z > 0.2:
            continue
        w, a, b, c = cloud.quaternions[i].astype(np.float64)
        cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        q_len = w * w + a * a + b * b + c * c
        turn = np.eye(3) + 2 * (w * cross + cross @ cross) / q_len
        sigma = turn @ np.diag(np.exp(2.0 * cloud.log_scales[i].astype(np.float64))) @ turn.T
        limit_x = 1.3 * view.width / (2 * view.fx)
        limit_y = 1.3 * view.height / (2 * view.fy)
        u, v = min(max(x / z, -limit_x), limit_x), min(max(y / z, -limit_y), limit_y)
        jac = np.array([[view.fx / z, 0, -view.fx * u / z], [0, view.fy / z, -view.fy * v / z]])
        sharp = jac @ rotation @ sigma @ rotation.T @ jac.T
        dilated = sharp + np.eye(2) * (0.1 if cloud.antialiased else 0.3)
        opacity = 1 / (1 + np.exp(-cloud.opacity_logits[i].astype(np.float64)))
        if cloud.antialiased:
            opacity *= np.sqrt(max(0, np.linalg.det(sharp) / np.linalg.det(dilated)))
        direction = (position - centre) / np.linalg.norm(position - centre)
        colour = basis(direction[None], cloud.sh_degree)[0] @ cloud.sh[i].astype(np.float64)
        middle = np.array([view.fx * x / z + view.cx, view.fy * y / z + view.cy])
        splats.append((z, i, middle, np.linalg.inv(dilated), opacity, np.maximum(0, colour + 0.5)))
    splats.sort(key=lambda item: item[:2])
    image = np.zeros((view.height, view.width, 3))
    through = np.ones((view.height, view.width))
    for row in range(view.height):
        for column in range(view.width):
            for _, _, middle, conic, opacity, colour in splats:
                d = np.array([column + 0.5, row + 0.5]) - middle
                alpha = min(0.99, opacity * math.exp(-0.5 * d @ conic @ d))
                if alpha < 1 / 255:
                    continue
                if through[row, column] * (1 - alpha) < 1e-4:
                    break
                image[row, column] += alpha * through[row, column] * colour
                through[row, column] *= 1 - alpha
    return image, through


def test_one_splat_has_the_closed_form() -> None:
    image, through = render_with_transmittance(splat(), VIEW)
    variance = (0.05 * VIEW.fx / 2) ** 2 + 0.3
    x, y = np.meshgrid(np.arange(40) + 0.5 - 20, np.arange(30) + 0.5 - 15)
    alpha = 0.8 * np.exp(-0.5 * (x * x + y * y) / variance)
    alpha[alpha < 1 / 255] = 0
    # The cloud is float32, so the closed form is met to its rounding only.
    np.testing.assert_allclose(image, alpha[..., None] * (1, 0.5, 0.25), atol=1e-6)
    np.testing.assert_allclose(through, 1 - alpha, atol=1e-6)


def test_the_nearer_splat_covers_whatever_its_index() -> None:
    near = splat((0, 0, 1.5), 0.2, 0.6, (1, 0, 0))
    far = splat((0, 0, 2.5), 0.4, 0.6, (0, 1, 0))
    image = render(together(far, near), VIEW)
    np.testing.assert_array_equal(image, render(together(near, far), VIEW))
    red, green, _ = image[15, 20]
    # The pixel lies half a pixel off the splats' middle, which costs up to 0.02 of each.
    assert red == pytest.approx(0.6, abs=0.02)
    assert green == pytest.approx(0.24, abs=0.02)


def test_equal_depths_keep_the_order_of_the_cloud() -> None:
    red, green = splat(colour=(1, 0, 0), scale=0.3), splat(colour=(0, 1, 0), scale=0.3)
    assert render(together(red, green), VIEW)[15, 20, 0] > 0.7
    assert render(together(green, red), VIEW)[15, 20, 0] < 0.3
    np.testing.assert_array_equal(project(together(red, green, red), VIEW).index, [0, 1, 2])


@pytest.mark.parametrize(("z", "drawn"), [(0.199, False), (0.2, False), (0.201, True)])
def test_near_cut(z: float, drawn: bool) -> None:
    cloud = splat((0, 0, z), 0.01)
    # 0.2 has no float32: its neighbour below must be cut, 0.2 itself lies above it by 3e-9.
    cloud = replace(cloud, positions=np.minimum(cloud.positions, np.float32(z)))
    if z == 0.2:
        cloud = replace(cloud, positions=np.nextafter(cloud.positions, np.float32(0)))
    assert render(cloud, VIEW).any() == drawn


def test_what_is_under_a_255th_leaves_no_trace() -> None:
    assert not render(splat(opacity=1 / 256), VIEW).any()
    _, through = render_with_transmittance(splat(opacity=0.9, scale=0.2), VIEW)
    contributions = 1 - through[through < 1]
    assert contributions.min() >= 1 / 255 - TOLERANCE
    assert contributions.min() < 1.2 / 255


def test_alpha_stops_at_99_hundredths() -> None:
    _, through = render_with_transmittance(splat(opacity=1, scale=5), VIEW)
    assert through[15, 20] == pytest.approx(0.01)


def test_the_splat_that_would_close_the_pixel_is_not_added() -> None:
    layers = [splat((0, 0, 2 + i), 50, 1, (i == 0, i == 1, i == 2)) for i in range(3)]
    image, through = render_with_transmittance(together(*layers), VIEW)
    # 0.01 squared is 1e-4 up to rounding; a third 0.99 would leave 1e-6 and is refused.
    np.testing.assert_allclose(image[15, 20], (0.99, 0.0099, 0), atol=1e-9)
    assert through[15, 20] == pytest.approx(1e-4)


def test_a_closed_pixel_stays_closed_for_weaker_splats() -> None:
    layers = [
        splat((0, 0, 2), 50, 1, (1, 0, 0)),
        splat((0, 0, 3), 50, 0.98, (0, 1, 0)),
        splat((0, 0, 4), 50, 0.9, (1, 1, 1)),
        splat((0, 0, 5), 50, 0.1, (0, 0, 1)),
    ]
    assert render(together(*layers), VIEW)[15, 20, 2] == 0


def test_sh_is_seen_along_the_ray_from_camera_to_splat() -> None:
    cloud = splat(degree=1, scale=0.5, opacity=0.5, colour=(0.5, 0.5, 0.5))
    cloud.sh[0, 2, 0] = 0.6
    front = render(cloud, VIEW)[15, 20]
    back = render(cloud, View.look_at((0, 0, 4), (0, 0, 2), WORLD_UP, 60, 40, 30))[15, 20]
    alpha = front[1] / 0.5
    assert front[0] / alpha == pytest.approx(0.5 + SH_C1 * 0.6)
    assert back[0] / alpha == pytest.approx(0.5 - SH_C1 * 0.6)
    flat = render(cloud, VIEW, sh_degree=0)[15, 20]
    assert flat[0] == pytest.approx(flat[1])
    np.testing.assert_array_equal(render(cloud, VIEW, sh_degree=3), render(cloud, VIEW))


def test_colour_is_clamped_below_and_not_above() -> None:
    image = render(splat(colour=(-2, 3, 0), scale=0.5), VIEW)[15, 20]
    assert image[0] == 0
    assert image[1] > 1
    np.testing.assert_array_equal(to_uint8(np.array([[image]]))[0, 0], (0, 255, 0))


def test_mip_mode_keeps_the_light_of_a_tiny_splat() -> None:
    tiny = splat(scale=0.002, opacity=0.9)
    _, classic = render_with_transmittance(tiny, VIEW)
    _, mip = render_with_transmittance(replace(tiny, antialiased=True), VIEW)
    variance = (0.002 * VIEW.fx / 2) ** 2
    factor = variance / (variance + 0.1)
    shown = project(replace(tiny, antialiased=True), VIEW)
    assert shown.opacity[0] == pytest.approx(0.9 * factor, rel=1e-6)
    assert (1 - mip).sum() < 0.1 * (1 - classic).sum()


def test_background_shows_through() -> None:
    image, through = render_with_transmittance(splat(), VIEW)
    over = render(splat(), VIEW, (0.2, 0.4, 0.8))
    np.testing.assert_allclose(over, image + through[..., None] * (0.2, 0.4, 0.8))
    assert tuple(over[0, 0]) == (0.2, 0.4, 0.8)


@pytest.mark.parametrize("position", [(9, 0, 2), (-9, 0, 2), (0, 9, 2), (0, -9, 2), (0, 0, -2)])
def test_off_screen_splats_are_culled(position: tuple[float, float, float]) -> None:
    assert len(project(splat(position), VIEW).index) == 0
    assert not render(splat(position), VIEW).any()


def test_a_splat_that_only_overlaps_the_border_is_drawn() -> None:
    image = render(splat((-1.6, 0, 2), 0.1), VIEW)
    assert image[15, 0, 0] > 0.05
    assert not image[:, 20:].any()


def test_empty_cloud() -> None:
    image = render(splat().take(np.zeros(1, bool)), VIEW, (0.1, 0.2, 0.3))
    assert image.shape == (30, 40, 3)
    assert (image == (0.1, 0.2, 0.3)).all()


def test_infinite_parameters() -> None:
    flat = splat(scale=(0.2, 0.2, 0), opacity=1)
    gone = splat(scale=0.2, opacity=0)
    assert np.isneginf(flat.log_scales).any()
    assert np.isposinf(flat.opacity_logits).all()
    assert render(flat, VIEW)[15, 20, 0] > 0.95
    assert not render(gone, VIEW).any()
    point = splat(scale=0, opacity=1)
    assert render(point, VIEW).any()
    assert not render(replace(point, antialiased=True), VIEW).any()


def test_what_cannot_be_drawn_is_left_out() -> None:
    broken = together(*[splat() for _ in range(4)])
    broken.positions[0, 0] = np.nan
    broken.log_scales[1, 0] = np.nan
    broken.opacity_logits[2] = np.nan
    broken.quaternions[3] = 0
    assert not render(broken, VIEW).any()


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_random_anisotropic_clouds_match_the_naive_renderer(seed: int, antialiased: bool) -> None:
    cloud = random_cloud(60, seed, antialiased=antialiased)
    view = View.look_at((0.3, -0.4, -1.5), (0, 0, 1.5), (0.2, -1, 0.1), 50, 23, 17)
    view = replace(view, fy=view.fy * 1.1, cx=view.cx + 1.7)
    image, through = render_with_transmittance(cloud, view)
    wanted_image, wanted_through = naive(cloud, view)
    assert (wanted_through < 0.5).any()
    np.testing.assert_allclose(image, wanted_image, atol=1e-9)
    np.testing.assert_allclose(through, wanted_through, atol=1e-9)
