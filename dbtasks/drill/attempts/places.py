"""The wrong database under the right name: swapped addresses, copies, what nobody has stamped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbtasks.drill.attempt import Attempt, Layer, Ran, prod, stg
from dbtasks.drill.attempts.consent import reset_stg
from dbtasks.drill.building import MIGRATOR
from dbtasks.drill.ground import Ground
from dbtasks.drill.signing import last_line

_STG_RESET = "reset --tier=stg --yes"


@contextmanager
def _beside(ground: Ground, name: str, template: str) -> Iterator[dict[str, str | None]]:
    """Make a database out of another one, and lead STG's address there."""
    ground.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {MIGRATOR}')
    yield {"stg_database_url": ground.urls["stg_database_url"].replace("/drill_stg", f"/{name}")}


def _copied(ground: Ground) -> Ran:
    with _beside(ground, "drill_stg_copy", "drill_stg") as environ:
        before = ground.state("drill_stg_copy")
        ran = ground.invoke(_STG_RESET, environ)
        return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_stg_copy") != before)


def _unstamped(ground: Ground) -> Ran:
    with _beside(ground, "drill_stg_other", "template1") as environ:
        ground.sql("CREATE TABLE somebodys AS SELECT 1 AS row", "drill_stg_other")
        before = ground.state("drill_stg_other")
        ran = ground.invoke(_STG_RESET, environ)
        return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_stg_other") != before)


def _other_project(ground: Ground) -> Ran:
    with ground.edited("config/tiers.yaml", "project: drill\n", "project: other\n"):
        return ground.invoke(_STG_RESET)


def reset_int(ground: Ground) -> str:
    ran = ground.invoke("reset")
    return "" if ran.code == 0 else last_line(ran)


PLACES = (
    Attempt(
        id="environment_detection.swapped_url",
        tried="INT's address leads to PROD: `invoke reset`",
        layer=Layer.STAMP,
        by="E-STAMP",
        forbidden=lambda ground: ground.invoke("reset", {"test_database_url": ground.urls["database_url"]}),
        allowed=reset_int,
    ),
    Attempt(
        id="environment_detection.two_tiers",
        tried="STG and PROD at one database: `invoke reset --tier=stg --yes`",
        layer=Layer.STAMP,
        by="E-STAMP",
        forbidden=lambda ground: ground.invoke(_STG_RESET, {"stg_database_url": ground.urls["database_url"]}),
        allowed=reset_stg,
    ),
    Attempt(
        id="environment_detection.both_flags",
        tried="both flags set: `invoke reset --yes`",
        layer=Layer.ADMISSION,
        by="exit 2",
        forbidden=lambda ground: ground.invoke(
            "reset --yes", {"USE_STG_DATABASE": "true", "USE_PROD_DATABASE": "true"}
        ),
        allowed=reset_stg,
        looks=lambda ground: (prod(ground), stg(ground)),
    ),
    Attempt(
        id="identity_stamps.copied",
        tried="a copy of STG's database in its place",
        layer=Layer.STAMP,
        by="E-COPIED",
        forbidden=_copied,
        allowed=reset_stg,
    ),
    Attempt(
        id="identity_stamps.unstamped",
        tried="somebody's database without a stamp",
        layer=Layer.STAMP,
        by="E-NO-STAMP",
        forbidden=_unstamped,
        allowed=reset_stg,
    ),
    Attempt(
        id="identity_stamps.other_project",
        tried="another project's settings at our STG",
        layer=Layer.STAMP,
        by="E-PROJECT",
        forbidden=_other_project,
        allowed=reset_stg,
        looks=stg,
    ),
)
