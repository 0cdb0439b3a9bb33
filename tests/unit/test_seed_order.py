"""The order in which tables are filled, and what is done about those that need each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbtasks.seeders.catalogue import Column, ForeignKey, Key, Table
from dbtasks.seeders.order import CycleError, order


def table(name: str, *links: str) -> Table:
    """A table named by one letter; a link is a letter with `?` where it may be empty and `~` where it can wait."""
    keys = [
        ForeignKey(
            name=f"{name}_{link[0]}",
            schema="public",
            table=ord(name),
            columns=(f"{link}_id",),
            target=ord(link[0]),
            target_columns=("id",),
            deferrable="~" in link,
        )
        for link in links
    ]
    columns = [Column(name=f"{link}_id", type="integer", required="?" not in link) for link in links]
    return Table(
        oid=ord(name),
        schema="public",
        name=name,
        columns=(Column(name="id", type="integer", required=True), *columns),
        keys=(Key(name=f"{name}_pkey", columns=("id",), primary=True),),
        foreign_keys=tuple(keys),
    )


@pytest.mark.parametrize(
    ("tables", "expected", "deferred", "late"),
    [
        pytest.param([table("c"), table("a"), table("b")], "cab", [], [], id="nothing to order stays put"),
        pytest.param([table("a", "b"), table("b", "c"), table("c")], "cba", [], [], id="chain"),
        pytest.param([table("a", "z"), table("b")], "ab", [], [], id="a table that is not seeded does not count"),
        pytest.param([table("a", "b"), table("b", "a?")], "ba", [], ["b_a"], id="nullable"),
        pytest.param([table("a", "b~"), table("b", "a?")], "ab", ["a_b"], [], id="deferrable is better than nullable"),
        pytest.param([table("a", "b?"), table("b", "c"), table("c", "a")], "acb", [], ["a_b"], id="three"),
        pytest.param([table("x", "a"), table("a", "b"), table("b", "a?")], "bax", [], ["b_a"], id="beside a cycle"),
        pytest.param([table("a", "a?")], "a", [], ["a_a"], id="itself, nullable"),
        pytest.param([table("a", "a~")], "a", ["a_a"], [], id="itself, deferrable"),
        pytest.param([table("a", "a")], "a", [], [], id="itself"),
    ],
)
def test_tables_come_after_what_they_refer_to(
    tables: list[Table], expected: str, deferred: list[str], late: list[str]
) -> None:
    found = order(tables)
    assert "".join(one.name for one in found.tables) == expected
    assert [key.name for key in found.deferred] == deferred
    assert [key.name for key in found.late] == late


def test_a_cycle_of_required_columns_names_its_tables_and_constraints() -> None:
    with pytest.raises(CycleError) as caught:
        order([table("x", "a"), table("a", "b"), table("b", "a")])
    assert [one.name for one in caught.value.tables] == ["a", "b"]
    assert [key.name for key in caught.value.keys] == ["a_b", "b_a"]


LINKS = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.sampled_from([x + y for x in "abcdef" for y in ("?", "~")]), max_size=4)
)


@given(LINKS)
def test_every_foreign_key_is_met_or_waits(links: dict[str, list[str]]) -> None:
    tables = [table(name, *dict.fromkeys(mine)) for name, mine in links.items()]
    found = order(tables)
    assert sorted(one.oid for one in found.tables) == sorted(one.oid for one in tables)
    seen: set[int] = set()
    for one in found.tables:
        for key in one.foreign_keys:
            waits = key in found.deferred or key in found.late
            assert key.target in seen or waits or key.target not in {other.oid for other in tables}
        seen.add(one.oid)
