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
from urllib.parse import urljoin

__all__ = [
    "ELEMENT",
    "POSTER",
    "WEB_FOLDER",
    "About",
    "Shared",
    "content_policy",
    "imported_modules",
    "index_html",
    "metadata",
]

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent / "web"
WEB_FOLDER = _CHECKOUT if _CHECKOUT.is_dir() else _HERE / "web"
"""The page's modules: where they are in a checkout, or where an installation has them."""
ELEMENT = "vitrine/vitrine-view.mjs"
"""Where a site has the element, for pages of others."""
POSTER = "scene/poster.webp"

_IMPORT = re.compile(r"""^\s*(?:import|export)\b[^;]*?from\s+["']\./([\w.-]+)["']""", re.MULTILINE)
_EARLY = """
      // Into the browser's cache, where the worker finds them. A preload link would do the same but
      // for a warning: Chromium does not see that a worker uses what the page preloaded.
      // What the service worker keeps is not asked for; it comes after the first frame.
      // A visitor who saves data asks for the scene first.
      (async ({ files, offline }) => {
        if (navigator.connection?.saveData) return;
        const keeper = offline ? navigator.serviceWorker : null;
        const urls = new Set(JSON.parse(files).map((file) => new URL(file, document.baseURI).href));
        if (keeper) {
          const register = ({ target }) =>
            target.settled().then(() => keeper.register(offline)).catch(() => {});
          document.addEventListener("ready", register, { capture: true, once: true });
        }
        if (keeper?.controller) {
          const scope = new URL(".", new URL(offline, document.baseURI));
          const kept = await (await caches.open(`vitrine ${scope}`)).keys();
          for (const { url } of kept) urls.delete(url);
        }
        for (const url of urls) {
          fetch(url).then((answer) => answer.body?.pipeTo(new WritableStream())).catch(() => {});
        }
      })(document.currentScript.dataset);
    """
_STYLE = """
      html, body { margin: 0; height: 100%; overflow: hidden; }
      vitrine-view { display: block; width: 100vw; height: 100vh; height: 100dvh; }
    """
"""Both are the same in every site, so that a policy can name them by their hashes."""


@dataclass(frozen=True, slots=True)
class About:
    """What a page says of itself to whoever shows a link to it.

    Attributes
    ----------
    text : str, optional
        A sentence or two.
    url : str, optional
        Where the page will be: many want the picture's whole address.
    poster_px : (width, height), optional
        Of the picture.
    """

    text: str | None = None
    url: str | None = None
    poster_px: tuple[int, int] | None = None


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
    style : str
        The stylesheet of the bar, relative to the engine.
    """

    engine: str
    back: str
    text: str
    style: str


def index_html(
    title: str,
    background: tuple[float, float, float],
    modules: Iterable[str] = (ELEMENT,),
    fetched: Sequence[str] = (),
    shared: Shared | None = None,
    arrange: bool = False,
    offline: str | None = None,
    about: About | None = None,
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
    offline : str, optional
        The service worker, relative to the page.
    about : About, optional
    """
    modules = list(modules)
    color = "".join(f"{round(255 * min(max(part, 0.0), 1.0)):02x}" for part in background)
    links = [f'<link rel="modulepreload" href="{name}">' for name in modules]
    lines = "".join(f"    {link}\n" for link in links)
    early = bar = bar_style = ""
    if fetched:
        listed = html.escape(json.dumps(list(fetched)), quote=False).replace("'", "&#39;")
        keeper = f' data-offline="{offline}"' if offline else ""
        early = f"    <script data-files='{listed}'{keeper}>{_EARLY}</script>\n"
    if shared:
        href = html.escape(shared.engine + shared.style)
        bar_style = f'    <link rel="stylesheet" href="{href}">\n'
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
{metadata(title, about or About())}    <link rel="icon" href="data:,">
    <link rel="preload" href="{POSTER}" as="image">
{lines}{early}    <style>{_STYLE}</style>
{bar_style}    <script type="module" src="./{modules[0]}"></script>
  </head>
  <body bgcolor="#{color}">
{bar}    <vitrine-view src="scene/scene.json" poster="{POSTER}"
      autoplay hash{" arrange" if arrange else ""}></vitrine-view>
  </body>
</html>
"""


def metadata(title: str, about: About, image: bool = True) -> str:
    """Lines of the head, for search engines and for previews of links (ogp.me).

    Parameters
    ----------
    title : str
    about : About
    image : bool
        Whether the poster is a file beside the page.
    """
    said = {"og:type": "website", "og:title": title}
    if about.text:
        said["og:description"] = about.text
    if about.url:
        said["og:url"] = about.url
    if image:
        said["og:image"] = urljoin(about.url, POSTER) if about.url else POSTER
        said["og:image:type"] = "image/webp"
    if image and about.poster_px:
        width, height = about.poster_px
        said |= {"og:image:width": str(width), "og:image:height": str(height)}
    lines = [f'<meta property="{key}" content="{html.escape(text)}">' for key, text in said.items()]
    if image:
        lines.append('<meta name="twitter:card" content="summary_large_image">')
    if about.text:
        lines.insert(0, f'<meta name="description" content="{html.escape(about.text)}">')
    if about.url:
        lines.append(f'<link rel="canonical" href="{html.escape(about.url)}">')
    return "".join(f"    {line}\n" for line in lines)


def content_policy() -> str:
    """The strictest Content-Security-Policy under which a site, or a gallery, does all it can."""
    script, style = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (_EARLY, _STYLE)
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{script}' 'wasm-unsafe-eval'",
            f"style-src 'self' 'sha256-{style}'",
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
