"""People with SSH keys, a PROD that says which of them may sign, and a clean folder as a deployment has it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.document import Agreement, Content, Paper
from tests.outside import Finished
from tests.server.road import Project, Server, project

ARMED = {"USE_PROD_DATABASE": "true"}
PEOPLE = ("anna", "ben", "cleo", "dora")
TO_APPROVE = "to approve exactly this plan: "
FILES = ("alembic.ini", "config", "migrations", "seeds", "tasks.py", ".env")


def make_key(folder: Path, name: str) -> Path:
    """Make a key pair and return the private one's file."""
    key = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    return key


def signer(key: Path, name: str = "", options: str = "") -> str:
    """Return the line of the allowed signers for a key."""
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    return f"{name or key.name}@example.com {options}{' ' if options else ''}{public}\n"


@contextmanager
def deployed(server: Server, name: str) -> Iterator[tuple[Project, dict[str, Path]]]:
    """Make a project whose PROD is stamped by its signers and has every revision, and the people's keys."""
    server.role(f"{name}_owner", "CREATEDB")
    server.database(f"{name}_prod", f"{name}_owner")
    with project(name) as made:
        variables = {"test_database_url": "int", "stg_database_url": "stg", "database_url": "prod"}
        made.urls = {each: server.url(f"{name}_{tier}", f"{name}_owner") for each, tier in variables.items()}
        made.with_keys()
        folder = made.root.parent / "keys"
        folder.mkdir(mode=0o700)
        keys = {each: make_key(folder, each) for each in (*PEOPLE, "mallory")}
        made.file("config/allowed_signers", "# who may sign\n" + "".join(signer(keys[each]) for each in PEOPLE))
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        yield made, keys


@contextmanager
def clean_folder(made: Project) -> Iterator[Project]:
    """Check the project out where nothing of it ever ran: no trail, no server, no home."""
    root = made.root.parent / "deployment"
    root.mkdir()
    for each in FILES:
        source = made.root / each
        if source.is_dir():
            shutil.copytree(source, root / each, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, root / each)
    there = Project(root=root, name=made.name, urls={**made.urls, "HOME": str(root), "CI": "true"})
    try:
        yield there
    finally:
        there.stop()
        shutil.rmtree(root)


def ask(made: Project, key: Path | None, words: str = "migrate", out: str = "plan.json") -> Finished:
    """Write a plan, as somebody without a terminal does."""
    signing = f" --key={key}" if key else ""
    return made.invoke(f"plan {words} --tier=prod --out={out}{signing}", **ARMED)


def agree(made: Project, key: Path, file: str = "plan.json", *, typing: bool = True, **environ: str | None) -> Finished:
    """Approve a plan at a terminal, as a person who reads it."""
    command = f"approve {file} --reason=read --key={key}"
    return made.terminal(command, *((typed,) if typing else ()), **environ)


def typed(shown: str) -> str:
    """Return what the question wants to be typed, with the line's end."""
    return shown.rpartition("Type ")[2].removesuffix(f" {TO_APPROVE}") + "\n"


def signed(content: Content, requester: Path | None, *approvers: Path, reason: str = "read") -> Paper:
    """Sign a plan as these people would, without asking them."""
    request = ssh_keygen.sign(content.text, requester, ssh_keygen.ASKS, may_ask=False) if requester else ""
    text = content.agreed(reason)
    words = [ssh_keygen.sign(text, key, ssh_keygen.AGREES, may_ask=False) for key in approvers]
    return Paper(
        content=content, request=request, agreements=tuple(Agreement(reason=reason, signature=each) for each in words)
    )


def anew(content: Content) -> Content:
    """Return the same plan as another paper, which nobody has used."""
    return replace(content, id=secrets.token_hex(16))
