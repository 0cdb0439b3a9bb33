"""What a rehearsal showed, as lines of the card and as data for `--format=json`."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.evidence import Evidence, Rehearsal
from dbtasks.plan import ApplyRevisions, RevisionBytes, TakeBack
from dbtasks.rehearsed import Rehearsed
from dbtasks.risks import LOSES, Risk
from dbtasks.statements import Statement
from dbtasks.tiers import Loss
from dbtasks.wording import shortened

_MESSAGE = 34
_LONGEST = 82  # of a line of 100 columns, behind its name
_MOST_TABLES = 2

# PostgreSQL's table-level locks by strength, as its documentation writes them, with what each keeps waiting.
_LOCKS = {
    "AccessShareLock": ("ACCESS SHARE", ""),
    "RowShareLock": ("ROW SHARE", ""),
    "RowExclusiveLock": ("ROW EXCLUSIVE", ""),
    "ShareUpdateExclusiveLock": ("SHARE UPDATE EXCLUSIVE", "writes go on"),
    "ShareLock": ("SHARE", "writes wait"),
    "ShareRowExclusiveLock": ("SHARE ROW EXCLUSIVE", "writes wait"),
    "ExclusiveLock": ("EXCLUSIVE", "writes wait"),
    "AccessExclusiveLock": ("ACCESS EXCLUSIVE", "all wait"),
}
_STRENGTH = list(_LOCKS)
_QUIET = 3  # those before it disturb no application


def revision_lines(step: ApplyRevisions | TakeBack, evidence: Evidence | None) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each revision, with what it did in the rehearsal."""
    rehearsed = evidence.rehearsed if evidence else None
    for revision in step.revisions:
        name, effects = f"  {revision.id}", _effects_of(revision, rehearsed)
        line = f"{revision.message:<{_MESSAGE}} {effects}" if effects else revision.message
        if len(line) <= _LONGEST or not effects:
            yield name, shortened(line, _LONGEST)
        else:
            yield from ((name, shortened(revision.message, _LONGEST)), ("", effects))


def risk_lines(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield how the rehearsal went, and what the target would lose or fail at."""
    rehearsed, rehearsal = evidence.rehearsed, evidence.situation.rehearsal
    if rehearsed is None:
        return
    if rehearsed.missing:
        yield "not rehearsed", rehearsed.missing
        return
    if rehearsed.failed:
        first, *more = rehearsed.failed.splitlines()
        yield "rehearsal", f"failed: {first}"
        yield from (("", line) for line in more)
        yield from rehearsed.notes
        return
    count = len(rehearsed.revisions)
    taken = sum(each.milliseconds for each in rehearsed.revisions)
    amount = "without rows" if rehearsed.rows is None else f"{rehearsed.rows:,} rows"
    yield "rehearsed", f"{count} revision{'s' if count != 1 else ''} on {rehearsed.on}, {amount}, {taken:,.0f} ms"
    if rehearsed.beware:
        yield "beware", rehearsed.beware.splitlines()[0]
    if evidence.situation.floor.may_lose is Loss.EVERYTHING:
        return
    losses = [risk for risk in evidence.risks if risk.loses]
    for risk in losses:
        yield "data at risk", _loss(risk)
    if not losses:
        yield "data at risk", "none"
    for risk in evidence.risks:
        if risk.kind not in LOSES and risk.count:
            yield "would fail" if risk.fails else "beware", _demand(risk)
    yield from _lint_lines(evidence)
    if rehearsal is Rehearsal.CONTRADICTED:
        yield from (("  to see them", risk.query) for risk in evidence.risks if risk.fails)


def _lint_lines(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for each in evidence.objections:
        yield "lint", f"{each.severity} {each.rule}: {each.message} ({each.revision[:12]})"
    if evidence.unlinted:
        yield "not linted", evidence.unlinted


def as_data(evidence: Evidence) -> dict[str, object] | None:
    """Return the whole rehearsal as plain data; `None` where none was needed."""
    rehearsed = evidence.rehearsed
    if rehearsed is None:
        return None
    return {
        "state": evidence.situation.rehearsal.name.lower(),
        "server": rehearsed.on,
        "rows": rehearsed.rows,
        "beware": rehearsed.beware or None,
        "missing": rehearsed.missing or None,
        "failed": rehearsed.failed or None,
        "revisions": [
            {
                "revision": each.id,
                "milliseconds": each.milliseconds,
                "statements": [_statement(statement) for statement in rehearsed.of(each.id)],
            }
            for each in rehearsed.revisions
        ],
        "at_risk": [_risk(risk) for risk in evidence.risks],
        "lint": [
            {"rule": each.rule, "severity": each.severity, "revision": each.revision, "message": each.message}
            for each in evidence.objections
        ],
        "unlinted": evidence.unlinted or None,
    }


def _effects_of(revision: RevisionBytes, rehearsed: Rehearsed | None) -> str:
    """Return what a revision did; empty where it was not rehearsed to its end."""
    if rehearsed is None or revision.id not in {each.id for each in rehearsed.revisions}:
        return ""
    return _effects(rehearsed.of(revision.id))


def _effects(statements: tuple[Statement, ...]) -> str:
    """Return what a revision does to tables that are there, in a few words."""
    strongest: dict[str, int] = {}
    for statement in statements:
        for lock in statement.locks:
            strength = _STRENGTH.index(lock.mode) if lock.mode in _STRENGTH else len(_STRENGTH) - 1
            strongest[lock.relation] = max(strongest.get(lock.relation, 0), strength)
    rewrites = sorted({_short(relation) for statement in statements for relation in statement.rewrites})
    loud = {name: strength for name, strength in strongest.items() if strength >= _QUIET}
    written = sorted(_short(name) for name, strength in strongest.items() if strength == _QUIET - 1)
    parts = []
    if loud:
        top = max(loud.values())
        words, waits = _LOCKS[_STRENGTH[top]]
        parts.append(f"locks {_some([_short(name) for name, each in loud.items() if each == top])}: {words}, {waits}")
    if rewrites:
        parts.append(f"rewrites {_some(rewrites)}")
    if written and not loud:
        parts.append(f"writes rows of {_some(written)}")
    return "; ".join(parts) or "locks no table that is there"


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_TABLES
    return ", ".join(sorted(names)[:_MOST_TABLES]) + (f" and {more} more" if more > 0 else "")


def _short(relation: str) -> str:
    return relation.removeprefix("public.")


def _loss(risk: Risk) -> str:
    agreed = risk.ceiling
    return f"{risk} ({risk.revision}){f'; consent covers up to {agreed.most:,}' if agreed else ''}"


def _demand(risk: Risk) -> str:
    first = "; the run writes the table before, which may mend it" if risk.written else ""
    return f"{risk} ({risk.revision}){first}"


def _statement(statement: Statement) -> dict[str, object]:
    return {
        "statement": statement.text,
        "transactional": statement.transactional,
        "locks": [{"relation": lock.relation, "mode": lock.mode} for lock in statement.locks],
        "rewrites": list(statement.rewrites),
        "milliseconds": statement.milliseconds,
        "rows": statement.rows,
    }


def _risk(risk: Risk) -> dict[str, object]:
    return {
        "kind": risk.kind.value,
        "what": risk.what,
        "revision": risk.revision,
        "to": risk.to or None,
        "count": risk.count,
        "exact": risk.exact,
        "ceiling": risk.ceiling.most if risk.ceiling else None,
        "fails": risk.fails,
        "query": risk.query or None,
    }
