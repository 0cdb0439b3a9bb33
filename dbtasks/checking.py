"""The step that proves a tier: models and tables agree, and the application's own check passes. Both only read."""

from __future__ import annotations

import os
import shlex
import subprocess

import psycopg

from dbtasks.applying import job
from dbtasks.conninfo import mask
from dbtasks.environment import for_command
from dbtasks.errors import DbtasksError
from dbtasks.migration_errors import TierNotProvenError
from dbtasks.migrations import unproven
from dbtasks.migrations.comparing import compare
from dbtasks.plan import Prove
from dbtasks.workbench import Workbench

_MOST = 12
_NO_MODELS = "no models"


def prove(bench: Workbench, step: Prove) -> str:
    """Return what was seen. TierNotProvenError tells what is wrong with the tier, and what was applied to it.

    Where another tier goes by this one it is written down here, since only this run has seen it.
    """
    try:
        said = _seen(bench, step)
    except TierNotProvenError as error:
        if step.records:
            _write_down(bench, mask(error.saw.rstrip(":")))
        raise
    if step.records:
        with bench.open(bench.place) as connection:
            unproven.clear(connection)
    bench.result.facts["proven"] = said
    return ", ".join(each for each in said if each != _NO_MODELS)


def _seen(bench: Workbench, step: Prove) -> list[str]:
    said = [_models(bench, step)] if step.models else []
    return said + ([_check(bench, step.check)] if step.check else [])


def _write_down(bench: Workbench, said: str) -> None:
    try:
        with bench.open(bench.place) as connection:
            unproven.put(connection, said, bench.site.project.who.person, bench.site.entry)
    except (psycopg.Error, DbtasksError) as error:
        bench.report("beware", f"this could not be written down for the next tier: {mask(str(error))}")


def _models(bench: Workbench, step: Prove) -> str:
    try:
        found = compare(job(bench, step))
    except DbtasksError as error:
        raise _unproven(bench, "its models could not be compared:", [str(error)], "mend env.py") from None
    if found is None:
        return _NO_MODELS
    if found:
        more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        mend = "write a revision that closes the gap: alembic revision --autogenerate"
        raise _unproven(bench, "the models ask for what the database does not have:", [*found[:_MOST], *more], mend)
    return "models match"


def _check(bench: Workbench, check: tuple[str, ...]) -> str:
    """Run the application's check: it gets no answers that are meant for us, and standard output stays for data."""
    site, words = bench.site, shlex.join(check)
    environ = for_command(bench.clearance, site.project, site.target, read_only=True)
    try:
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
            done = subprocess.run(
                list(check), env=environ, cwd=site.project.settings.root, stdin=nothing, stdout=2, check=False
            )
    except OSError as error:
        raise _unproven(bench, f"its check could not be started: {words}", [str(error.strerror)], "mend it") from None
    if done.returncode:
        raise _unproven(bench, f"its check ended with {done.returncode}: {words}", [], "mend what the check says")
    return f"{words} passed"


def _unproven(bench: Workbench, saw: str, lines: list[str], mend: str) -> TierNotProvenError:
    applied = bench.result.facts.get("applied")
    return TierNotProvenError(
        database=bench.plan.database,
        saw=saw,
        lines=lines,
        applied=[str(each) for each in applied] if isinstance(applied, list) else [],
        instead=f"{mend}, then the same command again",
    )
