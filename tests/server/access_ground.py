"""What is tried against PROD's consent, and the project that it is tried on: its people, keys and one good plan."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dbtasks.approvals import signature
from dbtasks.approvals.document import Content, Paper
from tests import outside
from tests.outside import REPOSITORY, Finished
from tests.server.approvals_ground import ARMED, agree, anew, signed
from tests.server.road import INVOKE, Answer, Project, Server, nothing_changes, phrase

PROD = "vault_prod"
DEPLOYS = {**ARMED, "CI": "true"}


@dataclass(slots=True, kw_only=True)
class Street:
    """A deployed project on a server where it is no superuser. `content` is a plan of seeding PROD, not yet signed."""

    made: Project
    keys: dict[str, Path]
    server: Server
    content: Content
    done: dict[str, Finished] = field(default_factory=dict)

    def good(self) -> Paper:
        return signed(anew(self.content), self.keys["anna"], self.keys["ben"])

    def apply(self, paper: Paper | str | bytes, **environ: str | None) -> Finished:
        text = paper.as_text() if isinstance(paper, Paper) else paper
        self.file("brought.json").write_bytes(
            text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        )
        return self.made.invoke("apply brought.json", **{**DEPLOYS, **environ})

    def file(self, name: str) -> Path:
        return self.made.root / name

    @contextmanager
    def edited(self, path: str, change: Callable[[str], str]) -> Iterator[None]:
        """Let a file of the project say something else for a while."""
        before = self.file(path).read_text()
        assert change(before) != before
        self.file(path).write_text(change(before))
        try:
            yield
        finally:
            self.file(path).write_text(before)

    @contextmanager
    def refusals(self, *codes: str) -> Iterator[None]:
        """Hold the block to changing neither PROD nor the server's own books, and to these refusals in the trail."""
        count = len(self.made.trail())
        with nothing_changes(self.server, PROD, "dbtasks"):
            yield
        found = [(entry["kind"], entry.get("outcome")) for entry in self.made.trail()[count:]]
        assert found == [("refusal", code) for code in codes], found

    def once(self, way: Way) -> Finished:
        """Return what comes of a way that is right, which is gone once for all who differ from it in one factor."""
        name = way.__name__
        if name not in self.done:
            self.done[name] = way(self)
        return self.done[name]


Way = Callable[[Street], Finished]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trick:
    """One way that leads nowhere: the line of the bad input that it belongs to, how it ends, and what the right way is.

    `code` is the refusal's in the trail; empty where the command line or the settings are refused, before the guard.
    """

    id: str
    line: str
    way: Way
    twin: Way
    code: str = ""
    exit: int = 3
    fast: bool = False


# The right ways


def approved(street: Street) -> Finished:
    """Apply what one has asked for and another has approved."""
    return street.apply(street.good())


def confirmed(street: Street) -> Finished:
    """Seed PROD as the person who reads what is asked."""
    return street.made.prod("seed --tier=prod")


def read_only(street: Street) -> Finished:
    """Give a command the way in, to read, as that person."""
    done = street.made.prod("run --tier=prod --read-only -- touch ran")
    street.file("ran").unlink()
    return done


def agreed(street: Street) -> Finished:
    """Approve at a terminal what somebody else has asked for."""
    asked_for(street)
    return agree(street.made, street.keys["ben"], "asked.json")


def on_int(street: Street) -> Finished:
    return street.made.invoke("seed --tier=int")


# Ways that differ


def asked_for(street: Street) -> None:
    street.file("asked.json").write_text(signed(anew(street.content), street.keys["anna"]).as_text())


def ran(words: str, **environ: str | None) -> Way:
    """Run a command where nobody sits."""
    return lambda street: street.made.invoke(words, **{**ARMED, **environ})


def typed(words: str, *answers: Answer, **environ: str | None) -> Way:
    """Run a command at a terminal."""
    return lambda street: street.made.terminal(words, *answers, **{**ARMED, **environ})


