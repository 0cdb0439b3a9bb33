"""PROD without a person who means it: reset by pipes, flags, markers, and by who types without reading."""

from __future__ import annotations

from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran, stg
from dbtasks.drill.ground import ARMED, Ground
from dbtasks.drill.sample import GUARDED, PROD_FLAG
from dbtasks.drill.terminal import Sitting

_RESET = "INVOKE reset --tier=prod"


def reset_by_approval(ground: Ground) -> str:
    """Reset PROD where two people have agreed; nothing but consent is different."""
    before = ground.state("drill_prod")
    ran = signing.deploy(ground, "reset")
    return "" if ran.code == 0 and ground.state("drill_prod") != before else signing.last_line(ran)


def reset_stg(ground: Ground) -> str:
    """Reset STG by the same command, where everything is as it should be."""
    before = ground.state("drill_stg")
    ran = ground.invoke("reset --tier=stg --yes")
    return "" if ran.code == 0 and ground.state("drill_stg") != before else signing.last_line(ran)


def _approved_reset(ground: Ground, more: dict[str, str | None]) -> Ran:
    paper = signing.signed(ground, signing.content(ground, "reset"))
    return signing.apply(ground, paper, more)


def _flag_in_file(ground: Ground) -> Ran:
    file = ground.write(".env", "USE_PROD_DATABASE=true\n")
    file.chmod(0o600)
    try:
        return ground.at_terminal(_RESET)
    finally:
        file.unlink()


def _look_alike(phrase: str) -> str:
    return phrase.replace("o", "\u043e")  # CYRILLIC SMALL LETTER O


def _loosened(ground: Ground) -> Ran:
    settings = "config/tiers.yaml"
    loose = "    consent: question\n    scripts_may_answer: true\n"
    with ground.edited(settings, GUARDED, loose), ground.edited(settings, PROD_FLAG, ""):
        return ground.at_terminal(f"{_RESET} --yes")


def _run(ground: Ground, tier: str) -> Ran:
    """Start a command that writes, with the tier's URL."""
    ground.write(
        "writes.py",
        "import os, psycopg\n"
        "with psycopg.connect(os.environ['DBTASKS_HANDED_URL']) as connection:\n"
        "    connection.execute(\"INSERT INTO notes VALUES (1000, 'by a command')\")\n",
    )
    return ground.shell(f"INVOKE run --tier={tier} -- python writes.py", ARMED if tier == "prod" else None)


def _run_on_stg(ground: Ground) -> str:
    before = ground.state("drill_stg")
    ran = _run(ground, "stg")
    return "" if ground.state("drill_stg") != before else signing.last_line(ran)


CONSENT = (
    Attempt(
        id="production_confirmation.pipe",
        tried="`yes | invoke reset --tier=prod`",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.shell(f"yes | {_RESET}", ARMED),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.yes_flag",
        tried="`invoke reset --tier=prod --yes`, by a script",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.shell(f"{_RESET} --yes", ARMED),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.stale_flag",
        tried="`invoke reset --yes`, meant for INT, in a shell that still has PROD's flag",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.shell("yes | INVOKE reset --yes", ARMED),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.flag_in_file",
        tried="PROD's flag in `.env` instead of the environment",
        layer=Layer.ADMISSION,
        by="E-NOT-ARMED",
        forbidden=_flag_in_file,
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.unarmed",
        tried="an approved reset, without PROD's flag",
        layer=Layer.ADMISSION,
        by="E-NOT-ARMED",
        forbidden=lambda ground: _approved_reset(ground, {"USE_PROD_DATABASE": None}),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.look_alike",
        tried="the phrase, with a Cyrillic letter in the database's name",
        layer=Layer.CONSENT,
        by="E-NOT-CONFIRMED",
        forbidden=lambda ground: ground.at_terminal(_RESET, ARMED, Sitting(answer=_look_alike)),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.blind",
        tried="`yes`, typed again and again into a terminal",
        layer=Layer.CONSENT,
        by="E-NOT-CONFIRMED",
        forbidden=lambda ground: ground.at_terminal(_RESET, ARMED, Sitting(blindly=True)),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="production_confirmation.loosened",
        tried="`config/tiers.yaml` edited so that PROD asks nobody",
        layer=Layer.FLOOR,
        by="E-FLOOR",
        forbidden=_loosened,
        allowed=reset_by_approval,
    ),
    Attempt(
        id="interactive_check.closed_input",
        tried="`invoke reset --tier=prod < /dev/null`",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.shell(f"{_RESET} < /dev/null", ARMED),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="interactive_check.redirected",
        tried="at a terminal, its questions sent through a pipe",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.at_terminal(f"{_RESET} 2>&1 | cat", ARMED),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="interactive_check.ci",
        tried="at a terminal, in a job of a CI",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: ground.at_terminal(_RESET, {**ARMED, "CI": "true"}),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="interactive_check.run",
        tried="`invoke run --tier=prod -- python writes.py`, by a script",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=lambda ground: _run(ground, "prod"),
        allowed=_run_on_stg,
    ),
    Attempt(
        id="agents_refused.terminal",
        tried="an AI agent at a terminal",
        layer=Layer.ADMISSION,
        by="E-AGENT",
        forbidden=lambda ground: ground.at_terminal(_RESET, {**ARMED, "AI_AGENT": "1"}),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="agents_refused.apply",
        tried="an AI agent runs an approved reset",
        layer=Layer.ADMISSION,
        by="E-AGENT",
        forbidden=lambda ground: _approved_reset(ground, {"AI_AGENT": "1"}),
        allowed=reset_by_approval,
    ),
    Attempt(
        id="agents_refused.yes",
        tried="an AI agent: `invoke reset --tier=stg --yes`",
        layer=Layer.JUDGEMENT,
        by="E-AGENT",
        forbidden=lambda ground: ground.invoke("reset --tier=stg --yes", {"AI_AGENT": "1"}),
        allowed=reset_stg,
        looks=stg,
    ),
    Attempt(
        id="interactive_check.unanswered",
        tried="`invoke reset --tier=stg < /dev/null`",
        layer=Layer.JUDGEMENT,
        by="E-NO-ANSWER",
        forbidden=lambda ground: ground.invoke("reset --tier=stg"),
        allowed=reset_stg,
        looks=stg,
    ),
)
