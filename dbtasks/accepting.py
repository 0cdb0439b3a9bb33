"""The step that accepts drift, and the note of how a migration leaves a schema."""

from __future__ import annotations

import psycopg

from dbtasks.drift import record
from dbtasks.drift.catalogue import read_schema
from dbtasks.plan import AcceptDrift, ApplyRevisions, TakeBack
from dbtasks.workbench import Workbench


def accept(bench: Workbench, step: AcceptDrift) -> str:
    """Record that the schema is meant to be as it is. What it is was looked at once more under the lock."""
    with bench.open(bench.site.target.conninfo) as connection:
        digests = [each.partition(" ")[0] for each in step.differences]
        record.put(connection, step.fingerprint, _who(bench), digests, step.reason)
    told = [each.partition(" ")[2] for each in step.differences]
    bench.result.facts |= {"accepted": told, "reason": step.reason}
    for each in told:
        bench.report("accept", each)
    count = len(told)
    return f"{count} difference{'s' if count != 1 else ''}: {step.reason}"


def note(bench: Workbench) -> None:
    """Note how the schema is now. Without the note the next migration compares it with what the revisions produce."""
    if bench.by_schemas or not any(isinstance(step, ApplyRevisions | TakeBack) for step in bench.plan.steps):
        return
    try:
        with bench.open(bench.place) as connection:
            schema = read_schema(connection, *bench.site.project.settings.left_out)
            record.put(connection, schema.fingerprint, _who(bench))
    except psycopg.Error as error:
        bench.report("schema", f"not noted, so that the next migration takes longer: {str(error).splitlines()[0]}")


def _who(bench: Workbench) -> tuple[str, int]:
    return bench.site.project.who.person, bench.site.entry
