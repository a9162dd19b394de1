"""The page of a gallery: a card a demo, and nothing of a demo but its poster.

Each demo is a page of its own, so that one runs at a time and a phone's memory is free again on the
way back. A card is a link by its title alone, as a screen reader names it, and can be clicked
anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Card", "gallery_html"]

_NO_GPU = (
    "This browser has no WebGPU, without which the demos cannot be drawn: current versions of "
    "Chrome, Edge and Safari have it."
)
_INTRO = (
    "Gaussian scenes, and networks that make Gaussians every frame, drawn on your GPU by WebGPU. "
    "Choose one: nothing of it is loaded before."
)


@dataclass(frozen=True, slots=True)
class Card:
    """A demo on the page.

    Attributes
    ----------
    name : str
        Its folder.
    family : str
        What kind of scene or network it is.
    """

    name: str
    title: str
    text: str
    family: str


def gallery_html(title: str, cards: Sequence[Card], style: str, script: str) -> str:
    """Text of index.html; a poster that is out of sight is not loaded yet.

    Parameters
    ----------
    title : str
    cards : sequence of Card
    style, script : str
        The stylesheet and the module, relative to the page: web/gallery/cards.*.
    """
    items = "".join(map(_item, cards))
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="generator" content="Vitrine">
    <title>{html.escape(title)}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="{style}">
    <script type="module" src="{script}"></script>
  </head>
  <body>
    <main>
      <h1>{html.escape(title)}</h1>
      <p>{html.escape(_INTRO)}</p>
      <p id="gpu" role="status" hidden>{html.escape(_NO_GPU)}</p>
      <ul>
{items}      </ul>
    </main>
  </body>
</html>
"""


def _item(card: Card) -> str:
    return f"""        <li>
          <img src="{card.name}/scene/poster.webp" alt="" width="960" height="540" loading="lazy">
          <div class="text">
            <small>{html.escape(card.family)}</small>
            <h2><a href="{card.name}/">{html.escape(card.title)}</a></h2>
            <p>{html.escape(card.text)}</p>
          </div>
        </li>
"""
