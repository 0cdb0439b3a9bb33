"""The report as a page: what is on it, that nothing of it can be more than text, and that everybody can read it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from dbtasks.author import Who, whoami
from dbtasks.lint.waivers import Waiver
from dbtasks.materials import Kept
from dbtasks.overview import Row
from dbtasks.plan import RevisionBytes
from dbtasks.report import Asked, Day, Report, Shape, Standing, Stands, Told, Window, lately
from dbtasks.report.attention import Weight, notices
from dbtasks.report.markup import Markup, tag, text
from dbtasks.report.page import page
from dbtasks.safety import About, Answer, Score, failed, passed, unknown
from dbtasks.score_history import Past
from dbtasks.settings import load
from dbtasks.tiers import Colour
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.trail_query import Entry
from dbtasks.trail_runs import Run, State
from dbtasks.way_back import Backup

if TYPE_CHECKING:
    from dbtasks.project import Project

INT, STG, PROD = load(Path(__file__).parents[2]).tiers
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WHO = Who(person="anna", host="desk", pid=1, started="", surroundings="terminal", commit=None)
HOSTILE = (
    "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(2)> postgresql://a:hunter2@h/x \x1b[2J\u202e"
)


def backup(**more: object) -> Backup:
    usual: dict[str, object] = {
        "id": "20261123T050035Z-281795", "digest": "", "engine": "pg_dump", "database": "shop", "tables": 22,
        "at": NOW - timedelta(hours=6), "rows": 4832, "size_bytes": 8_000_000, "grade": "restorable", "heads": ("r3",),
        "entry": None, "made_by": "anna@desk",
    }  # fmt: skip
    return Backup(**{**usual, **more})  # type: ignore[arg-type] # one value of each type


def run(number: int = 1, state: State = State.DONE, /, **more: object) -> Run:
    usual: dict[str, object] = {
        "entry": number, "time": "2026-11-23T11:00:00.000000Z", "kind": "intent", "operation": "reset", "tier": "stg",
        "person": "anna", "host": "desk", "pid": 7, "prev": "", "hash": "",
    }  # fmt: skip
    return Run(number=number, first=Entry(**{**usual, **more}), result=None, state=state)  # type: ignore[arg-type] # as above


def standing(tier: object = STG, **more: object) -> Standing:
    row = Row(tier=tier, target="shop on db", revision="r3", pending=0, stamp="ok", last="reset done")  # type: ignore[arg-type] # a tier
    return replace(Standing(row=row, tables=22, backups=(backup(),)), **more)  # type: ignore[arg-type] # as above


def report(*tiers: Standing, **more: object) -> Report:
    made = Report(project="shop", at=NOW, person="anna", host="desk", commit="0" * 40, tiers=tiers or (standing(),))
    return replace(made, **more)  # type: ignore[arg-type] # as above


def everywhere(said: str) -> Report:
    """Return a report with every part of it, in which every text that comes from outside is this one."""
    row = Row(
        tier=replace(STG, label=said), target=said, revision=said, pending=1, stamp=said, last=said,
        problem=said, instead=said, ended=1,
    )  # fmt: skip
    ids = tuple((f"{said}{stands.value}", stands) for stands in Stands)
    kept = Kept(oid=1, name=said, entry=1, made_by=said, since=NOW, until=NOW, size_bytes=1)
    window = Window(engine=said, why_not=said, marks=((1, NOW),))
    tier = Standing(
        row=row, server=said, tables=1, stamped=said, revisions=ids, shape=Shape.CHANGED,
        backups=(backup(grade="damaged", id=said),), kept=((kept, True),), window=window,
    )  # fmt: skip
    words: dict[str, object] = {"person": said, "host": said, "operation": said, "detail": {"purpose": said}}
    asked = Asked(id="1", tier="stg", operation=said, at=NOW, ends=NOW, person=said, approved_by=(said,))
    return report(
        tier,
        project=said, person=said, host=said, commit=said,
        revisions=tuple(RevisionBytes(id=id_, checksum="", message=said) for id_, _ in ids),
        unfinished=(run(1, State.UNKNOWN, **words),),
        agents=(run().first,),
        recent=(run(**words), run(2, tier=said, **words)),
        days=(Day(day=NOW.date(), runs=3, failed=1, refused=1), Day(day=NOW.date())),
        trail=Told(holds=False, words=said),
        score=score(said),
        scores=(Past(value=40, at=NOW),),
        waivers=(Waiver(rule=said, revision=said, reason=said, expires=date(2026, 11, 1)),),
        plans=(asked, replace(asked, ends=NOW + timedelta(1)), replace(asked, used=3)),
        unread=(said,),
    )  # fmt: skip


def score(said: str) -> Score:
    findings = (failed(said, said), unknown(said), passed(said))
    answers = (
        Answer(about=About(name=said, promise=said, critical=at == 0), findings=(each,), at=NOW, seconds=1.0)
        for at, each in enumerate(findings)
    )
    return Score(answers=tuple(answers), tiers=("stg",), looked_at=(), at=NOW)


class Read(HTMLParser):
    """Every element with its attributes, and every text with the elements around it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, "elements are left open"

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("meta", "rect", "polyline"):
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self.open), data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    def words(self, name: str) -> str:
        return " ".join(" ".join(data for around, data in self.texts if name in around).split())


