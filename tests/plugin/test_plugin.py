"""How Airflow finds the page, and that it costs nothing to whoever does not serve it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import subprocess
import sys
from typing import Any

import pytest

from helpers.stores import model_row
from io_intelligence_provider.plugin import IOIntelligencePlugin, LazyApp, external_views

pytestmark = pytest.mark.long


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, airflow.sdk.plugins_manager\n"
        "before = set(sys.modules)\n"
        "import io_intelligence_provider.plugin\n"
        "added = {name for name in set(sys.modules) - before}\n"
        "print(','.join(sorted(added)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = done.stdout.splitlines()[-1].split(",")
    assert "io_intelligence_provider.plugin" in added
    assert not {name.partition(".")[0] for name in added} & {
        "fastapi",
        "polars",
        "pyarrow",
        "pandera",
        "pandas",
        "starlette",
        "pydantic",
    }
    assert len(added) < 20, added


ANSWERING = """
import sys
from starlette.testclient import TestClient
from io_intelligence_provider import SnapshotStore
from fastapi.routing import APIRoute
from io_intelligence_provider.plugin.app import build_app
from io_intelligence_provider.plugin.listing import StoreSource

page = build_app(StoreSource(lambda: SnapshotStore(sys.argv[1])), lambda: None)
client = TestClient(page)
asked = {"/api/model": {"model": "a"}, "/api/history": {"models": "a", "fields": "output_token_price"}}
asked |= {f"/api/dataset{path}": {"id": "io_intelligence_models"} for path in ("", "/refused", "/report")}
for route in page.app.routes:
    if not isinstance(route, APIRoute):
        continue
    if "GET" in route.methods:
        answer = client.get(route.path, params=asked.get(route.path))
    else:
        answer = client.post(route.path, json={"traffic": [{"model": "a", "output": "1"}]})
    assert answer.status_code == 200, (route.path, answer.text)
print("pandas" in sys.modules)
"""


@pytest.mark.parametrize("changes", [True, False])
def test_answering_does_not_import_pandas(builder: Any, changes: bool) -> None:
    """It takes half a second of the first answer, and nothing needs it."""
    for number in range(3):
        builder.file(number, model_row("a", output_token_price="1"), changes=changes)
    command = [sys.executable, "-c", ANSWERING, str(builder.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_the_entry_point_leads_to_the_plugin() -> None:
    (entry,) = importlib.metadata.entry_points(group="airflow.plugins", name="io_intelligence")
    assert entry.load() is IOIntelligencePlugin
    assert IOIntelligencePlugin.name == "io_intelligence"
    (app,) = IOIntelligencePlugin.fastapi_apps
    assert app["url_prefix"] == "/io-intelligence"
    assert isinstance(app["app"], LazyApp)


@pytest.mark.parametrize(
    ("version", "top_level"), [("3.2.0", False), ("3.2.1rc1", False), ("3.3.2", True), ("4.0", True)]
)
def test_the_entries_of_the_side_bar(version: str, top_level: bool) -> None:
    views = external_views(version)
    assert [(view["name"], view["href"]) for view in views] == [
        ("IO Models", "io-intelligence/"),
        ("Quality", "io-intelligence/data-quality"),
    ]
    assert len({view["url_route"] for view in views}) == 2
    for view in views:
        assert view["destination"] == "nav"
        assert view["icon"].startswith("io-intelligence/static/")
        assert view["icon_dark_mode"] == view["icon"].replace(".svg", "-dark.svg")
        assert view.get("nav_top_level", False) is top_level


def test_airflow_takes_the_entries_as_they_are() -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    for view in IOIntelligencePlugin.external_views:
        taken = ExternalViewResponse.model_validate(view)
        assert taken.href == view["href"]
        assert not taken.model_extra or "nav_top_level" not in taken.model_extra


class Conversation:
    """Plays the server: gives messages, keeps what is sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)


MADE: list[str] = []


def make_app() -> Any:
    MADE.append("app")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(scope["type"])

    return app


def test_the_app_is_made_by_the_first_request_and_once() -> None:
    sys.modules["made_for_this_test"] = sys.modules[__name__]
    MADE.clear()
    lazy = LazyApp("made_for_this_test:make_app")
    talk = Conversation({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    async def everything() -> None:
        await lazy({"type": "lifespan"}, talk.receive, talk.send)
        assert MADE == []
        await asyncio.gather(*(lazy({"type": "http"}, talk.receive, talk.send) for _ in range(20)))
        await lazy({"type": "http"}, talk.receive, talk.send)

    asyncio.run(everything())
    del sys.modules["made_for_this_test"]
    assert MADE == ["app"]
    assert talk.sent[:2] == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert talk.sent[2:] == ["http"] * 21


def test_the_app_of_airflow_is_behind_its_access_control() -> None:
    from airflow.api_fastapi.core_api.security import requires_access_view

    from io_intelligence_provider.plugin import airflow_app
    from io_intelligence_provider.plugin.app import SecurityMiddleware

    made = airflow_app.create_app()
    assert isinstance(made, SecurityMiddleware)
    (asked, *_) = made.app.routes[0].dependant.dependencies  # type: ignore[attr-defined]
    assert asked.call.__qualname__.startswith(requires_access_view.__name__)
    assert [cell.cell_contents.name for cell in asked.call.__closure__] == ["PLUGINS"]
