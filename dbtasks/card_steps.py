"""What each step of a plan would do, in lines: on the card that a person reads, and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dbtasks.arming import ArmTerminal
from dbtasks.evidence import Database, Evidence
from dbtasks.materials import Kept, Materials
from dbtasks.measures import LiftGuards, PutGuards, told
from dbtasks.plan import (
    AcceptDrift,
    ApplyRevisions,
    BringBack,
    BuildAside,
    DropKept,
    HandOut,
    KeepReady,
    LoadSeeds,
    Plan,
    Prove,
    PutStamp,
    RecordBaseline,
    SwapIn,
    TakeBack,
    Verify,
)
from dbtasks.rehearsal_view import revision_lines, risk_lines
from dbtasks.roles import GiveRights
from dbtasks.tiers import RecoveryEngine
from dbtasks.way_back import Backup, CopyBack, NameBeside, PutMark, RecoverTo, RestoreBackup, TakeBackup
from dbtasks.wording import one_line

MOST_SESSIONS = 5
_WIDTH = 16

_Revisions = RecordBaseline | ApplyRevisions | TakeBack
_OneLine = BuildAside | PutStamp | _Revisions | LoadSeeds | Verify | Prove | KeepReady | HandOut


def steps(plan: Plan, materials: Materials, evidence: Evidence | None = None) -> Iterator[str]:
    """Yield the lines of each step of a plan. `evidence` is of what it would be carried out on, for the amounts."""
    database = evidence.database if evidence else None
    for step in plan.steps:
        match step:
            case SwapIn():
                yield from _swap(plan, step, database)
            case BringBack():
                yield from _return(plan, step, materials.kept, database)
            case AcceptDrift():
                count = len(step.differences)
                yield fact("would accept", f"{count} difference{'s' if count != 1 else ''}: {step.reason}")
                yield from (fact("", each.partition(" ")[2]) for each in step.differences)
            case DropKept():
                yield from (fact("would drop", kept_line(each)) for each in materials.ended)
                yield from (fact("would drop", f"backup {backup_line(each)}") for each in materials.ended_backups)
            case TakeBackup() | PutMark() | RestoreBackup() | NameBeside() | CopyBack() | RecoverTo():
                yield from _way_back(step, materials.backup)
            case PutGuards() | LiftGuards():
                yield from (fact(*each) for each in told(step, materials.beware))
            case GiveRights():
                yield from (fact("would run", each.sql) for each in step.changes)
                doubts = dict.fromkeys(each.doubt for each in step.changes if each.doubt)
                yield from (fact("may be refused", doubt) for doubt in doubts)
            case ArmTerminal():
                at = f"{step.seat.person} on {step.seat.host}, {step.seat.terminal.partition(' ')[0]}"
                yield fact("would arm", f"this terminal ({at}) for {step.minutes} min, by the server's clock")
            case _:
                yield from _line(plan, step, evidence)
    if evidence is not None:
        yield from rehearsal(evidence)
    if not plan.steps:
        yield fact("would", "only look")


def limits(left: tuple[str, ...]) -> Iterator[str]:
    """Yield what is left of the tier's limits before this run."""
    if left:
        yield fact("limits", "; ".join(left))


def rehearsal(evidence: Evidence) -> Iterator[str]:
    """Yield how the revisions went on the scratch server, and what would be lost."""
    yield from (fact(name, text) for name, text in risk_lines(evidence))


def sessions(database: Database) -> str:
    """Return who is connected, as a clause."""
    if not database.sessions:
        return "none"
    shown = ", ".join(f"{each.application} ({each.role}, {each.state})" for each in database.sessions[:MOST_SESSIONS])
    rest = len(database.sessions) - MOST_SESSIONS
    return f"{len(database.sessions)}: {shown}" + (f" and {rest} more" if rest > 0 else "")


def _line(plan: Plan, step: _OneLine, evidence: Evidence | None) -> Iterator[str]:
    match step:
        case BuildAside():
            yield fact("would build", _where(plan))
        case PutStamp():
            floor = step.floor
            yield fact(
                "would stamp",
                f"{plan.database} as {plan.tier.upper()}: may lose {floor.may_lose.name.lower()}, "
                f"consent of {floor.consent.name.lower()}",
            )
        case RecordBaseline() | ApplyRevisions() | TakeBack():
            yield from _revisions(plan, step, evidence)
        case LoadSeeds():
            yield fact("would seed", " and ".join(step.sets) + ", adding what is missing")
        case Verify():
            yield fact("would verify", f"at head {', '.join(step.heads) or '(none)'}")
        case Prove():
            asked = (("the models match",) if step.models else ()) + ((one_line(step.check),) if step.check else ())
            yield fact("would prove", " · ".join(asked) or "nothing is asked any more")
        case KeepReady():
            yield fact("would keep", "it as a template, and a clone of it that the next reset renames")
        case HandOut():
            command = step.purpose or one_line(step.command) or "this process"
            yield fact("would let in", f"{command}, {'read-only' if step.read_only else 'free to write'}")


