"""People who are signed in already."""

from tests.identity.people import admin, make_as

__all__ = ["admin", "make_as"]
