"""`lint`: a file's statements, or those of revisions, judged by the catalogue of a tier where one is named."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg

from dbtasks import rehearsal
from dbtasks.console import Console
from dbtasks.database import look, unreadable
from dbtasks.environment import for_worker
from dbtasks.errors import Mistake, UsageError
from dbtasks.guard import admit, decide
from dbtasks.lint.catalogue import Catalogue
from dbtasks.lint.engine import NAMES, lint
from dbtasks.lint.findings import Finding
from dbtasks.lint.parsing import SqlError
from dbtasks.lint.psql import plain_sql
from dbtasks.lint.reading import read_catalogue
from dbtasks.lint.views import VIEWS
from dbtasks.lint.waivers import read_waivers
from dbtasks.migrations.history import History, Revision, read_history
from dbtasks.operations import lint as operation
from dbtasks.plan import RevisionBytes
from dbtasks.project import Project
from dbtasks.rehearsed import Rehearsed
from dbtasks.roles import Part
from dbtasks.selection import choose
from dbtasks.statements import Statement
from dbtasks.survey import Wish, survey
from dbtasks.targets import resolve
from dbtasks.verdicts import Refuse, Request
from dbtasks.wording import one_line

_MOST_BYTES = 64 << 20


def show_lint(project: Project, console: Console, *, file: str, tier: str, format_: str) -> bool:
    """Write the findings of a file; return whether none stops. Without a tier nothing is contacted."""
    waivers = read_waivers(project.settings.root, NAMES)
    text = plain_sql(read_sql(file))
    catalogue = catalogue_of(project, console, tier, typed(format_, file=file)) if tier else None
    if catalogue is None:
        console.say("! without --tier every table that is not made here is taken for a large one that people use")
    findings = lint([Statement(text=text, transactional=False)], catalogue, waivers, name=file)
    show(console, findings, file, format_)
    return not any(each.stops for each in findings)


def show_revisions(project: Project, console: Console, *, revisions: str, tier: str, format_: str) -> bool:
    """Rehearse revisions and write what is to be said of the statements that they really execute."""
    waivers = read_waivers(project.settings.root, NAMES)
    settings, environ = project.settings, for_worker(project, "")
    history = read_history(settings.root, settings.migrations, environ=environ)
    before, wanted = chosen(history, revisions)
    catalogue = catalogue_of(project, console, tier, typed(format_, revisions=revisions)) if tier else None
    if catalogue is None:
        console.say("! without --tier every table that is not made here is taken for a large one that people use")
    stage = tier or project.settings.default.name
    done = rehearsal.from_nothing(project, stage, before, wanted, console.hear) if wanted else Rehearsed()
    counts = {"revision": len(wanted), "statement": len(done.statements)}
    told = ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for word, count in counts.items())
    console.say(f"  rehearsed {told}")
    files = {each.id: each.path.as_posix() for each in history.revisions}
    found = lint(done.statements, catalogue, waivers)
    findings = tuple(replace(each, file=files.get(each.revision or "", "")) for each in found)
    show(console, findings, "", format_)
    return not any(each.stops for each in findings)


def chosen(history: History, revisions: str) -> tuple[list[RevisionBytes], list[RevisionBytes]]:
    """Return the revisions before `a:b` and those in it. Either end may be left out: the beginning, or the heads.

    UsageError where there is no such revision.
    """
    first, colon, last = (word.strip() for word in revisions.partition(":"))
    known = {each.id for each in history.revisions}
    ends = [found(word, known) if word else "" for word in (first, last)]
    if not colon:
        raise UsageError(f"--revisions: expected a:b, found {revisions!r}. A single revision is PREVIOUS:IT.")
    left = {each.id for each in history.pending(frozenset({ends[0]} if ends[0] else ()))}
    beyond = {each.id for each in history.pending(frozenset({ends[1]}))} if ends[1] else set()
    if ends[1] and ends[0] != ends[1] and not left - beyond:
        raise UsageError(f"--revisions: {last} does not come after {first}. What comes later stands behind the colon.")
    done = [_bytes(each) for each in history.revisions if each.id not in left]
    return done, [_bytes(each) for each in history.revisions if each.id in left - beyond]


def found(word: str, known: set[str]) -> str:
    """Return the one revision that begins so."""
    fitting = [each for each in known if each.startswith(word)]
    if word in known or len(fitting) == 1:
        return word if word in known else fitting[0]
    problem = "several revisions begin so" if fitting else "there is no such revision"
    raise UsageError(f"--revisions: {word}: {problem}.")


def _bytes(revision: Revision) -> RevisionBytes:
    return RevisionBytes(id=revision.id, checksum=revision.checksum, message=revision.message)


def show(console: Console, findings: tuple[Finding, ...], file: str, format_: str) -> None:
    """Write findings in one of the formats, the worst first."""
    ordered = sorted(findings, key=lambda each: (-each.severity, bool(each.waived), each.line if file else 0))
    if shown := VIEWS[format_](ordered, file):
        console.text(shown)


def checked_view(format_: str) -> str:
    """Return the format; UsageError for one that does not exist."""
    if format_ not in VIEWS:
        raise UsageError(f"--format: expected {', '.join(VIEWS)}, found {format_!r}.")
    return format_


def read_sql(file: str) -> str:
    """Return a file's text. UsageError where it cannot be read, SqlError where it is no text."""
    path = Path(file)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(
                f"--file: {file} is larger than {_MOST_BYTES >> 20} MB. Lint the part that changes tables."
            )
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--file: {file} cannot be read: {error.strerror}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        text = "this is no UTF-8 text. Save the file as UTF-8, or name another one."
        raise SqlError(Mistake(file=file, line=line, column=column, text=text)) from None


