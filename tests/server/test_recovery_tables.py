"""What is different between then and now, and tables brought back into the live database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from dbtasks.database import Connection, Scratch, look
from dbtasks.errors import RecoveryFailedError, RefusedError
from dbtasks.recovery.copying import Copied, copy_back
from dbtasks.recovery.differences import Difference, differences
from dbtasks.recovery.reviving import bring_back
from dbtasks.recovery.rooms import Recovered
from dbtasks.recovery.source import Source
from dbtasks.way_back import Back
from tests.server.recovery_ground import DATABASE, Ground, live_dump, private, proven

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside]

MADE = """
CREATE TABLE people (id int PRIMARY KEY, name text, born date);
CREATE TABLE lessons (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, teacher int REFERENCES people,
                      title text, length int GENERATED ALWAYS AS (length(title)) STORED);
CREATE TABLE log (what text, times numeric);
CREATE SCHEMA billing;
CREATE TABLE billing."Odd ""name" (k text PRIMARY KEY, j json, xs text[]);
CREATE TABLE unchanged (id int PRIMARY KEY);
CREATE TABLE notes (id int PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE);
CREATE TABLE doomed (id int PRIMARY KEY, text text UNIQUE);
CREATE TABLE touched (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO touched VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END$$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON log FOR EACH STATEMENT EXECUTE FUNCTION note();
INSERT INTO people SELECT g, 'p' || g, '2001-01-01' FROM generate_series(1, 2000) g;
INSERT INTO lessons (teacher, title) SELECT g, 't' || g FROM generate_series(1, 1900) g;
INSERT INTO log SELECT CASE g % 4 WHEN 0 THEN NULL ELSE 'x' END, g % 3 FROM generate_series(1, 60) g;
INSERT INTO billing."Odd ""name" VALUES ('ä', '{"a": 1}', '{a,NULL,"b c"}'), ('Z', '[]', NULL), ('a', 'null', '{}');
INSERT INTO unchanged SELECT generate_series(1, 10);
INSERT INTO notes VALUES (1, 1), (2, 1990);
INSERT INTO doomed VALUES (1, 'one'), (2, NULL);
"""
DAMAGE = """
DELETE FROM notes;
DELETE FROM lessons WHERE id <= 10;
DELETE FROM people WHERE id <= 5;
UPDATE people SET name = upper(name) WHERE id BETWEEN 20 AND 29;
INSERT INTO people VALUES (3000, 'written since', NULL);
DELETE FROM log WHERE ctid IN (SELECT ctid FROM log LIMIT 4);
INSERT INTO log VALUES ('x', 1), ('written since', 1);
UPDATE billing."Odd ""name" SET j = '[1]' WHERE k = 'Z';
DROP TABLE doomed;
CREATE TABLE fresh (id int);
INSERT INTO fresh VALUES (1);
ALTER TABLE lessons ADD COLUMN room text;
"""
ODD = 'billing.Odd "name'
LIKE_THEN = ("people", "lessons", "log", ODD, "notes")


@pytest.fixture
def ground() -> Iterator[Ground]:
    with private() as made:
        made.run(MADE)
        yield made


@pytest.fixture
def damaged(ground: Ground) -> Iterator[Recovered]:
    mark = ground.mark()
    ground.run(DAMAGE)
    proven(ground, mark)
    with ground.recovered(mark) as recovered:
        yield recovered


@contextmanager
def looking(recovered: Recovered) -> Iterator[Connection]:
    with look(recovered.conninfo(DATABASE)) as connection:
        yield connection


def compared(recovered: Recovered, ground: Ground, patience_s: float = 60) -> dict[str, Difference]:
    with looking(recovered) as there, look(ground.conninfo) as here:
        found = differences(there, here, patience_s=patience_s)
    return {each.table: each for each in found if not each.is_none}


def counts(found: dict[str, Difference]) -> dict[str, tuple[int | None, int | None, int | None]]:
    return {name: (each.only_there, each.only_here, each.changed) for name, each in found.items()}


def test_each_table_is_compared_and_each_choice_brings_back_what_it_says(ground: Ground, damaged: Recovered) -> None:
    found = compared(damaged, ground)
    assert counts(found) == {
        "people": (5, 1, 10),
        "lessons": (10, 0, 0),
        "log": (3, 1, 0),
        "touched": (0, 2, 0),
        "notes": (2, 0, 0),
        "doomed": (2, 0, 0),
        "fresh": (0, 1, 0),
        ODD: (0, 0, 1),
    }
    assert (found["doomed"].gone, found["fresh"].new, found["lessons"].columns_here) == (True, True, ("room",))
    assert [text for text in found["people"].samples if text[0] != "-"][:2] == ["+(3000)", "~(20)"]

    with looking(damaged) as there:
        done = copy_back(there, ground.connection, LIKE_THEN, Back.MISSING)
    assert Copied(table="people", inserted=5, updated=0, deleted=0) in done
    assert counts(compared(damaged, ground))["people"] == (0, 1, 10)
    assert counts(compared(damaged, ground))["log"] == (0, 1, 0)
    with looking(damaged) as there:
        done = copy_back(there, ground.connection, ["people", ODD], Back.CHANGED)
    assert [each.updated for each in done] == [1, 10]
    assert counts(compared(damaged, ground))["people"] == (0, 1, 0)
    with looking(damaged) as there:
        copy_back(there, ground.connection, LIKE_THEN, Back.WHOLE)
    assert counts(compared(damaged, ground)) == {
        "doomed": (2, 0, 0), "fresh": (0, 1, 0), "lessons": (0, 0, 0), "touched": (0, 5, 0)
    }  # fmt: skip
    assert ground.rows("SELECT what FROM touched ORDER BY 1")[::3] == ["DELETE log", "INSERT log"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("names", "back", "saw"),
    [
        (
            ["people"],
            Back.WHOLE,
            "Rows of notes hang on rows of people and would go or change with them. Name notes, too.",
        ),
        (["doomed"], Back.MISSING, "There is no table doomed in the live database."),
        (["nobodys"], Back.MISSING, "There is no table nobodys in the recovered database."),
        (["log"], Back.CHANGED, "log has no primary key by which a row could be known again."),
    ],
    ids=["what hangs on it", "dropped", "never there", "no key"],
)
def test_what_cannot_be_copied_back_is_refused_and_nothing_is_changed(
    ground: Ground, names: list[str], back: Back, saw: str
) -> None:
    mark = ground.mark()
    ground.run(DAMAGE)
    before = live_dump(ground)
    with ground.recovered(mark) as recovered, looking(recovered) as there, pytest.raises(RefusedError) as refused:
        copy_back(there, ground.connection, names, back)

    assert (refused.value.code, refused.value.saw) == ("E-COPY-BACK", saw)
    assert live_dump(ground) == before


@pytest.mark.thorough
def test_a_copy_that_fails_half_way_leaves_all_tables_as_they_are(ground: Ground, damaged: Recovered) -> None:
    ground.run("ALTER TABLE lessons ADD CONSTRAINT odd CHECK (id > 5)")
    before = live_dump(ground)
    with looking(damaged) as there, pytest.raises(psycopg.errors.CheckViolation):
        copy_back(there, ground.connection, LIKE_THEN, Back.WHOLE)

    assert live_dump(ground) == before


def test_a_dropped_table_is_made_again_whole(ground: Ground) -> None:
    before, mark = live_dump(ground), ground.mark()
    ground.run("DROP TABLE doomed")
    with ground.recovered(mark) as recovered, looking(recovered) as there:
        conninfo = recovered.conninfo(DATABASE)
        old = Source(connection=there, conninfo=conninfo, permit=Scratch(conninfo))
        bring_back(old, ground.source, ["doomed"])
        assert live_dump(ground) == before
        with pytest.raises(RecoveryFailedError, match="already exists"):
            bring_back(old, ground.source, ["doomed", "log"])
        assert live_dump(ground) == before


@pytest.mark.thorough
def test_what_there_is_no_time_for_is_told_and_not_called_alike(ground: Ground, damaged: Recovered) -> None:
    found = compared(damaged, ground, patience_s=0)

    assert {(each.only_there, each.why) for each in found.values()} == {(None, "there was no time for it")}
    assert "unchanged" in found


def test_a_table_that_cannot_be_read_keeps_no_other_one_from_being_compared(ground: Ground, damaged: Recovered) -> None:
    whole = counts(compared(damaged, ground))
    with looking(damaged) as there, look(ground.conninfo) as here:
        # Whatever fails there while rows come from the other server: here the name of the cursor is taken.
        here.execute("DECLARE dbtasks_rows CURSOR WITH HOLD FOR SELECT 1")
        found = {each.table: each for each in differences(there, here)}

    failed = {name for name, each in found.items() if each.why}
    assert failed == {"people", "lessons", "log", "notes", "touched", ODD}
    assert {found[name].why for name in failed} == {'cursor "dbtasks_rows" already exists'}
    assert counts({name: found[name] for name in ("doomed", "fresh")}) == {
        name: whole[name] for name in found.keys() & {"doomed", "fresh"}
    }
    assert found["unchanged"].is_none


def test_a_server_that_goes_away_while_tables_are_compared_is_named(ground: Ground, damaged: Recovered) -> None:
    def end(table: str) -> None:
        if table == "log":
            ground.run(f"SELECT pg_terminate_backend({here.info.backend_pid}, 10000)")

    with looking(damaged) as there, look(ground.conninfo) as here:
        found = {each.table: each for each in differences(there, here, report=end)}

    assert {name for name, each in found.items() if not each.why} == {ODD, "doomed", "fresh", "lessons"}
    assert {each.why for each in found.values()} == {"", "the live server went away"}
