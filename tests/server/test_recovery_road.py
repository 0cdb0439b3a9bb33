"""The commands that people run, on a server that was recovered beside their STG: none of them works there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dbtasks import embedded
from dbtasks.database import Scratch, look, open_to_write
from dbtasks.recovery.copying import copy_back
from dbtasks.recovery.differences import differences
from dbtasks.recovery.engines.choosing import private_archive
from dbtasks.way_back import Back
from tests.server.recovery_ground import Ground, proven
from tests.server.road import Project, contents, dump, project

pytestmark = [pytest.mark.timeout(240), pytest.mark.outside, pytest.mark.thorough]
DATABASE = "drill_stg"


@pytest.fixture(scope="module")
def drill() -> Iterator[tuple[Project, Ground]]:
    """A project whose STG lives on the private durable server, as it comes."""
    with project("drill") as made:
        for tier in ("int", "stg", "stg"):  # the second one keeps something that undo could bring back
            done = made.invoke(f"reset --tier={tier} --yes")
            assert done.code == 0, done.text
        server = embedded.ensure(made.root, embedded.Kind.DURABLE)
        conninfo = server.conninfo(DATABASE)
        with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
            engine = private_archive(server.data.parent)
            yield made, Ground(root=made.root, conninfo=conninfo, connection=connection, engine=engine)


@pytest.mark.parametrize("promoted", [False, True], ids=["paused", "promoted"])
def test_no_command_works_on_a_recovered_server_and_the_same_ones_do_on_the_live_one(
    drill: tuple[Project, Ground], promoted: bool
) -> None:
    made, ground = drill
    mark = ground.mark()
    proven(ground, mark)
    commands = ("seed", "reset --yes", "migrate", "undo --yes", "prune --yes", "run -- true")
    with ground.recovered(mark) as recovered:
        conninfo = recovered.conninfo(DATABASE)
        if promoted:
            with open_to_write(Scratch(conninfo), conninfo) as connection:
                connection.execute("SELECT pg_promote()")
        there = {"stg_database_url": conninfo.url(Scratch(conninfo)), "USE_STG_DATABASE": "true"}
        before = dump(there["stg_database_url"])
        found = {words: made.invoke(_named(words), **there) for words in commands}
        told = {words: (done.code, "E-RECOVERED" in done.text) for words, done in found.items()}
        assert told == dict.fromkeys(commands, (3, True)), [done.text for done in found.values()]
        assert made.invoke("status --tier=stg", **there).code == 0
        assert dump(there["stg_database_url"]) == before
    done = made.invoke(_named("seed"))
    assert done.code == 0, done.text


def _named(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first} --tier=stg {rest}".strip()


def test_rows_that_were_lost_by_mistake_come_back_and_later_ones_stay(drill: tuple[Project, Ground]) -> None:
    made, ground = drill
    ground.run("INSERT INTO people VALUES (10, 'carla'); INSERT INTO lessons VALUES (10, 10, 'Oboe')")
    before = contents(ground.conninfo.url(Scratch(ground.conninfo)))
    mark = ground.mark()
    ground.run("DELETE FROM lessons WHERE id = 10; DELETE FROM people WHERE id = 10")
    ground.run("INSERT INTO people VALUES (11, 'written since')")
    with ground.recovered(mark) as recovered:
        conninfo = recovered.conninfo(DATABASE)
        assert contents(conninfo.url(Scratch(conninfo))) == before
        with look(conninfo) as there, look(ground.conninfo) as here:
            lost = [each.table for each in differences(there, here) if each.only_there]
        with look(conninfo) as there:
            copy_back(there, ground.connection, lost, Back.MISSING)

    assert lost == ["lessons", "people"]
    assert ground.rows("SELECT name FROM people WHERE id >= 10 ORDER BY id") == ["carla", "written since"]
    assert ground.rows("SELECT title FROM lessons WHERE id = 10") == ["Oboe"]
    assert made.invoke("status --tier=stg").code == 0