def typed(format_: str, **options: str) -> str:
    """Return what was asked for, without the tier, as a person would type it again.

    >>> typed("text", file="a b.sql"), typed("json", revisions="c41f:")
    ("lint '--file=a b.sql'", 'lint --revisions=c41f: --format=json')
    """
    given = {**options, **({} if format_ == "text" else {"format": format_})}
    return one_line([shlex.join(["lint", *(f"--{name}={value}" for name, value in given.items())])])


def catalogue_of(project: Project, console: Console, name: str, asked: str) -> Catalogue:
    """Return what a tier's catalogue says, read in a read-only session that the guard has let pass.

    `asked` is what was typed, which a refusal repeats for the default tier: without it, lint looks at nothing.
    """
    choice, default = choose(project.settings, name, project.environ), project.settings.default.name
    tier = choice.tier
    request = Request(
        operation=operation.OPERATION,
        tier=tier,
        surroundings=project.surroundings,
        is_default=tier.name == default,
        flag_on=tier.flag in choice.flags_on,
    )
    named = replace(operation.OPERATION, asked_as=f"{asked} --tier={default}")
    admitted = admit(replace(request, operation=named))
    if isinstance(admitted, Refuse):
        raise admitted.error()
    target = resolve(project.settings, project.variables, tier, console.say, start=False, part=Part.READER)
    if target is None:
        raise UsageError(f"[{tier.label}] has no database yet. To build it: invoke reset --tier={tier.name}")
    console.say(f"{console.badge(tier)} {target.masked} · lint")
    seen = survey(project, request, target, Wish())
    decision = decide(request, seen.plan, seen.evidence)
    if isinstance(decision, Refuse):
        raise decision.error()
    if seen.evidence.database is None:
        raise UsageError(f"[{tier.label}] {seen.evidence.name} does not exist yet. To build it: invoke reset")
    try:
        with closing(look(target.conninfo)) as connection:
            return read_catalogue(connection)
    except (psycopg.Error, UnicodeDecodeError) as error:
        raise unreadable(tier.label, target.masked, str(error)) from None
