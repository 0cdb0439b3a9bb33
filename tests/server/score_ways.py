"""How each metric is broken from outside, and how what its probe knows is taken away: by SQL, files and processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import outside
from tests.server.road import PASSWORD, Project
from tests.server.score_ground import away, changed, drill, sql, url, written

TIERS, TRAIL = "config/tiers.yaml", "logs/database_audit.jsonl"
Environ = dict[str, str | None]
Way = Callable[[Project], AbstractContextManager[Environ]]


@contextmanager
def stg_is_int(made: Project) -> Iterator[Environ]:
    yield {"stg_database_url": url(made, "int", "scored_int")}


@contextmanager
def stg_is_down(_: Project) -> Iterator[Environ]:
    yield {"stg_database_url": f"postgresql://anna:{PASSWORD[:1]}@127.0.0.1:1/scored_stg"}


@contextmanager
def an_entry_is_edited(made: Project) -> Iterator[Environ]:
    with changed(made, TRAIL, ('"operation":"adopt"', '"operation":"admit"')):
        yield {}


@contextmanager
def no_trail(made: Project) -> Iterator[Environ]:
    with away(made, TRAIL):
        yield {}
        (made.root / TRAIL).unlink()


@contextmanager
def the_trail_is_a_folder(made: Project) -> Iterator[Environ]:
    with away(made, TRAIL):
        (made.root / TRAIL).mkdir()
        yield {}
        (made.root / TRAIL).rmdir()


@contextmanager
def prod_is_green(made: Project) -> Iterator[Environ]:
    with changed(made, TIERS, ("colour: red", "colour: green")):
        yield {}


@contextmanager
def no_colour(_: Project) -> Iterator[Environ]:
    yield {"NO_COLOR": "1"}


@contextmanager
def no_revisions(made: Project) -> Iterator[Environ]:
    with away(made, "migrations"):
        yield {}


@contextmanager
def a_password_in_a_log(made: Project) -> Iterator[Environ]:
    with written(made, "logs/deploy.log", f"connecting to {made.urls['stg_database_url']}\n"):
        yield {}


@contextmanager
def a_log_that_leads_nowhere(made: Project) -> Iterator[Environ]:
    link = made.root / "logs" / "old.log"
    link.symlink_to(made.root / "gone.log")
    yield {}
    link.unlink()


@contextmanager
def a_stamp_that_asks_less(made: Project) -> Iterator[Environ]:
    sql(made, "stg", "scored_prod", "UPDATE dbtasks.identity SET consent = 'question'")
    yield {}
    sql(made, "stg", "scored_prod", "UPDATE dbtasks.identity SET consent = 'person'")


@contextmanager
def drilled(made: Project, **how: str | datetime) -> Iterator[Environ]:
    drill(made, **how)  # type: ignore[arg-type]  # each of its own kind
    yield {}
    drill(made)


@contextmanager
def no_drill(made: Project) -> Iterator[Environ]:
    with away(made, ".dbtasks/drill.json"):
        yield {}


@contextmanager
def everybody_is_a_runtime(made: Project) -> Iterator[Environ]:
    with changed(made, TIERS, ('        RENDER: "true"\n', "        HOME:\n")):
        yield {}


@contextmanager
def stg_asks_nobody(made: Project) -> Iterator[Environ]:
    pairs = (("may_lose: asked", "may_lose: everything"), ("consent: question", "consent: none"))
    asks = "UPDATE dbtasks.identity SET consent = '{}', may_lose = '{}'"
    sql(made, "stg", "scored_stg", asks.format("none", "everything"))
    with changed(made, TIERS, *pairs):
        yield {}
    sql(made, "stg", "scored_stg", asks.format("question", "asked"))


def _newest_dump(made: Project) -> Path:
    """Return the stored file of PROD's newest backup."""
    every = (json.loads(each.read_text()) for each in (made.root / ".dbtasks/backups").glob("*/manifest.json"))
    newest = max((each for each in every if each["tier"] == "prod"), key=lambda each: str(each["id"]))
    return made.root / ".dbtasks/backups" / str(newest["id"]) / str(newest["files"][0]["name"])


@contextmanager
def a_lost_dump(made: Project) -> Iterator[Environ]:
    file = _newest_dump(made)
    with away(made, str(file.relative_to(made.root))):
        yield {}


