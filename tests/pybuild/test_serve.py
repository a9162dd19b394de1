"""The server: ranges, conditions, precompressed files, and nothing outside of its folder."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import brotli
import pytest

from pybuild.serve import accepted
from pybuild.server import serving

TEXT = b"export const answer = 42;\n" * 100
BUFFER = "color-0123456789ab.bin"
Response = tuple[int, dict[str, str], bytes]
Get = Callable[..., Response]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a site has, and secrets around it."""
    root = tmp_path_factory.mktemp("serve")
    (root / "secret.txt").write_text("secret")
    site = root / "site"
    (site / "sub").mkdir(parents=True)
    (site / "index.html").write_text("<html><body>hello</body></html>")
    (site / "code.mjs").write_bytes(TEXT)
    (site / "code.mjs.br").write_bytes(brotli.compress(TEXT))
    (site / "code.mjs.gz").write_bytes(b"gzip variant")
    (site / BUFFER).write_bytes(bytes(range(256)))
    for name in ("a.wasm", "a.wgsl", "a.webp", "a.json", "a.unknown", "sub/b.json"):
        (site / name).write_bytes(b"{}")
    (site / ".hidden").write_text("secret")
    (site / "link.txt").symlink_to(root / "secret.txt")
    (site / "folder").symlink_to(root)
    return site


@pytest.fixture(scope="module")
def get(folder: Path, serve: Callable[[Path], str]) -> Get:
    """Send a request with the path as it stands, which no URL library does."""
    address = urlsplit(serve(folder)).netloc

    def send(path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Response:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    return send


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/code.mjs", "text/javascript; charset=utf-8"),
        ("/a.wasm", "application/wasm"),
        ("/a.wgsl", "text/plain; charset=utf-8"),
        ("/a.webp", "image/webp"),
        ("/a.json", "application/json"),
        (f"/{BUFFER}", "application/octet-stream"),
        ("/a.unknown", "application/octet-stream"),
        ("/sub/b.json?query", "application/json"),
    ],
)
def test_types(get: Get, name: str, content_type: str) -> None:
    """Browsers refuse modules and wasm of another type."""
    status, headers, _ = get(name)
    assert (status, headers["content-type"]) == (200, content_type)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
        ("vibrant", None),
    ],
)
def test_precompressed_files(get: Get, accept: str, encoding: str | None) -> None:
    """The best that the client takes; caches are told that it depends."""
    status, headers, body = get("/code.mjs", {"Accept-Encoding": accept})
    assert status == 200
    assert headers.get("content-encoding") == encoding
    assert headers["vary"] == "Accept-Encoding"
    assert headers["content-type"].startswith("text/javascript")
    assert {"br": brotli.decompress, "gzip": lambda _: TEXT}.get(encoding or "", bytes)(
        body
    ) == TEXT


def test_weights_of_encodings() -> None:
    """A weight that is no number refuses, as does zero."""
    assert accepted("br;q=0, gzip;q=1.0, *;q=x,") == {"br": 0.0, "gzip": 1.0, "*": 0.0}


def test_ranges(get: Get) -> None:
    """First, middle, last bytes; one that cannot be; never of the compressed variant."""
    for asked, status, body in (
        ("bytes=0-3", 206, bytes(range(4))),
        ("bytes=100-199", 206, bytes(range(100, 200))),
        ("bytes=-2", 206, bytes([254, 255])),
        ("bytes=256-", 416, b""),
    ):
        answer = get(f"/{BUFFER}", {"Range": asked})
        assert answer[0] == status
        if status == 206:
            assert answer[2] == body
    status, headers, body = get("/code.mjs", {"Range": "bytes=7-11", "Accept-Encoding": "br"})
    assert (status, body) == (206, b"const")
    assert "content-encoding" not in headers
    assert headers["content-range"] == f"bytes 7-11/{len(TEXT)}"


def test_conditions(get: Get) -> None:
    """A strong ETag for each variant; unchanged files are not sent again."""
    _, plain, _ = get("/code.mjs")
    _, packed, _ = get("/code.mjs", {"Accept-Encoding": "br"})
    assert plain["etag"] != packed["etag"]
    assert plain["etag"].startswith('"')
    status, headers, body = get("/code.mjs", {"If-None-Match": plain["etag"]})
    assert (status, body, headers["etag"]) == (304, b"", plain["etag"])
    assert get("/code.mjs", {"If-None-Match": '"other"'})[0] == 200
    assert get("/code.mjs", {"If-None-Match": packed["etag"]})[0] == 200


def test_a_range_of_a_changed_file_is_not_sent(get: Get) -> None:
    """By itself aiohttp ignores If-Range with an ETag, and would join halves of two files."""
    _, headers, _ = get(f"/{BUFFER}")
    asked = {"Range": "bytes=0-3"}
    assert get(f"/{BUFFER}", asked | {"If-Range": headers["etag"]})[0] == 206
    status, _, body = get(f"/{BUFFER}", asked | {"If-Range": '"older"'})
    assert (status, len(body)) == (200, 256)


def test_head(get: Get) -> None:
    """Headers as for GET, no body."""
    status, headers, body = get("/code.mjs", method="HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(TEXT)))
    assert get("/nothing", method="HEAD")[0] == 404
    assert get("/code.mjs", method="POST")[0] == 405


def test_caching(get: Get) -> None:
    """For good where the name holds the content's hash; otherwise ask each time."""
    assert "immutable" in get(f"/{BUFFER}")[1]["cache-control"]
    assert get("/code.mjs")[1]["cache-control"] == "no-cache"
    assert get("/")[1]["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/%00",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
        "/folder/secret.txt",
        "/.hidden",
        "/.vitrine/reload",
        "/sub/",
        "/sub",
        "/nothing",
        "/" + "x" * 5000,
        "/code.mjs/",
    ],
)
def test_nothing_else_is_served(get: Get, path: str) -> None:
    """Neither from outside of the folder nor a listing of one inside."""
    status, _, body = get(path)
    assert status in (400, 403, 404)
    assert b"secret" not in body


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    """The site's own folder may be a link, and files in it may be."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "index.html").write_text("here")
    (tmp_path / "real" / "other.html").symlink_to("index.html")
    os.symlink("real", tmp_path / "site")
    with serving(tmp_path / "site") as url:
        address = urlsplit(url).netloc
        for path in ("/", "/other.html"):
            connection = http.client.HTTPConnection(address, timeout=10)
            connection.request("GET", path)
            assert connection.getresponse().read() == b"here"
            connection.close()
