"""Sends alerts through real notifiers to real servers on loopback: once, whatever fails in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier

from helpers.airflow_runs import catalogue_records, load_dag, task_instance
from helpers.receivers import SLACK_TOKEN
from io_intelligence_provider import AlertRule
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator

SUBJECT = "{{ io_intelligence.subject }}"
ANY_MOVE = AlertRule("any move")
HOSTILE = (
    "<script>alert(1)</script> *b* `c` <!channel> [x](http://evil) {{ 7 * 7 }} "
    "{{ conn.slack_default.password }}"
)


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def slack(**fields: Any) -> BaseNotifier:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    return SlackWebhookNotifier(text=SUBJECT, **({"blocks": "{{ io_intelligence.slack_blocks }}"} | fields))


def mail(**fields: Any) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    given = {"html_content": "{{ io_intelligence.html }}"} | fields
    return SmtpNotifier(from_email="a@example.com", to="b@example.com", subject=SUBJECT, **given)


class Recorder(BaseNotifier):
    """A user's own notifier: what its fields were when it was called."""

    template_fields = ("message",)

    def __init__(self, message: Any, sent: list[Any]) -> None:
        super().__init__()
        self.message = message
        self.sent = sent

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        self.sent.append(self.message)


class Failing(BaseNotifier):
    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        raise RuntimeError("the token hunter2 was refused")


def alert_dag(*notifiers: BaseNotifier, rules: Any = (ANY_MOVE,), traffic: Any = None, **of_dag: Any) -> DAG:
    with DAG("alert_only", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), **of_dag) as dag:
        IOIntelligenceAlertOperator(
            task_id="alert", rules=rules, notifiers=notifiers, traffic=traffic, retries=0
        )
    return dag


@pytest.fixture
def a_price_moved(file_day: Callable[..., Any]) -> Callable[..., None]:
    """File yesterday and today; one price of one model, which may be called anything, moved."""

    def file(name: str = "org/model", new: str = "0.3") -> None:
        served = catalogue_records()
        served[0]["name"] = name
        served[0]["metadata"]["input_token_price"] = "0.2"
        file_day(yesterday(), served)
        served[0]["metadata"]["input_token_price"] = new
        file_day(today(), served)

    return file


@pytest.fixture
def result_of() -> Callable[[Any], Any]:
    return lambda run: task_instance(run, "alert").xcom_pull(task_ids="alert")


MOVE = "input 0.2 → 0.3 (+50 %)"


