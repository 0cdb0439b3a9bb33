"""What pytest reports of a failed test holds no password of the databases that tests run on."""

from __future__ import annotations

import pytest

from dbtasks.pytest_masking import Hider

URL = "postgresql://anna:p%40ss%2Fw%3Ard@127.0.0.1:5432/shop_int?sslpassword=Zq7xWk9vJb4m"
HIDER = Hider([URL])


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"url = '{URL}'", "url = 'postgresql://anna:***@127.0.0.1:5432/shop_int?sslpassword=***'"),
        ("conninfo = b'user=anna password=p@ss/w:rd'", "conninfo = b'user=anna password=***'"),
        ("{'password': 'p@ss/w:rd'}", "{'password': '***'}"),
        ("E  assert 'p@ss/w:rd' == 'x'", "E  assert '***' == 'x'"),
        ("Zq7xWk9vJb4m alone", "*** alone"),
        ("'postgresql://anna:p%40ss%2...:5432/shop_int'", "'postgresql://anna:***...:5432/shop_int'"),
        ("'postgresql://an...w%3Ard@127.0.0.1:5432/shop_int'", "'postgresql://an...***@127.0.0.1:5432/shop_int'"),
        ("E - 3Ard@127.0.0.1", "E - ***@127.0.0.1"),
    ],
)
def test_a_password_is_hidden_in_every_form_and_where_pytest_has_cut_it(text: str, hidden: str) -> None:
    assert HIDER.hide(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://bob:geheim99@db-7/app",
        "{'password': 'another'}",
        "anna@example.com",
        "https://x/y...z@w",
        "a: b...",
    ],
)
def test_nothing_else_is_hidden(text: str) -> None:
    assert HIDER.hide(text) == text


@pytest.mark.parametrize("password", ["test", "postgres", "shop_int"])
def test_a_password_that_is_a_word_is_hidden_in_its_place_alone(password: str) -> None:
    hider = Hider([f"postgresql://postgres:{password}@localhost/shop_int"])
    text = f"test_it.py: postgres, shop_int: postgresql://postgres:{password}@localhost/shop_int"
    shown = "test_it.py: postgres, shop_int: postgresql://postgres:***@localhost/shop_int"
    assert hider.hide(text) == shown


def test_without_a_password_nothing_is_hidden() -> None:
    assert Hider(["", "postgresql://anna@localhost/shop_int"]).hide("anna ...x@y") == "anna ...x@y"
