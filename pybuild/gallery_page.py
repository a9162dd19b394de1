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

_STYLE = """
      :root { color-scheme: dark; font: 400 16px/1.5 system-ui, sans-serif; }
      body { margin: 0; background: #0c0e12; color: #f2f3f5; }
      main { max-width: 1240px; margin: 0 auto; padding: clamp(20px, 4vw, 56px); }
      h1 { margin: 0; font-size: clamp(28px, 5vw, 44px); font-weight: 600; line-height: 1.1;
        letter-spacing: -0.02em; }
      main > p { margin: 10px 0 clamp(20px, 3vw, 36px); max-width: 62ch;
        color: rgb(242 243 245 / 0.7); text-wrap: pretty; }
      ul { display: grid; gap: clamp(14px, 2vw, 24px); margin: 0; padding: 0; list-style: none;
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
      li { position: relative; overflow: hidden; border-radius: 14px; background: #14171c;
        border: 1px solid rgb(255 255 255 / 0.1);
        transition: border-color 160ms, transform 160ms; }
      li:hover { border-color: rgb(255 255 255 / 0.32); transform: translateY(-2px); }
      li:has(a:focus-visible) { outline: 3px solid #9cc4ff; outline-offset: 2px; }
      a { color: inherit; text-decoration: none; outline: none; }
      a::after { content: ""; position: absolute; inset: 0; }
      a:focus-visible { text-decoration: underline; }
      img { display: block; width: 100%; height: auto; aspect-ratio: 16 / 9; object-fit: cover;
        background: #1b1f26; }
      .text { padding: 14px 18px 18px; }
      .text small { display: block; min-height: 1.5em; font-size: 13px; font-weight: 500;
        color: #9cc4ff; }
      h2 { margin: 0; font-size: 18px; font-weight: 600; line-height: 1.35; }
      .text p { margin: 4px 0 0; font-size: 15px; color: rgb(242 243 245 / 0.7);
        text-wrap: pretty; }
      @media (prefers-reduced-motion: reduce) {
        li { transition: none; } li:hover { transform: none; } }
      #gpu { padding: 10px 14px; border-radius: 10px; background: #33261a; color: #ffd9a8; }
"""
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


def gallery_html(title: str, cards: Sequence[Card]) -> str:
    """Text of index.html; a poster that is out of sight is not loaded yet."""
    items = "".join(map(_item, cards))
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="generator" content="Vitrine">
    <title>{html.escape(title)}</title>
    <link rel="icon" href="data:,">
    <style>{_STYLE}    </style>
  </head>
  <body>
    <main>
      <h1>{html.escape(title)}</h1>
      <p>{html.escape(_INTRO)}</p>
      <p id="gpu" role="status" hidden>{html.escape(_NO_GPU)}</p>
      <ul>
{items}      </ul>
    </main>
    <script>
      document.getElementById("gpu").hidden = Boolean(navigator.gpu);
    </script>
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
