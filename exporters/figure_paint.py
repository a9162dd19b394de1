"""What the walker wears: cloth, leather, hair, skin and a painted face."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.sample.patterns import fractal, mix, smoothstep

__all__ = ["HAIR", "HAND", "PACK", "SCARF", "SHIRT", "SHOE", "SKIN", "SLEEVE", "TROUSERS", "albedo"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SKIN, HAIR, SHIRT, SLEEVE, TROUSERS, SHOE, SCARF, PACK, HAND = range(9)


def albedo(p: Floats, normal: Floats, material: Ints) -> Floats:
    """Display-referred colours: cloth, leather, skin and a painted face."""
    x, y, z = p[:, 0], p[:, 1], p[:, 2]
    side = np.abs(x)
    base = np.array(
        [
            [0.93, 0.72, 0.58],
            [0.30, 0.16, 0.10],
            [0.96, 0.66, 0.20],
            [0.96, 0.66, 0.20],
            [0.20, 0.29, 0.47],
            [0.84, 0.26, 0.20],
            [0.12, 0.55, 0.55],
            [0.42, 0.27, 0.17],
            [0.93, 0.72, 0.58],
        ]
    )
    colour = base[material]
    grain = (fractal(p, 9.0, 3, 2) - 0.5)[:, None]
    cloth = np.isin(material, [SHIRT, SLEEVE, TROUSERS, SCARF, PACK])
    colour = colour * np.where(cloth[:, None], 1 + 0.20 * grain, 1 + 0.05 * grain)

    def paint(where: NDArray[np.bool_] | Floats, tone: ArrayLike) -> None:
        nonlocal colour
        colour = mix(
            colour,
            np.broadcast_to(np.asarray(tone, np.float64), colour.shape),
            np.asarray(where, np.float64),
        )

    shirt = np.isin(material, [SHIRT, SLEEVE])
    paint(shirt & (side < 0.2) & (np.abs(y - 1.215) < 0.030), (0.97, 0.93, 0.84))
    paint(shirt & (side < 0.2) & (np.abs(y - 1.215) < 0.011), (0.84, 0.26, 0.20))
    paint(shirt * smoothstep(1.010, 0.995, y) * (side < 0.2), (0.84, 0.50, 0.12))
    paint((material == SLEEVE) & (side > 0.625), (0.97, 0.93, 0.84))
    strap = smoothstep(0.026, 0.014, np.abs(side - 0.098)) * smoothstep(1.10, 1.14, y)
    paint((material == SHIRT) * strap, (0.42, 0.27, 0.17))
    paint((material == TROUSERS) & (y < 0.165) & (y > 0.09), (0.42, 0.53, 0.70))
    paint((material == TROUSERS) & (y > 0.935), (0.33, 0.21, 0.14))
    buckle = (material == TROUSERS) & (y > 0.938) & (side < 0.026) & (z > 0)
    paint(buckle, (0.92, 0.80, 0.42))
    paint((material == SHOE) & (y < 0.024), (0.96, 0.94, 0.90))
    laces = (material == SHOE) & (normal[:, 1] > 0.45) & (np.sin(z * 190) > 0.1) & (z > 0.0)
    paint(laces & (np.abs(side - 0.108) < 0.022) & (z < 0.075), (0.96, 0.94, 0.90))
    paint((material == SCARF) & (np.sin(92 * y + 14 * x) > 0.45), (0.86, 0.90, 0.84))
    paint((material == PACK) & (np.abs(y - 1.255) < 0.012), (0.26, 0.16, 0.10))
    strand = np.sin(70 * np.arctan2(x, z + 0.04) + 14 * fractal(p, 6.0, 2, 6))
    paint((material == HAIR) * (0.22 + 0.22 * strand), (0.52, 0.31, 0.17))

    face = (material == SKIN) & (z > 0.05) & (y > 1.53)
    paint(
        face * np.exp(-(((side - 0.068) / 0.022) ** 2 + ((y - 1.620) / 0.016) ** 2)) * 0.55,
        (0.96, 0.45, 0.40),
    )
    paint(
        face * np.exp(-((x / 0.018) ** 2 + ((y - 1.636) / 0.016) ** 2)) * 0.25, (0.95, 0.50, 0.42)
    )
    eye = ((side - 0.045) / 0.0185) ** 2 + ((y - 1.664) / 0.0235) ** 2
    paint(face * smoothstep(1.15, 0.85, eye), (0.98, 0.98, 0.97))
    iris = ((side - 0.043) / 0.0135) ** 2 + ((y - 1.663) / 0.0185) ** 2
    paint(face * smoothstep(1.15, 0.85, iris), (0.16, 0.26, 0.20))
    pupil = ((side - 0.043) / 0.0075) ** 2 + ((y - 1.663) / 0.011) ** 2
    paint(face * smoothstep(1.2, 0.8, pupil), (0.03, 0.03, 0.04))
    glint = ((x - np.sign(x) * 0.043 - 0.005) / 0.0055) ** 2 + ((y - 1.671) / 0.0055) ** 2
    paint(face * smoothstep(1.2, 0.8, glint), (1, 1, 1))
    arch = np.abs(y - 1.700 - 0.010 * np.cos((side - 0.047) * 34)) / 0.0065
    brow = np.maximum(arch, np.abs(side - 0.046) / 0.024)
    paint(face * smoothstep(1.2, 0.8, brow), (0.30, 0.16, 0.10))
    smile = y - 1.589 - 4.0 * x * x
    paint(
        face * smoothstep(1.2, 0.8, np.maximum(np.abs(smile) / 0.0058, side / 0.037)),
        (0.62, 0.20, 0.19),
    )
    return np.clip(colour, 0, 1)
