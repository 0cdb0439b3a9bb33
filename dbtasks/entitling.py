"""The step that gives the roles of a database their rights."""

from __future__ import annotations

from dbtasks import granting
from dbtasks.entitled import declared, login
from dbtasks.moment import Moment
from dbtasks.role_changes import inside
from dbtasks.roles import GiveRights
from dbtasks.workbench import Workbench


def give(bench: Workbench, step: GiveRights) -> str:
    """Run the statements, as far as the server allows, and say what it did not."""

    def said(done: int, total: int) -> None:
        bench.site.report(Moment(step="roles", done=done, total=total))

    with bench.open(bench.site.target.conninfo) as connection:
        came = granting.give(connection, step.changes, said)
    refused = [{"statement": change.sql, "why": why} for change, why in came.refused]
    bench.result.facts |= {"ran": [change.sql for change in came.ran], "refused": refused}
    for each in refused:
        bench.report("could not", f"{each['statement']}: {each['why']}")
    count = len(came.ran)
    rest = f", {len(refused)} refused by the server" if refused else ""
    return f"{count} statement{'s' if count != 1 else ''} run{rest}"


def give_again(bench: Workbench) -> None:
    """Give the tier's roles their rights in the database built aside, before it takes the place of the old one."""
    project, target = bench.site.project, bench.site.target
    roles = declared(project, target.tier)
    if not roles.names:
        return
    with bench.open(bench.place) as connection:
        changes = inside(granting.read(connection, roles, login(project, target)))
        came = granting.give(connection, changes, lambda _done, _total: None)
    if came.refused:
        count = len(came.refused)
        told = f"{count} right{'s' if count != 1 else ''} could not be given in the new database"
        bench.report("beware", f"{told}: invoke roles.apply --tier={target.tier.name}")
    elif came.ran:
        bench.report("roles", f"{len(came.ran)} statements run again in the new database")
