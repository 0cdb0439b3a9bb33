"""Why the worker ends itself, in words for people: by which rule, why that is one, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from dbtasks.errors import RefusedError
from dbtasks.migration_errors import stood

_CODES = {
    "target": "E-WORKER-TARGET",
    "bookkeeping": "E-REVISION-BOOKKEEPING",
    "bytes": "E-REVISION-CHANGED",
    "torn": "E-REVISION-TORN",
    "version_table": "E-VERSION-TABLE",
    "program": "E-PROGRAM",
}
_WHY = {
    "target": "Migrations reach the cleared target only, whatever env.py reads its URL from.",
    "bookkeeping": "The schema dbtasks describes the database; no revision may touch it.",
    "bytes": "Only the bytes that the plan shows are run.",
    "torn": "What was left behind may collide with what comes next, or be taken for good.",
    "version_table": "The version table tells what is pending, so the plan and the ledger must mean the same one.",
    "program": "What a program did to the database outside of this process, nobody compared with the plan.",
}
_INSTEAD = {
    "target": "Name the variable that env.py reads: migrations.url_variables in config/tiers.yaml. Then: invoke check",
    "bookkeeping": "Leave the schema out; for autogenerate, filter it with include_name.",
    "bytes": "To see the plan as it is now: invoke migrate --dry-run",
    "version_table": "Write that name under migrations.version_table in config/tiers.yaml. Then: invoke check",
    "program": "Name under migrations.program the program that runs Alembic itself. Then: invoke migrate",
    "torn": "To see what helps: invoke status",
}


def refusal(
    kind: str, saw: str, place: str, planned: Sequence[str], committed: Sequence[str], *, back: bool
) -> RefusedError:
    """Return the error for a stop of this kind at the cleared place. `back`: the revisions were to be taken back."""
    waiting = [each for each in planned if each not in committed]
    why = f"{_WHY[kind]} Cleared: {place}."
    if planned:
        done, not_done = (words.capitalize() for words in stood(back=back))
        why += f" {done}: {', '.join(committed) or 'none'}. {not_done}: {', '.join(waiting) or 'none'}."
    error = RefusedError(code=_CODES[kind], saw=saw, why=why, instead=_INSTEAD[kind])
    error.applied, error.back = tuple(committed), back
    return error
