"""The steps that bring a database's revisions forward, and what is to be said while they run and afterwards."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from dbtasks.database import Connection
from dbtasks.environment import for_worker
from dbtasks.migrations import ledger
from dbtasks.moment import Moment
from dbtasks.plan import ApplyRevisions, Prove, RecordBaseline, TakeBack
from dbtasks.workbench import Workbench

if TYPE_CHECKING:
    from dbtasks.migrations.events import Event, InputsSeen
    from dbtasks.migrations.job import Job


def apply_revisions(bench: Workbench, step: ApplyRevisions) -> str:
    from dbtasks.migrations import tries  # late: most plans apply none
    from dbtasks.migrations.events import InputsSeen, RevisionApplied, RevisionStarted

    done, work = 0, job(bench, step)

    def heard(event: Event) -> None:
        nonlocal done
        if isinstance(event, InputsSeen):
            _note_inputs(bench, event)
        done += isinstance(event, RevisionApplied)
        if isinstance(event, RevisionStarted):
            total = len(step.revisions)
            bench.site.report(Moment(step="migrate", done=min(done, total - 1), total=total, doing=event.revision))
        _tell_waiting(bench, work, event)

    applied = tries.run(work, heard)
    bench.result.facts["applied"] = list(applied)
    return f"{len(applied)} revision{'s' if len(applied) != 1 else ''} to {', '.join(step.heads)}"


def take_back(bench: Workbench, step: TakeBack) -> str:
    from dbtasks.migrations import tries  # late: most plans take nothing back

    def heard(event: Event) -> None:
        _tell_waiting(bench, work, event)

    work = dataclasses.replace(
        job(bench, step),
        target_revision=step.to,
        down=True,
        command=f"invoke downgrade --tier={bench.plan.tier} --to={step.to}",
    )
    taken = tries.run(work, heard)
    bench.result.facts["taken_back"] = list(taken)
    return f"{len(taken)} revision{'s' if len(taken) != 1 else ''} taken back, down to {step.to}"


def _tell_waiting(bench: Workbench, job: Job, event: Event) -> None:
    from dbtasks.migrations import telling
    from dbtasks.migrations.events import TriedAgain

    if isinstance(event, TriedAgain):
        bench.result.facts["tries"] = event.number
    if line := telling.waiting(event, bench.plan.database, job.lock_wait_s):
        bench.report("wait", line)


def record_baseline(bench: Workbench, step: RecordBaseline) -> str:
    from dbtasks.migrations.job import tool_version

    if step.unknown:
        bench.result.facts["baseline"] = []
        again = f"Check out the commit that has it, then: invoke adopt --tier={bench.plan.tier}"
        return f"none, since this code does not have {', '.join(step.unknown)}. {again}"
    project = bench.site.project
    with bench.open(bench.place) as connection, connection.transaction():
        ledger.record_baseline(
            connection,
            [(each.id, each.checksum) for each in step.revisions],
            person=project.who.person,
            entry=bench.site.entry,
            tool_version=tool_version(),
        )
    bench.result.facts["baseline"] = [each.id for each in step.revisions]
    count = len(step.revisions)
    return f"{count} revision{'s' if count != 1 else ''} to {step.revisions[-1].id}, by the bytes that they have now"


def look_afterwards(bench: Workbench, connection: Connection) -> None:
    """Say what a migration leaves to be watched or done; nothing where there is nothing."""
    from dbtasks.migrations import afterwards  # late: only a migration that did something asks

    replicas, unvalidated = afterwards.replicas(connection), afterwards.unvalidated(connection)
    for name, found in (("replicas", replicas), ("unvalidated", unvalidated)):
        if found:
            bench.result.facts[name] = [dataclasses.asdict(each) for each in found]
    for word, line in (*(("replica", each) for each in replicas), *(("to do", each) for each in unvalidated)):
        bench.report(word, str(line))


def _note_inputs(bench: Workbench, seen: InputsSeen) -> None:
    """Note what the build opened; where it went on from a template, also what that template's build had opened."""
    from dbtasks.inputs import recorded  # late: most plans build nothing

    project = bench.site.project
    environ = for_worker(project, bench.place.url(bench.clearance))
    onto = bench.inputs or (None if bench.found is None else bench.found.inputs)
    bench.inputs = recorded(seen, environ, project.settings.migrations, onto=onto).as_data()


def job(bench: Workbench, step: ApplyRevisions | TakeBack | Prove) -> Job:
    from dbtasks.migrations.job import Job

    project, place, patience = bench.site.project, bench.place, bench.site.target.tier.patience
    url, limit = place.url(bench.clearance), patience.statement_timeout
    return Job(
        root=project.settings.root,
        settings=project.settings.migrations,
        url=url,
        host=place.host or "",
        port=place.port,
        database=place.database,
        user=place.user,
        system_identifier=bench.system_identifier,
        oid=bench.built_oid,
        person=project.who.person,
        entry=bench.site.entry,
        checksums={} if isinstance(step, Prove) else {each.id: each.checksum for each in step.revisions},
        environ=for_worker(project, url),
        retry=() if isinstance(step, Prove) else step.retry,
        log=project.settings.trail.with_name("migrations.log"),
        command=f"invoke {bench.plan.operation.name} --tier={bench.plan.tier}",
        records=bench.built is not None and bench.keeps_stock,
        stays=bench.built is None,
        lock_wait_s=patience.wait.total_seconds(),
        lock_timeout_ms=_milliseconds(patience.lock_timeout),
        statement_timeout_ms=None if limit is None else _milliseconds(limit),
        # What is built aside nobody else uses, and a later try would not see what an earlier one opened.
        tries=1 if bench.built else patience.tries,
        ahead=bench.site.ahead if bench.built is None and not project.settings.migrations.histories else None,
    )


def _milliseconds(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)
