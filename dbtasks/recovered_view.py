"""The recovered servers that run, and the entries that can be recovered to: `invoke recover --list`, `--end`."""

from __future__ import annotations

from dbtasks.console import Console
from dbtasks.embedded.account import choose_account
from dbtasks.errors import UsageError
from dbtasks.points import marked_entries
from dbtasks.project import Project
from dbtasks.recovery import rooms

_MOST = 10


def show(project: Project, console: Console, only: str, end: str, *, as_json: bool) -> None:
    """Print what runs and what could be recovered to; with `end` stop and remove one of them first, or `all`."""
    root, account = project.settings.root, choose_account()
    rooms.sweep(root, account)
    if end:
        _end(rooms.found(root, account), end, console)
    running = rooms.found(root, account)
    tiers = (project.settings.tier(only),) if only else project.settings.tiers
    marked = {tier.name: marked_entries(project, tier)[:_MOST] for tier in tiers}
    if as_json:
        entries = {
            name: [{"entry": entry, **mark.as_data()} for entry, mark in found] for name, found in marked.items()
        }
        console.data({"running": [each.as_data() for each in running], "entries": entries})
        return
    for each in running:
        console.text(f"{each.id} · {each.goal} · psql -h {each.socket} -p {each.port} -U {each.superuser}")
    if not running:
        console.text("No recovered server runs.")
    for tier in tiers:
        for entry, mark in marked[tier.name]:
            when = f"{mark.at.astimezone():%d %b %H:%M:%S}"
            console.text(f"[{tier.label}] {when} · invoke recover --tier={tier.name} --before={entry}")


def _end(running: tuple[rooms.Recovered, ...], wanted: str, console: Console) -> None:
    chosen = [each for each in running if wanted in (each.id, "all")]
    if not chosen and wanted != "all":
        known = ", ".join(each.id for each in running) or "none"
        raise UsageError(f"no recovered server {wanted} runs. Those that do: {known}.")
    for each in chosen:
        rooms.drop(each)
        console.say(f"removed the recovered server {each.id}")
