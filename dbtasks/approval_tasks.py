"""The tasks of a deployment without a terminal: plan, approve, apply.

Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

from typing import Any

from invoke.context import Context
from invoke.tasks import Task

from dbtasks.command_line import checked_format, whole_number
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.project import open_project
from dbtasks.task_calls import back_how, guarded, words

_KEY = "the SSH key to sign with, a file; without it the first in ~/.ssh that config/allowed_signers names"


@guarded(
    operation="what to plan: migrate, seed, downgrade, ...",
    out="the file to write",
    key=_KEY,
    sets="seed sets, separated by commas; without it the tier's own",
    to="of a downgrade: the revision to go back to",
    retry="run this torn revision again, once you have put right what it left",
    entry="of an undo: the entry to undo",
    backup="of a restore: which backup",
    into="of a restore: as a new database of this name beside the one in service",
    restored="of a prune: drop only this database, which a restore has made",
    table="of a restore: copy only these tables back, separated by commas",
    back="with --table: missing rows only, changed ones too (usual), or the whole table as it was",
    before="of a recovery: to right before this entry of the trail",
)
def plan(
    _c: Context,
    operation: str,
    tier: str = "",
    out: str = "",
    key: str = "",
    sets: str = "",
    to: str = "",
    retry: str = "",
    entry: str = "",
    backup: str = "",
    into: str = "",
    restored: str = "",
    table: str = "",
    back: str = "",
    before: str = "",
    no_backup_because: str = "",
    format_: str = "text",
    reason: str = "",
) -> None:
    """Write what an operation would do to a file that others approve; nothing is changed."""
    from dbtasks import papers  # late, as below: the command line refuses without it
    from dbtasks.approvals.document import Asked

    as_json, console = checked_format(format_), Console()
    if not out:
        raise UsageError("a plan is written to a file. Write which: --out=plan.json")
    asked = Asked(
        retry=words(retry),
        to=to,
        seed_sets=words(sets) or None,
        entry=whole_number("--entry", entry) if entry else None,
        backup=backup,
        into=into,
        restored=restored,
        tables=words(table),
        back_how=back_how(back),
        before=whole_number("--before", before) if before else None,
        no_backup_because=no_backup_because.strip(),
        reason=reason,
    )
    if operation == "restore" and (table or into):
        operation = "copy_back" if table else "restore_beside"
    wanted = papers.Wanted(operation=operation, tier=tier, out=out, asked=asked, key=key)
    told = papers.make(open_project(), console, wanted)
    if as_json:
        console.data(told)


@guarded(file="the plan", key=_KEY, reason="why you agree; it is signed with the plan")
def approve(_c: Context, file: str, reason: str = "", key: str = "") -> None:
    """Show a plan and sign it with your SSH key; for a person at a terminal."""
    if not reason.strip():
        raise UsageError('an approval needs a reason: invoke approve plan.json --reason="..."')
    from dbtasks import papers

    papers.approve(open_project(), Console(), file, reason.strip(), key)


@guarded(file="the approved plan")
def apply(_c: Context, file: str, format_: str = "text") -> None:
    """Run an approved plan, once, if it still is what would be done."""
    from dbtasks import papers

    as_json, console = checked_format(format_), Console()
    told = papers.apply(open_project(), console, file)
    if as_json:
        console.data(told)


APPROVAL_TASKS: tuple[Task[Any], ...] = (plan, approve, apply)
