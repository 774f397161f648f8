"""Tests credentials in served records: masked in memory and in every file, and counted."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from helpers.canaries import KEY, assert_hidden, everything_about
from helpers.scripted_server import Reply, listing_body, page_reply
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import (
    NotFoundError,
    QualityError,
)
from io_intelligence_provider.redaction import Secret

SECRETS_SPELT = {
    "plain": json.dumps,
    "escaped": lambda key: '"' + "".join(f"\\u{ord(char):04X}" for char in key) + '"',
    "escaped once": lambda key: f'"\\u{ord(key[0]):04x}' + json.dumps(key)[2:],
    "url": lambda key: json.dumps(f"https://h/?key={quote(key, safe='')}"),
    "base64": lambda key: json.dumps(base64.b64encode(f"Bearer {key}".encode()).decode()),
    "json in json": lambda key: json.dumps(json.dumps({"you": key})),
    "html": lambda key: json.dumps(html.escape(key)),
    "in a list": lambda key: json.dumps([{"deep": [key]}]),
    "as a key": lambda key: json.dumps({key: 1}),
    "invalid utf-8": lambda key: json.dumps(f"{key}\ud800"),
}


def stored(root: Path) -> str:
    """Return all that the files below a root hold, as text."""
    import pyarrow.parquet as pq

    texts = []
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            texts += [str(table.to_pylist()), str(table.schema.metadata)]
        elif path.is_file():
            texts += [path.read_text(), path.read_bytes().decode("latin-1")]
    return "\n".join(texts)


@pytest.mark.long
@pytest.mark.parametrize("spelt", SECRETS_SPELT)
@pytest.mark.parametrize("place", ["extra", "name", "refused", "measured"])
def test_a_credential_in_a_record_is_in_no_file_and_a_finding(
    scripted: Any, connect: Any, tmp_path: Path, spelt: str, place: str
) -> None:
    field = {"extra": "echo", "name": "name", "refused": "input_token_price", "measured": "max_tokens"}[place]

    def script(asked: Any) -> Any:
        key = asked.headers["Authorization"].removeprefix("Bearer ")
        echoing = f'{{"id":"echo","{field}":{SECRETS_SPELT[spelt](key)}}}'
        records = [json.dumps({"id": f"m{number}", "object": "model"}) for number in range(12)]
        return Reply(200, f'{{"object":"list","data":[{",".join([echoing, *records])}]}}'.encode())

    client = connect(scripted(script).url, token=KEY)
    page = client.fetch_page()
    assert page.redacted == 1
    assert page.records[1] == b'{"id": "m0", "object": "model"}'
    assert_hidden(repr(page) + repr(list(client.iter_models())), KEY)

    store = SnapshotStore(tmp_path)
    summary = take_snapshot(client, store, snapshot_date="2026-01-02")
    assert summary.rows + summary.quarantined == 13
    assert summary.outcome == "warned"
    (finding,) = (check for check in store.quality().checks if check.check == "redacted")
    assert (finding.level, finding.column, finding.severity) == ("row", None, "warn")
    assert (finding.evaluated, finding.failed, finding.passed) == (13, 1, False)
    assert_hidden(stored(tmp_path) + repr(store.read().to_pylist()), KEY)


@pytest.mark.parametrize("secret", ["guest", "oauth token", "oauth secret", "basic", "proxy"])
def test_every_credential_is_taken_out_of_records(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    basic = base64.b64encode(b"client-4711:s3cret-4711").decode()
    echoed = {
        "guest": "guest-4711",
        "oauth token": "fresh-token-4711",
        "oauth secret": "s3cret-4711",
        "basic": basic,
        "proxy": "proxy-pass-4711",
    }[secret]

    def script(asked: Any) -> Any:
        if asked.path == "/t":
            return Reply(200, b'{"access_token":"fresh-token-4711"}')
        return Reply(200, listing_body({"id": "x", "echo": f"you: {echoed}"}, {"id": "m", "name": "m"}))

    server = scripted(script)
    if secret == "proxy":  # the server itself stands for the proxy: it answers whatever it is asked
        monkeypatch.setenv("http_proxy", server.url.replace("://", f"://user:{echoed}@"))
    oauth = {"token_url": f"{server.url}/t", "client_id": "client-4711", "client_secret": "s3cret-4711"}
    settings = {"guest_session_id": "guest-4711"} | ({} if secret == "proxy" else oauth)
    page = connect(server.url, **settings).fetch_page()
    assert page.redacted == 1
    assert json.loads(page.records[0]) == {"id": "x", "echo": "you: ***"}


def test_a_number_and_a_record_beyond_decoding_are_masked_as_well(scripted: Any, connect: Any) -> None:
    deep = b"[" * 900 + b'"4711471147"' + b"]" * 900
    body = b'{"object":"list","data":[{"id":"x","n":4711471147},%b,{"id":"4711471147","id":"y"}]}' % deep
    page = connect(scripted(Reply(200, body)).url, token="4711471147").fetch_page()
    assert page.redacted == 3
    assert b"4711471147" not in b"".join(page.records)
    assert json.loads(page.records[0]) == {"id": "x", "n": "***"}


@pytest.mark.parametrize("token", ["key", "model", "to"])
def test_a_short_secret_does_not_damage_records(scripted: Any, connect: Any, token: str) -> None:
    record = {"id": "monkey-model", "max_tokens": 7}
    page = connect(scripted(Reply(200, listing_body(record))).url, token=token).fetch_page()
    assert page.redacted == 0
    assert json.loads(page.records[0]) == record


def test_a_client_id_is_masked_in_messages_and_never_in_records(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/t":
            return Reply(200, b'{"access_token":"fresh-token"}')
        if asked.page == 2:
            return Reply(404, b"no models for io-intelligence")
        return Reply(200, listing_body({"id": "x", "owned_by": "io-intelligence"}))

    server = scripted(script)
    client = connect(
        server.url, token_url=f"{server.url}/t", client_id="io-intelligence", client_secret="s3cret-4711"
    )
    assert client.fetch_page().redacted == 0
    with pytest.raises(NotFoundError, match=r"no models for \*\*\*"):
        client.fetch_page(2)


def test_a_report_of_a_stopped_run_shows_none_either(scripted: Any, connect: Any, tmp_path: Path) -> None:
    server = scripted(
        lambda asked: Reply(
            200, listing_body({"id": "x", "input_token_price": asked.headers["Authorization"]})
        )
    )
    with pytest.raises(QualityError) as caught:
        take_snapshot(connect(server.url, token=KEY), SnapshotStore(tmp_path), snapshot_date="2026-01-02")
    assert_hidden(everything_about(caught.value) + stored(tmp_path), KEY)


def test_each_form_of_each_secret_is_told_to_the_observer(scripted: Any) -> None:
    seen: list[str] = []
    server = scripted(
        lambda asked: Reply(200, b'{"access_token":"fresh/t"}') if asked.path == "/t" else page_reply()
    )
    settings = ClientSettings(
        server.url, token_url=f"{server.url}/t", client_id="me", client_secret=Secret("pw+1\n")
    )
    with IOIntelligenceClient.from_settings(settings, seen.append) as client:
        client.fetch_page()
    basic = base64.b64encode(b"me:pw%2B1").decode()
    assert {"pw+1", "pw%2B1", basic, "fresh/t", "fresh%2Ft", "fresh\\/t"} <= set(seen)
    assert "me" not in seen
    assert not re.search(r"\s", "".join(seen))
