"""Tables that the live database does not have any more, made again there with all that they held."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import RecoveryFailedError
from dbtasks.masking import mask
from dbtasks.programs import child_environment, find_client
from dbtasks.recovery.source import Source
from dbtasks.recovery.tables import tables_of


def bring_back(there: Source, live: Source, names: Sequence[str]) -> tuple[str, ...]:
    """Make these tables in the live database as they are `there`: rows, indexes, constraints, triggers.

    All of them or none, through a pipe: nothing lies on a disk meanwhile. Foreign keys of other tables that fell with
    them are not among what they bring. Owners and grants come along where the role is a superuser. Raises
    RecoveryFailedError with what stood in the way; then nothing was changed.
    """
    known = tables_of(there.connection)
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise RecoveryFailedError(f"The recovered database has no table {missing[0] if missing else 'that was named'}.")
    quoted = [_pattern(known[name].schema, known[name].name) for name in names]
    superuser = live.connection.info.parameter_status("is_superuser") == "on"
    (source, one), (where, other) = there.way(), live.way()
    database = f"dbname={_escaped(live.conninfo.database)}"
    dump = [str(find_client("pg_dump", live.major)), "--format=custom", "--compress=0"]
    dump += [f"--table={pattern}" for pattern in quoted]
    dump += ["--no-password", f"--dbname={source} dbname={_escaped(there.conninfo.database)}"]
    restore = [str(find_client("pg_restore", live.major)), "--single-transaction", "--exit-on-error", "--no-password"]
    restore += [*([] if superuser else ["--no-owner", "--no-privileges"]), f"--dbname={where} {database}"]
    _piped((dump, one), (restore, other))
    return tuple(names)


@contextmanager
def taken_away_again(opened: Callable[[], Connection], names: Sequence[str]) -> Iterator[None]:
    """Where the block fails, take away what was made again before it: then nothing was changed at all."""
    try:
        yield
    except BaseException:
        if names:
            with closing(opened()) as live:
                known = tables_of(live)
                there = sql.SQL(", ").join(known[name].identifier for name in names if name in known)
                live.execute(sql.SQL("DROP TABLE {}").format(there))
        raise


Call = tuple[Sequence[str], Mapping[str, str]]


def _piped(dump: Call, restore: Call) -> None:
    """Run both, each with the secret of its own server."""
    environ, ((source, one), (target, other)) = child_environment(), (dump, restore)
    with tempfile.TemporaryFile() as said:
        reading = subprocess.Popen(
            source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env={**environ, **one}
        )
        with reading:  # its pipe is closed where pg_restore ends first, and that ends it
            done = subprocess.run(
                target,
                stdin=reading.stdout,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environ, **other},
                check=False,
            )
        said.seek(0)
        told = said.read() if reading.returncode > 0 else done.stderr
        text = mask(told.decode(errors="replace")).strip().splitlines()
    if done.returncode != 0 or reading.returncode != 0:
        raise RecoveryFailedError(f"The tables could not be made again: {text[0] if text else 'no reason given'}")


def _pattern(schema: str, name: str) -> str:
    """Return a pattern of pg_dump that fits one table and no other.

    >>> _pattern("public", 'od"d')
    '"public"."od""d"'
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))


def _escaped(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