@pytest.fixture(scope="module")
def attacked() -> Read:
    return Read(page(everywhere(HOSTILE)))


# What is shown is text


def test_what_comes_from_outside_makes_no_element_and_no_attribute(attacked: Read) -> None:
    quiet = Read(page(everywhere("plain")))
    assert [(name, [*each]) for name, each in attacked.elements] == [(name, [*each]) for name, each in quiet.elements]
    assert not {"script", "img"} & {name for name, _ in quiet.elements}
    assert "<script>alert(1)</script>" in attacked.words("h1")  # it is there, to be read


def test_no_password_and_nothing_that_steers_a_reader_is_on_the_page() -> None:
    text = page(everywhere(HOSTILE))
    assert "hunter2" not in text
    assert "postgresql://a:***@h/x" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)


def test_a_value_that_is_no_unicode_does_not_keep_the_page_from_being_written() -> None:
    assert page(report(project="a\udc80b")).encode()


def test_what_is_markup_already_is_not_escaped_again_and_nothing_is_for_none() -> None:
    assert tag("p", None, Markup("<b>x</b>"), ["<", 1]) == "<p><b>x</b>&lt;1</p>"
    assert text(Markup("<b>")) == "&lt;b&gt;"


def test_the_page_asks_nobody_anything() -> None:
    html = page(everywhere(HOSTILE))
    found = Read(html)
    (policy,) = (each["content"] for each in found.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    css = found.words("style")
    assert "url(" not in css
    assert "@import" not in css
    assert not {"link", "script", "iframe", "img", "object", "base", "form"} & {name for name, _ in found.elements}


# Everybody can read it


def test_the_page_has_a_language_a_title_one_first_heading_and_no_gap_below(attacked: Read) -> None:
    assert attacked.all("html") == [{"lang": "en"}]
    assert attacked.words("title")
    levels = [int(name[1]) for name, _ in attacked.elements if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pictures_and_tables_say_what_they_are(attacked: Read) -> None:
    assert all(each["role"] == "img" and each["aria-label"] for each in attacked.all("svg"))
    assert attacked.all("th")
    assert all(each.get("scope") in ("row", "col") for each in attacked.all("th"))
    dots = [each for each in attacked.all("span") if "dot" in (each.get("class") or "")]
    assert dots
    assert all(each.get("aria-hidden") == "true" for each in dots)  # a word stands beside each


def _schemes() -> list[dict[str, str]]:
    """Return the colours of the light scheme and of the dark one."""
    css = Read(page(report())).words("style")
    light, dark = (dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", part)) for part in css.split("@media screen")[:2])
    return [light, {**light, **dark}]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [pytest.param(0, id="light"), pytest.param(1, id="dark")])
def test_every_colour_of_text_stands_out_from_its_ground(scheme: int) -> None:
    colours = _schemes()[scheme]
    ground = _luminance(colours["ground"])
    for name in ("ink", "soft", "bad", "warn", "good", *(each.value for each in Colour)):
        high, low = sorted((_luminance(colours[name]), ground), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


# What it says


def test_a_tier_that_was_not_asked_and_one_that_cannot_be_reached_are_told_as_such() -> None:
    closed = Row(
        tier=PROD,
        target="",
        revision="unknown",
        pending=None,
        stamp="unknown",
        last="",
        problem="not asked",
        asked=False,
    )
    away = Row(
        tier=STG, target="x", revision="unknown", pending=None, stamp="unknown", last="", problem="no answer within 5 s"
    )
    shown = Read(page(report(Standing(row=closed), Standing(row=away)))).words("main")
    assert "PROD know: not asked" in shown
    assert "STG wrong: no answer within 5 s" in shown
    assert "PROD database_url not asked" in shown


def test_revisions_stand_side_by_side_the_newest_first_and_what_differs_is_never_left_out() -> None:
    revisions = tuple(RevisionBytes(id=f"r{number}", checksum="", message=f"step {number}") for number in range(1, 31))
    stands = tuple((each.id, Stands.EDITED if each.id == "r2" else Stands.APPLIED) for each in revisions)
    shown = Read(page(report(standing(revisions=stands), revisions=revisions))).words("section")
    assert "r30 step 30 applied r29" in shown
    assert "r2 step 2 edited" in shown
    assert "r3 step 3 " not in shown
    assert "19 older revisions are the same everywhere" in shown


def test_the_worst_comes_first_and_each_names_what_to_do() -> None:
    old = standing(backups=(backup(at=NOW - timedelta(days=9)),), shape=Shape.CHANGED)
    waiver = Waiver(rule="ban-drop-column", revision="r9", reason="agreed", expires=date(2026, 11, 30))
    edited = Told(holds=False, words="The trail is broken at line 4.")
    found = notices(report(old, standing(INT, backups=()), trail=edited, unfinished=(run(5),), waivers=(waiver,)))
    assert [(each.weight, each.words, each.command) for each in found] == [
        (Weight.WRONG, "The trail is broken at line 4.", "invoke audit --verify"),
        (Weight.WRONG, "did not finish: reset done 23 Nov 11:00 by anna (on desk)", "invoke audit --entry=5"),
        (Weight.LOOK, "its schema was changed since its last migration", "invoke drift --tier=stg"),
        (Weight.LOOK, "its newest backup is 9 days old", "invoke backup --tier=stg"),
        (Weight.KNOW, "the waiver of ban-drop-column for r9 ends on 30 Nov 2026", ""),
    ]


def test_backups_that_could_not_be_listed_are_never_told_as_missing() -> None:
    unknown = report(standing(backups=None), unread=("The backups could not be listed: no answer",))
    assert [each.words for each in notices(unknown)] == ["The backups could not be listed: no answer"]
    assert [each.words for each in notices(report(standing(backups=())))] == ["there is no backup of it"]


def test_the_score_stands_with_what_was_seen_and_the_worst_of_it_first() -> None:
    html = page(report(score=score("evidence"), scores=(Past(value=40, at=NOW),)))
    found = Read(html).words("main")
    assert "33 of 100, 1 of 3 features proven, 1 unknown" in found
    assert "all wrong: evidence: evidence evidence" in found  # what is critical is the first thing to look at
    assert "fail evidence · critical evidence" in found
    assert found.index("fail evidence ·") < found.index("unknown evidence") < found.index("pass evidence")
    assert "40 on 23 Nov, 33 now, 2 times measured" in found
    assert "Safety score" not in Read(page(report())).words("body")


# What the trail tells


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "trail.jsonl", WHO)


def test_days_count_what_was_begun_what_failed_and_what_was_refused(trail: Trail, tmp_path: Path) -> None:
    for outcome in (Outcome.DONE, Outcome.FAILED):
        trail.result(trail.intent(Act(operation="reset", tier="int")), outcome=outcome)
    trail.refusal(Act(operation="reset", tier="prod"), code="E-AGENT")
    *before, today = lately.days(tmp_path / "trail.jsonl", datetime.now().astimezone())
    assert (today.runs, today.failed, today.refused) == (2, 1, 1)
    assert len(before) == lately.DAYS - 1
    assert not any(each.runs or each.failed or each.refused for each in before)


def test_a_plan_is_told_with_who_approved_it_and_the_entry_that_used_it(trail: Trail, tmp_path: Path) -> None:
    for id_ in ("a", "b"):
        trail.note(Act(operation="plan", tier="prod"), {"operation": "migrate", "id": id_, "requested_by": "anna"})
    trail.note(Act(operation="approve", tier="prod"), {"id": "a", "approved_by": "ben", "reason": "looked at"})
    used = trail.intent(Act(operation="migrate", tier="prod"), {"approval": {"id": "a", "approved_by": ["ben"]}})
    found = list(lately.plans(tmp_path / "trail.jsonl", (PROD,), datetime.now(UTC) - timedelta(days=1)))
    assert [(each.id, each.person, each.approved_by, each.used) for each in found] == [
        ("b", "anna", (), None),
        ("a", "anna", ("ben",), used),
    ]
    assert found[0].ends - found[0].at == PROD.approve_within


def test_a_glance_reads_the_trail_again_only_where_it_has_changed_or_something_runs(tmp_path: Path) -> None:
    file, who = tmp_path / "trail.jsonl", whoami("terminal", tmp_path)
    project = SimpleNamespace(settings=SimpleNamespace(trail=file, tiers=(STG,)), who=who)
    reader, own = lately.Reader(cast("Project", project)), Trail(file, who)
    first = reader.glance()
    assert reader.glance() is first
    own.result(own.intent(Act(operation="seed", tier="stg")), outcome=Outcome.DONE)
    second = reader.glance()
    assert second.last["stg"].startswith("seed done")
    assert reader.glance() is second
    own.intent(Act(operation="seed", tier="stg"))  # by this process, which runs
    assert reader.glance() is not reader.glance()
