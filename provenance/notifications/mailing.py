"""Mail whose fate matters: handed over in two steps, so that a process that dies in between leaves no doubt.

`identity.mail` sends and forgets; here who sends hears whether the mail server took the mail, refused it, or went
away before it said so.
"""

import contextlib
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

TIMEOUT_SECONDS = 20.0


class MailRefused(Exception):
    """The mail server did not take the mail, or could not be reached: nothing was sent."""


class MailUncertain(Exception):
    """The mail server went away after it was handed the mail and before it said whether it took it."""


async def _nothing() -> None:
    pass


class Courier:
    """The way to the mail server of the installation."""

    def __init__(self, smtp_url: SecretStr | None, sender: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Take the mail server's address, if there is one, and the sender."""
        self._url = None if smtp_url is None else urlsplit(smtp_url.get_secret_value())
        self._sender = sender
        self._timeout = timeout

    @property
    def sends(self) -> bool:
        """Whether there is a mail server."""
        return self._url is not None

    def letter(self, to: list[str], subject: str, text: str, *, message_id: str) -> EmailMessage:
        """Write a mail; a repeat with the same ``message_id`` can be told by mail programs."""
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Date"] = self._sender, ", ".join(to), formatdate()
        letter["Subject"] = " ".join("".join(each if each.isprintable() else " " for each in subject).split())[:200]
        letter["Message-ID"] = f"<{message_id}@{self._sender.rpartition('@')[2].rstrip('>') or 'localhost'}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text)
        return letter

    async def hand_over(
        self, letter: EmailMessage, to: list[str], *, before: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        """Send a mail; ``before`` runs when only its text is still to be handed over, and may call it off by raising.

        Raises MailRefused and MailUncertain.
        """
        if self._url is None:
            raise MailRefused("No mail server is set up: PROVENANCE_SMTP_URL.")
        server = aiosmtplib.SMTP(
            hostname=self._url.hostname or "localhost",
            port=self._url.port,
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            timeout=self._timeout,
        )
        try:
            await self._open(server, to)
            await before()
            await _data(server, letter.as_bytes())
            await _quit(server)
        finally:
            server.close()

    async def _open(self, server: aiosmtplib.SMTP, to: list[str]) -> None:
        """Do everything that comes before the text; whoever of the recipients is refused gets nothing."""
        sender = self._sender.rpartition("<")[2].rstrip("> ")
        try:
            await server.connect()
            await server.mail(sender)
            refused = 0
            for address in to:
                try:
                    await server.rcpt(address)
                except aiosmtplib.SMTPRecipientRefused:
                    refused += 1
        except (OSError, ValueError, aiosmtplib.SMTPException) as error:
            raise MailRefused(f"The mail server can't be used: {type(error).__name__}.") from None
        if refused == len(to):
            raise MailRefused("The mail server takes mail for none of the recipients.")


async def _data(server: aiosmtplib.SMTP, text: bytes) -> None:
    try:
        await server.data(text)
    except aiosmtplib.SMTPResponseException as error:
        raise MailRefused(f"The mail server refused the mail with the code {error.code}.") from None
    except (OSError, aiosmtplib.SMTPException) as error:
        raise MailUncertain(f"The mail server did not say whether it took the mail: {type(error).__name__}.") from None


async def _quit(server: aiosmtplib.SMTP) -> None:
    """Say good-bye; the mail is taken already."""
    with contextlib.suppress(OSError, aiosmtplib.SMTPException):
        await server.quit()
