"""The tests: unit/ needs no server, server/ a real PostgreSQL."""
