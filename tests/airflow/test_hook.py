"""The hook turns a connection into a client, and nothing of the connection leaks."""

from __future__ import annotations

import json

import pytest

from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook


def connect(monkeypatch: pytest.MonkeyPatch, **fields: object) -> IOIntelligenceHook:
    monkeypatch.setenv("AIRFLOW_CONN_TRY", json.dumps({"conn_type": "io_intelligence"} | fields))
    return IOIntelligenceHook("try")


def test_it_yields_every_model_as_served(api: EmulatorServer) -> None:
    models = list(IOIntelligenceHook().iter_models(page_size=10))
    assert len(models) == 26
    assert models[0].keys() >= {"model_id", "name", "status", "metadata"}


def test_it_searches(api: EmulatorServer) -> None:
    names = [model["name"] for model in IOIntelligenceHook().iter_models(q="llama")]
    assert names
    assert all("llama" in name.lower() for name in names)


def test_the_connection_can_be_tested(api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    good, said = IOIntelligenceHook().test_connection()
    assert good, said
    assert "26 models" in said
    bad, said = connect(monkeypatch, host=api.url, password="wrong-key-123").test_connection()
    assert not bad
    assert "401" in said
    assert "wrong-key-123" not in said


def test_a_wrong_key_is_an_authentication_error(api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthenticationError, match="401"):
        list(connect(monkeypatch, host=api.url, password="wrong").iter_models())


def test_fields_of_the_connection_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(
        monkeypatch,
        host="gateway.example/llm/api/v1/",
        password="k",
        extra={"page_size": "50", "concurrency": 2, "read_timeout": None, "proxy": " "},
    )
    settings = hook.get_conn().settings
    assert settings.base_url == "https://gateway.example/llm"
    assert (settings.page_size, settings.concurrency, settings.read_timeout) == (50, 2, 30.0)
    assert settings.proxy is None


def test_an_unknown_extra_is_named_and_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(monkeypatch, extra={"X-Api-Key": "hunter2"})
    with pytest.raises(ConfigurationError, match="X-Api-Key") as caught:
        hook.get_conn()
    assert "hunter2" not in str(caught.value)


def test_a_uri_connection_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TRY", "io-intelligence://:key@127.0.0.1:8080/http?page_size=20")
    settings = IOIntelligenceHook("try").get_conn().settings
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.page_size == 20


def test_an_extra_that_is_no_json_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_TRY", json.dumps({"conn_type": "io_intelligence", "extra": "page_size=5"})
    )
    with pytest.raises(ConfigurationError, match="no JSON object"):
        IOIntelligenceHook("try").get_conn()
