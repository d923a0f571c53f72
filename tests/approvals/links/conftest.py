"""Of the links' tests: the mail that brings them, and a browser."""

from tests.approvals.letters.conftest import browser, feeding, mailbox, post

__all__ = ["browser", "feeding", "mailbox", "post"]
