"""The steps that provide a way back, or go it: take a backup, restore, copy tables back."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import psycopg

from dbtasks import backed_up, provision, registry, snapshots
from dbtasks.backups import listing, pruning, retention, taking, verifying
from dbtasks.backups.engines import Beside, Errand
from dbtasks.backups.engines import Source as Origin
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.restoring import restore_into
from dbtasks.backups.vault import Vault, open_vault
from dbtasks.conninfo import Conninfo
from dbtasks.database import look
from dbtasks.errors import DbtasksError, RefusedError, ServerUnreachableError
from dbtasks.kept import maker
from dbtasks.moment import Moment
from dbtasks.recovery import copying, reviving
from dbtasks.recovery.source import Source
from dbtasks.recovery.tables import tables_of
from dbtasks.registry import Row
from dbtasks.tiers import BackupEngine
from dbtasks.way_back import CopyBack, NameBeside, RestoreBackup, TakeBackup
from dbtasks.workbench import Workbench

if TYPE_CHECKING:
    from dbtasks.recovery.rooms import Recovered


def take(bench: Workbench, step: TakeBackup) -> str:
    """Take a backup, of the recovered server where there is one, and show that it can be read."""
    project, target = bench.site.project, bench.site.target
    vault = open_vault(project.settings, project.variables)
    tier = provision.as_strict_as(target.tier, bench.clearance.evidence.situation)
    asked = bench.plan.operation.saves
    here = target.conninfo if asked else target.conninfo.as_login()  # a migrator may not read all that there is
    source = _recovered_way(bench, bench.recovered) if bench.recovered else here
    errand = Errand(
        who=project.who,
        entry=None if asked else bench.site.entry,
        reason=_reason(bench),
    )
    taken = taking.take(
        bench.clearance,
        Origin(
            project=bench.plan.project,
            tier=replace(tier, backup=replace(tier.backup, engine=BackupEngine(step.engine))),
            conninfo=source,
            version_tables=project.settings.migrations.version_tables,
        ),
        vault,
        errand,
        _hearing(bench, "backup"),
    )
    try:
        _is_of_the_target(bench, taken)
    except RefusedError:
        with suppress(
            DbtasksError
        ):  # where the store takes nothing back, its manifest tells that it is no backup of this
            pruning.prune(bench.clearance, vault, (taken,), target.conninfo)
        raise
    shown = _shown(bench, vault, taken, errand)
    bench.result.facts["backup"] = {
        "id": shown.id,
        "grade": shown.grade.value,
        "bytes": shown.stored_bytes,
        "seconds": round(shown.seconds, 3),
    }
    sealed = f", encrypted to {len(step.sealed_to)}" if step.sealed_to else ""
    if bench.recovered is not None:
        restore = f"invoke restore --tier={bench.plan.tier} --backup={shown.id}"
        bench.report("next", f"all of it: {restore} · some tables: {restore} --table=<names>")
    return f"{shown.id}, {shown.stored_bytes / 1e6:,.1f} MB, {shown.grade.value}{sealed}"


def _recovered_way(bench: Workbench, made: Recovered) -> Conninfo:
    """Return the way into the recovered server as the tier's own role, where that was there then.

    It will restore what is saved now, and what a superuser has read could only be compared by one.
    """
    way = made.conninfo(bench.plan.database)
    as_the_tiers = replace(way, user=bench.site.target.conninfo.user)
    try:
        look(as_the_tiers).close()
    except ServerUnreachableError:
        return way
    return as_the_tiers


def _reason(bench: Workbench) -> str:
    asked = bench.plan.operation.saves
    if bench.recovered is not None:
        why = f"recovered to {bench.recovered.goal}"
    else:
        why = "asked for" if asked else f"{backed_up.BEFORE}{bench.plan.operation.name}"
    return ": ".join(filter(None, (why, bench.site.reason)))


def _is_of_the_target(bench: Workbench, taken: Manifest) -> None:
    target = bench.plan.target
    where = taken.foreign(
        project=bench.plan.project,
        tier=bench.plan.tier,
        system_identifier=bench.plan.server,
        oid=target.oid if target and not bench.recovered else None,  # what was there then may have been replaced
    )
    if where:
        raise RefusedError(
            code="E-FOREIGN-BACKUP",
            saw=f"The backup {taken.id} is not of {bench.plan.database}: {', '.join(where)}.",
            why="Nothing was changed.",
            instead=f"Look at where the tier leads: invoke check --tier={bench.plan.tier}",
        )


def _shown(bench: Workbench, vault: Vault, taken: Manifest, errand: Errand) -> Manifest:
    if taken.sealed_to and vault.identities is None:
        bench.report("backup", "whether it can be opened was not tried: no private key is at hand")
        return taken
    look = verifying.Look(vault=vault, manifest=taken, errand=errand)
    return verifying.readable(look, _hearing(bench, "backup"))


def restore(bench: Workbench, step: RestoreBackup) -> str:
    """Make a database of the backup beside what is in service, and see that it holds what the backup says."""
    vault, manifest = _found(bench, step.id, step.digest)
    bench.built, bench.built_oid = _made(bench, (vault, manifest), *_server(bench))
    rows = sum(count for _, count in manifest.rows)
    bench.result.facts["restored"] = {"backup": manifest.id, "rows": rows, "tables": len(manifest.rows)}
    words = f"{manifest.id}: {len(manifest.rows)} tables, {rows:,} rows, as they were counted"
    if bench.elsewhere and bench.elsewhere.known.connection.info.server_version // 10000 != manifest.major:
        words += f"; its schema was not compared, on {bench.elsewhere.shown}: invoke drift --tier={bench.plan.tier}"
    return words


def name_beside(bench: Workbench, step: NameBeside) -> str:
    """Give what was restored its name. It keeps the stamp of its source, so that no command takes it for the tier."""
    if bench.built is None:
        raise RuntimeError("a name without a database that was restored")
    snapshots.name_beside(bench.registry(), bench.built, bench.built_oid, step.name)
    bench.built = None
    facts = bench.result.facts
    facts["restored"] = {**cast("dict[str, object]", facts["restored"]), "database": step.name}
    drop = f"invoke prune --tier={bench.plan.tier} --restored={step.name}"
    return f"{step.name}, which no command takes for [{bench.plan.tier.upper()}] until adopted · to drop it: {drop}"


def _found(bench: Workbench, id_: str, digest: str) -> tuple[Vault, Manifest]:
    project = bench.site.project
    vault = open_vault(project.settings, project.variables)
    return vault, backed_up.find(vault, project, bench.site.target, id_, digest)


def _server(bench: Workbench) -> tuple[registry.Registry, Conninfo]:
    """Return where a backup becomes a database: on the tier's server, or on the private one where it can be none there.

    As `elsewhere` it is closed when the plan ends.
    """
    server = bench.clearance.evidence.server
    if server.can_create and server.registers:
        return bench.registry(), bench.site.target.conninfo
    from dbtasks import elsewhere  # late: most roles may create databases

    made_by = maker(bench.site.project.who)
    there = elsewhere.find(bench.clearance, bench.site.project, made_by, lambda line: bench.report("build", line))
    bench.elsewhere = there
    return there.known, there.base


def _made(
    bench: Workbench, what: tuple[Vault, Manifest], known: registry.Registry, server: Conninfo
) -> tuple[Row, int]:
    """Return the registry's row and the oid of a database made of a backup, compared and analysed."""
    vault, manifest = what
    for name in known.sweep(bench.plan.tier):
        bench.report("sweep", f"removed {name}, left by a run that was killed")
    row = known.reserve(bench.plan.tier, bench.site.entry)
    beside = Beside(known=known, row=row, server=server, roles=bench.elsewhere is not None)
    try:
        restore_into(bench.clearance, vault, manifest, beside, _hearing(bench, "restore"))
        oid = known.record_built(row)
        verifying.compare(bench.clearance, manifest, beside, rows_do=bench.elsewhere is not None)
        with closing(bench.open(beside.conninfo)) as connection:
            connection.execute("ANALYZE")
    except BaseException:
        with suppress(psycopg.Error):
            known.drop(row)
        raise
    return row, oid


