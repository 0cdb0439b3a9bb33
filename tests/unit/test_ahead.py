"""Databases made ahead of the tests that ask for them: never too many, and a failure is heard by who asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dbtasks.testing import Database
from dbtasks.testing.ahead import Ahead


class Maker:
    """Makes databases that are nowhere, and tells how many. `made` is set as each is done."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.dropped: list[str] = []
        self.changed = threading.Condition()

    def make(self) -> Database:
        with self.changed:
            name = f"number_{len(self.names)}"
            self.names.append(name)
            self.changed.notify_all()
        return Database(name=name, masked=name, url=name, _drop=lambda: self.drop(name))

    def drop(self, name: str) -> None:
        with self.changed:
            self.dropped.append(name)
            self.changed.notify_all()

    def wait(self, *, made: int = 0, dropped: int = 0) -> None:
        with self.changed:
            done = self.changed.wait_for(lambda: len(self.names) >= made and len(self.dropped) >= dropped, timeout=20)
        assert done, (self.names, self.dropped)


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def ahead(maker: Maker) -> Iterator[Ahead]:
    ahead = Ahead(maker.make)
    yield ahead
    ahead.close()


def test_nothing_is_made_before_anything_is_expected(ahead: Ahead, maker: Maker) -> None:
    ahead.expect(0)
    ahead.close()
    assert maker.names == []


def test_what_is_expected_is_there_before_it_is_asked_for(ahead: Ahead, maker: Maker) -> None:
    ahead.expect(5)
    maker.wait(made=2)
    assert ahead.take().name in {"number_0", "number_1"}
    maker.wait(made=3)


def test_never_more_than_expected_is_made_and_each_serves_once(ahead: Ahead, maker: Maker) -> None:
    ahead.expect(3)
    taken = [ahead.take().name for _ in range(3)]
    ahead.close()
    assert sorted(taken) == sorted(maker.names) == ["number_0", "number_1", "number_2"]


def test_what_was_not_expected_is_made_when_it_is_asked_for(ahead: Ahead, maker: Maker) -> None:
    assert (ahead.take().name, maker.names) == ("number_0", ["number_0"])


def test_a_database_is_dropped_behind_the_tests_back(ahead: Ahead, maker: Maker) -> None:
    database = ahead.take()
    ahead.drop(database)
    maker.wait(dropped=1)
    assert maker.dropped == [database.name]


def test_who_asks_hears_why_none_can_be_made() -> None:
    def fail() -> Database:
        raise RuntimeError("no room")

    ahead = Ahead(fail)
    ahead.expect(1)
    with pytest.raises(RuntimeError, match="no room"):
        ahead.take()
    ahead.close()
