"""The running identity of one process: caches, keys, mail. `main` starts it, routes are handed it."""

import asyncio
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, Request

from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.core.keyring import WorkspaceKeys
from provenance.core.settings import Settings
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.service import Authenticate, JwtResolver, KeyResolver
from provenance.identity.api_keys.stamping import LastUsed
from provenance.identity.mail import Mailer
from provenance.identity.members.reapplying import erase_again
from provenance.identity.oidc.provider import Provider
from provenance.identity.schemas import nobody
from provenance.identity.sessions.signing import SigningKeys
from provenance.ledger.service import Ledger
from provenance.workspace import service as workspace

_HASHING_AT_ONCE = 4


class Passwords:
    """Argon2id in threads, so many at a time: each takes 64 MiB and a tenth of a second."""

    def __init__(self) -> None:
        """Take the library's parameters (RFC 9106, low memory)."""
        self._hasher = PasswordHasher()
        self._nobody: str | None = None
        self._turn = asyncio.Semaphore(_HASHING_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return what is stored of a password."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one; without a stored one the same work is done for nothing."""
        async with self._turn:
            same = await asyncio.to_thread(self._verify, stored or self._of_nobody(), password)
        return same and stored is not None

    def outdated(self, stored: str) -> bool:
        """Tell whether a stored hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def warm(self) -> None:
        """Make the hash that unknown accounts are compared with, so that the first of them is not slower."""
        self._of_nobody()

    def _of_nobody(self) -> str:
        self._nobody = self._nobody or self._hasher.hash("nobody has this password")
        return self._nobody

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class Identity:
    """Everything of identity that lives as long as the process."""

    keys: WorkspaceKeys
    """The installation's keys."""
    instance: Actor
    """Who acts before anyone is known: the system, in the installation's workspace."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        """Take the settings and the ledger, whose database and keyring are ours too; nothing runs before `start`."""
        assert settings.database_url is not None, "the command line resolves the database before it serves"
        self.settings = settings
        self.db: Database = ledger.db
        self._ledger = ledger
        self.epoch = Epoch(settings.database_url)
        self.signing = SigningKeys(ledger.db, self.epoch)
        self.authenticate = Authenticate(
            KeyResolver(ledger.db, self.epoch), JwtResolver(ledger.db, self.epoch, self.signing)
        )
        self.last_used = LastUsed(ledger.db, self.authenticate.keys.memory)
        self.passwords = Passwords()
        self.provider = Provider(settings)
        self.mail = Mailer(settings.smtp_url, settings.mail_from)

    @property
    def base_url(self) -> str:
        """The address that links in mails begin with: never a request's own, which whoever sends it may choose."""
        here = f"{self.settings.scheme}://localhost:{self.settings.port}"
        return (self.settings.public_url or here).rstrip("/")

    async def start(self) -> None:
        """Load the keys and begin to follow the epoch; the installation must have had its first start."""
        async with self.db.housekeeping() as tx:
            instance_id = await workspace.instance_id(tx)
        await erase_again(self.db, self.settings.data_dir)
        self.keys = await self._ledger.keyring.of(instance_id)
        self.instance = nobody(instance_id)
        await self.signing.start(self.keys, self.settings.public_url or self.settings.instance_name)
        await asyncio.to_thread(self.passwords.warm)
        self.epoch.start()
        self.last_used.start()

    async def stop(self) -> None:
        """Finish what is being mailed; stop."""
        await self.last_used.stop()
        await self.mail.stop()
        await self.provider.close()
        await self.epoch.stop()


async def identity_of(request: Request) -> Identity:
    """Return the running application's identity."""
    found: Identity = request.app.state.identity
    return found


RunningIdentity = Annotated[Identity, Depends(identity_of)]
