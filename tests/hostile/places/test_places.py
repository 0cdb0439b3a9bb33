"""Tests of other kinds, which pytest runs as well."""

from __future__ import annotations

import unittest

import application
from attempts import attempt

attempt("a test's module, imported")


class Old(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        attempt("setUpClass")

    def setUp(self) -> None:
        attempt("setUp")

    def test_something(self) -> None:
        attempt("a unittest")

    def tearDown(self) -> None:
        attempt("tearDown")


def test_an_application() -> None:
    """It loads its `.env` over the environment and connects with what stands there."""
    application.start()