def line(text: str, *, tty: bool = False) -> Way:
    """Run a line of shell in which `INVOKE` is the command, with or without a terminal."""

    def way(street: Street) -> Finished:
        told = text.replace("INVOKE", " ".join(INVOKE))
        if not tty:
            return street.made.shell(told, **ARMED)
        with street.made.screen(["/bin/sh", "-c", told], **ARMED) as screen:
            return screen.end()

    return way


def where(way: Way, **texts: str) -> Way:
    """Go a way while files of the project say something else: `tiers="old -> new"`, `env`, `invoke`."""

    def edited(street: Street) -> Finished:
        with ExitStack() as stack:
            for name, text in texts.items():
                stack.enter_context(_changed(street, name, text))
            return way(street)

    return edited


@contextmanager
def _changed(street: Street, name: str, text: str) -> Iterator[None]:
    if name == "tiers":
        old, _, new = text.partition(" -> ")
        with street.edited("config/tiers.yaml", lambda before: before.replace(old, new)):
            yield
        return
    path = street.file({"env": ".env", "invoke": "invoke.yaml"}[name])
    path.write_text(text)
    path.chmod(0o600)
    try:
        yield
    finally:
        path.unlink()


def brought(tamper: Callable[[Street], Paper | str | bytes], **environ: str | None) -> Way:
    return lambda street: street.apply(tamper(street), **environ)


def at(file: Callable[[Street], str]) -> Way:
    """Apply what lies somewhere else than in a plain file."""
    return lambda street: street.made.invoke(f"apply {file(street)}", **DEPLOYS)


def answered(change: Callable[[str], str]) -> Way:
    """Approve with a phrase that only looks like the one that is asked for."""

    def way(street: Street) -> Finished:
        asked_for(street)
        words = f"approve asked.json --reason=read --key={street.keys['ben']}"
        return street.made.terminal(words, lambda shown: change(_approval(shown)) + "\n")

    return way


def confirmed_by(change: Callable[[str], str]) -> Way:
    """Confirm PROD with such a phrase."""
    return typed("seed --tier=prod", "yes\n", lambda shown: change(phrase(shown).rstrip("\n")) + "\n")


def _approval(shown: str) -> str:
    return shown.rpartition("Type ")[2].removesuffix(" to approve exactly this plan: ")


def forged(street: Street) -> Paper:
    """Put Ben's public key into what Mallory has signed."""
    paper = signed(anew(street.content), street.keys["anna"], street.keys["mallory"])
    mine, bens = (_blob(street.keys[each]) for each in ("mallory", "ben"))
    told = paper.agreements[0]
    lines = told.signature.strip().splitlines()
    data = base64.b64encode(base64.b64decode("".join(lines[1:-1])).replace(mine, bens)).decode()
    armored = "\n".join(
        (signature.BEGIN, *(data[start : start + 70] for start in range(0, len(data), 70)), signature.END)
    )
    return Paper(
        content=paper.content, request=paper.request, agreements=(type(told)(reason=told.reason, signature=armored),)
    )


def _blob(key: Path) -> bytes:
    return base64.b64decode(key.with_suffix(".pub").read_text().split()[1])


def with_programs(way: Way, *, only: bool = False, **programs: str) -> Way:
    """Go a way with these programs before all others on the PATH, or with nothing else than these and Python."""

    def changed(street: Street) -> Finished:
        folder = street.file("programs")
        folder.mkdir(exist_ok=True)
        for each in folder.iterdir():
            each.unlink()
        for name, text in programs.items():
            path = folder / name.replace("_", "-")
            path.write_text(text)
            path.chmod(0o755)
        usual = "" if only else outside.environment()["PATH"]
        before = street.made.urls
        street.made.urls = {**before, "PATH": f"{folder}:{usual}" if usual else str(folder)}
        try:
            return way(street)
        finally:
            street.made.urls = before

    return changed


def under(way: Way, **environ: str) -> Way:
    """Go a way in an environment that has more."""

    def changed(street: Street) -> Finished:
        before = street.made.urls
        street.made.urls = {**before, **{name: text.format(repository=REPOSITORY) for name, text in environ.items()}}
        try:
            return way(street)
        finally:
            street.made.urls = before

    return changed
