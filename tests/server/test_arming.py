"""Armed terminals: by the server's clock, for one person at one terminal, and never in place of the questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Screen, Server, nothing_changes, phrase, project, until

pytestmark = pytest.mark.timeout(180)
FLAG = {"USE_PROD_DATABASE": "true"}
ARM = 'invoke arm --tier=prod --minutes=15 --reason="Friday"'
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbtasks'"
END = "UPDATE dbtasks.armed SET until = clock_timestamp()"

# Another machine's clock says another year, and another zone: it asks all the same what the server says.
FOUND = """
import sys, time, datetime
real = datetime.datetime
class Later(real):
    @classmethod
    def now(cls, tz=None): return real(2031, 5, 1, tzinfo=tz)
    @classmethod
    def utcnow(cls): return real(2031, 5, 1)
datetime.datetime = Later
time.time = lambda: 0.0
from dbtasks import sessions
from dbtasks.arming import Seat
from dbtasks.project import open_project
from dbtasks.targets import resolve
project = open_project()
target = resolve(project.settings, project.variables, project.settings.tier("prod"), print)
seat = Seat(person="anna", host="desk", terminal="pts/3")
print(sessions.find(target, "goods", seat).state.name)
"""


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Project]:
    """A project whose PROD asks for armed terminals: `mover` may create databases, so they are kept in `dbtasks`."""
    abroad.role("mover", "CREATEDB")
    abroad.database("goods_prod", "mover")
    with project("goods") as made:
        made.urls = {"database_url": abroad.url("goods_prod", "mover")}
        done = made.prod("adopt --tier=prod")
        assert done.code == 0, done.text
        made.edit("config/tiers.yaml", "    embedded: never\n", "    embedded: never\n    arming: true\n")
        done = made.prod("arm --tier=prod --minutes=1 --reason=Friday")
        assert done.code == 0, done.text
        yield made


@contextmanager
def terminal(shop: Project) -> Iterator[Screen]:
    """A shell in which one command follows another: it says how each has ended."""
    loop = 'while read -r line; do eval "$line"; echo "ended $?."; done'
    with shop.screen(["/bin/sh", "-c", loop], **FLAG) as screen:
        yield screen


def typed(screen: Screen, line: str, *answers: str) -> str:
    """Run a line there and return what was shown of it, with its exit code at the end."""
    before = len(screen.shown)
    screen.child.sendline(line)
    for answer in answers:
        screen.answer(phrase if answer == "phrase" else f"{answer}\n")
    screen.wait_for(*(f"ended {code}." for code in (0, 1, 2, 3, 4)))
    return screen.shown[before:]


def test_what_writes_or_opens_waits_until_the_terminal_is_armed_and_still_asks(abroad: Server, shop: Project) -> None:
    with terminal(shop) as screen:
        with nothing_changes(abroad, "goods_prod"):
            first = typed(screen, "invoke run --tier=prod -- true")
        armed = typed(screen, ARM, "yes", "phrase")
        opened = typed(screen, "invoke run --tier=prod -- true", "yes", "phrase")
        seen = typed(screen, "invoke status --tier=prod")
        with nothing_changes(abroad, "goods_prod"):
            wrong = typed(screen, "invoke adopt --tier=prod", "yes", "no")
        gone = typed(screen, "invoke disarm --tier=prod")
        last = typed(screen, "invoke run --tier=prod -- true")

    assert "refused (E-DISARMED)" in first
    assert 'invoke arm --tier=prod --minutes=15 --reason="..."' in first
    assert "ended 3." in first
    assert "armed     this terminal, for 15 minutes" in armed
    assert "[PROD armed 15 min]" in opened
    assert "ended 0." in opened
    assert "[PROD armed 15 min]" in seen
    assert "ended 4." in wrong
    assert " of " in gone.partition("disarm    ")[2]
    assert ("[PROD] " in last, "E-DISARMED" in last) == (True, True)
    assert [each["outcome"] for each in shop.trail()[-2:]] == ["done", "E-DISARMED"]


def test_another_terminal_is_not_armed(abroad: Server, shop: Project) -> None:
    with terminal(shop) as screen:
        typed(screen, ARM, "yes", "phrase")
        with nothing_changes(abroad, "goods_prod"):
            other = shop.terminal("run --tier=prod -- true", **FLAG)

    assert (other.code, "E-DISARMED" in other.out) == (3, True), other.out


def test_time_that_ends_while_the_question_stands_clears_nothing(abroad: Server, shop: Project) -> None:
    with terminal(shop) as screen:
        typed(screen, ARM, "yes", "phrase")
        screen.child.sendline("invoke run --tier=prod -- true")
        screen.answer("yes\n")
        screen.wait_for("to run exactly this plan: ")
        until(lambda: abroad.sql(OURS) == [0], what="that nobody is connected while a person reads")
        abroad.sql(END, "dbtasks")
        screen.child.send(phrase(screen.shown))
        screen.wait_for("ended 3.")

    assert "this one is not armed any more: it was until" in screen.shown
    assert shop.last_entry()["outcome"] == "E-DISARMED"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York"])
def test_the_servers_clock_counts_and_no_other(abroad: Server, shop: Project, zone: str) -> None:
    row = (
        "INSERT INTO dbtasks.armed SELECT 'goods', 'prod', 'anna', 'desk', 'pts/3', clock_timestamp(),"
        " clock_timestamp() + interval '{}', 'x' ON CONFLICT (project, tier, person, host, terminal)"
        " DO UPDATE SET until = EXCLUDED.until"
    )
    found = []
    for rest in ("1 minute", "-1 second"):
        abroad.sql(row.format(rest), "dbtasks")
        done = shop.run([sys.executable, "-c", FOUND], TZ=zone, PGTZ=zone)
        assert done.code == 0, done.text
        found.append(done.out.split()[-1])

    assert found == ["ARMED", "ENDED"]


@pytest.mark.parametrize(
    ("words", "environ", "code"),
    [
        ("arm --tier=prod --reason=x", FLAG, "E-NO-PERSON"),
        ("arm --tier=prod --reason=x", {**FLAG, "CLAUDECODE": "1"}, "E-AGENT"),
        ("arm --tier=prod --reason=x", {**FLAG, "CI": "true"}, "E-NO-PERSON"),
        ("arm --tier=prod --reason=x", {}, "E-NOT-ARMED"),
        ("disarm --tier=prod", {}, "E-NOT-ARMED"),
    ],
    ids=["a pipe", "an agent", "CI", "without the flag", "to end it without the flag"],
)
def test_nobody_but_a_person_arms(
    abroad: Server, shop: Project, words: str, environ: dict[str, str], code: str
) -> None:
    with nothing_changes(abroad, "goods_prod", "dbtasks"):
        done = shop.invoke(words, **environ)

    assert (done.code, code in done.text) == (3, True), done.text


def test_an_agent_at_a_terminal_arms_nothing(abroad: Server, shop: Project) -> None:
    with nothing_changes(abroad, "goods_prod", "dbtasks"):
        done = shop.terminal("arm --tier=prod --reason=x", **FLAG, CLAUDECODE="1")

    assert (done.code, "E-AGENT" in done.out) == (3, True), done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("arm --tier=prod --minutes=61 --reason=x", "--minutes: expected 1 to 60, found 61."),
        ("arm --tier=prod --minutes=0 --reason=x", "--minutes: expected 1 to 60, found 0."),
        ("arm --tier=prod --minutes=-5 --reason=x", "--minutes: expected a whole number"),
        ("arm --tier=prod", "arming needs a reason"),
        ("arm --tier=stg --reason=x", "stg asks for no armed terminal. Those that do: prod."),
        ("disarm --tier=int", "int asks for no armed terminal. Those that do: prod."),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_reached(shop: Project, words: str, said: str) -> None:
    done = shop.invoke(words)

    assert (done.code, said in done.text) == (2, True), done.text


def test_what_cannot_be_asked_is_not_armed(abroad: Server, shop: Project) -> None:
    abroad.sql("ALTER DATABASE dbtasks RENAME TO dbtasks_away")
    abroad.sql("CREATE DATABASE dbtasks")
    abroad.sql("REVOKE CONNECT ON DATABASE dbtasks FROM PUBLIC")
    try:
        with nothing_changes(abroad, "goods_prod"):
            done = shop.terminal("run --tier=prod -- true", **FLAG)
    finally:
        abroad.sql("DROP DATABASE dbtasks WITH (FORCE)")
        abroad.sql("ALTER DATABASE dbtasks_away RENAME TO dbtasks")

    assert (done.code, "this one cannot be asked about" in done.out) == (3, True), done.out


def test_where_no_database_can_be_made_the_tier_keeps_it_and_is_written_to_by_consent_alone(
    abroad: Server, shop: Project
) -> None:
    abroad.role("plain")
    abroad.database("kept_prod", "plain")
    way = {"database_url": abroad.url("kept_prod", "plain")}
    abroad.sql("ALTER DATABASE dbtasks RENAME TO dbtasks_away")
    try:
        for words in ("adopt --tier=prod", "arm --tier=prod --reason=Friday"):
            done = shop.prod(words, **way)
            assert done.code == 0, done.text
        with nothing_changes(abroad, "kept_prod"):
            gone = shop.terminal("disarm --tier=prod", **FLAG, **way)
    finally:
        abroad.sql("ALTER DATABASE dbtasks_away RENAME TO dbtasks")

    assert abroad.sql("SELECT reason FROM dbtasks.armed", "kept_prod") == ["Friday"]
    assert (gone.code, "Close the terminal that is armed" in gone.out) == (1, True), gone.out


def test_a_dry_run_says_what_is_missing(abroad: Server, shop: Project) -> None:
    with nothing_changes(abroad, "goods_prod", "dbtasks"):
        done = shop.terminal("run --tier=prod --dry-run -- true", **FLAG)

    assert (done.code, "would ask first, once the terminal is armed" in done.out) == (0, True), done.out
