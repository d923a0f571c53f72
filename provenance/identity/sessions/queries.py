"""Every statement on sessions, refresh tokens and signing keys."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.identity.sessions.tables import refresh_tokens, sessions, signing_keys


async def insert_session(tx: WriteTx, session_id: uuid.UUID, **columns: Any) -> None:
    """Insert a session that begins now."""
    await tx.execute(insert(sessions).values(id=session_id, signed_in_at=tx.now, **columns))


async def insert_token(tx: WriteTx, digest: bytes, session_id: uuid.UUID) -> None:
    """Insert a session's next refresh token."""
    await tx.execute(insert(refresh_tokens).values(digest=digest, session_id=session_id, made_at=tx.now))


async def lock_by_token(tx: WriteTx, digest: bytes) -> Any:
    """Lock the session of a refresh token and return it with the token's ``spent_at``; None for an unknown token.

    The session is locked first, and the token read after: of two that come with one token the second sees it spent.
    """
    of_token = select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == digest).scalar_subquery()
    session = (await tx.execute(select(sessions).where(sessions.c.id == of_token).with_for_update())).first()
    if session is None:
        return None
    spent = select(refresh_tokens.c.spent_at).where(refresh_tokens.c.digest == digest)
    return session, (await tx.execute(spent)).scalar_one()


async def spend_token(tx: WriteTx, digest: bytes) -> None:
    """Mark a refresh token as spent."""
    await tx.execute(update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(spent_at=tx.now))


async def extend_session(tx: WriteTx, session_id: uuid.UUID, expires_at: int) -> None:
    """Move a session's end."""
    await tx.execute(update(sessions).where(sessions.c.id == session_id).values(expires_at=expires_at))


async def move_session(tx: WriteTx, session_id: uuid.UUID) -> str:
    """Make a session act in the transaction's workspace; return its mode."""
    moved = update(sessions).where(sessions.c.id == session_id).values(acts_in=tx.workspace_id)
    mode: str = (await tx.execute(moved.returning(sessions.c.mode))).scalar_one()
    return mode


async def end_session(tx: WriteTx, session_id: uuid.UUID) -> bool:
    """End a session; tell whether it still ran."""
    running = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    return (await tx.execute(running.values(ended_at=tx.now))).rowcount == 1


async def end_sessions(
    tx: WriteTx, person_id: uuid.UUID, *, acts_in: uuid.UUID | None = None, keep: uuid.UUID | None = None
) -> int:
    """End a person's sessions, only those that act in one workspace if given, but the one to keep; return how many."""
    which: Sequence[ColumnElement[bool]] = [sessions.c.person_id == person_id, sessions.c.ended_at.is_(None)]
    if acts_in is not None:
        which = [*which, sessions.c.acts_in == acts_in]
    if keep is not None:
        which = [*which, sessions.c.id != keep]
    return (await tx.execute(update(sessions).where(*which).values(ended_at=tx.now))).rowcount


async def delete_of(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Delete a person's sessions with their tokens."""
    await tx.execute(delete(sessions).where(sessions.c.person_id == person_id))


async def delete_old(tx: WriteTx, person_id: uuid.UUID, before: int) -> None:
    """Delete a person's sessions that ended or ran out before a moment."""
    over = or_(sessions.c.ended_at < before, sessions.c.expires_at < before)
    await tx.execute(delete(sessions).where(sessions.c.person_id == person_id, over))


async def signing_keys_from(tx: ReadTx, retired_after: int) -> Sequence[Any]:
    """Return the keys that sign, or that were retired after a moment; the newest last."""
    lasting = or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > retired_after)
    query = select(signing_keys).where(lasting).order_by(signing_keys.c.made_at, signing_keys.c.kid)
    return (await tx.execute(query)).all()


async def retire_signing_keys(tx: WriteTx) -> None:
    """Retire every key that still signs."""
    await tx.execute(update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=tx.now))


async def insert_signing_key(tx: WriteTx, kid: str, sealed: bytes) -> None:
    """Insert the key that signs from now on."""
    await tx.execute(insert(signing_keys).values(kid=kid, sealed=sealed, made_at=tx.now))
