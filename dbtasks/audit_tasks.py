"""The task that answers from the trail.

Invoke makes a task's flags from its parameters, so this function has more of them than others here may.
"""

from __future__ import annotations

from contextlib import suppress

from invoke.context import Context

from dbtasks.command_line import end, whole_number
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.project import open_project
from dbtasks.surroundings import Kind
from dbtasks.task_calls import guarded

_LIMIT = 20


@guarded(
    tier="only this tier",
    operation="only this operation: reset, undo, seed, migrate, downgrade, prepare, prune, adopt, open, accept",
    outcome="only this outcome: done, failed, partial, interrupted, unfinished, refused, or a code such as E-AGENT",
    person="only this person",
    since="from then on: today, yesterday, 2h, 3d, 2026-01-31",
    until="up to then",
    entry="only this entry",
    agent="only what AI agents did and tried",
    text="only what holds this text",
    limit="how many at the most, the newest; 20",
    format_="table (or text), json or csv",
    stats="figures instead: how often, when last, how long, what was refused",
    follow="and then what comes, as it comes, until Ctrl-C",
    export="every entry that fits for other systems, a JSON document a line: ocsf, cloudevents or otel",
    sql="one SELECT over the view trail, by DuckDB: SELECT person, count(*) FROM trail GROUP BY 1",
    verify="verify the chain of hashes, the anchors and the signatures instead",
    sign="sign the trail's head with your SSH key instead; for a person at a terminal",
    key="with --sign: the SSH key, a file; without it the first in ~/.ssh that config/allowed_signers names",
)
def audit(
    _c: Context,
    tier: str = "",
    operation: str = "",
    outcome: str = "",
    person: str = "",
    since: str = "",
    until: str = "",
    entry: str = "",
    text: str = "",
    agent: bool = False,
    limit: str = "",
    format_: str = "text",
    stats: bool = False,
    follow: bool = False,
    export: str = "",
    sql: str = "",
    verify: bool = False,
    sign: bool = False,
    key: str = "",
) -> None:
    """Show what happened: who did what, where, and whether it worked."""
    from dbtasks import audit_asking, audit_view, proof_view
    from dbtasks.exports.forms import form_named

    _one_of(stats=stats, follow=follow, sql=bool(sql), verify=verify, sign=sign)
    _one_of(stats=stats, export=bool(export), sql=bool(sql), verify=verify, sign=sign)
    form, project = audit_asking.format_named(format_), open_project()
    if sign:
        proof_view.sign(project, Console(), key)
        return
    if verify:
        if not proof_view.show(project, Console(), as_json=form is audit_asking.Format.JSON):
            end(1)
        return
    wanted = {"operation": operation, "outcome": outcome, "person": person, "text": text, "entry": entry}
    wanted |= {"tier": tier, "since": since, "until": until, "surroundings": Kind.AGENT.value if agent else ""}
    answer = audit_asking.Answer(project, Console(), audit_view.filters(project, wanted), form)
    if sql:
        if limit or any(wanted.values()):
            raise UsageError("--sql takes no other filters. Put them into its WHERE.")
        answer.query(sql)
        return
    if follow and until:
        raise UsageError("--follow shows what comes and takes no --until.")
    if (stats or export) and limit:
        raise UsageError(
            f"--{'stats' if stats else 'export'} takes all that fits and no --limit. Narrow it with --since."
        )
    most = whole_number("--limit", limit) if limit else _LIMIT
    if stats:
        answer.figures()
    elif export and not follow:
        answer.export(form_named(export))
    elif not follow:
        answer.show(most)
    else:
        with suppress(KeyboardInterrupt):  # the way in which people end it
            answer.export_coming(form_named(export)) if export else answer.follow(most)


def _one_of(**flags: bool) -> None:
    given = [f"--{name}" for name, wanted in flags.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} are two questions. Ask them one by one.")
