"""Which tier a command means."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from dbtasks.errors import UsageError
from dbtasks.selection import choose
from dbtasks.settings import Settings, load

STG, PROD, OLD = "USE_STG_DATABASE", "USE_PROD_DATABASE", "USE_TEST_DATABASE"
OLD_NOTICE = "USE_TEST_DATABASE is no longer needed: int is the default. Unset it."


@pytest.fixture(scope="module")
def sample() -> Settings:
    return load(Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("wanted", "environ", "tier", "source", "on"),
    [
        pytest.param(None, {}, "int", "default", set(), id="nothing said"),
        pytest.param("stg", {}, "stg", "--tier", set(), id="--tier"),
        pytest.param("Staging", {}, "stg", "--tier", set(), id="--tier with an alias"),
        pytest.param(None, {STG: "true"}, "stg", "flag", {STG}, id="flag"),
        pytest.param(None, {PROD: "true"}, "prod", "flag", {PROD}, id="flag of prod"),
        pytest.param("stg", {STG: "TRUE"}, "stg", "--tier", {STG}, id="both agree"),
        pytest.param("live", {PROD: "True"}, "prod", "--tier", {PROD}, id="both agree on prod"),
        pytest.param("prod", {}, "prod", "--tier", set(), id="prod without its flag is the guard's to refuse"),
        pytest.param("prod", {PROD: "false"}, "prod", "--tier", set(), id="prod with its flag off"),
        pytest.param(None, {STG: "false", PROD: ""}, "int", "default", set(), id="false and empty are off"),
        pytest.param(None, {STG: "FALSE", PROD: "tRuE"}, "prod", "flag", {PROD}, id="any case"),
        pytest.param(None, {"use_prod_database": "true"}, "int", "default", set(), id="a flag has one spelling"),
        pytest.param(None, {"OTHER": "yes"}, "int", "default", set(), id="other variables"),
    ],
)
def test_the_tier_that_is_meant(  # a table with five columns
    wanted: str | None,
    environ: dict[str, str],
    tier: str,
    source: Literal["--tier", "flag", "default"],
    on: set[str],
    sample: Settings,
) -> None:
    found = choose(sample, wanted, environ)
    assert (found.tier, found.source, found.flags_on) == (sample.tier(tier), source, frozenset(on))
    assert found.notices == ()


@pytest.mark.parametrize(
    ("wanted", "source"), [pytest.param(None, "flag", id="alone"), pytest.param("test", "--tier", id="with --tier")]
)
def test_the_old_flag_means_the_default_and_gets_a_notice(
    wanted: str | None, source: Literal["--tier", "flag"], sample: Settings
) -> None:
    found = choose(sample, wanted, {OLD: "true"})
    assert (found.tier.name, found.source, found.flags_on, found.notices) == ("int", source, frozenset(), (OLD_NOTICE,))


def test_the_old_flag_that_is_off_is_not_mentioned(sample: Settings) -> None:
    assert choose(sample, None, {OLD: "false"}).notices == ()


CONTRADICTION = "--tier={} and {}, which is on and means {}, contradict each other. Unset {} to work on {}."


@pytest.mark.parametrize(
    ("wanted", "environ", "expected"),
    [
        pytest.param(
            None,
            {STG: "true", PROD: "true"},
            f"{STG} and {PROD} are both on. One command means one tier: unset all but one.",
            id="two flags",
        ),
        pytest.param(
            "stg",
            {STG: "true", PROD: "true"},
            f"{STG} and {PROD} are both on. One command means one tier: unset all but one.",
            id="two flags, --tier does not settle it",
        ),
        pytest.param(
            None,
            {STG: "true", OLD: "true"},
            f"{STG} and {OLD} are both on. One command means one tier: unset all but one.",
            id="a flag and the old one",
        ),
        pytest.param(
            "int", {PROD: "true"}, CONTRADICTION.format("int", PROD, "prod", PROD, "int"), id="flag against --tier"
        ),
        pytest.param(
            "production",
            {STG: "true"},
            CONTRADICTION.format("prod", STG, "stg", STG, "prod"),
            id="flag against an alias",
        ),
        pytest.param(
            "stg", {OLD: "true"}, CONTRADICTION.format("stg", OLD, "int", OLD, "stg"), id="old flag against --tier"
        ),
        pytest.param(None, {STG: "yes"}, f"{STG}: expected true or false, found 'yes'.", id="yes"),
        pytest.param(None, {STG: "1"}, f"{STG}: expected true or false, found '1'.", id="1"),
        pytest.param(None, {PROD: " true"}, f"{PROD}: expected true or false, found ' true'.", id="blank before"),
        pytest.param(None, {OLD: "on"}, f"{OLD}: expected true or false, found 'on'.", id="old flag"),
        pytest.param("int", {PROD: "no"}, f"{PROD}: expected true or false, found 'no'.", id="beside --tier"),
        pytest.param(
            None,
            {STG: "ja", PROD: "x" * 50},
            f"{STG}: expected true or false, found 'ja'.\n{PROD}: expected true or false, found '{'x' * 37}...'.",
            id="two at once, a long one cut",
        ),
        pytest.param(
            None,
            {STG: "postgresql://anna:s3cr3t-p@ss@db/x"},
            f"{STG}: expected true or false, found something that is not shown here, since it may be a secret.",
            id="URL",
        ),
        pytest.param(
            "prd", {}, "unknown tier: 'prd'. Did you mean prod? The tiers are: int, stg, prod.", id="unknown tier"
        ),
        pytest.param("", {}, "unknown tier: ''. The tiers are: int, stg, prod.", id="empty tier"),
    ],
)
def test_what_contradicts_itself_is_refused(
    wanted: str | None, environ: dict[str, str], expected: str, sample: Settings
) -> None:
    with pytest.raises(UsageError) as caught:
        choose(sample, wanted, environ)
    assert str(caught.value) == expected
