"""Fixtures that several files here use."""

from tests.server.shop import shop as shop
from tests.server.shop import shop_server as shop_server
