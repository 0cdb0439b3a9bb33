"""The states that ways back start from and lead to: backups, restored databases, recovered servers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg

from tests.faults import states
from tests.faults.ground import NAMES, Ground

BESIDE = "back_then"
OWN_STAMPS = """
SELECT count(*) FROM dbtasks.identity i JOIN pg_database d ON d.oid::bigint = i.database_oid
 WHERE d.datname = current_database()
"""


def backed_up(ground: Ground) -> None:
    """Take a backup of a database in which somebody has worked."""
    states.edit(ground, "stg")
    ground.works("backup --tier=stg")


def before_a_restore(ground: Ground) -> None:
    """Let the database be one in which nobody has worked, and nothing else be there but the backup."""
    if states.is_edited(ground, "stg", NAMES["stg"]):
        ground.works("reset --tier=stg --yes")
    states.clear(ground, "stg", *states.STOCK)


def nothing_beside(ground: Ground) -> None:
    """Let there be no database that a backup became."""
    before_a_restore(ground)
    states.clear(ground, "stg", "restored")


def is_beside(ground: Ground) -> bool:
    """Whether the backup has become a database, which no command may take for the tier's own."""
    if BESIDE not in ground.databases("stg"):
        return False
    assert [row.name for row in ground.registry("stg") if row.kind == "restored"] == [BESIDE], "nobody knows of it"
    assert states.is_edited(ground, "stg", BESIDE), "it is not what was saved"
    assert ground.sql("stg", OWN_STAMPS, database=BESIDE) == [(0,)], "it bears a stamp of its own"
    return True


def no_backup(ground: Ground) -> None:
    shutil.rmtree(_vault(ground), ignore_errors=True)


def has_backup(ground: Ground) -> bool:
    """Whether a whole backup is there; what is not whole bears another name."""
    return any(path.parent.suffix != ".partial" for path in _vault(ground).glob("*/manifest.json"))


def unfinished(ground: Ground) -> list[str]:
    """Return what is left of backups that were never finished."""
    return sorted(str(path) for path in _vault(ground).rglob("*.partial"))


def marked(ground: Ground) -> None:
    """Let a reset of a database in which somebody has worked have put a mark, and know its entry."""
    states.edit(ground, "stg")
    ground.works("reset --tier=stg --yes")
    listed = json.loads(ground.works("recover --tier=stg --list --format=json").text)
    ground.known["entry"] = str(listed["entries"]["stg"][0]["entry"])
    states.clear(ground, "stg", *states.STOCK)


def nothing_recovered(ground: Ground) -> None:
    ground.end_recovered()
    no_backup(ground)


def is_recovered(ground: Ground) -> bool | None:
    """Whether the state of then is there as a backup; in part, where its server is and no backup."""
    found = ground.recovered()
    for each in found:
        with psycopg.connect(host=str(each.socket), port=each.port, user=each.superuser, dbname=NAMES["stg"]) as there:
            assert there.execute("SELECT count(*) FROM people WHERE id = 99").fetchone() == (1,), "another moment"
    return True if has_backup(ground) else None if found else False


def half_recovered(ground: Ground) -> list[str]:
    """Return what is left of recoveries and backups that were never finished."""
    folders = {str(path) for path in (ground.root / ".dbtasks" / "recovered").glob("[0-9a-f]*") if path.is_dir()}
    return sorted(folders - {str(each.folder) for each in ground.recovered()}) + unfinished(ground)


def _vault(ground: Ground) -> Path:
    return ground.root / ".dbtasks" / "backups"
