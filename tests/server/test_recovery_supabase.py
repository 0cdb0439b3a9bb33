"""Supabase's word, over real HTTPS, from a server here that answers as the published schema says. Not verified live."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from dbtasks.conninfo import Secret, parse
from dbtasks.database import Inspection
from dbtasks.errors import UsageError
from dbtasks.masking import mask
from dbtasks.recovery.asking import NoAnswerError, ask
from dbtasks.recovery.engines import Provider, supabase
from dbtasks.recovery.engines.supabase import NotYet, Span, Supabase, project_of
from dbtasks.recovery.goals import AtName, AtTime, BeforeMark
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Promise, Unproven
from tests.supabase_api import PROJECT, TOKEN, Api, Reply, answers, backups, mistakes, running, said
from tests.unit.guard_cells import PROD

AT = datetime(2026, 11, 23, 4, 59, 8, 600_000, tzinfo=UTC)
NOW = AT + timedelta(seconds=2)
SECOND = int(AT.timestamp())  # the mark lies in the middle of it
DAY = 86_400
MARK = Mark(
    name="dbt_0123456789abcdef",
    lsn=0x2000100,
    begins=0x2000080,
    timeline=1,
    segment_bytes=16 << 20,
    system_identifier=7,
    at=AT,
)
USUAL = Supabase(
    project=PROJECT, tier=PROD, variable="SUPABASE_ACCESS_TOKEN", token=Secret(TOKEN), patience_s=30, pause_s=0
)
FITS = said(backups(SECOND - DAY, SECOND + 1))
LATE = said(backups(SECOND - DAY, SECOND))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def api(server: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(supabase, "API", server.url)
    server.replies, server.asked = [FITS], []
    return server


def told(api: Api, *replies: Reply, engine: Supabase = USUAL, now: datetime = NOW) -> tuple[Any, list[str]]:
    """Return what comes of these replies, and what was said while it waited. Nothing ever shows the token."""
    api.replies, lines = list(replies), list[str]()
    found = engine.awaited(MARK, now, lines.append)
    assert TOKEN not in f"{found!r} {lines} {engine!r}"
    assert set(api.asked) == {("GET", f"/v1/projects/{PROJECT}/database/backups", f"Bearer {TOKEN}")}
    return found, lines


# What is believed


def test_a_mark_is_promised_by_a_span_that_begins_before_it_and_ends_after_it(api: Api) -> None:
    found, _ = told(api, FITS)
    span = (datetime.fromtimestamp(SECOND - DAY, UTC), datetime.fromtimestamp(SECOND + 1, UTC))
    assert isinstance(found, Promise)
    assert (found.mark, found.to, (found.since, found.until)) == (MARK.name, AT.replace(microsecond=0), span)
    assert (found.as_data()["verified_live"], found.as_data()["engine"]) == (False, "supabase")


def test_it_is_waited_for_until_the_log_has_reached_the_mark(api: Api) -> None:
    """Whole seconds are compared: a log that reaches the second of the mark may end before it."""
    found, lines = told(api, LATE, LATE, said(backups(None, None)), Reply(status=429), Reply(status=503), FITS)
    assert (type(found), len(api.asked)) == (Promise, 6)
    assert [line.partition(":")[0] for line in lines] == ["waits"] * 4
    assert all("not verified live" in line for line in lines)


def test_patience_ends_in_what_was_found(api: Api) -> None:
    found, _ = told(api, LATE, engine=replace(USUAL, patience_s=0))
    assert isinstance(found, Unproven)
    assert "from 2026-11-22 04:59:08 to 2026-11-23 04:59:08 UTC, and the mark is of 04:59:08 UTC" in found.why
    assert "not verified live" in found.why


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        pytest.param(said(backups(SECOND - DAY, SECOND + 1, pitr=False)), "recovery is off", id="no PITR"),
        pytest.param(said(backups(SECOND + 1, SECOND + 2)), "the mark lies before that", id="begins after the mark"),
        pytest.param(said(backups(SECOND + 2, SECOND + 1)), "cannot be", id="ends before it begins"),
        pytest.param(said(backups((SECOND - DAY) * 1000, (SECOND + 1) * 1000)), "another form", id="milliseconds"),
        pytest.param(said(backups(SECOND - DAY, SECOND + DAY)), "cannot be", id="knows the future"),
        pytest.param(said(backups(SECOND - DAY, 10**15)), "another form", id="no such year"),
        pytest.param(said({**backups(1, 2), "pitr_enabled": "true"}), "another form", id="a text for a truth"),
        pytest.param(said({"pitr_enabled": True}), "another form", id="a part is missing"),
        pytest.param(said([]), "another form", id="a list"),
        pytest.param(Reply(body=b"<html>maintenance</html>"), "another form", id="no JSON"),
        pytest.param(Reply(body=b"\xff\xfe{}"), "another form", id="no UTF-8"),
        pytest.param(Reply(), "another form", id="nothing"),
        pytest.param(Reply(body=b" " * (1 << 20) + b"{}"), "does not end", id="too long"),
        pytest.param(Reply(status=401), "does not take the token in SUPABASE_ACCESS_TOKEN (401)", id="401"),
        pytest.param(Reply(status=403), "not to the token", id="403"),
        pytest.param(Reply(status=404), f"{PROJECT} not to the token", id="another project"),
        pytest.param(Reply(status=204), "status 204", id="204"),
        pytest.param(Reply(status=302, headers=(("Location", "/v1/elsewhere"),)), "status 302", id="a redirect"),
    ],
)  # fmt: skip
def test_whatever_else_it_says_is_no_promise_and_is_asked_once(reply: Reply, word: str, api: Api) -> None:
    found, _ = told(api, reply, FITS)
    assert isinstance(found, Unproven)
    assert (word in found.why, "not verified live" in found.why, len(api.asked)) == (True, True, 1), found


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        pytest.param(Reply(status=500), "fails (500)", id="500"),
        pytest.param(Reply(body=b"{", cut=True), "breaks off", id="cut off"),
        pytest.param(Reply(hangs=0.6), "does not answer in time", id="hangs"),
    ],
)
def test_three_failures_one_after_another_end_it(
    reply: Reply, word: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "__kwdefaults__", {"patience_s": 0.3 if reply.hangs else 10.0})
    found, _ = told(api, reply)
    assert isinstance(found, Unproven)
    assert (word in found.why, len(api.asked)) == (True, 3), found


@settings(max_examples=60, deadline=None)
@given(answers())
def test_no_answer_that_the_schema_lets_pass_is_believed_further_than_it_goes(answer: dict[str, Any]) -> None:
    """And none of them breaks anything."""
    assert mistakes(answer) == []
    found = USUAL._read(json.dumps(answer).encode())
    if not isinstance(found, Span):
        return
    span = answer["physical_backup_data"]
    first, last = (span[f"{name}_physical_backup_date_unix"] for name in ("earliest", "latest"))
    holds = first <= SECOND < last <= NOW.timestamp() + 60
    assert isinstance(USUAL._judged(found, MARK, NOW), Span) == holds
    assert answer["pitr_enabled"] is True


# Who is asked


def test_a_redirect_never_takes_the_token_to_another_host(api: Api, tmp_path: Path) -> None:
    with running(tmp_path) as other:
        other.replies = [FITS]
        found, _ = told(api, Reply(status=307, headers=(("Location", f"{other.url}/v1/projects"),)))
        assert (type(found), other.asked) == (Unproven, [])


def test_a_certificate_that_is_not_trusted_gets_no_token(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    found = USUAL.awaited(MARK, NOW, lambda _line: None)
    assert isinstance(found, Unproven)
    assert ("not one that is trusted" in found.why, api.asked) == (True, [])


def test_nobody_is_asked_without_tls_and_a_proxy_of_the_environment_is_used(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoAnswerError, match="HTTPS only"):
        ask(api.url.replace("https", "http"), Secret(TOKEN), Inspection())
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    found = USUAL.awaited(MARK, NOW, lambda _line: None)
    assert isinstance(found, Unproven)
    assert ("cannot be reached" in found.why, api.asked) == (True, [])


@pytest.mark.parametrize("token", ["two\r\nlines: x", "caf\xe9 \u20ac"])
def test_a_token_that_no_header_can_hold_is_not_shown(token: str, api: Api) -> None:
    with pytest.raises(NoAnswerError, match="the token") as caught:
        ask(f"{api.url}/v1", Secret(token), Inspection())
    shown = "".join(traceback.format_exception(caught.value))
    assert (token in shown, repr(token)[1:-1] in shown, api.asked) == (False, False, [])


def test_without_a_token_nobody_is_asked(api: Api) -> None:
    found = replace(USUAL, token=None).span()
    assert isinstance(found, Unproven)
    assert (found.why.startswith("SUPABASE_ACCESS_TOKEN is not set"), api.asked) == (True, [])
    assert mask(f"Bearer {TOKEN}") == "Bearer ***"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://postgres:x@db.{PROJECT}.supabase.co:5432/postgres",
        f"postgresql://postgres.{PROJECT}:x@DB.{PROJECT}.supabase.co:6543/postgres",
        f"postgresql://shop.{PROJECT}:x@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
    ],
)
def test_the_project_is_the_one_that_the_connection_leads_to(url: str) -> None:
    assert project_of(parse(url, variable="database_url"), PROD) == PROJECT


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://postgres.zyxwvutsrqponmlkjihg:x@db.{PROJECT}.supabase.co/postgres",
        "postgresql://postgres:x@aws-0-eu-central-1.pooler.supabase.com/postgres",
        f"postgresql://postgres.{PROJECT}:x@aws-0-eu-central-1.pooler.supabase.com.example.org/postgres",
        f"postgresql://postgres:x@db.{PROJECT}.supabase.co.example.org/postgres",
        f"postgresql://postgres:x@xdb.{PROJECT}.supabase.co/postgres",
        f"postgresql://postgres.{PROJECT}:x@db-7.example.org/postgres",
        "postgresql://postgres:x@db.abc.supabase.co/postgres",
    ],
)
def test_a_connection_that_leads_to_no_project_for_certain_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="leads to no project of Supabase for certain"):
        project_of(parse(url, variable="database_url"), PROD)


# What is never begun


def test_a_recovery_is_refused_with_the_moment_and_the_page_where_a_person_starts_it(api: Api) -> None:
    refused = USUAL.refusal(BeforeMark(mark=MARK))
    page = f"https://supabase.com/dashboard/project/{PROJECT}/database/backups/restore-to-new-project"
    assert isinstance(USUAL, Provider)
    assert (refused.code, "not verified live" in refused.saw) == ("E-PROVIDER", True)
    assert f"choose 2026-11-23 04:59:08 UTC at {page}" in refused.instead
    assert "2026-11-22 04:59:08 to 2026-11-23 04:59:09 UTC." in refused.saw
    assert [method for method, *_ in api.asked] == ["GET"]


def test_a_moment_outside_of_the_span_is_said_to_be_so_and_a_name_needs_a_time(api: Api) -> None:
    assert "so not to this one" in USUAL.refusal(AtTime(at=AT + timedelta(hours=1))).saw
    api.replies = [Reply(status=401)]
    refused = USUAL.refusal(AtName(name="before the fair"))
    assert ("(401)" in refused.saw, "the time of the restore point before the fair" in refused.instead) == (True, True)


def test_what_is_not_there_yet_is_no_failure(api: Api) -> None:
    api.replies = [said(backups(None, None))]
    assert USUAL.span() == NotYet(why="Supabase names no moment that it can recover to")
