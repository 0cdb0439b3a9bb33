"""The table: every way to PROD that this project knows of and that does not have two factors that consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.server.access_ground import (
    Street,
    Trick,
    Way,
    agreed,
    answered,
    confirmed,
    confirmed_by,
    line,
    on_int,
    ran,
    read_only,
    typed,
    where,
)
from tests.server.access_papers import PAPERS

ENDLESS = "(while echo yes; do sleep 0.01; done 2>&-)"
SLOW = "(sleep 1.5; echo yes; sleep 1; echo yes; sleep 1; echo yes)"
LOOK = "INVOKE run --tier=prod --read-only -- touch ran"


def _to(variable: str, words: str) -> Way:
    """Run a command of a lesser tier whose URL leads to PROD."""

    def way(street: Street) -> Any:
        return street.made.invoke(words, **{variable: street.made.urls["database_url"]})

    return way


def _url(more: str) -> Way:
    def way(street: Street) -> Any:
        return street.made.terminal(
            "seed --tier=prod", USE_PROD_DATABASE="true", database_url=street.made.urls["database_url"] + more
        )

    return way


LOOKALIKES: dict[str, Callable[[str], str]] = {
    "no-break space": lambda text: text.replace(" ", "\u00a0"),
    "zero width": lambda text: text.replace(" ", "\u200b "),
    "soft hyphen": lambda text: text.replace("_", "_\u00ad"),
    "full width": lambda text: "".join(chr(ord(each) + 0xFEE0) if each.isdigit() else each for each in text) + "\uff10",
    "cyrillic": lambda text: text.replace("o", "\u043e"),
    "turned around": lambda text: f"\u202e{text}",
    "byte order mark": lambda text: f"\ufeff{text}",
    "combined": lambda text: f"{text}\u0301",
    "blank behind it": lambda text: f"{text} ",
    "pasted with brackets": lambda text: f"\x1b[200~{text}\x1b[201~",
}


def _blind() -> Iterator[Trick]:
    """Yield what answers without reading."""
    blind = {
        "yes to what only reads": (f"{ENDLESS} | script -qec '{LOOK}' /dev/null", True),
        "yes after a while": (f"{SLOW} | script -qec '{LOOK}' /dev/null", False),
        "yes through two terminals": (
            f"{ENDLESS} | script -qec \"script -qec '{LOOK}' /dev/null\" /dev/null", True,
        ),
    }  # fmt: skip
    for id_, (text, fast) in blind.items():
        yield Trick(
            id=id_, line="a blind pty", way=line(text), twin=read_only, code="E-NOT-CONFIRMED", exit=4, fast=fast
        )


def _lookalikes() -> Iterator[Trick]:
    for name, change in LOOKALIKES.items():
        for id_, way, twin, fast in (
            (f"{name}, confirming", confirmed_by(change), confirmed, name == "no-break space"),
            (f"{name}, approving", answered(change), agreed, name == "zero width"),
        ):
            yield Trick(
                id=id_, line="look-alike characters", way=way, twin=twin, code="E-NOT-CONFIRMED", exit=4, fast=fast
            )


def _nobody() -> Iterator[Trick]:
    """Yield commands behind which nobody sits."""
    nobody = {
        "nohup": line("nohup INVOKE seed --tier=prod > out 2>&1", tty=True),
        "a session of its own": line("setsid --wait INVOKE seed --tier=prod < /dev/null > out 2>&1", tty=True),
        "as cron does": line(
            'env -i PATH="$PATH" HOME="$HOME" PYTHONPATH="$PYTHONPATH" database_url="$database_url"'
            " USE_PROD_DATABASE=true INVOKE seed --tier=prod < /dev/null"
        ),
        "in the background": line("INVOKE seed --tier=prod < /dev/null > out 2>&1 & wait $!", tty=True),
        "--yes": ran("reset --tier=prod --yes"),
        "variables of Invoke": ran(
            "seed --tier=prod", INVOKE_YES="1", INVOKE_RUN_PTY="1", INVOKE_RUN_ECHO_STDIN="1", INVOKE_TASKS_DEDUPE="0"
        ),
        "a file of Invoke": where(
            ran("seed --tier=prod"), invoke="run: {pty: true}\ntasks: {executor_class: invoke.executor.Executor}\n"
        ),
        "variables of nobody's": ran(
            "seed --tier=prod", FORCE="1", YES="1", DBTASKS_YES="1", DBTASKS_CONSENT="yes",
        ),
        "a test's variable at a terminal of CI": typed("seed --tier=prod", CI="1", TERM_PROGRAM="vscode"),
    }  # fmt: skip
    for id_, way in nobody.items():
        yield Trick(
            id=id_, line="no two factors", way=way, twin=confirmed, code="E-NO-PERSON",
            fast=id_ in ("nohup", "a file of Invoke"),
        )  # fmt: skip


def _unarmed() -> Iterator[Trick]:
    """Yield what is no flag."""
    unarmed: dict[str, Way] = {
        "in another case": typed("seed --tier=prod", USE_PROD_DATABASE=None, Use_Prod_Database="true"),
        "in small letters": typed("seed --tier=prod", USE_PROD_DATABASE=None, use_prod_database="true"),
        "in .env": where(typed("seed --tier=prod", USE_PROD_DATABASE=None), env="USE_PROD_DATABASE=true\n"),
        "in a file of Invoke": where(
            typed("seed --tier=prod", USE_PROD_DATABASE=None),
            invoke="USE_PROD_DATABASE: true\nrun: {env: {USE_PROD_DATABASE: 'true'}}\n",
        ),
        "as a variable of Invoke": typed(
            "seed --tier=prod", USE_PROD_DATABASE=None, INVOKE_RUN_ENV_USE_PROD_DATABASE="true"
        ),
    }
    for id_, way in unarmed.items():
        yield Trick(
            id=f"the flag {id_}", line="no two factors", way=way, twin=confirmed, code="E-NOT-ARMED",
            fast=id_ == "in another case",
        )  # fmt: skip


def _unknown() -> Iterator[Trick]:
    """Yield what is refused as it is written, before anybody is asked anything."""
    unknown: dict[str, Way] = {
        "a flag that is 1": typed("seed --tier=prod", USE_PROD_DATABASE="1"),
        "a flag with a blank": typed("seed --tier=prod", USE_PROD_DATABASE="true "),
        "a tier in Cyrillic": typed("seed --tier=\u0440rod"),
        "a tier in full width": typed("seed --tier=\uff50\uff52\uff4f\uff44"),
        "a tier with a mark": typed("seed --tier=prod\u200b"),
        "another host behind the URL": _url("?hostaddr=127.0.0.1"),
        "another database behind the URL": _url("?dbname=vault_prod"),
        "a service": _url("?service=prod"),
        "invoke --dry": lambda street: street.made.invoke("--dry apply brought.json", USE_PROD_DATABASE="true"),
    }
    for id_, way in unknown.items():
        yield Trick(id=id_, line="no two factors", way=way, twin=confirmed, exit=2, fast=id_ == "a tier in Cyrillic")


def _targets() -> Iterator[Trick]:
    """Yield commands of another tier, or of another project, that would reach PROD."""
    yield Trick(
        id="INT's URL leads to PROD", line="another database of the same name", code="E-STAMP",
        way=_to("test_database_url", "reset --tier=int --yes"), twin=on_int, fast=True,
    )  # fmt: skip
    yield Trick(
        id="STG's URL leads to PROD", line="a plan for another tier", code="E-STAMP",
        way=_to("stg_database_url", "seed --tier=stg"), twin=on_int,
    )  # fmt: skip
    lowered = "    may_lose: nothing\n    consent: person -> "
    weaker = f"{lowered}    may_lose: everything\n    consent: none"
    yield Trick(
        id="settings that ask nobody", line="a floor lowered in YAML", code="E-NO-PERSON", twin=confirmed,
        way=where(ran("reset --tier=prod --yes"), tiers=weaker), fast=True,
    )  # fmt: skip
    yield Trick(
        id="settings of another project", line="a floor lowered in YAML", code="E-PROJECT", twin=confirmed,
        way=where(typed("seed --tier=prod"), tiers="project: vault -> project: other"),
    )  # fmt: skip


TRICKS: tuple[Trick, ...] = (
    *PAPERS, *_blind(), *_lookalikes(), *_nobody(), *_unarmed(), *_unknown(), *_targets(),
)  # fmt: skip
