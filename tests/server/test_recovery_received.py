"""A server whose log is received instead of archived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from dbtasks.errors import RecoveryFailedError
from dbtasks.recovery import upkeep
from dbtasks.recovery.engines.receivewal import Receiver
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.proving import prove
from tests.server.recovery_ground import Ground, live_dump, proven, received, recovered_dump, seen, setting, write

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside]


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with received() as made:
        made.run("CREATE TABLE notes (text text)")
        yield made


def receiver(ground: Ground) -> Receiver:
    assert isinstance(ground.engine, Receiver)
    return ground.engine


@pytest.fixture
def receiving(ground: Ground) -> Ground:
    setting(ground, "max_slot_wal_keep_size", "1GB")
    upkeep.make_ready(ground.engine, ground.source, timedelta(days=7))
    return ground


def test_a_slot_that_could_fill_the_servers_disk_is_refused(ground: Ground) -> None:
    receiver(ground).stop()
    setting(ground, "max_slot_wal_keep_size", "-1")
    before = ground.rows("SELECT count(*) FROM pg_replication_slots")
    with pytest.raises(RecoveryFailedError, match="max_slot_wal_keep_size is -1, so that a receiver"):
        receiver(ground).begin(ground.source, lambda _line: None)

    assert ground.rows("SELECT count(*) FROM pg_replication_slots") == before
    assert not receiver(ground).runs()


def test_what_came_before_a_mark_is_recovered_from_what_was_received(receiving: Ground) -> None:
    write(receiving, "before")
    before = live_dump(receiving)
    mark = receiving.mark()
    write(receiving, "after")
    proof = proven(receiving, mark)
    with receiving.recovered(mark) as recovered:
        assert recovered_dump(recovered) == before
    assert (proof.engine, proof.segment) == ("receivewal", mark.segment)


@pytest.mark.thorough
def test_a_segment_that_is_not_whole_yet_is_enough(receiving: Ground) -> None:
    write(receiving, "unfinished")
    mark = receiving.mark()
    write(receiving, "too late")
    unfinished = replace(mark, switched=False)
    proven(receiving, unfinished)
    with receiving.recovered(unfinished) as recovered:
        found = seen(recovered, "SELECT text FROM notes WHERE text IN ('unfinished', 'too late')")
    assert found == ["unfinished"]


@pytest.mark.thorough
def test_without_its_receiver_nothing_is_proven(receiving: Ground) -> None:
    receiver(receiving).stop()
    found = prove(receiving.engine, receiving.connection, receiving.mark())

    assert isinstance(found, Unproven)
    assert found.why == "The receiver of the server's log does not run."
