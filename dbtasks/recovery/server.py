"""The recovered server: set up beside the live one, started, and waited for until it stands at its goal."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping

from dbtasks import wal
from dbtasks.base_backups import BaseBackup
from dbtasks.conninfo import Conninfo
from dbtasks.database import look
from dbtasks.embedded import locks, ports
from dbtasks.embedded.account import Account
from dbtasks.embedded.cluster import last_lines
from dbtasks.embedded.state import process_lives
from dbtasks.errors import RecoveryFailedError, ServerUnreachableError
from dbtasks.evidence import RECOVERED_NAME
from dbtasks.programs import Programs
from dbtasks.recovery import fetching, goals
from dbtasks.recovery.engines import Fetching
from dbtasks.recovery.goals import Goal
from dbtasks.recovery.judging import Judgement, judge
from dbtasks.recovery.rooms import Room
from dbtasks.values import dataclass

_PAUSE_S, _STAND_S, _END_S = 0.02, 30.0, 600.0

# Never more than its own folder: nobody reaches it over a network, and it archives nothing.
_ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "archive_mode": "off",
    "hot_standby": "on",
    "primary_conninfo": "",
    "ssl": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "log_min_messages": "warning",
    "lc_messages": "C",
    "fsync": "off",  # a copy; what is taken from it is written elsewhere
    "huge_pages": "off",
    "default_transaction_read_only": "on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a recovered server is made from. `at_least` are settings of the live one that it must not fall below."""

    room: Room
    base: BaseBackup
    goal: Goal
    fetching: Fetching
    programs: Programs
    account: Account
    at_least: Mapping[str, str]


def prepare(setup: Setup) -> int:
    """Write the configuration into the unpacked data directory, in place of the live one's; return the port."""
    room, base = setup.room, setup.base
    origin = base.origin
    script = room.folder / "fetch"
    script.write_text(fetching.script(setup.fetching, known(base), room.folder), encoding="utf-8")
    port = ports.any_free()
    command = f"/bin/sh {shlex.quote(str(script))} %f %p".replace(str(script), str(script).replace("%", "%%"))
    settings = {
        **{name: value for name, value in {**setup.at_least, **dict(origin.settings)}.items() if not value.isdigit()},
        **_largest(dict(origin.settings), setup.at_least),
        **_ALWAYS,
        "cluster_name": f"{RECOVERED_NAME}{room.id}",
        "port": str(port),
        "unix_socket_directories": f'"{room.socket}"',
        "restore_command": command,
        **goals.settings(setup.goal),
    }
    lines = [f"{name} = '{_escaped(value)}'" for name, value in settings.items()]
    files = {
        "postgresql.conf": "\n".join(lines) + "\n",
        "postgresql.auto.conf": "",
        "pg_hba.conf": "local all all trust\n",
        "pg_ident.conf": "",
        "recovery.signal": "",
    }
    for name, text in files.items():
        (room.data / name).write_text(text, encoding="utf-8")
        setup.account.own(room.data / name)
    for path in (script, *fetching.files(room.folder)):
        setup.account.own(path)
    return port


def known(base: BaseBackup) -> str:
    """Return the segment that a base backup begins with: while it can be fetched, the archive can be reached."""
    origin = base.origin
    return wal.segments(origin.timeline, origin.begin, origin.begin + 1, origin.segment_bytes)[0]


def launch(setup: Setup) -> int | None:
    """Start the server; its process id."""
    room = setup.room
    command = [str(setup.programs.path("postgres")), "-D", str(room.data)]
    return setup.account.launch(command, log=room.log, inherit=locks.inherited(room.alive))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A server that stands at its goal: `lsn` is how far it has replayed."""

    lsn: int
    judgement: Judgement


def await_goal(
    setup: Setup, conninfo: Conninfo, pid: int | None, report: Callable[[str], None]
) -> Standing | Judgement:
    """Wait until the server stands at its goal, by its log and by its state; else return what its log says.

    RecoveryFailedError where it says nothing that is known, or has opened itself for writing.
    """
    told, shown = Judgement(), 0.0
    while told.stopped is None:
        alive = pid is not None and process_lives(pid, setup.room.data)  # asked before the log is read to its end
        log = _log(setup.room)
        told = judge(log)
        if told.too_low or (not alive and (told.failed or told.too_early)):
            return told
        if not alive:
            raise RecoveryFailedError(f"The recovered server did not come up.\n{last_lines(log)}")
        if told.restored and time.monotonic() - shown > 1:
            shown = time.monotonic()
            report(f"replaying: {told.restored} segment{'s' if told.restored != 1 else ''} so far")
        time.sleep(_PAUSE_S)
    return Standing(lsn=_replayed(setup, conninfo, pid), judgement=told)


def let_go(setup: Setup, conninfo: Conninfo, report: Callable[[str], None]) -> None:
    """End what was under way at the goal, where that locks readers out; the server leaves its recovery by that.

    What comes right after the goal is often a TRUNCATE or a DROP TABLE: its lock is in the log before its end is. The
    rows are those of the goal in any case, and sessions still read only.
    """
    with look(conninfo) as connection:
        if connection.execute(_LOCKED).fetchone() is None:
            return
        report("ending a transaction that was under way then, and locks a table")
        connection.execute("SELECT pg_promote(false)")
    deadline = time.monotonic() + _END_S
    while (state := _state(conninfo)) is None or state[0]:
        if time.monotonic() > deadline:
            raise RecoveryFailedError(
                f"The recovered server does not leave its recovery.\n{last_lines(_log(setup.room))}"
            )
        time.sleep(_PAUSE_S)


def lacking(setup: Setup) -> tuple[str, ...]:
    """Return the segments that the server asked for and the archive did not have."""
    return tuple(sorted({name for name in fetching.missing(setup.room.folder) if wal.is_segment(name)}))


def _replayed(setup: Setup, conninfo: Conninfo, pid: int | None) -> int:
    deadline = time.monotonic() + _STAND_S
    while time.monotonic() < deadline:
        state = _state(conninfo)
        if state is not None and not state[0]:
            raise RecoveryFailedError(
                "The recovered server has opened itself for writing, which it must not. It is removed."
            )
        if state is not None and state[1] == "paused":
            return wal.position(state[2])
        if pid is None or not process_lives(pid, setup.room.data):
            break
        time.sleep(_PAUSE_S)
    text = last_lines(_log(setup.room))
    raise RecoveryFailedError(f"The recovered server reached its goal and does not answer there.\n{text}")


def _state(conninfo: Conninfo) -> tuple[bool, str, str] | None:
    try:
        with look(conninfo) as connection:
            row = connection.execute(_STATE).fetchone()
    except ServerUnreachableError:
        return None
    return (bool(row[0]), str(row[1]), str(row[2])) if row else None


_LOCKED = """
SELECT 1 FROM pg_locks
 WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid() LIMIT 1
"""
_STATE = """
SELECT r, CASE WHEN r THEN pg_get_wal_replay_pause_state() END, pg_last_wal_replay_lsn()::text
  FROM pg_is_in_recovery() r
"""


def _largest(own: Mapping[str, str], at_least: Mapping[str, str]) -> dict[str, str]:
    numbers = [(name, value) for each in (own, at_least) for name, value in each.items() if value.isdigit()]
    found: dict[str, str] = {}
    for name, value in numbers:
        found[name] = str(max(int(value), int(found.get(name, "0"))))
    return found


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _log(room: Room) -> str:
    return room.log.read_text(encoding="utf-8", errors="replace") if room.log.exists() else ""
