"""Runs a cleared plan: the only code that writes to a tier.

It takes a Clearance, looks once more under the lock, and stops if the plan is not any more the one that was cleared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import assert_never
from zlib import crc32

import psycopg

from dbtasks import applying, building, checking, command, registry, replacing, spent
from dbtasks.arming import ArmTerminal
from dbtasks.database import let_write, take_lock, telling_failures
from dbtasks.environment import for_command
from dbtasks.errors import PlanChangedError, ServerUnreachableError
from dbtasks.guard import Clearance, decide
from dbtasks.measures import LiftGuards, PutGuards
from dbtasks.moment import Moment
from dbtasks.plan import (
    AcceptDrift,
    ApplyRevisions,
    BringBack,
    BuildAside,
    DropKept,
    HandOut,
    KeepReady,
    LoadSeeds,
    Prove,
    PutStamp,
    RecordBaseline,
    Step,
    SwapIn,
    TakeBack,
    Verify,
)
from dbtasks.roles import GiveRights
from dbtasks.site import Result, Site
from dbtasks.verdicts import Refuse
from dbtasks.way_back import CopyBack, NameBeside, PutMark, RecoverTo, RestoreBackup, TakeBackup
from dbtasks.workbench import Workbench


def run(clearance: Clearance, site: Site) -> Result:
    """Run the plan, once. Raises what went wrong; whatever was built aside and not swapped in is gone by then."""
    plan = clearance.spend(site.entry)
    bench = Workbench(clearance, site, plan)
    with telling_failures(plan.tier, plan.database), ExitStack() as stack:
        if clearance.request.brought or any(_writes(step) for step in plan.steps):
            _lock(bench)
            now = site.look_again()
            if now.plan.hash != plan.hash:
                raise PlanChangedError(before=plan.hash, now=now.plan.hash)
            verdict = decide(clearance.request, now.plan, now.evidence)
            if isinstance(verdict, Refuse):  # another stamp, say, which no plan shows
                raise verdict.error()
            _spend(bench)
        else:
            site.anchoring.begin(None)
        stack.enter_context(_cleaning_up(bench))
        from_stock = plan.operation.builds
        for step in building.shortened(bench) if from_stock else plan.steps:
            _timed(bench, step)
    return bench.result


def _spend(bench: Workbench) -> None:
    """Use up the approval that the plan runs by, before its first write."""
    brought = bench.clearance.request.brought
    if brought is not None:
        with bench.open(bench.site.target.conninfo.as_login()) as connection:
            spent.spend(connection, brought, person=bench.site.project.who.person, entry=bench.site.entry)


def _writes(step: Step) -> bool:
    if isinstance(step, Prove):
        return step.records
    return not isinstance(step, HandOut | Verify | TakeBackup | RecoverTo | ArmTerminal)


def _lock(bench: Workbench) -> None:
    """Take the tier's lock: in the coordination database, else in the target where none can be had.

    It is given back once the result is in the trail.
    """
    site, plan, conninfo = bench.site, bench.plan, bench.site.target.conninfo
    try:
        if site.beside is not None:
            connection = let_write(bench.clearance, site.beside)
            registers = bench.clearance.evidence.server.registers
        else:
            # What an administrator made would be closed to those who do the daily work.
            as_admin = plan.operation.administers
            connection = (
                bench.open(conninfo.with_database(registry.COORDINATION))
                if as_admin
                else registry.open_registry(bench.clearance, conninfo, site.server_way)
            )
            registers = registry.may_write(connection)
        if registers:
            bench.registers(connection)
    except (ServerUnreachableError, psycopg.errors.InsufficientPrivilege):
        connection = bench.open(conninfo)
    # What only prepares waits for others that prepare, and lets a reset go by.
    kind = "/stock" if any(isinstance(step, KeepReady) for step in plan.steps) else ""
    key = crc32(f"{plan.project}/{plan.tier}{kind}".encode()) & 0x7FFFFFFF
    site.anchoring.begin(connection)  # from here on it is theirs to close
    what = f"[{plan.tier.upper()}] {plan.database}"
    site.anchoring.locked(take_lock(connection, key, what, _waiting(bench)))


def _waiting(bench: Workbench) -> Callable[[str], None]:
    return lambda line: bench.report("wait", line)


@contextmanager
def _cleaning_up(bench: Workbench) -> Iterator[None]:
    try:
        yield
    except BaseException:
        bench.drop_built()
        raise
    finally:
        bench.leave()


def _timed(bench: Workbench, step: Step) -> None:
    started = time.monotonic()
    name, text = _do(bench, step)
    if text:
        bench.site.report(Moment(step=name, text=text, seconds=time.monotonic() - started))
    if isinstance(step, ApplyRevisions) and any(isinstance(each, LoadSeeds) for each in bench.plan.steps):
        building.remember(bench, bench.recipe.schema)
    elif isinstance(step, Verify):
        building.remember(bench, bench.recipe)


def _do(bench: Workbench, step: Step) -> tuple[str, str]:
    """Do one step; return its name and what is to be said of it."""
    match step:
        case BuildAside():
            return "build", building.build_aside(bench)
        case PutStamp():
            return "stamp", building.put_stamp(bench, step)
        case RecordBaseline() | ApplyRevisions() | TakeBack():
            return _do_revisions(bench, step)
        case LoadSeeds():
            return "seed", building.load_seeds(bench, step)
        case Verify():
            return "verify", building.verify(bench, step)
        case Prove():
            return "prove", checking.prove(bench, step)
        case SwapIn() | BringBack() | KeepReady() | DropKept():
            return _replace(bench, step)
        case AcceptDrift():
            from dbtasks import accepting  # late: most plans accept nothing

            return "accept", accepting.accept(bench, step)
        case PutGuards() | LiftGuards() | ArmTerminal() | GiveRights():
            return _access(bench, step)
        case HandOut():
            return "open", hand_out(bench, step)
        case TakeBackup() | PutMark() | RestoreBackup() | NameBeside() | CopyBack() | RecoverTo():
            return _way_back(bench, step)
        case _:
            assert_never(step)


def _replace(bench: Workbench, step: SwapIn | BringBack | KeepReady | DropKept) -> tuple[str, str]:
    """Do a step that puts databases in or out of service."""
    match step:
        case SwapIn():
            return "swap", replacing.swap_in(bench, step)
        case BringBack():
            return "undo", replacing.bring_back(bench, step)
        case KeepReady():
            return "ready", replacing.keep_ready(bench)
        case DropKept():
            return "prune", replacing.drop_kept(bench, step)
        case _:
            assert_never(step)


def _way_back(
    bench: Workbench, step: TakeBackup | PutMark | RestoreBackup | NameBeside | CopyBack | RecoverTo
) -> tuple[str, str]:
    """Do a step that provides a way back, or goes it."""
    from dbtasks import saving  # late: most plans destroy nothing

    match step:
        case TakeBackup():
            return "backup", saving.take(bench, step)
        case PutMark():
            from dbtasks import marking

            return "mark", marking.put_mark(bench, step)
        case RestoreBackup():
            return "restore", saving.restore(bench, step)
        case NameBeside():
            return "name", saving.name_beside(bench, step)
        case CopyBack():
            return "copy", saving.copy_back(bench, step)
        case RecoverTo():
            from dbtasks import recovered

            return "recover", recovered.recover(bench, step)
        case _:
            assert_never(step)


def _access(bench: Workbench, step: PutGuards | LiftGuards | ArmTerminal | GiveRights) -> tuple[str, str]:
    """Do a step about who may do what."""
    if isinstance(step, ArmTerminal):
        from dbtasks import sessions

        site, minutes = bench.site, step.minutes
        until = sessions.put(bench.clearance, site.target, bench.plan.project, step, site.reason)
        return "armed", f"this terminal, for {minutes} minute{'s' if minutes != 1 else ''}: until {until} UTC"
    if isinstance(step, GiveRights):
        from dbtasks import entitling

        return "roles", entitling.give(bench, step)
    from dbtasks import guarding

    return "harden", guarding.put(bench, step) if isinstance(step, PutGuards) else guarding.lift(bench, step)


def _do_revisions(bench: Workbench, step: RecordBaseline | ApplyRevisions | TakeBack) -> tuple[str, str]:
    match step:
        case RecordBaseline():
            return "baseline", applying.record_baseline(bench, step)
        case ApplyRevisions():
            return "migrate", applying.apply_revisions(bench, step)
        case TakeBack():
            return "downgrade", applying.take_back(bench, step)


def hand_out(bench: Workbench, step: HandOut) -> str:
    """Run the command that was given the way in; its exit code is the result's."""
    if step.command:
        site = bench.site
        environ = for_command(bench.clearance, site.project, site.target, read_only=step.read_only)
        bench.result.exit_code = command.run(step.command, environ)
    return ""
