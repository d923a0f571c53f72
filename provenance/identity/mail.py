"""Mail: sent after the transaction, apart from the request that caused it; without a mail server nothing is sent."""

import asyncio
from collections.abc import Coroutine
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from pydantic import SecretStr

from provenance.core.errors import Problem

TIMEOUT_SECONDS = 20

log: Any = structlog.get_logger("identity.mail")


class Mailer:
    """Sends mail in the background of one process. What it logs names no address and no text."""

    def __init__(self, smtp_url: SecretStr | None, sender: str) -> None:
        """Take the mail server's address, if there is one, and the sender."""
        self._url = None if smtp_url is None else urlsplit(smtp_url.get_secret_value())
        self._sender = sender
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def sends(self) -> bool:
        """Whether there is a mail server."""
        return self._url is not None

    def later(self, to: str, subject: str, text: str) -> None:
        """Send a mail after this; a failure is logged."""
        self.run(self._send(to, subject, text))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work apart from the request, so that its time tells the caller nothing."""
        task = asyncio.create_task(_guarded(work))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def stop(self) -> None:
        """Wait for what is being sent, as long as one mail may take."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=TIMEOUT_SECONDS)

    async def _send(self, to: str, subject: str, text: str) -> None:
        if self._url is None:
            log.warning("mail_not_sent", reason="PROVENANCE_SMTP_URL is not set")
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._url.hostname or "localhost",
                port=self._url.port,
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=self._url.scheme == "smtps",
                timeout=TIMEOUT_SECONDS,
            )
        except (OSError, ValueError, aiosmtplib.SMTPException) as error:
            log.error("mail_failed", error=type(error).__name__)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """Let a piece of work fail by itself: nobody waits for it."""
    try:
        await work
    except Problem as problem:
        log.warning("not_mailed", code=problem.code)
    except Exception as error:
        log.error("not_mailed", error=type(error).__name__)
