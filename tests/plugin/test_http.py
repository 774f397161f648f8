"""The page over HTTP: headers, ETags, compression, methods, static files, and what nobody expected."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from helpers.http_clients import json_paths
from helpers.stores import model_row, refused_record
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.plugin.app import FOLDER, SECURITY_HEADERS, StaticFiles
from io_intelligence_provider.plugin.cache import Cache
from io_intelligence_provider.plugin.listing import StoreSource

pytestmark = pytest.mark.long

JSON_ROUTES = {
    "status": {},
    "overview": {"days": 7},
    "models": {},
    "model": {"model": "a"},
    "history": {"models": "a", "fields": "output_token_price"},
    "changes": {},
    "changes/days": {},
    "alerts": {},
    "trust": {},
    "quality": {},
    "quarantine": {},
}
BY_ACCESS = {"quality", "quarantine"}
"""Their answers depend on who asks: nobody keeps them, and their ETag is that of what they hold."""
KEPT_BY_NOBODY = {"costs", "traffic"}
"""Their answers depend on the reader: `test_costs` has them."""
READS = (
    "history", "history_frame", "read", "changes", "changes_frame", "quality", "runs", "quarantine", "info"
)  # fmt: skip
"""Everything that reads a file of the store."""


@pytest.fixture
def page(builder: Any, serve: Any) -> Any:
    for number in range(3):
        builder.file(
            number,
            *(model_row(name, output_token_price=f"{number + 1}") for name in "abcdefgh"),
            changes=True,
        )
    return serve(builder.root)


def test_every_route_is_in_this_test() -> None:
    results = {"datasets", "dataset", "dataset/refused"}  # they depend on other files, and on who asks
    assert {path.removeprefix("/api/") for path in json_paths()} == set(
        JSON_ROUTES
    ) | KEPT_BY_NOBODY | results


@pytest.mark.parametrize("route", JSON_ROUTES)
def test_an_answer_that_is_held_already_is_not_sent_again(
    page: Any, builder: Any, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = page.get(f"api/{route}", JSON_ROUTES[route])
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "no-cache, private"
    assert {"Cookie", "Authorization", "Accept-Encoding"} <= set(first.headers["vary"].split(", "))
    assert first.headers["last-modified"].endswith("GMT")
    assert first.headers["content-type"] == "application/json"
    for held in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        again = page.get(f"api/{route}", JSON_ROUTES[route], If_None_Match=held)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == etag
    assert page.get(f"api/{route}", JSON_ROUTES[route], If_None_Match='"other"').status == 200
    builder.file(3, model_row("a", output_token_price="5"), refused=[refused_record("b")])
    changed = page.get(f"api/{route}", JSON_ROUTES[route], If_None_Match=etag)
    assert changed.status == 200
    assert changed.headers["etag"] != etag


@pytest.mark.parametrize("route", sorted(JSON_ROUTES.keys() - BY_ACCESS - {"status"}))
def test_a_304_reads_no_parquet(
    page: Any, builder: Any, serve: Any, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = page.get(f"api/{route}", JSON_ROUTES[route]).headers["etag"]
    fresh = serve(builder.root)  # another process of the API server: it has read nothing yet

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("something was read")

    for name in READS:
        monkeypatch.setattr(SnapshotStore, name, fail)
    assert fresh.get(f"api/{route}", JSON_ROUTES[route], If_None_Match=etag).status == 304


def test_a_warm_answer_reads_nothing(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {route: page.get(f"api/{route}", params).body for route, params in JSON_ROUTES.items()}

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("something was read")

    for name in READS:
        monkeypatch.setattr(SnapshotStore, name, fail)
    for route, params in JSON_ROUTES.items():
        again = page.get(f"api/{route}", params)
        assert again.status == 200
        if route != "status":
            assert again.body == whole[route]
    # Nor does another question about the same days.
    assert page.api("models", limit=2)["total"] == 8
    assert page.api("changes", q="h")["total"] == 2
    assert page.api("overview", days=30)["days"] == 30


def test_different_questions_have_different_etags(page: Any) -> None:
    asked = [{}, {"limit": 1}, {"offset": 1}, {"date": "2026-03-01"}]
    assert len({page.get("api/models", params).headers["etag"] for params in asked}) == len(asked)


def test_answers_are_compressed_for_who_takes_it(page: Any) -> None:
    plain = page.get("api/models")
    assert len(plain.body) > 1_000
    assert "content-encoding" not in plain.headers
    for accepted in ("gzip", "br, GZIP;q=0.5", "*"):
        packed = page.get("api/models", Accept_Encoding=accepted)
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body)
    for accepted in ("gzip;q=0", "gzip; q=0.0", "br", "identity"):
        assert "content-encoding" not in page.get("api/models", Accept_Encoding=accepted).headers
    assert "content-encoding" not in page.get("api/quarantine", Accept_Encoding="gzip").headers  # too small


@pytest.mark.parametrize(
    "path",
    [
        "",
        "api/status",
        "api/nothing",
        "api/models?limit=0",
        "static/icon.svg",
        "static/nothing.js",
        "nothing",
    ],
)
def test_security_headers_are_on_everything(page: Any, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        headers = page.get(path, method=method).headers
        for name, value in SECURITY_HEADERS.items():
            assert headers.getlist(name) == [value]


def test_the_policy_forbids_what_the_page_does_not_need() -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_only_get_and_head(page: Any, method: str) -> None:
    for path in ("", "api/status", "static/icon.svg"):
        answer = page.get(path, method=method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_where_a_body_is_taken(page: Any, method: str) -> None:
    answer = page.get("api/costs", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["", "api/models", "static/icon.svg"])
def test_head_is_get_without_the_body(page: Any, path: str) -> None:
    got, head = page.get(path), page.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


def test_there_is_no_documentation_of_the_routes(page: Any) -> None:
    for path in ("docs", "redoc", "openapi.json", "docs/oauth2-redirect"):
        assert page.get(path).status == 404


def version_of(page: Any) -> str:
    found = re.search(r'"static/(v-[0-9a-f]{16})/app.js"', page.get("").text)
    assert found
    return found[1]


def test_the_index_refers_to_its_files_by_relative_paths_under_their_version(page: Any) -> None:
    answer = page.get("")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, private"
    assert page.get("", If_None_Match=answer.headers["etag"]).status == 304
    version = version_of(page)
    addresses = re.findall(r'(?:href|src)="([^"#]+)"', answer.text)
    assert len(addresses) > 5
    for address in addresses:
        assert address.startswith(f"static/{version}/")
        assert page.get(address).status == 200


def test_the_address_without_the_slash_leads_to_the_one_with_it(builder: Any) -> None:
    import httpx
    from starlette.testclient import TestClient

    from io_intelligence_provider.plugin.app import build_app

    page = build_app(StoreSource(lambda: builder.store), lambda: None)
    with TestClient(page, base_url="http://host", root_path="/team/airflow/io-intelligence") as client:
        answer = client.get("http://host/team/airflow/io-intelligence", follow_redirects=False)
        assert answer.status_code == 307
        assert not urlsplit(answer.headers["location"]).netloc
        there = httpx.URL("http://host/team/airflow/io-intelligence").join(answer.headers["location"])
        assert str(there) == "http://host/team/airflow/io-intelligence/"
        assert client.get(str(there)).status_code == 200


def test_static_files(page: Any) -> None:
    folder = FOLDER
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert {"page.html", "icon.svg", "icon-dark.svg"} <= set(names)
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    for name in names:
        if Path(name).suffix in (".ts", ".json"):  # for developers
            assert page.get(f"static/{name}").status == 404
            continue
        answer = page.get(f"static/{name}")
        assert answer.status == 200
        assert answer.body == (folder / name).read_bytes()
        assert answer.headers["content-type"].partition(";")[0] == kinds[Path(name).suffix]
        assert answer.headers["cache-control"] == "no-cache"
        assert page.get(f"static/{name}", If_None_Match=answer.headers["etag"]).status == 304


def test_files_are_kept_for_ever_under_their_version_only(page: Any) -> None:
    version = version_of(page)
    answer = page.get(f"static/{version}/app.js", Accept_Encoding="gzip")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert gzip.decompress(answer.body) == (FOLDER / "app.js").read_bytes()
    for path in ("app.js", "v-0/app.js", "v-/app.js"):
        other = page.get(f"static/{path}", If_None_Match=answer.headers["etag"])
        assert other.status == 304
        assert other.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "title", "tabs", "icon", "module", "needed", "later"),
    [
        ("", "IO Intelligence", "Views", "icon", "app.js", "charts/geometry.js", "views/models.js"),
        (
            "data-quality",
            "Data quality",
            "Path",
            "quality",
            "datasets/app.js",
            "quality/evidence.js",
            "model/panel.js",
        ),
    ],
)
def test_each_page_loads_its_module_with_all_that_it_imports(
    page: Any, path: str, title: str, tabs: str, icon: str, module: str, needed: str, later: str
) -> None:
    html = page.get(path).body.decode()
    assert f"<title>{title}</title>" in html
    assert f"<h1>{title}</h1>" in html
    assert f'<nav aria-label="{tabs}"' in html
    static = f"static/{version_of(page)}/"
    assert f'href="{static}{icon}.svg"' in html
    assert f'<script type="module" src="{static}{module}">' in html
    preloaded = re.findall(rf'<link rel="modulepreload" href="{static}([^"]+)">', html)
    assert {needed, "dom.js"} <= set(preloaded)
    assert later not in preloaded


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "static")

    def version() -> str:
        return StaticFiles(Cache(), folder).version()  # one that looked keeps it for a second

    first = version()
    assert StaticFiles(Cache(), FOLDER).version() == first  # times differ, content does not
    (folder / "app.js").write_text("changed")
    second = version()
    assert second != first
    (folder / "app.js").write_text("again")
    assert version() not in (first, second)


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "%2e%2e%2f%2e%2e%2f__init__.py",
        "views/../../app.py",
        "v-0/../app.py",
        "v-0/../../app.py",
        "v-0/v-0/app.js",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..\\app.py",
        "icon.svg%00.js",
        "views",
        "views/",
        "",
        ".",
        "~root/.bashrc",
        "x" * 300 + ".js",
        "%ff.js",
    ],
)
def test_static_leads_nowhere_else(page: Any, path: str) -> None:
    # Raw, as a client library would tidy the path up.
    address = urlsplit(page.host)
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        request = f"GET /io-intelligence/static/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer[:200]
    assert b"import" not in answer
    assert b"root:" not in answer


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder, secret = tmp_path / "static", tmp_path / "secret.js"
    folder.mkdir()
    secret.write_text("secret")
    (folder / "link.js").symlink_to(secret)
    (folder / "own.js").write_text("own")
    files = StaticFiles(Cache(), folder)
    assert files.lookup_path("link.js") == ("", None)
    assert files.lookup_path("own.js")[0] == str(folder / "own.js")


def test_what_nobody_expected_is_said_plainly(
    page: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("inner detail")

    monkeypatch.setattr("io_intelligence_provider.plugin.http.Reader.latest", fail)
    answer = page.get("api/status")
    assert answer.status == 500
    error = json.loads(answer.body)["error"]
    assert error["kind"] == "server"
    assert error["action"]
    assert "inner detail" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["content-security-policy"]
    monkeypatch.undo()
    assert page.get("api/status").status == 200
    assert "inner detail" in caplog.text  # for the administrator
