"""The benchmarks and the page that they write."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import BENCHMARKS, PAGE


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_has_its_place_on_the_page(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert (page.count(f"<!-- {name}: begin -->"), page.count(f"<!-- {name}: end -->")) == (1, 1)
