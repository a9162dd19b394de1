"""The page of a site: index.html around the element, with its downloads announced."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ELEMENT", "WEB_FOLDER", "Shared", "content_policy", "imported_modules", "index_html"]

WEB_FOLDER = Path(__file__).resolve().parent.parent / "web"
"""The element's modules."""
ELEMENT = "vitrine/vitrine-view.mjs"
"""Where a site has the element, for pages of others."""

_IMPORT = re.compile(r"""^\s*(?:import|export)\b[^;]*?from\s+["']\./([\w.-]+)["']""", re.MULTILINE)
_EARLY = """
      // Into the browser's cache, where the worker finds them. A preload link would do the same but
      // for a warning: Chromium does not see that a worker uses what the page preloaded.
      // A visitor who saves data asks for the scene first.
      if (!navigator.connection?.saveData) {
        for (const file of JSON.parse(document.currentScript.dataset.files)) {
          fetch(file).then((answer) => answer.body?.pipeTo(new WritableStream())).catch(() => {});
        }
      }
    """
_STYLE = """
      html, body { margin: 0; height: 100%; overflow: hidden; }
      vitrine-view { display: block; width: 100vw; height: 100vh; height: 100dvh; }
    """
"""Both are the same in every site, so that a policy can name them by their hashes."""

_BAR_STYLE = """
      body { display: grid; grid-template-rows: auto minmax(0, 1fr);
        height: 100vh; height: 100dvh; }
      vitrine-view { width: auto; height: auto; min-height: 0; }
      header { display: flex; align-items: center; gap: 4px 14px; padding: 0 14px 0 4px;
        background: #101216; color: #f2f3f5; font: 500 14px/1.4 system-ui, sans-serif;
        white-space: nowrap; }
      header a { padding: 12px 10px; color: #9cc4ff; text-decoration: none; border-radius: 8px; }
      header a:hover { text-decoration: underline; }
      header a:focus-visible { outline: 2px solid #9cc4ff; outline-offset: -3px; }
      header h1 { margin: 0; font: inherit; }
      header p { margin: 0; min-width: 0; overflow: hidden; text-overflow: ellipsis;
        font-weight: 400; color: rgb(242 243 245 / 0.64); }
      @media (max-width: 559px) { header p { display: none; } }
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """A page among others that share an engine.

    Attributes
    ----------
    engine : str
        Where the engine is, relative to the page: ends with a slash.
    back : str
        Where the page of all is.
    text : str
        One sentence of what the scene is.
    """

    engine: str
    back: str
    text: str


def index_html(
    title: str,
    background: tuple[float, float, float],
    modules: Iterable[str] = (ELEMENT,),
    fetched: Sequence[str] = (),
    shared: Shared | None = None,
    arrange: bool = False,
) -> str:
    """Text of index.html.

    Parameters
    ----------
    title : str
    background : (3,) float
        Display-referred, 0 to 1: the page around the view while it loads.
    modules : iterable of str
        The element's module and those that it imports, relative to the page, so that they need not
        be found one after another. The first is the page's script.
    fetched : sequence of str
        Files that the worker will fetch, so that they are on their way before it starts.
    shared : Shared, optional
        Of a page that shares its engine with others; a bar above the scene leads back.
    arrange : bool
        A click on an object lays handles over it.
    """
    modules = list(modules)
    color = "".join(f"{round(255 * min(max(part, 0.0), 1.0)):02x}" for part in background)
    links = [f'<link rel="modulepreload" href="{name}">' for name in modules]
    lines = "".join(f"    {link}\n" for link in links)
    early = bar = bar_style = ""
    if fetched:
        listed = html.escape(json.dumps(list(fetched)), quote=False).replace("'", "&#39;")
        early = f"    <script data-files='{listed}'>{_EARLY}</script>\n"
    if shared:
        bar_style = f"    <style>{_BAR_STYLE}    </style>\n"
        bar = f"""    <header>
      <a href="{html.escape(shared.back)}">‹ All demos</a>
      <h1>{html.escape(title)}</h1>
      <p>{html.escape(shared.text)}</p>
    </header>
"""
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="generator" content="Vitrine">
    <title>{html.escape(title)}</title>
    <link rel="icon" href="data:,">
    <link rel="preload" href="scene/poster.webp" as="image">
{lines}{early}    <style>{_STYLE}</style>
{bar_style}    <script type="module" src="./{modules[0]}"></script>
  </head>
  <body bgcolor="#{color}">
{bar}    <vitrine-view src="scene/scene.json" poster="scene/poster.webp"
      autoplay hash{" arrange" if arrange else ""}></vitrine-view>
  </body>
</html>
"""


def content_policy() -> str:
    """The strictest Content-Security-Policy under which a site does all that it can."""
    script, style = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (_EARLY, _STYLE)
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{script}' 'wasm-unsafe-eval'",
            f"style-src 'sha256-{style}'",
            "worker-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def imported_modules(entry: Path) -> list[str]:
    """Names of ``entry`` and of all that it imports statically from its own folder, in order."""
    found: list[str] = []
    waiting = [entry.name]
    while waiting:
        name = waiting.pop(0)
        path = entry.parent / name
        if name in found or not path.is_file():
            continue
        found.append(name)
        waiting += _IMPORT.findall(path.read_text(encoding="utf-8"))
    return found