@contextmanager
def manifests_of_another_kind(made: Project) -> Iterator[Environ]:
    every = list((made.root / ".dbtasks/backups").glob("*/manifest.json"))
    before = {file: file.read_bytes() for file in every}
    for file in every:
        file.write_text("{}")
    yield {}
    for file, content in before.items():
        file.write_bytes(content)


@contextmanager
def a_column_by_hand(made: Project) -> Iterator[Environ]:
    sql(made, "stg", "scored_stg", "ALTER TABLE lessons ADD COLUMN quick text")
    yield {}
    sql(made, "stg", "scored_stg", "ALTER TABLE lessons DROP COLUMN quick")


@contextmanager
def nothing_written_down(made: Project) -> Iterator[Environ]:
    sql(made, "stg", "scored_stg", "ALTER TABLE dbtasks.drift RENAME TO drift_aside")
    yield {}
    sql(made, "stg", "scored_stg", "ALTER TABLE dbtasks.drift_aside RENAME TO drift")


@contextmanager
def somebody_writes(made: Project, database: str, *statements: str) -> Iterator[Environ]:
    """Let another session run these statements again and again."""
    place, done = url(made, "int", database), threading.Event()

    def write() -> None:
        with outside.connect(place, autocommit=True) as connection:
            while not done.is_set():
                for statement in statements:
                    connection.execute(statement)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield {}
    finally:
        done.set()
        writer.join()


@contextmanager
def runs_cannot_be_counted(made: Project) -> Iterator[Environ]:
    rename = "ALTER TABLE dbtasks.uses RENAME COLUMN {} TO {}"
    sql(made, "stg", "dbtasks", rename.format("at", "moment"))
    yield {}
    sql(made, "stg", "dbtasks", rename.format("moment", "at"))


@contextmanager
def the_clerk_owns(made: Project) -> Iterator[Environ]:
    sql(made, "stg", "scored_prod", "ALTER TABLE lessons OWNER TO clerk")
    yield {}
    sql(made, "stg", "scored_prod", "ALTER TABLE lessons OWNER TO postgres")


@contextmanager
def nobody_knows_who_serves(_: Project) -> Iterator[Environ]:
    yield {"database_runtime_url": None}


@contextmanager
def prod_is_not_asked(_: Project) -> Iterator[Environ]:
    yield {"USE_PROD_DATABASE": None}


@contextmanager
def another_thing_in_the_dump(made: Project) -> Iterator[Environ]:
    file = _newest_dump(made)
    before = file.read_bytes()
    file.write_bytes(b"PGDMP" + before[5:])
    yield {}
    file.write_bytes(before)


@contextmanager
def no_private_key(_: Project) -> Iterator[Environ]:
    yield {"backup_identity": None}


@contextmanager
def a_lost_segment(made: Project) -> Iterator[Environ]:
    archive = ".dbtasks/durable/archive"
    newest = max(each.name for each in (made.root / archive).iterdir() if len(each.name) == 24)
    with away(made, f"{archive}/{newest}"):
        yield {}


@contextmanager
def stg_is_stamped_otherwise(made: Project) -> Iterator[Environ]:
    stamp = "UPDATE dbtasks.identity SET tier = '{}'"
    sql(made, "stg", "scored_stg", stamp.format("int"))
    yield {}
    sql(made, "stg", "scored_stg", stamp.format("stg"))


@contextmanager
def other_bytes_ran(made: Project) -> Iterator[Environ]:
    turn = "UPDATE dbtasks.ledger SET checksum = reverse(checksum) WHERE revision = 'r2'"
    sql(made, "stg", "scored_prod", turn)
    yield {}
    sql(made, "stg", "scored_prod", turn)


@contextmanager
def the_end_is_cut_off(made: Project) -> Iterator[Environ]:
    trail = made.root / TRAIL
    before = trail.read_bytes()
    trail.write_bytes(b"".join(before.splitlines(keepends=True)[:8]))
    yield {}
    trail.write_bytes(before)


@contextmanager
def no_anchors(made: Project) -> Iterator[Environ]:
    rename = "ALTER TABLE dbtasks.{} RENAME TO {}"
    for tier in ("int", "stg"):
        sql(made, tier, "dbtasks", rename.format("anchors", "anchors_aside"))
    yield {}
    for tier in ("int", "stg"):
        sql(made, tier, "dbtasks", rename.format("anchors_aside", "anchors"))


