"""Gives every parser of outside bytes what nobody meant for it: a value or one of our errors, nothing else.

``make fuzz EXAMPLES=5000`` tries as many examples of each.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.http_clients import ask_in_process
from helpers.records import documented_record, observed_record
from helpers.stores import file_every_kind
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.alerts.ledger import last_notified
from io_intelligence_provider.alerts.rules import rules_from
from io_intelligence_provider.alerts.traffic import traffic_from
from io_intelligence_provider.catalog.proxies import environment_proxy, parse_proxy
from io_intelligence_provider.catalog.retry import parse_retry_after
from io_intelligence_provider.catalog.settings import EXTRA_FIELDS, connection_settings
from io_intelligence_provider.catalog.wire import WireShape, decode_page, decode_record, record_ids
from io_intelligence_provider.contract import decode
from io_intelligence_provider.contract.parsing import parse_prices, parse_timestamps
from io_intelligence_provider.contract.records import validate_records
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.errors import ConfigurationError, ResponseError, UnreadableFileError
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.quality.schema import load_schema
from io_intelligence_provider.redaction import redact_url

pytestmark = pytest.mark.long

quick = settings(
    max_examples=int(os.environ.get("EXAMPLES", "20")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

texts = st.text(st.characters(exclude_categories=[]), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["1e-7", "NaN", "2026-01-02T03:04:05Z", 10**30, -1, "", 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
DEEP = "[" * 100_000


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@st.composite
def distorted(draw: st.DrawFn, valid: Any) -> Any:
    """Return a valid JSON value with some values replaced, removed or added."""
    value = {"": copy.deepcopy(valid)}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([found for found in places(value) if found]))
        target: Any = value
        for key in path[:-1]:
            target = target[key]
        how = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if how == "remove" and len(path) > 1:
            del target[path[-1]]
        elif how == "add" and isinstance(target[path[-1]], dict):
            target[path[-1]][draw(texts)] = draw(values)
        else:
            target[path[-1]] = draw(values)
    return value[""]


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


# The API's responses --------------------------------------------------------------------------------------

PAGE = {
    "data": [documented_record(), observed_record()],
    "pagination": {"total": 2, "page": 1, "page_size": 50, "total_pages": 1, "has_next": False},
    "object": "list",
}


@example(DEEP.encode())
@example(b'{"data":' + DEEP.encode())
@example(b'{"data":[1e999999999],"pagination":{"total":1e400,"has_next":false}}')
@given(st.binary(max_size=60) | distorted(PAGE).map(dump).map(str.encode))
@quick
def test_a_body_is_a_page_whose_records_can_be_read_or_a_response_error(body: bytes) -> None:
    try:
        page = decode_page(body, "GET x")
    except ResponseError:
        return
    assert len(record_ids(page.records, page.shape)) == len(page.records)
    for raw in page.records:
        decode_record(raw)
    result = validate_records(page.records, page.shape)
    assert result.valid.height + len(result.refused) == len(page.records)


KEYS = [
    "z",
    "a",
    "b c",
    'quo"te',
    "\u00e9",
    "permission",
    "metadata",
    "name",
    "id",
    "created",
    "tags",
    "\ud800",
]


@st.composite
def records(draw: st.DrawFn, shape: WireShape) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return dump(draw(values)).encode()
    added = draw(st.dictionaries(st.sampled_from(KEYS) | texts, values, max_size=3))
    if shape is WireShape.OPENAI:
        record = observed_record() | draw(st.sampled_from([{}, added, distorted_fields(draw, "id")]))
        return dump(record).encode()
    record = documented_record(draw(st.dictionaries(st.sampled_from(KEYS) | texts, values, max_size=3)))
    return dump(record | draw(st.sampled_from([{}, added, distorted_fields(draw, "metadata")]))).encode()


def distorted_fields(draw: st.DrawFn, key: str) -> dict[str, Any]:
    return {draw(st.sampled_from([key, "created_at", "name", "input_token_price", "tags"])): draw(values)}


@pytest.mark.parametrize("shape", WireShape)
@given(data=st.data())
@quick
def test_a_group_of_records_is_read_as_each_alone(shape: WireShape, data: st.DataObject) -> None:
    """The fast path, which decodes a group at once, gives what the path record by record gives."""
    raw = data.draw(st.lists(records(shape), min_size=1, max_size=12))
    repeats = data.draw(st.sampled_from([1, 1, 30]))  # so that the keys of the first groups are learned
    everything = raw * repeats
    together = decode.read_batch(everything, shape)
    fast, decode._decode_group = decode._decode_group, lambda *_: False
    try:
        one_by_one = decode.read_batch(everything, shape)
    finally:
        decode._decode_group = fast
    alone = [decode.read_batch([one], shape) for one in raw]
    for other in (together, one_by_one):
        assert other.frame.rows() == [row for one in alone for row in one.frame.rows()] * repeats
        assert other.fields == set().union(*(one.fields for one in alone))
        assert other.unknown == set().union(*(one.unknown for one in alone))
    assert together.frame.schema == one_by_one.frame.schema
    assert sorted(together.failures, key=repr) == sorted(one_by_one.failures, key=repr)
    first = [found for row, found in sorted(together.failures, key=repr) if row < len(raw)]
    apart = [found for number, one in enumerate(alone) for _, found in one.failures]
    assert sorted(map(repr, first)) == sorted(map(repr, apart))
    assert {name: sorted(rows) for name, rows in together.coerced.items() if rows} == {
        name: sorted(rows) for name, rows in one_by_one.coerced.items() if rows
    }


@given(st.lists(texts | st.from_regex(r"[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)))
@quick
def test_a_price_is_stored_with_every_digit_or_not_at_all(served: list[str]) -> None:
    served = [text for text in served if text.isprintable()]
    for text, kept in zip(served, parse_prices(pl.Series(served, dtype=pl.String)), strict=True):
        assert kept is None or Decimal(kept) == Decimal(text)


moments = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    fullmatch=True,
)


@given(st.lists(texts.filter(str.isprintable) | moments))
@quick
def test_a_timestamp_is_a_moment_with_a_zone_or_nothing(served: list[str]) -> None:
    for kept in parse_timestamps(pl.Series(served, dtype=pl.String)):
        assert kept is None or kept.tzinfo is not None


@example("9" * 5000)
@example("Wed, 21 Oct 99999 07:28:00 GMT")
@given(texts | st.from_regex(r"\w{3}, [0-9]+ (Jan|Oct) [0-9]+ [0-9]+:[0-9]+(:[0-9]+)? [+-]?\w+"))
@quick
def test_a_wait_is_a_number_of_seconds_or_nothing(header: str) -> None:
    found = parse_retry_after(header)
    assert found is None or found >= 0


# Settings -------------------------------------------------------------------------------------------------

urls = texts | st.from_regex(
    r"(https?|socks5|ftp)?:?/{0,3}([a-z]*(:[a-zA-Z0-9%]*)?@)?[\[\]a-z0-9.:%-]*(:[0-9]{0,7})?(/\S*)?",
    fullmatch=True,
)


@given(urls, urls)
@quick
def test_a_proxy_is_read_or_refused(proxy: str, url: str) -> None:
    for parse in (
        lambda: parse_proxy(proxy, "the setting `proxy`"),
        lambda: environment_proxy("https://host.example/x", {"https_proxy": proxy, "no_proxy": url}),
    ):
        with suppress(ConfigurationError):
            parse()


@given(urls)
@quick
def test_a_url_is_shown_without_its_credentials(url: str) -> None:
    assert "s3cret" not in redact_url(url)
    assert "s3cret" not in redact_url(f"https://user:s3cret@{url}")


@given(
    st.dictionaries(st.sampled_from(EXTRA_FIELDS) | texts, values | urls, max_size=4),
    st.none() | urls,
    st.none() | st.integers(-1, 70_000),
    st.none() | texts,
)
@quick
def test_a_connection_is_read_or_refused(
    extra: dict[str, Any], host: str | None, port: int | None, password: str | None
) -> None:
    with suppress(ConfigurationError):
        connection_settings(host=host, port=port, password=password, extra=extra)


RULES = [
    {
        "name": "r", "changes": ["price_changed", "quarantined"], "fields": "*", "models": ["a*"],
        "min_pct": 5, "direction": "up", "baseline": 7,
    },
    {"name": "s", "baseline": "last_alert"},
]  # fmt: skip
TRAFFIC = {"org/m": {"input": 1, "output": 2, "cache_read": 3, "cache_write": 4}}
yaml_texts = st.text("-:[]{}&*!|>'\"%@`#,? \n\tab0123456789.~<=T", max_size=40)
HOSTILE = [
    DEEP,
    "{" * 5_000,
    "- 2026-13-45",
    "&a [*a]",
    "? [a]\n: b",
    "? {a: b}\n: c",
    "!!int x",
    "!!float x",
    "1:99999999999999999999:1",
    "!!timestamp x",
    "- name: &n [*n]",
    "{name: r, <<: 1}",
    "9" * 5_000,
    "a: !!python/object:os.system x",
    "\x00",
    "\ud800",
    "- name: [a]",
    "- name: {}",
    "- {name: r, baseline: .nan}",
    "- {name: r, min_pct: .inf}",
    "- {name: r, changes: [[]]}",
    "- {name: r, models: [{}]}",
    "- {name: r, 1: 2}",
    "rules: &r [*r]",
]


@pytest.mark.parametrize(
    ("parse", "valid"), [(rules_from, RULES), (traffic_from, TRAFFIC)], ids=["rules", "traffic"]
)
def test_texts_of_people_are_read_or_refused(parse: Callable[[Any], Any], valid: Any) -> None:
    @given(st.sampled_from(HOSTILE) | yaml_texts | distorted(valid).map(dump) | distorted(valid) | values)
    @quick
    def read(source: Any) -> None:
        with suppress(ConfigurationError):
            parse(source)

    for hostile in HOSTILE:
        read.hypothesis.inner_test(hostile)
    read()


SCHEMA = {
    "schema_type": "dataframe",
    "columns": {"x": {"dtype": "int64", "nullable": False, "checks": {"greater_than": 0}, "unique": True}},
    "checks": None,
    "coerce": False,
    "strict": False,
}


def test_a_schema_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"

    @given(st.sampled_from(HOSTILE) | yaml_texts | distorted(SCHEMA).map(dump))
    @quick
    def read(text: str) -> None:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with suppress(ConfigurationError):
            load_schema(path)

    wrong = [{"columns": True}, {"columns": {"x": None}}, {"columns": {"x": [None]}}, {"index": 1}]
    for hostile in (*HOSTILE, *(json.dumps(SCHEMA | part) for part in wrong)):
        read.hypothesis.inner_test(hostile)
    read()


@given(
    texts | st.from_regex(r"(status|delay|drift|redirect|reset)(=\w*)?(,\w+=[\w.-]*){0,3}", fullmatch=True)
)
@quick
def test_a_fault_of_the_emulator_is_read_or_refused(text: str) -> None:
    with suppress(ConfigurationError):
        Fault.parse(text)


def test_a_catalogue_of_the_emulator_is_read_or_refused(tmp_path: Path) -> None:
    @example(DEEP.encode())
    @example(b"[NaN]")
    @given(st.binary(max_size=30) | distorted([documented_record()]).map(dump).map(str.encode))
    @quick
    def read(data: bytes) -> None:
        for name in ("c.json", "c.json.gz"):
            (tmp_path / name).write_bytes(data)
            with suppress(ConfigurationError):
                FixedCatalogue.from_file(tmp_path / name)

    read()


# Files of a store -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parsers") / "store"
    file_every_kind(folder)
    return folder


@pytest.mark.parametrize("part", ["quality", "alerts"])
def test_a_json_file_of_a_store_is_read_or_named(root: Path, part: str) -> None:
    path = next(root.glob(f"{part}/*2026-03-03/*.json"))
    good = path.read_bytes()
    day = SnapshotStore(root).dates()[-2]
    read = {
        "quality": lambda store: (store.quality(day), store.runs()),
        "alerts": lambda store: last_notified(store, "r", "n", day),
    }[part]

    @example(DEEP.encode())
    @given(st.binary(max_size=30) | distorted(json.loads(good)).map(dump).map(str.encode))
    @quick
    def spoil(data: bytes) -> None:
        path.write_bytes(data)
        found = None
        try:
            read(SnapshotStore(root))
        except UnreadableFileError as error:
            found = str(error)
        assert found is None or str(path) in found

    try:
        spoil()
    finally:
        path.write_bytes(good)


@given(data=st.data())
@quick
def test_a_result_is_read_or_refused(root: Path, data: st.DataObject) -> None:
    from helpers.stores import make_check_run

    valid = json.loads(make_check_run().to_json())
    with suppress(ValueError):
        CheckRun.from_dict(data.draw(distorted(valid)))


PARAMETERS = [
    "day", "start", "end", "days", "q", "limit", "offset", "sort", "order", "model", "models", "fields",
    "kinds", "min_pct", "direction", "date", "blend", "status", "id", "when", "against", "columns", "run",
]  # fmt: skip
ROUTES = [
    "status",
    "overview",
    "models",
    "model",
    "history",
    "changes",
    "changes/days",
    "quality",
    "quarantine",
]
parameters = texts | st.sampled_from(
    [
        "2026-03-03",
        "9999-12-31",
        "0001-01-01",
        "-1",
        "1e9",
        "a",
        "*",
        "a,b",
        "9" * 30,
        "nan",
        "inf",
        "output_token_price",
        "price_changed",
        "up",
    ]
)


@given(st.sampled_from(ROUTES), st.dictionaries(st.sampled_from(PARAMETERS), parameters, max_size=4))
@quick
def test_the_page_answers_any_parameters(root: Path, route: str, given_parameters: dict[str, str]) -> None:
    sent = {name: value.encode("utf-8", "replace").decode() for name, value in given_parameters.items()}
    ((status, _),) = ask_in_process(SnapshotStore(root), {route: sent}).values()
    assert status < 500
