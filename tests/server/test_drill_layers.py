"""The drill on copies of the package that lack a layer each: it reports just what that layer had stopped.

Each is a whole sandbox, so these are a session of their own: `nox -s drill`.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import outside
from tests.outside import REPOSITORY
from tests.server.road import Project, project, until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A layer that is taken away: what is appended to which modules, and what the drill must say of which attempts.

    `only` is what is tried, beside a piped reset of PROD, which something else stops in most of them.
    """

    code: dict[str, str]
    only: str
    found: dict[str, str]


def _without(rules: str, *names: str) -> str:
    return f"{rules} = tuple(rule for rule in {rules} if rule.__name__ not in {names!r})"


def _breaches(*ids: str) -> dict[str, str]:
    return dict.fromkeys(ids, "BREACH")


HELD_DRIVERS = ("psycopg", "psycopg2", "psycopg_pool", "asyncpg", "pg8000", "sqlalchemy", "psqlpy", "child")
LACKING = {
    "what is typed": Lacking(
        code={"guard": "_answered = lambda verdict, replies: True"},
        only="production_confirmation,interactive_check.redirected",
        found=_breaches("production_confirmation.look_alike", "production_confirmation.blind"),
    ),
    "the flag": Lacking(
        code={"admission": _without("ADMIT_RULES", "_a_guarded_tier_needs_its_flag")},
        only="production_confirmation,environment_detection",
        # The stamp demands the flag, too, and a person is asked all the same.
        found={"production_confirmation.unarmed": "late", "production_confirmation.flag_in_file": "late"},
    ),
    "agents": Lacking(
        code={"surroundings": "_agent = lambda process, more: None"},
        only="agents_refused,interactive_check.ci",
        found=_breaches("agents_refused.apply", "agents_refused.yes") | {"agents_refused.terminal": "late"},
    ),
    "a copy's stamp": Lacking(
        code={"judgement": _without("DECIDE_RULES", "_a_copy_is_not_the_original")},
        only="identity_stamps,environment_detection",
        found=_breaches("identity_stamps.copied"),
    ),
    "who may": Lacking(
        code={"admission": _without("ADMIT_RULES", "_only_who_is_allowed_to")},
        only="role_based_access,rate_limiting",
        found=_breaches("role_based_access.not_listed"),
    ),
    "limits": Lacking(
        code={"limits": "Limits.concern = lambda self, operation: False"},
        only="role_based_access,rate_limiting",
        found=_breaches("rate_limiting.frozen"),
    ),
    "proof": Lacking(
        code={
            "migration_rules": _without(
                "MIGRATION_RULES", "_revisions_must_be_proven", "_the_history_must_fit_the_code"
            )
        },
        only="promotion_proof,identity_stamps.copied",
        found=_breaches("promotion_proof.skipped_tier", "promotion_proof.edited_revision"),
    ),
    "signatures": Lacking(
        code={"approvals.ssh_keygen": "holds = lambda signature, text, key: True"},
        only="approvals",
        found=_breaches("approvals.forged", "approvals.other_reason"),
    ),
    "the pin": Lacking(
        code={"pin": "watch = lambda *looked_for: None", "pytest_plugin": "join = lambda manager: None"},
        only="test_isolation",
        found=_breaches(*(f"test_isolation.{name}" for name in HELD_DRIVERS)),
    ),
    "event triggers": Lacking(
        code={"hardening.texts": "EVENTS.clear()"},
        only="hardened_server",
        found=_breaches(*(f"hardened_server.{name}" for name in ("drop_column", "drop_table", "drop_schema"))),
    ),
    "the trail's chain": Lacking(
        code={
            "trail_proof": "_verified = verify\n"
            "verify = lambda *args, **more: replace(_verified(*args, **more), bad_line=None, why=None)"
        },
        only="audit_logging",
        found=_breaches("audit_logging.edited", "audit_logging.cut", "audit_logging.reordered"),
    ),
    "a backup before": Lacking(
        code={"way_back_rules": "WAY_BACK_RULES = ()"},
        only="automated_backups",
        found=_breaches("automated_backups.lost_key"),
    ),
    "the mark's proof": Lacking(
        code={"marking": "_unmarked = lambda bench, why, instead: f'none: {why}'"},
        only="point_in_time_recovery,automated_backups.damaged",
        found=_breaches("point_in_time_recovery.broken_archive"),
    ),
}


@pytest.fixture(scope="module")
def ground() -> Iterator[Project]:
    """A project for which the drill is run; it has no server."""
    with project() as made:
        yield made


def _drilled(ground: Project, package: Path, only: str) -> tuple[int, dict[str, str]]:
    """Run the drill of a copy; return its exit code and everything that was not stopped, by its verdict."""
    command = [sys.executable, "-m", "invoke", "drill", f"--only={only}", "--format=json"]
    done = outside.run(ground.root, *command, env={"PYTHONPATH": str(package)}, patience_s=800)
    assert done.out, done.err
    tried = json.loads(done.out)["tried"]
    return done.code, {each["id"]: each["verdict"] for each in tried if not each["stopped"]}


@pytest.mark.parametrize("lacking", LACKING.values(), ids=LACKING)
def test_a_layer_that_is_missing_is_found(lacking: Lacking, ground: Project, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "dbtasks", tmp_path / "dbtasks", ignore=shutil.ignore_patterns("__pycache__"))
    for module, text in lacking.code.items():
        with (tmp_path / "dbtasks" / f"{module.replace('.', '/')}.py").open("a", encoding="utf-8") as file:
            file.write(f"\n\n{text}\n")

    code, found = _drilled(ground, tmp_path, f"{lacking.only},production_confirmation.pipe")

    assert (code, found) == (1, lacking.found)


def test_with_every_layer_everything_is_stopped_and_nothing_is_left(ground: Project) -> None:
    before = _left()
    command = [sys.executable, "-m", "invoke", "drill", "--format=json"]
    done = outside.run(
        ground.root, *command, env={"database_url": "postgresql://nobody@127.0.0.1:1/app"}, patience_s=800
    )
    data = json.loads(done.out)

    assert (done.code, [each for each in data["tried"] if not each["stopped"]], data["not_tried"]) == (0, [], [])
    assert json.loads((ground.root / ".dbtasks" / "drill.json").read_text()) == data
    assert ground.trail() == []
    assert _left() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_drill_that_is_ended_leaves_nothing_for_long(number: signal.Signals, ground: Project) -> None:
    before = _left()
    command = [sys.executable, "-m", "invoke", "drill", "--only=production_confirmation.pipe"]
    child = subprocess.Popen(command, cwd=ground.root, env=ground.environ(), stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    until(lambda: "a private PostgreSQL" in child.stderr.readline(), seconds=120)  # type: ignore[union-attr]  # above
    made = _left() - before
    child.send_signal(number)
    child.communicate(timeout=120)

    assert made
    if number is signal.SIGKILL:
        assert made & _left()
        done = outside.run(ground.root, sys.executable, "-c", "from dbtasks.drill.sandbox import sweep; sweep()")
        assert done.code == 0, done.text
    assert not made & _left()


def _left() -> set[str]:
    """Return what drills have left behind."""
    places = (Path("/dev/shm"), Path("/tmp"))
    return {path.name for place in places if place.is_dir() for path in place.glob("dbtasks-drill-*")}
