"""`server start|stop|status`: the embedded servers by hand."""

from __future__ import annotations

from dbtasks import embedded
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.project import Project
from dbtasks.tiers import Embedded


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


def status(project: Project, console: Console) -> None:
    """Show both."""
    for kind in embedded.Kind:
        server = embedded.look(project.settings.root, kind)
        console.text(f"{kind.value:<10}  never started" if server is None else _line(server))


def _line(server: embedded.Server) -> str:
    state = f"running on {server.host}:{server.port} (pid {server.pid})" if server.running else "stopped"
    return f"{server.kind.value:<10}  {state}  PostgreSQL {server.version}  {server.data}"
