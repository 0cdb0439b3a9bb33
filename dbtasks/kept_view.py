"""What is kept of a tier and could be brought back: `invoke undo --list`."""

from __future__ import annotations

from dbtasks.card_steps import kept_line
from dbtasks.console import Console
from dbtasks.guard import admit
from dbtasks.kept import inside, kept
from dbtasks.materials import Kept
from dbtasks.operations import status
from dbtasks.project import Project
from dbtasks.selection import choose
from dbtasks.targets import resolve
from dbtasks.verdicts import Refuse, Request


def show(project: Project, tier: str, *, as_json: bool) -> None:
    """Print the kept databases of a tier, the newest first. Reads the catalogue only."""
    console, choice = Console(), choose(project.settings, tier or None, project.environ)
    request = Request(
        operation=status.OPERATION,
        tier=choice.tier,
        surroundings=project.surroundings,
        is_default=choice.tier.name == project.settings.default.name,
        flag_on=choice.tier.flag in choice.flags_on,
    )
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        raise verdict.error()
    target = resolve(project.settings, project.variables, choice.tier, lambda _line: None, start=False)
    there = (
        (*kept(target.conninfo, project.settings.project, choice.tier.name), *inside(target.conninfo)) if target else ()
    )
    if as_json:
        console.data([_data(each, ended=ended) for each, ended in there])
        return
    badge = console.badge(choice.tier, on_stdout=True)
    console.text(f"{badge} {target.masked if target else 'not built yet'} · kept databases")
    for each, ended in there:
        console.text(f"  {kept_line(each)}{', which is over: invoke prune' if ended else ''}")
    if not there:
        console.text("  none")


def _data(each: Kept, *, ended: bool) -> dict[str, object]:
    return {
        "name": each.name,
        "oid": each.oid or None,
        "mark": each.mark,
        "entry": each.entry,
        "made_by": each.made_by,
        "replaced_at": each.since.isoformat(),
        "keep_until": each.until.isoformat() if each.until else None,
        "ended": ended,
        "size_bytes": each.size_bytes,
    }
