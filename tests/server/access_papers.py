"""The table's rows about plans that are brought: broken, forged, and those to which too few have agreed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dbtasks.approvals.document import LONGEST, Paper
from tests.server.access_ground import (
    Street,
    Trick,
    Way,
    agreed,
    approved,
    asked_for,
    at,
    brought,
    forged,
    under,
    with_programs,
)
from tests.server.approvals_ground import anew, signed

ALWAYS_YES = "#!/bin/sh\nexit 0\n"


def _text(change: Callable[[dict[str, Any]], None]) -> Way:
    """Apply a good plan that was edited as JSON."""

    def tamper(street: Street) -> str:
        data = json.loads(street.good().as_text())
        change(data)
        return json.dumps(data)

    return brought(tamper)


def _raw(change: Callable[[str], str | bytes]) -> Way:
    return brought(lambda street: change(street.good().as_text()))


def _long_lived(street: Street) -> Paper:
    """Both agree, two days ago, that it is good for ten years: more than the tier lets any plan be."""
    at_ = street.content.requested_at
    content = replace(anew(street.content), requested_at=at_ - timedelta(days=2), expires_at=at_ + timedelta(days=3650))
    return signed(content, street.keys["anna"], street.keys["ben"])


def _of_no_zone_that_there_is(street: Street) -> str:
    data = json.loads(street.good().as_text())
    data["plan"]["expires_at"] = "9999-12-31T23:59:59-14:00"
    return json.dumps(data)


def _half_of_a_character(street: Street) -> Any:
    """Approve, and then not, what cannot be written as it is."""
    content = replace(anew(street.content), place="\ud800", asked_by="\udfff")
    street.file("asked.json").write_text(signed(content, street.keys["anna"]).as_text())
    return street.made.terminal(f"approve asked.json --reason=read --key={street.keys['ben']}", "no\n")


def _pipe(street: Street) -> str:
    path = street.file("pipe.json")
    if not path.exists():
        os.mkfifo(path)
    return path.name


def _replaced(street: Street) -> str:
    """Somebody else may write the file, and puts a plan there to which nobody has agreed."""
    path = street.file("shared.json")
    path.write_text(street.good().as_text())
    path.chmod(0o666)
    other = json.loads(signed(anew(street.content), street.keys["anna"]).as_text())
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "plan": other["plan"], "request": other["request"]}))
    return path.name


def _others_half(street: Street) -> Any:
    """Approve with Mallory's private key beside which Ben's public one lies."""
    asked_for(street)
    half = street.file("half")
    half.write_bytes(street.keys["mallory"].read_bytes())
    half.chmod(0o600)
    half.with_suffix(".pub").write_bytes(street.keys["ben"].with_suffix(".pub").read_bytes())
    return street.made.terminal("approve asked.json --reason=read --key=half", _phrase)


def _phrase(shown: str) -> str:
    return shown.rpartition("Type ")[2].removesuffix(" to approve exactly this plan: ") + "\n"


def _broken() -> Iterator[Trick]:
    """Yield what is no plan."""
    for id_, text, fast in (
        (
            "a part that is there twice",
            _raw(lambda told: told.replace('"request":', '"request": "",\n"request":')),
            True,
        ),
        ("a number that is none", _text(lambda data: data["plan"].update(server=float("nan"))), False),
        ("a number that is too large", _raw(lambda told: told.replace('"oid": ', '"oid": 9' + "9" * 5000)), False),
        ("brackets without end", _raw(lambda _: "[" * 200_000), False),
        ("a folder in its place", at(lambda _: "config"), False),
        ("a time that no clock shows", brought(_of_no_zone_that_there_is), True),
        ("a file without end", at(lambda _: "/dev/zero"), True),
        ("a pipe into which nobody writes", at(_pipe), True),
        ("a huge file", _raw(lambda told: told + " " * LONGEST), False),
        ("bytes that are no text", _raw(lambda told: told.encode() + b"\xff"), False),
        ("text in another encoding", _raw(lambda told: told.encode("utf-16")), False),
    ):
        yield Trick(id=id_, line="edited plans", way=text, twin=approved, code="E-PLAN-FILE", fast=fast)
    yield Trick(
        id="half of a character", line="edited plans", way=_half_of_a_character, twin=agreed, code="E-NOT-CONFIRMED",
        exit=4, fast=True,
    )  # fmt: skip


def _forged() -> Iterator[Trick]:
    """Yield signatures that are none, and what would take them for some."""
    yield Trick(
        id="Ben's key in Mallory's signature", line="forged", way=brought(forged), twin=approved, code="E-SIGNATURE",
        fast=True,
    )  # fmt: skip
    yield Trick(
        id="an ssh-keygen that always says yes", line="forged",
        way=with_programs(brought(forged), ssh_keygen=ALWAYS_YES), twin=approved, code="E-SIGNATURE", fast=True,
    )  # fmt: skip
    yield Trick(
        id="no ssh-keygen", line="forged", way=with_programs(approved, only=True), twin=approved, code="E-SIGNATURE",
        fast=True,
    )  # fmt: skip
    yield Trick(
        id="a provider of hardware keys that is somebody's own", line="forged",
        way=under(brought(forged), SSH_SK_PROVIDER="/dev/null", GIT_CONFIG_COUNT="1",
                  GIT_CONFIG_KEY_0="gpg.ssh.allowedSignersFile", GIT_CONFIG_VALUE_0="/dev/null"),
        twin=approved, code="E-SIGNATURE",
    )  # fmt: skip
    yield Trick(
        id="a key file beside which another's public key lies", line="self-signed", way=_others_half, twin=agreed,
        code="E-SIGNATURE", fast=True,
    )  # fmt: skip


def _brought() -> Iterator[Trick]:
    """Yield what is a plan and is not agreed to, or not here, or not any more."""
    yield Trick(
        id="a plan that another account may write and has replaced", line="edited plans", way=at(_replaced),
        twin=approved, code="E-SIGNATURE",
    )  # fmt: skip
    yield Trick(
        id="a plan that says it is good for ten years", line="expired", way=brought(_long_lived), twin=approved,
        code="E-ENDED", fast=True,
    )  # fmt: skip
    yield Trick(
        id="an approved plan without the flag", line="no two factors", way=brought(Street.good, USE_PROD_DATABASE=None),
        twin=approved, code="E-NOT-ARMED",
    )  # fmt: skip
    yield Trick(
        id="an approved plan brought by a test", line="no two factors", way=brought(Street.good, PYTEST_VERSION="9"),
        twin=approved, code="E-TEST-PIN",
    )  # fmt: skip


PAPERS: tuple[Trick, ...] = (*_broken(), *_forged(), *_brought())
