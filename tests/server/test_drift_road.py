"""`invoke drift`, and the migration that it stops, on the embedded servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import outside
from tests.server.road import INVOKE, Project, project, said

pytestmark = pytest.mark.timeout(300)

BUILDS = "compares its schema with what its revisions produce"
NONE = "  none         the schema is what its revisions produce\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    with project() as made:
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield made


@pytest.fixture(scope="module")
def urls(home: Project) -> dict[str, str]:
    return {tier: home.server_url(tier, f"small_{tier}") for tier in ("int", "stg")}


def by_hand(url: str, *statements: str) -> None:
    with outside.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def new_table(home: Project, number: int) -> None:
    """Write one more revision and run it on INT."""
    home.revision(f"r{number}", f"op.execute('CREATE TABLE room_{number} (id int PRIMARY KEY)')")
    done = home.invoke("migrate --tier=int")
    assert done.code == 0, done.text


def test_drift_stops_a_migration_until_it_is_accepted_and_as_left_nothing_is_built(
    home: Project, urls: dict[str, str]
) -> None:
    before = [home.invoke(f"drift --tier={tier}") for tier in urls]
    by_hand(urls["stg"], "CREATE INDEX quick ON lessons (title)")
    new_table(home, 4)

    stopped = home.invoke("migrate --tier=stg")
    bare = home.invoke("drift --tier=stg --accept")
    agent = home.run([*INVOKE, "drift", "--tier=stg", "--accept", "--reason=fine"], CLAUDECODE="1")
    accepted = home.run([*INVOKE, "drift", "--tier=stg", "--accept", "--reason=made in a hurry"])
    entry = next(each for each in reversed(home.trail()) if each["kind"] == "intent")
    shown = home.invoke("drift --tier=stg")
    by_hand(urls["stg"], "CREATE INDEX quicker ON lessons (id, title)")
    again = home.invoke("migrate --tier=stg")
    by_hand(urls["stg"], "DROP INDEX quicker")
    done = home.invoke("migrate --tier=stg")
    new_table(home, 5)
    behind = home.invoke("drift --tier=stg")
    as_left = home.invoke("migrate --tier=stg")

    assert [(each.code, each.out) for each in before] == [(0, NONE), (0, NONE)]
    assert (stopped.code, "refused (E-DRIFT)" in stopped.err, BUILDS in stopped.err) == (3, True, True), stopped.text
    assert "index public.quick is extra" in stopped.err
    assert stopped.err.rstrip().endswith("invoke drift --tier=stg")
    assert (bare.code, "--accept needs a reason" in bare.err) == (2, True), bare.text
    assert (agent.code, "E-AGENT" in agent.err) == (3, True), agent.text
    assert accepted.code == 0, accepted.text
    assert (entry["operation"], entry["detail"]["reason"]) == ("accept", "made in a hurry")
    assert (shown.code, "index public.quick is extra: made in a hurry" in shown.out) == (0, True), shown.text
    assert (again.code, "index public.quicker is extra" in again.err) == (3, True), again.text
    assert "public.quick is" not in again.err
    assert done.code == 0, done.text
    assert (behind.code, "drift against r4" in behind.err) == (0, True), behind.text
    assert (as_left.code, BUILDS in as_left.err) == (0, False), as_left.text


def test_both_sides_of_a_difference_are_shown_and_the_exit_code_is_1(home: Project, urls: dict[str, str]) -> None:
    by_hand(urls["stg"], "ALTER TABLE people ALTER name TYPE varchar(80)")
    try:
        done, data = home.invoke("drift --tier=stg"), home.invoke("drift --tier=stg --format=json")
    finally:
        by_hand(urls["stg"], "ALTER TABLE people ALTER name TYPE text")

    assert done.code == 1, done.text
    shown = (
        "public.people.name is another one\n    expected  text NOT NULL\n    found     character varying(80) NOT NULL"
    )
    assert shown in done.out
    (one,) = said(data)["differences"]
    assert (data.code, said(data)["drift"], one["what"], one["expected"]) == (1, "there", "other", "text NOT NULL")


def test_int_has_drifted_and_is_not_stopped(home: Project, urls: dict[str, str]) -> None:
    by_hand(urls["int"], "CREATE INDEX quick ON people (id, name)")
    try:
        done, migrated = home.invoke("drift --tier=int"), home.invoke("migrate --tier=int")
    finally:
        by_hand(urls["int"], "DROP INDEX quick")

    assert (done.code, "index        public.quick is extra" in done.out) == (1, True), done.text
    assert migrated.code == 0, migrated.text


def test_what_cannot_be_built_is_unknown_and_no_pass(home: Project, urls: dict[str, str]) -> None:
    by_hand(urls["stg"], "UPDATE alembic_version SET version_num = 'r0' || version_num")
    try:
        done = home.invoke("drift --tier=stg")
    finally:
        by_hand(urls["stg"], "UPDATE alembic_version SET version_num = replace(version_num, 'r0', '')")

    assert (done.code, "which this code does not have" in done.out) == (1, True), done.text
    assert "that is no pass" in done.out
