"""The parent's side of a migration: starts the worker, turns its messages into values, and tells what really stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dbtasks.errors import DbtasksError, InterruptedByPersonError, LockTimeoutError
from dbtasks.migration_errors import MigrationFailedError, stood
from dbtasks.migrations import aftermath, events, stops
from dbtasks.migrations.aftermath import Aftermath
from dbtasks.migrations.alembic_config import interpreter, working_folder
from dbtasks.migrations.child import Child
from dbtasks.migrations.events import Event
from dbtasks.migrations.job import Job, message
from dbtasks.migrations.onlooker import Onlooker

_NO_LOCK = "55P03"


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the worker has said so far."""

    planned: tuple[str, ...] | None = None  # before the worker has told
    begun: str | None = None
    applied: list[str] = field(default_factory=list)
    backends: list[int] = field(default_factory=list)
    last: Event | None = None
    words: str = ""
    blockers: tuple[str, ...] = ()


def upgrade(job: Job, report: Callable[[Event], None]) -> tuple[str, ...]:
    """Apply the pending revisions and return those that are committed, in their order. `report` gets each event.

    `MigrationFailedError` tells what stands and what does not; `RefusedError` that the worker stopped itself;
    `LockTimeoutError` names who migrates this database; `InterruptedByPersonError` comes after Ctrl-C. Of several
    histories each has a worker of its own, in their order.
    """
    if not job.settings.histories:
        return _upgrade(job, report)
    applied: tuple[str, ...] = ()
    for history in job.settings.histories:
        mine = {name: checksum for name, checksum in job.checksums.items() if name.startswith(history.prefix)}
        target = job.target_revision if job.down or job.target_revision in mine else "heads"
        if mine:
            try:
                applied += _upgrade(replace(job, settings=history, checksums=mine, target_revision=target), report)
            except MigrationFailedError as error:
                ahead = {*applied, *mine}
                raise error.among(applied, [name for name in job.checksums if name not in ahead]) from error
            except DbtasksError as error:
                error.applied = (*applied, *error.applied)
                raise
    return applied


def _upgrade(job: Job, report: Callable[[Event], None]) -> tuple[str, ...]:
    run, onlooker = _Run(), Onlooker(job.url, job.entry)

    def look() -> None:
        if run.begun and onlooker.look(run.backends):
            report(events.Blocked(revision=run.begun, by=onlooker.seen))

    child = _start(job)
    try:
        for said in child.messages(job.log, idle=look, idle_s=min(1.0, job.lock_timeout_ms / 2000)):
            _note(run, said, report)
    except KeyboardInterrupt:
        child.end()
        raise _interruption(job, run) from None
    finally:
        onlooker.close()
        child.close()
    run.words, run.blockers = child.last_words(), onlooker.seen
    return _settle(job, run)


def _start(job: Job) -> Child:
    said = message(job)
    if job.ahead is not None and (child := job.ahead.take(said, job.environ)) is not None:
        return child
    python, folder = interpreter(job.root, job.settings), working_folder(job.root, job.settings)
    return Child(said, python=python, environ=job.environ, folder=folder)


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
            run.planned = tuple(dict.fromkeys((*(run.planned or ()), *revisions)))
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
    left, planned = None if _changed_nothing(run) else _aftermath(job, run), _planned(job, run)
    committed = tuple(each for each in planned if left and each in left.committed)
    match run.last:
        case events.Stopped(kind="lock", reason=reason):
            raise LockTimeoutError(
                f"somebody else migrates {job.database}: {reason}. Waited {job.lock_wait_s:g} s; nothing was changed."
            )
        case events.Stopped(kind=kind, reason=reason, revision=revision):
            saw = f"revision {revision}: {reason}" if revision else reason
            raise stops.refusal(kind, saw, _place(job), planned, committed, back=job.down)
        case events.Done():
            if all(each in committed for each in run.applied):
                return committed
            reason = "env.py came to its end without committing"
        case events.Failed(error=error, message=text, sqlstate=sqlstate):
            reason = f"{error}: {text}{f' (SQLSTATE {sqlstate})' if sqlstate else ''}"
        case _:
            reason = run.words
    raise _failure(job, run, (committed, left), reason)


def _planned(job: Job, run: _Run) -> tuple[str, ...]:
    """Return what was to be done: as the worker told, or where it came not so far, as the plan says."""
    return tuple(job.checksums) if run.planned is None else run.planned


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
            psycopg.connect(
                job.url, autocommit=True, connect_timeout=10, application_name=f"dbtasks/{job.entry}"
            ) as connection,
        ):
            connection.execute("SET statement_timeout = '10s'")
            if not aftermath.is_target(connection, job.system_identifier, job.oid):
                return None
            where = None if job.down else (job.settings.prefix, table)
            return aftermath.read(
                connection, entry=job.entry, person=job.person, version_table=where, backends=run.backends
            )
    except psycopg.Error:
        return None


def _failure(
    job: Job, run: _Run, stands: tuple[tuple[str, ...], Aftermath | None], reason: str
) -> MigrationFailedError:
    committed, left = stands
    missing = [each for each in _planned(job, run) if each not in committed]
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
        leftovers=left.leftovers if left and job.stays else (),
        notes=_notes(job, run, left.torn if left else ()),
        sqlstate=run.last.sqlstate if isinstance(run.last, events.Failed) and (left or _changed_nothing(run)) else None,
        back=job.down,
    )


def _place(job: Job) -> str:
    return f"{job.host}:{job.port}/{job.database} as {job.user}"


def _notes(job: Job, run: _Run, torn: tuple[str, ...]) -> dict[str, str]:
    """Return where it was raised, which log has the traceback, and what to run once it is mended."""
    log = job.log if job.log is None or not job.log.is_relative_to(job.root) else job.log.relative_to(job.root)
    said = {"printed": str(log)} if log else {}
    then = f"mend it, then: {job.command}"
    if torn and job.stays:
        then = f"put right what it left behind, mend it, then: {job.command} --retry={','.join(torn)}"
    if not isinstance(run.last, events.Failed):
        return {**said, "next": then}
    if run.last.sqlstate == _NO_LOCK:
        by = "; ".join(run.blockers)
        return {**({"blocked by": by} if by else {}), "next": f"when they have ended: {job.command}"}
    where = {"raised in": run.last.where} if run.last.where else {}
    return {**where, **({"traceback": str(log)} if log else {}), "next": then}


def _interruption(job: Job, run: _Run) -> InterruptedByPersonError:
    left, planned = None if _changed_nothing(run) else _aftermath(job, run), _planned(job, run)
    committed = [each for each in planned if left and each in left.committed]
    waiting = [each for each in planned if each not in committed]
    done, not_done = stood(back=job.down)
    lines = ["interrupted; the worker has ended", f"  {done:<12} {', '.join(committed) or 'none'}"]
    lines += [f"  {not_done:<12} {', '.join(waiting) or 'none'}"]
    lines += [f"  left behind  {leftover}" for leftover in (left.leftovers if left else ())]
    error = InterruptedByPersonError("\n".join(lines))
    error.applied = tuple(committed)
    return error
