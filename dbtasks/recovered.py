"""The step that recovers a server beside the live one and says what is different there."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from dbtasks.database import look
from dbtasks.errors import DbtasksError, RecoveryFailedError, ServerUnreachableError, UsageError
from dbtasks.points import goal_of
from dbtasks.recovery import recovering, rooms
from dbtasks.recovery.differences import Difference, differences
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.recovery.goals import AtTime, BeforeMark, Goal, told
from dbtasks.recovery.marks import make_mark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.rooms import Recovered
from dbtasks.recovery.source import Source, settings_of, superuser_of
from dbtasks.way_back import RecoverTo
from dbtasks.workbench import Workbench

_MOST = 12


def recover(bench: Workbench, step: RecoverTo) -> str:
    """Bring a second server to the goal, and say what is different there. Of the live one, only the log changes."""
    project, target = bench.site.project, bench.site.target
    engine = engine_for(project, target)
    if engine is None or isinstance(engine, Provider) or engine.name != step.engine:
        raise DbtasksError(f"The way to recover [{target.tier.label}] is another one than was planned with.")
    goal = goal_of(project, target.tier, step.goal)
    with closing(look(target.conninfo)) as connection:
        at_least, superuser = settings_of(connection), superuser_of(connection)
    if not isinstance(goal, BeforeMark):  # whose log was brought when it was put
        _bring_log(bench, engine, goal)
    wanted = recovering.Request(
        root=project.settings.root,
        engine=engine,
        system_identifier=bench.plan.server,
        goal=goal,
        at_least=at_least,
        superuser=superuser,
    )
    made = recovering.recover(wanted, lambda line: bench.report("recover", line))
    _must_hold(made, bench.plan.database, told(goal))
    bench.recovered = made
    _compare(bench, made)
    bench.result.facts["recovered"] = {**made.as_data(), "cluster_name": made.cluster_name}
    place = f"psql -h {made.socket} -p {made.port} -U {made.superuser} {bench.plan.database}"
    bench.report("look", f"{place} · read-only; when done: invoke recover --end={made.id}")
    return f"to {told(goal)}, from the base backup {made.base}"


def _bring_log(bench: Workbench, engine: Engine, goal: Goal) -> None:
    """See to it that the log up to now can be had: the last of it is not archived before its file is full.

    What stands in the way is told, and no more: the point may lie before that.
    """
    try:
        with bench.open(bench.site.target.conninfo) as connection:
            # A commit, since the server knows by the next one that it has passed a time.
            now, _ = connection.execute("SELECT clock_timestamp(), txid_current()").fetchone() or (None, None)
            if isinstance(goal, AtTime) and isinstance(now, datetime) and goal.at > now:
                raise UsageError(
                    f"{told(goal)} has not come yet: by the server's clock it is {now.isoformat(sep=' ')}."
                )
            source = Source(connection=connection, conninfo=bench.site.target.conninfo, permit=bench.clearance)
            engine.begin(source, lambda line: bench.report("recover", line))
            with engine.brought(connection, make_mark(connection)) as found:
                why = f"{found.why} {found.instead}" if isinstance(found, Unproven) else ""
    except UsageError:
        raise
    except DbtasksError as error:
        why = str(error)
    if why:
        bench.report("recover", f"without what the server wrote last: {why}")


def _must_hold(made: Recovered, database: str, point: str) -> None:
    """Let the recovered server go where it has no such database: the point lies before or after its life."""
    try:
        look(made.conninfo(database)).close()
    except ServerUnreachableError as error:
        rooms.drop(made)
        raise RecoveryFailedError(
            f"At {point} the server had no database {database} that can be entered. If it was dropped, name an earlier "
            "time, before the last change that was made before the drop: the log takes its files away before the "
            f"drop's own time. Nothing is left of the recovered server, and the live one was not touched. ({error})"
        ) from error


def _compare(bench: Workbench, made: Recovered) -> None:
    name = bench.plan.database
    with (
        closing(look(made.conninfo(name))) as there,
        closing(look(bench.site.target.conninfo)) as here,
    ):
        found = [each for each in differences(there, here) if not each.is_none]
    bench.result.facts["differences"] = [_data(each) for each in found]
    for each in found[:_MOST]:
        bench.report("differs", _line(each))
    if len(found) > _MOST:
        bench.report("differs", f"and {len(found) - _MOST} tables more (--format=json has all)")
    if not found:
        bench.report("differs", "nothing: the live database holds what it held then")


def _line(each: Difference) -> str:
    if each.why:
        return f"{each.table}: not compared, {each.why}"
    if each.gone:
        return f"{each.table}: gone since, {each.only_there or 0:,} rows then"
    if each.new:
        return f"{each.table}: new since, {each.only_here or 0:,} rows now"
    counts = ((each.only_there, "only then"), (each.only_here, "only now"), (each.changed, "changed"))
    return f"{each.table}: " + ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _data(each: Difference) -> dict[str, object]:
    names = ("table", "only_there", "only_here", "changed", "gone", "new", "why")
    return {name: getattr(each, name) for name in names} | {"samples": list(each.samples)}