@contextmanager
def a_guard_sleeps(made: Project) -> Iterator[Environ]:
    name = sql(made, "stg", "scored_prod", "SELECT evtname::text FROM pg_event_trigger ORDER BY 1 LIMIT 1")[0][0]
    sql(made, "stg", "scored_prod", f"ALTER EVENT TRIGGER {name} DISABLE")
    yield {}
    sql(made, "stg", "scored_prod", f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS")


@contextmanager
def a_plain_line(made: Project) -> Iterator[Environ]:
    yield {"database_url": url(made, "stg", "scored_prod")}


@contextmanager
def a_url_in_a_file(made: Project) -> Iterator[Environ]:
    with written(made, ".env.deploy", f"DATABASE_URL={url(made, 'stg', 'scored_prod')}\n"):
        yield {}


@contextmanager
def an_env_that_leads_nowhere(made: Project) -> Iterator[Environ]:
    link = made.root / ".env.local"
    link.symlink_to(made.root / "gone.env")
    yield {}
    link.unlink()


@contextmanager
def a_slot_without_a_standby(made: Project) -> Iterator[Environ]:
    sql(made, "stg", "postgres", "SELECT pg_create_physical_replication_slot('copy', true)")
    yield {}
    sql(made, "stg", "postgres", "SELECT pg_drop_replication_slot('copy')")


EIGHT_DAYS_AGO = datetime.now(UTC) - timedelta(days=8)
_MADE_AND_DROPPED = (
    "CREATE TABLE IF NOT EXISTS quick (id int)",
    "ALTER TABLE quick ADD COLUMN more text",
    "DROP TABLE quick",
)

BROKEN: dict[str, Way] = {
    "three_tier_architecture": stg_is_int,
    "production_confirmation": a_stamp_that_asks_less,
    "test_isolation": lambda made: drilled(made, through="test_isolation.asyncpg"),
    "environment_detection": everybody_is_a_runtime,
    "audit_logging": an_entry_is_edited,
    "visual_indicators": prod_is_green,
    "configuration_validation": no_revisions,
    "masked_urls": a_password_in_a_log,
    "interactive_check": stg_asks_nobody,
    "automated_backups": a_lost_dump,
    "schema_validation": a_column_by_hand,
    "dry_run_mode": lambda made: somebody_writes(made, "scored_int", *_MADE_AND_DROPPED),
    "rate_limiting": runs_cannot_be_counted,
    "role_based_access": the_clerk_owns,
    "encryption_at_rest": another_thing_in_the_dump,
    "point_in_time_recovery": a_lost_segment,
    "identity_stamps": stg_is_stamped_otherwise,
    "promotion_proof": other_bytes_ran,
    "restorable_backup": a_lost_dump,
    "anchored_trail": the_end_is_cut_off,
    "agents_refused": stg_asks_nobody,
    "hardened_server": a_guard_sleeps,
    "encryption_in_transit": a_plain_line,
    "prod_url_not_in_env": a_url_in_a_file,
    "standby_lag": a_slot_without_a_standby,
}
UNKNOWN: dict[str, Way] = {
    "three_tier_architecture": stg_is_down,
    "production_confirmation": no_drill,
    "test_isolation": lambda made: drilled(made, code="0" * 64),
    "audit_logging": no_trail,
    "visual_indicators": no_colour,
    "masked_urls": a_log_that_leads_nowhere,
    "interactive_check": lambda made: drilled(made, at=EIGHT_DAYS_AGO),
    "automated_backups": manifests_of_another_kind,
    "schema_validation": nothing_written_down,
    "dry_run_mode": lambda made: somebody_writes(made, "postgres", "SELECT pg_current_xact_id()"),
    "rate_limiting": prod_is_not_asked,
    "role_based_access": nobody_knows_who_serves,
    "encryption_at_rest": no_private_key,
    "point_in_time_recovery": no_trail,
    "identity_stamps": stg_is_down,
    "promotion_proof": stg_is_down,
    "restorable_backup": manifests_of_another_kind,
    "anchored_trail": no_anchors,
    "agents_refused": no_drill,
    "hardened_server": prod_is_not_asked,
    "encryption_in_transit": prod_is_not_asked,
    "prod_url_not_in_env": an_env_that_leads_nowhere,
    "least_privilege": prod_is_not_asked,
    "standby_lag": prod_is_not_asked,
}
# By tests of their own: no shell's redirection is a variable, and the private server's own role is a superuser.
ELSEWHERE = {"configuration_validation", "environment_detection"}
ANOTHER_ROLE = {"least_privilege"}
