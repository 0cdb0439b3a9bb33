"""Plans on paper in the sandbox, signed with keys that are made for it: what is allowed on PROD is allowed by these."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import replace
from itertools import count
from pathlib import Path

from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.document import Agreement, Content, Paper, read
from dbtasks.drill.attempt import Ran
from dbtasks.drill.ground import ARMED, Ground

ASKS, AGREES, STRANGER = "asks", "agrees", "stranger"
SIGNERS = "config/allowed_signers"
_numbers = count(1)


def make_keys(ground: Ground) -> None:
    """Make the keys, and name two of them as those that may sign."""
    folder = ground.root.parent / "keys"
    folder.mkdir(mode=0o700)
    for name in (ASKS, AGREES, STRANGER):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=ground.environ({}))
    ground.write(SIGNERS, "".join(signer(ground, name) for name in (ASKS, AGREES)))


def key(ground: Ground, name: str) -> Path:
    return ground.root.parent / "keys" / name


def signer(ground: Ground, name: str) -> str:
    """Return the line of the allowed signers for a key."""
    public = key(ground, name).with_suffix(".pub").read_text(encoding="ascii").split()
    return f"{name}@drill.invalid {public[0]} {public[1]}\n"


def plan(ground: Ground, words: str) -> tuple[Ran, str]:
    """Ask for a plan of PROD; return what was said and the name of the file, which is there where it was written."""
    file = f"plan-{next(_numbers)}.json"
    ran = ground.invoke(f"plan {words} --tier=prod --out={file} --key={key(ground, ASKS)}", ARMED)
    return ran, file


def content(ground: Ground, words: str) -> Content:
    """Return what a plan says, for attempts that sign it in other ways. ValueError where there is none."""
    ran, file = plan(ground, words)
    if not (ground.root / file).exists():
        raise ValueError(f"no plan of {words} was written: {last_line(ran)}")
    return read(ground.read(file)).content


def signed(ground: Ground, content: Content, asks: str = ASKS, agrees: tuple[str, ...] = (AGREES,)) -> Paper:
    """Return a paper that was never used, signed by these."""
    content = replace(content, id=secrets.token_hex(16))
    request = ssh_keygen.sign(content.text, key(ground, asks), ssh_keygen.ASKS, may_ask=False)
    return Paper(content=content, request=request, agreements=tuple(_agreement(ground, content, who) for who in agrees))


def _agreement(ground: Ground, content: Content, who: str) -> Agreement:
    text = content.agreed("drill")
    signature = ssh_keygen.sign(text, key(ground, who), ssh_keygen.AGREES, may_ask=False)
    return Agreement(reason="drill", signature=signature)


def deploy(ground: Ground, words: str) -> Ran:
    """Plan an operation on PROD, let another one agree, and run it: as a deployment without a terminal does."""
    ran, file = plan(ground, words)
    if ran.code or not (ground.root / file).exists():
        return ran
    agree(ground, file)
    return ground.invoke(f"apply {file}", ARMED)


def agree(ground: Ground, file: str) -> None:
    """Add the agreement of somebody who may."""
    paper = read(ground.read(file))
    ground.write(file, replace(paper, agreements=(_agreement(ground, paper.content, AGREES),)).as_text())


def apply(ground: Ground, paper: Paper | str, more: dict[str, str | None] | None = None) -> Ran:
    """Run a paper, as the sandbox's deployment does."""
    file = f"plan-{next(_numbers)}.json"
    ground.write(file, paper if isinstance(paper, str) else paper.as_text())
    return ground.invoke(f"apply {file}", {**ARMED, **(more or {})})


def last_line(ran: Ran) -> str:
    return next((line.strip() for line in reversed(ran.text.splitlines()) if line.strip()), f"exit {ran.code}")