def test_slack_and_mail_get_one_digest_each_and_a_rerun_sends_nothing(
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    result_of: Callable[[Any], Any],
    mailbox: Any,
    webhook: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    a_price_moved()
    notifiers = slack(), mail()
    before = [dict(vars(notifier)) for notifier in notifiers]
    dag = alert_dag(*notifiers)
    run = run_dag(dag)
    assert run.state == "success"
    title = f"org/model +50 % on {today()}"
    (message,) = webhook.messages
    assert message["text"] == title
    assert message["blocks"][0]["text"] == {"type": "plain_text", "text": title, "emoji": False}
    assert message["blocks"][1]["text"]["text"] == (
        f"*any move* (1 change, since {yesterday()})\n• `org/model` input 0.2 → 0.3 (*+50 %*)\n"
        "Prices are in USD per 1M tokens."
    )
    (received,) = mailbox.mails
    assert received["Subject"] == title
    html = received.get_body(("html",)).get_content()
    assert "<bdi>org/model</bdi></th>" in html
    assert 'input 0.2 → 0.3 (<b style="white-space:nowrap">+50 %</b>)</td>' in html
    summary = result_of(run)
    assert list(summary["sent"].values()) == [1, 1]
    assert len(json.dumps(summary)) < 2_048
    assert [vars(notifier) for notifier in notifiers] == before

    again = run_dag(dag)
    assert again.state == "success"
    assert result_of(again)["sent"] == {}
    assert len(result_of(again)["nothing_new"]) == 2
    assert len(webhook.messages) == len(mailbox.mails) == 1
    assert f"1 change on {today()}; every notifier was already sent those that the rules select." in "".join(
        capfd.readouterr()
    )


def test_changes_that_no_rule_asks_for_are_said_in_the_log(
    a_price_moved: Callable[..., Any], run_dag: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    a_price_moved()
    dag = alert_dag(mail())
    dag.get_task("alert").rules = [AlertRule("quotas", changes="quota_changed")]
    assert run_dag(dag).state == "success"
    assert f"1 change on {today()}, none selected by a rule." in "".join(capfd.readouterr())


def test_one_of_two_fails_and_a_retry_sends_only_what_is_missing(
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    result_of: Callable[[Any], Any],
    mailbox: Any,
    webhook: Any,
) -> None:
    a_price_moved()
    dag = alert_dag(slack(), mail())
    webhook.status = 500
    assert run_dag(dag).state == "failed"
    assert webhook.asked >= 1
    assert len(mailbox.mails) == 1  # the first one failed; the second was sent all the same
    webhook.status, mailbox.refuse = 200, True
    run = run_dag(dag)
    assert run.state == "success"
    assert list(result_of(run)["sent"]) == [
        "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier:0"
    ]
    assert (len(webhook.messages), len(mailbox.mails)) == (1, 1)


def test_names_from_outside_are_names_in_every_format(
    a_price_moved: Callable[..., None], run_dag: Callable[..., Any], mailbox: Any, webhook: Any
) -> None:
    a_price_moved(HOSTILE)
    seen: list[Any] = []
    run = run_dag(
        alert_dag(
            slack(attachments=[{"blocks": "{{ io_intelligence.slack_blocks }}"}]),
            mail(),
            Recorder("{{ io_intelligence.text }}", seen),
            Recorder("{{ io_intelligence.markdown }}", seen),
            Recorder(["{{ io_intelligence.to_dict() }}"], seen),
        )
    )
    assert run.state == "success"
    (message,) = webhook.messages
    assert message["attachments"][0]["blocks"] == message["blocks"]
    text = message["blocks"][1]["text"]["text"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;!channel&gt;" in text
    assert "<" not in text
    (received,) = mailbox.mails
    html = received.get_body(("html",)).get_content()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "&amp;lt;" not in html  # escaped once
    plain, markdown, (data,) = seen
    shown = "- ‹script›alert(1)‹/script› *b* `c` ‹!channel› ［x］(http:∕∕evil) {{ 7 * 7 }}"  # noqa: RUF001
    assert shown in plain
    assert f"  {MOVE}" in plain
    assert "\\<script\\>" in markdown
    assert "\\[x\\]\\(http\\://evil\\)" in markdown
    assert data["groups"][0]["alerts"][0]["name"] == HOSTILE
    for sent in (json.dumps(message), html, plain, markdown):
        assert "{ 7 * 7 }" in sent.replace("\\", "")  # a name is no template
        assert SLACK_TOKEN not in sent


@pytest.mark.parametrize("of_dag", [{"jinja_environment_kwargs": {"autoescape": True}}, {}])
def test_html_is_escaped_once_also_where_templates_escape(
    of_dag: dict[str, Any], a_price_moved: Callable[..., None], run_dag: Callable[..., Any]
) -> None:
    a_price_moved("a<b")
    seen: list[Any] = []
    dag = alert_dag(Recorder("<p>{{ io_intelligence.html }}</p>", seen), **of_dag)
    assert run_dag(dag).state == "success"
    assert "<bdi>a&lt;b</bdi>" in seen[0]


def test_what_a_notifier_says_when_it_fails_is_not_in_our_error(
    a_price_moved: Callable[..., None], root: Path
) -> None:
    from io_intelligence_provider import SnapshotStore
    from io_intelligence_provider.alerts.send import send_pending
    from io_intelligence_provider.errors import NotificationError

    def fail(message: Any) -> None:
        Failing()({})

    a_price_moved()
    seen: list[int] = []
    with pytest.raises(NotificationError) as caught:
        send_pending(
            SnapshotStore(root),
            [ANY_MOVE],
            {"one": fail, "two": lambda message: seen.append(message.count)},
            today(),
            "run",
        )
    assert seen == [1]
    assert "one (RuntimeError)" in str(caught.value)
    assert "two" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_without_a_notifier_the_log_tells_and_nothing_is_remembered(
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    result_of: Callable[[Any], Any],
    root: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    a_price_moved()
    run = run_dag(alert_dag())
    assert run.state == "success"
    printed = capfd.readouterr()
    assert MOVE in printed.out + printed.err
    assert result_of(run)["sent"] == {}
    assert not (root / "alerts").exists()


def test_a_run_whose_date_has_no_snapshot_is_skipped(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    file_day(yesterday(), catalogue_records())
    seen: list[Any] = []
    run = run_dag(alert_dag(Recorder("x", seen)))
    assert task_instance(run, "alert").state == "skipped"
    assert seen == []


YAML = "- name: from a text\n  changes: price_changed\n"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([{"name": "from a text", "changes": "{{ 'price_changed' }}"}], id="mappings, templated"),
        pytest.param(YAML, id="yaml"),
        pytest.param("{{ var.value.our_rules }}", id="template"),
        pytest.param("our_rules", id="variable"),
        pytest.param('{"rules": [{"name": "from a text", "changes": "price_changed"}]}', id="json"),
        pytest.param("PATH", id="path"),
        pytest.param(lambda **_: YAML, id="function"),
    ],
)
def test_rules_come_in_many_forms(
    rules: Any,
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_OUR_RULES", YAML)
    if rules == "PATH":
        (tmp_path / "rules.yaml").write_text(YAML)
        rules = str(tmp_path / "rules.yaml")
    a_price_moved()
    seen: list[Any] = []
    assert run_dag(alert_dag(Recorder("{{ io_intelligence.text }}", seen), rules=rules)).state == "success"
    assert "from a text (1 change" in seen[0]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("no_such_variable", "There is no Airflow Variable 'no_such_variable'"),
        ("no/such/file.yaml", "no/such/file.yaml"),
        ("[]", "at least one rule"),
        ([{"name": "x", "min_pct": -1}], "min_pct"),
    ],
)
def test_wrong_rules_fail_and_say_why(
    rules: Any,
    says: str,
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    a_price_moved()
    seen: list[Any] = []
    assert run_dag(alert_dag(Recorder("x", seen), rules=rules)).state == "failed"
    assert seen == []
    printed = capfd.readouterr()
    assert says in printed.out + printed.err


TRAFFIC = '{"org/model": {"input": 1000000}}'


@pytest.mark.parametrize(
    ("traffic", "variable", "says"),
    [
        (None, TRAFFIC, "org/model: +0.10 USD"),
        (None, None, None),
        ({"org/model": {"input": "{{ 10 ** 6 }}"}}, None, "output"),
        ("{{ var.value.io_intelligence_traffic }}", TRAFFIC, "org/model: +0.10 USD"),
        ("io_intelligence_traffic", TRAFFIC, "org/model: +0.10 USD"),
        ({"org/model": {"input": 1_000_000}}, '{"other": {}}', "org/model: +0.10 USD"),
    ],
)
def test_traffic_comes_from_the_argument_or_the_variable(
    traffic: Any,
    variable: str | None,
    says: str | None,
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv("AIRFLOW_VAR_IO_INTELLIGENCE_TRAFFIC", variable)
    a_price_moved()
    seen: list[Any] = []
    dag = alert_dag(Recorder("{{ io_intelligence.text }}", seen), traffic=traffic)
    run = run_dag(dag)
    if says == "output":  # a template gives text, which is no number
        assert (run.state, seen) == ("failed", [])
        return
    assert run.state == "success"
    assert ("Monthly bill" in seen[0]) is (says is not None)
    assert says is None or says in seen[0]


def test_malformed_traffic_fails_before_anything_is_sent(
    a_price_moved: Callable[..., None],
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_IO_INTELLIGENCE_TRAFFIC", '{"m": {"inputs": 5}}')
    a_price_moved()
    seen: list[Any] = []
    assert run_dag(alert_dag(Recorder("x", seen))).state == "failed"
    printed = capfd.readouterr()
    assert "Traffic of 'm': unknown key 'inputs'" in printed.out + printed.err
    assert seen == []


def test_without_rules_the_variable_has_them(
    a_price_moved: Callable[..., None], run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_price_moved()
    seen: list[Any] = []
    dag = alert_dag(Recorder("{{ io_intelligence.text }}", seen), rules=None)
    assert run_dag(dag).state == "failed"
    monkeypatch.setenv("AIRFLOW_VAR_IO_INTELLIGENCE_ALERT_RULES", YAML)
    assert run_dag(dag).state == "success"
    assert "from a text (1 change" in seen[0]


def test_relative_paths_start_at_the_dags_file(tmp_path: Path) -> None:
    from io_intelligence_provider.operators.alert import read_rules

    (tmp_path / "rules.json").write_text('[{"name": "beside"}]')
    assert read_rules("rules.json", tmp_path)[0].name == "beside"
    assert read_rules(Path("rules.json"), tmp_path)[0].name == "beside"


def test_a_key_tells_two_notifiers_apart_whatever_their_order(
    a_price_moved: Callable[..., None], run_dag: Callable[..., Any]
) -> None:
    a_price_moved()
    seen: list[Any] = []
    one, two = Recorder("one", seen), Recorder("two", seen)
    one.key, two.key = "one", "two"  # type: ignore[attr-defined]
    assert run_dag(alert_dag(one)).state == "success"
    assert run_dag(alert_dag(two, one)).state == "success"
    assert seen == ["one", "two"]
    two.key = "one"  # type: ignore[attr-defined]
    assert run_dag(alert_dag(two, one)).state == "failed"


def test_the_sample_dag_takes_its_rules_from_a_variable(
    airflow_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = load_dag("io_intelligence_daily_pricing").get_task("alert").rules
    assert [rule.baseline for rule in rules()] == ["last_alert", "previous", "previous", "previous"]
    monkeypatch.setenv("AIRFLOW_VAR_IO_INTELLIGENCE_ALERT_RULES", YAML)
    assert rules() == YAML