def _revisions(plan: Plan, step: _Revisions, evidence: Evidence | None) -> Iterator[str]:
    number = f"{len(step.revisions)} revision{'s' if len(step.revisions) != 1 else ''}"
    match step:
        case RecordBaseline() if step.unknown:
            yield fact("no baseline", f"it is at {', '.join(step.unknown)}, which this code does not have")
        case RecordBaseline():
            yield fact("would note", f"{number} to {step.revisions[-1].id} as there already")
        case ApplyRevisions():
            yield fact("would apply", f"{number} to {', '.join(step.heads)}")
            if not plan.operation.builds:
                yield from (fact(name, text) for name, text in revision_lines(step, evidence))
        case TakeBack():
            yield fact("would take back", f"{number}, down to {step.to}")
            yield from (fact(name, text) for name, text in revision_lines(step, evidence))


def _where(plan: Plan) -> str:
    inside = any(isinstance(step, SwapIn) and step.schemas is not None for step in plan.steps)
    return "a new database on the project's private server" if inside else "a new database beside the old one"


def _swap(plan: Plan, step: SwapIn, database: Database | None) -> Iterator[str]:
    if not step.replaces:
        yield fact("would name", f"the new database {plan.database}")
        return
    yield from _goes(plan, step.keep, database, step.schemas)


def _return(plan: Plan, step: BringBack, kept: Kept | None, database: Database | None) -> Iterator[str]:
    if kept is not None:
        amount = "" if kept.tables is None else f"{kept.tables} tables, about {kept.rows or 0:,} rows, "
        by = f", replaced by entry {kept.entry} of {kept.made_by}" if kept.entry else ""
        text = f"{amount}{megabytes(kept.size_bytes)}, as of {kept.since.astimezone():%d %b %H:%M}{by}"
        yield fact("brings back", text)
    schemas = None if step.mark is None or database is None else database.schemas
    yield from _goes(plan, step.keep, database, schemas)


def _goes(plan: Plan, keep: timedelta, database: Database | None, schemas: tuple[str, ...] | None) -> Iterator[str]:
    """Yield what goes out of service, and how long it is kept. `schemas`: only they go, inside the database."""
    amount = ""
    if database is not None:
        rows = sum(table.rows for table in database.tables)
        amount = f": {len(database.tables)} tables, about {rows:,} rows, {megabytes(database.size_bytes)}"
    what = f"all that {plan.database} holds"
    if schemas is not None:
        named = f"the schema{'s' if len(schemas) != 1 else ''} {', '.join(schemas)}" if schemas else "what is"
        what = f"{named} inside {plan.database} in one transaction"
    yield fact("would replace", f"{what}{amount}")
    if database is not None and database.sessions:
        yield fact("would end" if schemas is None else "may wait for", sessions(database))
    until = datetime.now(UTC).astimezone() + keep
    old = "the old database" if schemas is None else "the old schemas, under other names,"
    yield fact("keeps", f"{old} until {until:%d %b %H:%M}" if keep else f"nothing of {old.split(',')[0]}")


def _way_back(
    step: TakeBackup | PutMark | RestoreBackup | NameBeside | CopyBack | RecoverTo, backup: Backup | None
) -> Iterator[str]:
    match step:
        case TakeBackup():
            count = len(step.sealed_to)
            sealed = f"encrypted to {count} recipient{'s' if count != 1 else ''}" if count else "not encrypted"
            yield fact("backs up", f"first, with {step.engine}, {sealed}")
        case PutMark():
            engine = RecoveryEngine(step.engine).in_words
            yield fact("marks", f"a restore point first, shown to be recoverable ({engine})")
        case RestoreBackup():
            yield fact("restores", backup_line(backup) if backup else step.id)
        case NameBeside():
            yield fact("would name", f"the new database {step.name}, beside what is in service, which stays as it is")
        case CopyBack():
            yield fact("copies back", f"{', '.join(step.tables)}: {step.back.value}")
            yield fact("from", backup_line(backup) if backup else step.id)
        case RecoverTo():
            yield fact("recovers", f"a second server to {step.goal} ({step.engine}); the live one is not touched")


def backup_line(backup: Backup) -> str:
    """Return a backup as a line: which, of when, how much, how far it was shown to be whole."""
    by = f" · before entry {backup.entry} of {backup.made_by}" if backup.entry else ""
    size = f"{backup.tables} tables, {backup.rows:,} rows, {megabytes(backup.size_bytes)}"
    return f"{backup.id} · {backup.at.astimezone():%d %b %H:%M} · {size} · {backup.grade}{by}"


def kept_line(kept: Kept) -> str:
    """Return a kept database as a line: what, how much, since when, until when, by which entry."""
    until = f"kept until {kept.until.astimezone():%d %b %H:%M}" if kept.until else "kept"
    by = f" · entry {kept.entry} of {kept.made_by}" if kept.entry else ""
    since = f"{kept.since.astimezone():%d %b %H:%M}"
    since = f"restored {since}" if kept.restored else f"replaced {since}"
    return f"{kept.name} · {megabytes(kept.size_bytes)} · {since}{by} · {until}"


def fact(name: str, text: str) -> str:
    """Return a line of a card: its name in a column, then what is so."""
    return f"  {name:<{_WIDTH}}{text}"


def megabytes(size_bytes: int) -> str:
    """Return a size as people say it.

    >>> megabytes(8_300_000), megabytes(12_000_000_000)
    ('8 MB', '12.0 GB')
    """
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
