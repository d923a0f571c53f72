"""Erasing a member (spec/automation.md, row 57 and section 12): the person is gone everywhere, every row stays.

No row is rewritten: rows hold ``user_…`` alone, and what led from there to a person is destroyed.
"""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

from provenance.core.actor import Role
from provenance.core.db import Contended, ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.ids import decode, encode, new_uuid
from provenance.identity import service as identity_service
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import Subject, account, codes_of, mailbox
from provenance.identity.members import journal, queries
from provenance.identity.members.destroying import destroy_traces, tombstone_of
from provenance.identity.members.errors import LastAdmin, MemberElsewhere, UnknownMember
from provenance.identity.members.journal import Line
from provenance.identity.members.schemas import MemberErase, MemberErased
from provenance.identity.members.service import ensure_acting_admin
from provenance.identity.running import Identity
from provenance.identity.schemas import Person, Status

_ADMIN = Role.ADMIN.name.lower()


async def erase(tx: WriteTx, identity: Identity, user_id: str, asked: MemberErase) -> MemberErased:
    """Erase a member, with every place, session, second factor and API key of theirs; a second time answers the same.

    Records ``member.erased`` in each workspace they had a place in. Raises Invalid for another ``confirm`` and for a
    reason that names them, UnknownMember, LastAdmin, MemberElsewhere.
    """
    if asked.confirm != user_id:
        raise Invalid.at("confirm", "must repeat the member's userId")
    person_id = decode("user", user_id)
    if person_id is None or await queries.row_of(tx, person_id) is None:
        raise UnknownMember("This workspace has no member with this id.")
    places = await _locked_places(tx, person_id)
    done = await queries.erasure_of(tx, person_id)
    if done is not None:
        return _shown(done.id, done.events)
    await _ensure_allowed(tx, person_id, places)
    person = await identity_service.person_by_id(tx, identity.keys, person_id)
    if person is None:  # withdrawn as a stranger by another administrator, between the look and the lock
        raise UnknownMember("This workspace has no member with this id.")
    _ensure_nameless(asked.reason, person)
    return await _erase(tx, identity, person, [place.workspace_id for place in places], asked.reason)


async def _locked_places(tx: WriteTx, person_id: uuid.UUID) -> list[Any]:
    """Lock every workspace that the person has a place in, then the person: workspaces come first everywhere."""
    wanted = [place.workspace_id for place in await queries.places_of(tx, person_id)]
    await queries.lock_workspaces(tx, wanted)
    await queries.lock_person(tx, person_id)
    places = await queries.places_of(tx, person_id)
    if [place.workspace_id for place in places] != wanted:
        raise Contended("The person's memberships changed meanwhile. Try again.")
    return places


async def _ensure_allowed(tx: WriteTx, person_id: uuid.UUID, places: Iterable[Any]) -> None:
    """Refuse to leave a workspace without administrator, and to erase somebody out of workspaces of others."""
    active = [place for place in places if place.status == Status.ACTIVE.value]
    for place in active:
        inside = tx.inside(place.workspace_id)
        if place.role == _ADMIN and not await queries.has_other_admin(inside, person_id):
            raise LastAdmin("A workspace needs an active administrator; make somebody else one first.")
    await ensure_acting_admin(tx)
    for place in active:
        if not await queries.is_admin(tx.inside(place.workspace_id), tx.actor.person):
            raise MemberElsewhere("The person is also a member of a workspace that you do not administer.")


def _ensure_nameless(reason: str, person: Person) -> None:
    """Refuse a reason that would keep what is to be destroyed."""
    for named in (person.email, person.name):
        if named and named.strip().lower() in reason.lower():
            raise Invalid.at("reason", "names the person; it is kept, so give it without name and address")


async def _erase(tx: WriteTx, identity: Identity, person: Person, places: list[uuid.UUID], reason: str) -> MemberErased:
    insides = [tx.inside(workspace_id) for workspace_id in places]
    counts = [await queries.count_events(inside, person.wire_id) for inside in insides]
    line = Line(person.id, new_uuid(), sum(counts), tx.now, tx.actor.id)
    await asyncio.to_thread(journal.keep, identity.settings.data_dir, line)
    await guessing.was_right(tx, identity.keys, _guessed_at(person))
    await identity_service.erase_person(tx, person.id)
    await queries.insert_erasure(tx, line)
    for inside, events in zip(insides, counts, strict=True):
        told = {"reason": reason} if inside.workspace_id == tx.workspace_id else {}
        await destroy_traces(inside, line, eventsTombstoned=events, **told)
    tx.after_commit.append(identity.authenticate.forget)
    return _shown(line.erasure, line.events)


def _guessed_at(person: Person) -> list[Subject]:
    """Return under which names wrong guesses at the person's account were counted."""
    if person.email is None:
        return [codes_of(person.id)]
    folded = identity_service.folded(person.email)
    return [codes_of(person.id), account(folded), mailbox(folded)]


async def tombstones(tx: ReadTx, user_ids: Iterable[str]) -> dict[str, str]:
    """Return the tombstones of those of these people who were erased, by ``user_…`` id; other texts are passed over."""
    people = {found: user_id for user_id in user_ids if (found := decode("user", user_id)) is not None}
    erasures = await queries.erasures_of(tx, list(people)) if people else {}
    return {people[person_id]: tombstone_of(erasure_id) for person_id, erasure_id in erasures.items()}


def _shown(erasure_id: uuid.UUID, events: int) -> MemberErased:
    return MemberErased(
        erasure_id=encode("ers", erasure_id),
        status="completed",
        events_tombstoned=events,
        tombstone=tombstone_of(erasure_id),
    )
