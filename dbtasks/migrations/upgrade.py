"""The parent's side of a migration: starts the worker, turns its messages into values, and tells what really stands."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from getpass import getuser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dbtasks.errors import (
    InterruptedByPersonError,
    LockTimeoutError,
    MigrationFailedError,
    Mistake,
    RefusedError,
    SettingsError,
)
from dbtasks.migrations import aftermath, events, ledger
from dbtasks.migrations.aftermath import Aftermath
from dbtasks.migrations.child import Child
from dbtasks.migrations.environment import scrub as scrub
from dbtasks.migrations.events import Event
from dbtasks.migrations.scripts import Script, working_folder
from dbtasks.settings import MigrationSettings

_CODES = {
    "target": "E-WORKER-TARGET",
    "bookkeeping": "E-REVISION-BOOKKEEPING",
    "bytes": "E-REVISION-CHANGED",
    "torn": "E-REVISION-TORN",
}
_WHY = {
    "target": "Migrations reach the cleared target only, whatever env.py reads its URL from.",
    "bookkeeping": "The schema dbtasks describes the database; no revision may touch it.",
    "bytes": "Only the bytes that the plan shows are run.",
    "torn": "What was left behind may collide with what comes next, or be taken for good.",
}
_INSTEAD = {
    "target": "Name the variable that env.py reads: migrations.url_variables in config/tiers.yaml. Then: invoke check",
    "bookkeeping": "Leave the schema out; for autogenerate, filter it with include_name.",
    "bytes": "To see the plan as it is now: invoke migrate --dry-run",
    "torn": "Take back what it did (rows, DROP INDEX CONCURRENTLY ...), then: invoke migrate --retry=<revision>",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One migration of one cleared target. `environ` is already scrubbed; `log` takes what the project prints.

    `checksums` are those of the plan: a revision that is not among them, or has other bytes, is not run. `retry` are
    torn revisions that a person has put right and wants to run again. With `records` the worker tells what the build
    depended on, as the event `InputsSeen`, with `rehearses` what it executed and changed. `command` is what to run
    again after a failure.
    """

    root: Path
    settings: MigrationSettings
    url: str = field(repr=False)
    host: str
    port: int
    database: str
    user: str | None
    system_identifier: int
    oid: int
    person: str
    entry: int
    checksums: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    python: Path = Path(sys.executable)
    target_revision: str = "heads"
    lock_wait_s: float = 30.0
    lock_timeout_ms: int = 10_000
    log: Path | None = None
    retry: tuple[str, ...] = ()
    records: bool = True
    rehearses: bool = False
    command: str = "invoke migrate"


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the worker has said so far."""

    planned: tuple[str, ...] = ()
    begun: str | None = None
    applied: list[str] = field(default_factory=list)
    backends: list[int] = field(default_factory=list)
    last: Event | None = None
    words: str = ""


def upgrade(job: Job, report: Callable[[Event], None]) -> tuple[str, ...]:
    """Apply the pending revisions and return those that are committed, in their order. `report` gets each event.

    `MigrationFailedError` tells what stands and what does not; `RefusedError` that the worker stopped itself;
    `LockTimeoutError` names who migrates this database; `InterruptedByPersonError` comes after Ctrl-C.
    """
    run = _Run()
    child = Child(_message(job), python=job.python, environ=job.environ, folder=working_folder(job.root, job.settings))
    try:
        for message in child.messages(job.log):
            _note(run, message, report)
    except KeyboardInterrupt:
        child.end()
        raise _interruption(job, run) from None
    finally:
        child.close()
    run.words = child.last_words()
    return _settle(job, run)


def ask_history(
    root: Path, settings: MigrationSettings, *, python: Path | None, environ: Mapping[str, str]
) -> list[Script]:
    """Return the revisions as Alembic reads them, by running their files in the worker; no database is reached."""
    job = {"kind": "history", "config": str(root / settings.config), "section": settings.section}
    chosen = python or Path(sys.executable)
    child = Child(job, python=chosen, environ=environ, folder=working_folder(root, settings))
    scripts: list[Script] = []
    said = ""
    try:
        for message in child.messages():
            if message["event"] == "revision":
                scripts.append(_script(message))
            else:
                said = str(message.get("message") or message.get("reason"))
    finally:
        child.close()
    if not child.ended_well:
        text = f"Alembic cannot read the revisions: {said or child.last_words()}"
        raise SettingsError([Mistake(file=str(settings.config), text=text)])
    return scripts


def _script(message: dict[str, Any]) -> Script:
    return Script(
        checksum=hashlib.sha256(Path(message["path"]).read_bytes()).hexdigest(),
        id=message["id"],
        down=tuple(message["down"]),
        depends_on=tuple(message["depends_on"]),
        labels=tuple(message["labels"]),
        path=Path(message["path"]),
        message=message["message"],
    )


def _message(job: Job) -> dict[str, Any]:
    names = ("host", "port", "database", "user", "system_identifier", "oid")
    return {
        "kind": "upgrade",
        "root": str(job.root),
        "records": job.records,
        "rehearses": job.rehearses,
        "config": str(job.root / job.settings.config),
        "section": job.settings.section,
        "url": job.url,
        # libpq takes the system's user where a URL names none.
        "target": {name: getattr(job, name) for name in names} | {"user": job.user or getuser()},
        "revision": job.target_revision,
        "person": job.person,
        "entry": job.entry,
        "checksums": dict(job.checksums),
        "tool_version": _tool_version(),
        "lock_wait_s": job.lock_wait_s,
        "retry": list(job.retry),
        "sql": ledger.worker_sql(job.person, job.lock_timeout_ms),
    }


def _note(run: _Run, message: dict[str, Any], report: Callable[[Event], None]) -> None:
    if message["event"] == "backend":
        run.backends.append(message["pid"])
        return
    event = events.parse(message)
    if event is None:
        return
    match event:
        case events.Planned(revisions=revisions):
            # env.py may go through its revisions once for each of several schemas.
            run.planned = tuple(dict.fromkeys((*run.planned, *revisions)))
        case events.RevisionStarted(revision=revision):
            run.begun = revision
        case events.RevisionApplied(revision=revision):
            run.applied.append(revision)
        case events.InputsSeen() | events.StatementRun() | events.Changed():
            pass  # nothing that an outcome rests on
        case _:
            run.last = event
    report(event)


def _settle(job: Job, run: _Run) -> tuple[str, ...]:
    left = None if _changed_nothing(run) else _aftermath(job, run)
    committed = tuple(each for each in run.planned if left and each in left.committed)
    match run.last:
        case events.Stopped(kind="lock", reason=reason):
            raise LockTimeoutError(
                f"somebody else migrates {job.database}: {reason}. Waited {job.lock_wait_s:g} s; nothing was changed."
            )
        case events.Stopped(kind=kind, reason=reason, revision=revision):
            raise _refusal(job, kind, f"revision {revision}: {reason}" if revision else reason, run.planned, committed)
        case events.Done():
            if all(each in committed for each in run.applied):
                return committed
            reason = "env.py came to its end without committing"
        case events.Failed(error=error, message=text, sqlstate=sqlstate):
            reason = f"{error}: {text}{f' (SQLSTATE {sqlstate})' if sqlstate else ''}"
        case _:
            reason = run.words
    raise _failure(job, run, (committed, left), reason)


def _changed_nothing(run: _Run) -> bool:
    return run.begun is None


def _aftermath(job: Job, run: _Run) -> Aftermath | None:
    """Return what stands; `None` when the server cannot be asked any more, or another one answers."""
    import psycopg

    from dbtasks.reach.ourselves import connecting

    table = job.settings.version_table
    if isinstance(run.last, events.Done):
        table = run.last.version_table
    try:
        with (
            connecting(),
            psycopg.connect(job.url, autocommit=True, connect_timeout=10, application_name="dbtasks") as connection,
        ):
            connection.execute("SET statement_timeout = '10s'")
            if not aftermath.is_target(connection, job.system_identifier, job.oid):
                return None
            return aftermath.read(
                connection, entry=job.entry, person=job.person, version_table=table, backends=run.backends
            )
    except psycopg.Error:
        return None


def _failure(
    job: Job, run: _Run, stands: tuple[tuple[str, ...], Aftermath | None], reason: str
) -> MigrationFailedError:
    committed, left = stands
    missing = [each for each in run.planned if each not in committed]
    failed = run.begun if run.begun in missing else None
    if left is None and not _changed_nothing(run):
        reason += (
            ". The database could not be asked afterwards: what is listed as not applied may have been. "
            "When it answers again: invoke status"
        )
    undone = [each for each in run.applied if each in missing and each != failed]
    if undone and left is not None:
        reason += f". {', '.join(undone)} had run in the same transaction and went back with it"
    return MigrationFailedError(
        applied=committed,
        failed=failed,
        pending=[each for each in missing if each != failed],
        reason=reason,
        leftovers=left.leftovers if left else (),
        notes=_notes(job, run.last),
    )


def _notes(job: Job, last: Event | None) -> dict[str, str]:
    """Return where it was raised, which log has the traceback, and what to run once it is mended."""
    if not isinstance(last, events.Failed):
        return {}
    where = {"raised in": last.where} if last.where else {}
    log = job.log if job.log is None or not job.log.is_relative_to(job.root) else job.log.relative_to(job.root)
    return {**where, **({"traceback": str(log)} if log else {}), "next": f"mend it, then: {job.command}"}


def _refusal(job: Job, kind: str, saw: str, planned: tuple[str, ...], committed: tuple[str, ...]) -> RefusedError:
    waiting = [each for each in planned if each not in committed]
    why = f"{_WHY[kind]} Cleared: {job.host}:{job.port}/{job.database} as {job.user}."
    if planned:
        why += f" Applied: {', '.join(committed) or 'none'}. Not applied: {', '.join(waiting) or 'none'}."
    return RefusedError(code=_CODES[kind], saw=saw, why=why, instead=_INSTEAD[kind])


def _interruption(job: Job, run: _Run) -> InterruptedByPersonError:
    left = None if _changed_nothing(run) else _aftermath(job, run)
    committed = [each for each in run.planned if left and each in left.committed]
    waiting = [each for each in run.planned if each not in committed]
    lines = ["interrupted; the worker has ended", f"  applied      {', '.join(committed) or 'none'}"]
    lines += [f"  not applied  {', '.join(waiting) or 'none'}"]
    lines += [f"  left behind  {leftover}" for leftover in (left.leftovers if left else ())]
    return InterruptedByPersonError("\n".join(lines))


def _tool_version() -> str:
    try:
        return version("dbtasks")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