def copy_back(bench: Workbench, step: CopyBack) -> str:
    """Copy tables out of a backup: it becomes a database for as long as that takes."""
    vault, manifest = _found(bench, step.id, step.digest)
    (known, server), target = _server(bench), bench.site.target.conninfo
    row, _ = _made(bench, (vault, manifest), known, server)
    then = server.with_database(row.name)
    try:
        with (
            closing(look(then)) as there,
            closing(bench.open(target)) as here,
        ):
            gone = tuple(name for name in step.tables if name not in tables_of(here))
            if gone:
                old = Source(connection=there, conninfo=then, permit=bench.clearance)
                reviving.bring_back(old, Source(connection=here, conninfo=target, permit=bench.clearance), gone)
            left = [name for name in step.tables if name not in gone]
            with reviving.taken_away_again(lambda: bench.open(target), gone):
                done = copying.copy_back(there, here, left, step.back) if left else ()
    finally:
        with suppress(psycopg.Error):  # else the next run sweeps it
            known.drop(row)
    counts = [
        {"table": each.table, "added": each.inserted, "changed": each.updated, "removed": each.deleted} for each in done
    ]
    bench.result.facts |= {"copied": counts, "made_again": list(gone)}
    told = [f"{each.table} +{each.inserted:,} ~{each.updated:,} -{each.deleted:,}" for each in done]
    return f"from {manifest.id}: {', '.join((*told, *(f'{name} made again' for name in gone)))}"


def drop(bench: Workbench, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Drop backups by their ids, those that are still superfluous by now, and return what is gone."""
    project, target = bench.site.project, bench.site.target
    vault = open_vault(project.settings, project.variables)
    there = listing.list_backups(vault, bench.plan.project, bench.plan.tier, (target.conninfo,))
    over = retention.superfluous(there.backups, target.tier.backup, datetime.now(UTC))
    gone = [each for each in over if each.id in ids]
    return pruning.prune(bench.clearance, vault, gone, target.conninfo, _hearing(bench, "prune"))


def _hearing(bench: Workbench, name: str) -> Report:
    def heard(progress: Progress) -> None:
        moment = Moment(step=name, doing=progress.doing, done=progress.done, total=progress.total)
        bench.site.report(moment)

    return heard
