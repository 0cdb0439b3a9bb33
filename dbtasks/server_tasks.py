"""`server start|stop|status`: the embedded servers, and what receives the log of others, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dbtasks import embedded
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.project import Project
from dbtasks.recovery.engines.choosing import receiver_of
from dbtasks.tiers import Embedded, Tier

if TYPE_CHECKING:
    from dbtasks.recovery.engines.receivewal import Receiver


def do(action: str, project: Project, console: Console) -> None:
    """Do what the word says; UsageError where it says something else."""
    actions = {"start": start, "stop": stop, "status": status}
    if action not in actions:
        raise UsageError(f"server: expected {', '.join(actions)}, found {action!r}.")
    actions[action](project, console)


def _kinds(project: Project) -> list[embedded.Kind]:
    wanted = {tier.embedded for tier in project.settings.tiers if project.variables.get(tier.url_variable) is None}
    return [kind for kind in embedded.Kind if Embedded(kind.value) in wanted]


def start(project: Project, console: Console) -> None:
    """Start those that some tier uses."""
    for kind in _kinds(project):
        server = embedded.ensure(project.settings.root, kind, console.say)
        console.text(_line(server))
    if not _kinds(project):
        console.text("Every tier has its own URL: no embedded server is used.")


def stop(project: Project, console: Console) -> None:
    """Stop those that run, whether a tier uses them or not."""
    for kind in embedded.Kind:
        stopped = embedded.stop(project.settings.root, kind)
        console.text(f"{kind.value:<10}  {'stopped' if stopped else 'was not running'}")
    for tier, receiver in _receivers(project):
        console.text(f"receiver    {'stopped' if receiver.stop() else 'was not running'}  {tier.label}")


def status(project: Project, console: Console) -> None:
    """Show them."""
    for kind in embedded.Kind:
        server = embedded.look(project.settings.root, kind)
        console.text(f"{kind.value:<10}  never started" if server is None else _line(server))
    for tier, receiver in _receivers(project):
        state = "running" if receiver.runs() else "not running; the next mark starts it"
        console.text(f"receiver    {state}  {tier.label}  {receiver.folder}")


def _receivers(project: Project) -> Iterator[tuple[Tier, Receiver]]:
    """Yield what receives the log of tiers' own servers: a process that goes on when its command has ended."""
    for tier in project.settings.tiers:
        receiver = receiver_of(project.settings, tier)
        if receiver is not None:
            yield tier, receiver


def _line(server: embedded.Server) -> str:
    state = f"running on {server.host}:{server.port} (pid {server.pid})" if server.running else "stopped"
    return f"{server.kind.value:<10}  {state}  PostgreSQL {server.version}  {server.data}"
