"""`invoke lint` as people type it: what it contacts, what it knows of a tier, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.road import Project, project, said

pytestmark = pytest.mark.timeout(240)

CHANGE = "CREATE INDEX lessons_by_title ON lessons (title);\nALTER TABLE people ALTER COLUMN id TYPE bigint;\n"
WAIVER = """
waivers:
  - {rule: drop-table, revision: r5, reason: nobody has used it since spring, expires: 2999-12-31}
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    """A project whose INT is on an embedded server of its own, and holds few rows."""
    with project() as made:
        made.write(files={"change.sql": CHANGE})
        assert made.invoke("reset --tier=int").code == 0
        yield made


def rules(home: Project, words: str, **environ: str | None) -> tuple[int, list[tuple[str, str | None]]]:
    """Return the exit code and what stops, with its revision."""
    done = home.invoke(f"lint --format=json {words}", **environ)
    stopping = [each for each in said(done) if each["severity"] in ("high", "critical") and not each["waived"]]
    return done.code, [(each["rule"], each["revision"]) for each in stopping]


def test_without_a_tier_nothing_is_contacted_and_no_table_is_taken_for_small() -> None:
    with project("alone") as alone:
        alone.write(files={"change.sql": CHANGE})

        assert rules(alone, "--file=change.sql") == (1, [("index-blocks", None), ("type-change", None)])
        assert not (alone.root / ".dbtasks").exists()


def test_a_tiers_catalogue_tells_which_tables_are_small_and_nothing_is_written(home: Project) -> None:
    entries = len(home.trail())

    assert rules(home, "--file=change.sql --tier=int") == (0, [])
    assert len(home.trail()) == entries


def test_a_tier_that_the_guard_refuses_is_not_looked_at(home: Project) -> None:
    done = home.invoke("lint --file=change.sql --tier=prod")
    other = home.invoke("lint --revisions=r1: --tier=prod --format=json")

    assert (done.code, "refused (E-NOT-ARMED)" in done.text) == (3, True)
    instead = "To work on the default tier: invoke lint --file=change.sql --tier=int\n"
    assert instead in done.err
    assert instead.replace("--file=change.sql", "--revisions=r1: --format=json") in other.err
    again = home.invoke(instead.partition("invoke ")[2].strip())
    assert again.code == 0, again.text


def test_revisions_are_judged_by_the_statements_that_they_execute(home: Project) -> None:
    home.revision("r4", "for name in ('lessons', 'people'):\n    op.execute(f'CREATE INDEX {name}_1 ON {name} (id)')")
    home.revision("r5", "op.execute('CREATE TABLE notes (id int)')\nop.execute('DROP TABLE lessons')")
    blocks = [("index-blocks", "r4"), ("index-blocks", "r4")]

    assert rules(home, "--revisions=r3:r4") == (1, blocks)
    assert rules(home, "--revisions=r3:") == (1, [("drop-table", "r5"), *blocks])
    home.write(files={"config/waivers.yaml": WAIVER})
    assert rules(home, "--revisions=r4:r5") == (0, [])
    assert "waived: nobody has used it since spring (until 2999-12-31)" in home.invoke("lint --revisions=r4:r5").text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "name what to look at: invoke lint --file=change.sql, or --revisions=a:b"),
        ("--file=no.sql", "--file: no.sql cannot be read: No such file or directory."),
        ("--file=change.sql --format=xml", "--format: expected text, json, github, sarif, found 'xml'."),
        ("--revisions=r1", "--revisions: expected a:b, found 'r1'. A single revision is PREVIOUS:IT."),
        ("--revisions=r3:r2", "--revisions: r2 does not come after r3. What comes later stands behind the colon."),
        ("--revisions=nope:", "--revisions: nope: there is no such revision."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(home: Project, words: str, text: str) -> None:
    done = home.invoke(f"lint {words}")

    assert (done.code, done.text.strip()) == (2, text)
