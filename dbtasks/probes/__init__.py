"""The probes of the safety score. One file each: what it is `ABOUT`, and `look`, which tries the real thing now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from dbtasks.probes import (
    agents_refused,
    anchored_trail,
    audit_logging,
    automated_backups,
    configuration_validation,
    dry_run_mode,
    encryption_at_rest,
    encryption_in_transit,
    environment_detection,
    hardened_server,
    identity_stamps,
    interactive_check,
    least_privilege,
    masked_urls,
    point_in_time_recovery,
    prod_url_not_in_env,
    production_confirmation,
    promotion_proof,
    rate_limiting,
    restorable_backup,
    role_based_access,
    schema_validation,
    standby_lag,
    test_isolation,
    three_tier_architecture,
    visual_indicators,
)
from dbtasks.probes.ground import FAULTS, Ground, UnseenError, first_line
from dbtasks.project import Project
from dbtasks.safety import About, Answer, Finding, Score, unknown
from dbtasks.tiers import Tier


class Probe(Protocol):
    """What every file here offers, but for `ground` and what several share."""

    ABOUT: About

    def look(self, ground: Ground) -> Iterator[Finding]:
        """Yield what is found, at least one finding. DbtasksError, psycopg.Error and OSError mean: unknown."""


# The sixteen that users know, in their order; then the further ones.
PROBES: tuple[Probe, ...] = (
    three_tier_architecture,
    production_confirmation,
    test_isolation,
    environment_detection,
    audit_logging,
    visual_indicators,
    configuration_validation,
    masked_urls,
    interactive_check,
    automated_backups,
    schema_validation,
    dry_run_mode,
    rate_limiting,
    role_based_access,
    encryption_at_rest,
    point_in_time_recovery,
    identity_stamps,
    promotion_proof,
    restorable_backup,
    anchored_trail,
    agents_refused,
    hardened_server,
    encryption_in_transit,
    prod_url_not_in_env,
    least_privilege,
    standby_lag,
)


def measure(project: Project, tiers: tuple[Tier, ...], probes: Iterable[Probe] = PROBES) -> Score:
    """Ask every probe, and return what they found. What reads a tier reads its catalogue, in a read-only session."""
    ground = Ground(project, tiers)
    try:
        answers = tuple(_answer(probe, ground) for probe in probes)
    finally:
        ground.close()
    names = tuple(tier.name for tier in tiers)
    return Score(answers=answers, tiers=names, looked_at=ground.looked_at(), at=ground.now)


def _answer(probe: Probe, ground: Ground) -> Answer:
    at, begun = datetime.now(UTC), time.monotonic()
    try:
        findings = tuple(probe.look(ground))
    except UnseenError as unseen:
        findings = (unknown(unseen.why, unseen.mend),)
    except FAULTS as error:
        findings = (unknown(first_line(error), probe.ABOUT.page),)
    return Answer(about=probe.ABOUT, findings=findings, at=at, seconds=time.monotonic() - begun)
