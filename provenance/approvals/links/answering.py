"""One visit of a link's page by a browser: show what is asked, take the decision, and say no in a page as well."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import msgspec
from fastapi import Request, Response
from pydantic import ValidationError

from provenance.approvals import queries, rendering, service
from provenance.approvals.deciding import Desk, ensure_another
from provenance.approvals.differing import differences
from provenance.approvals.errors import SelfApproval
from provenance.approvals.grants.pages import NO_STORE, wants_page
from provenance.approvals.links import pages
from provenance.approvals.links import service as links
from provenance.approvals.links.errors import BadLinkDecision, NotSignedIn, NotYourLink
from provenance.approvals.links.schemas import LinkDecision, Opened
from provenance.approvals.settling import wire_id
from provenance.core.actor import Actor
from provenance.core.db import Database, ReadTx
from provenance.core.door import Exchange
from provenance.core.errors import Problem
from provenance.core.routing import admitted_body, is_json
from provenance.identity import service as people
from provenance.identity.running import Identity
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Caller


async def show(request: Request, approval_id: str, token: str) -> Response:
    """Show an approval to the person of a link; nothing changes, for mail scanners open links."""

    async def page() -> Response:
        opened = await _opened(request, approval_id, token)
        db: Database = request.app.state.db
        async with db.read(opened.actor) as tx:
            return await _page(tx, opened, token)

    return await _answered(request, approval_id, page)


async def decide(request: Request, approval_id: str) -> Response:
    """Decide as the person of a link, who is signed in or proves now who they are."""

    async def page() -> Response:
        exchange: Exchange = request.scope["exchange"]
        asked = _asked(exchange)
        opened = await _opened(request, approval_id, asked.token)
        await _signed_in(request, opened, asked)
        state = request.app.state
        desk = Desk(await state.ledger.keyring.of(opened.actor.workspace_id), state.engine, state.identity)
        async with state.db.write(opened.actor) as tx:
            done = await links.decide(tx, desk, opened.link, asked)
        if wants_page(exchange):
            return pages.done(done)
        return Response(done.model_dump_json(by_alias=True), media_type="application/json", headers=NO_STORE)

    return await _answered(request, approval_id, page)


async def _answered(request: Request, approval_id: str, answer: Callable[[], Awaitable[Response]]) -> Response:
    """Return an answer; to a browser also a refusal is a page."""
    exchange: Exchange = request.scope["exchange"]
    try:
        return await answer()
    except Problem as problem:
        if not wants_page(exchange):
            raise
        request.scope["problem_code"] = problem.code
        identity: Identity = request.app.state.identity
        return pages.refused(problem, f"{identity.base_url}/console/approvals/{approval_id}")


async def _opened(request: Request, approval_id: str, token: str) -> Opened:
    """Return the link of a token. Raises LinkNotFound, TooManyGuesses, and NotYourLink for who is somebody else."""
    exchange: Exchange = request.scope["exchange"]
    state = request.app.state
    opened = await links.opened(state.db, state.identity.keys, exchange.client_ip, approval_id, token)
    caller: Actor | None = await state.authenticate(exchange.headers)
    exchange.actor = caller or opened.actor
    if caller is not None and caller.id != opened.actor.id:
        raise NotYourLink
    return opened


async def _signed_in(request: Request, opened: Opened, asked: LinkDecision) -> None:
    """Let the link's person decide, who is signed in or sends their password with the decision.

    Raises NotSignedIn for neither, BadCredentials, CodeRequired and TooManyGuesses.
    """
    identity: Identity = request.app.state.identity
    if await request.app.state.authenticate(request.scope["exchange"].headers) is not None:
        return
    password, otp = asked.password.get_secret_value(), asked.otp.get_secret_value()
    if not password:
        raise NotSignedIn
    async with identity.db.housekeeping() as tx:
        person = await people.person_by_id(tx, identity.keys, opened.link.person_id)
    if person is None or person.email is None:
        raise NotSignedIn
    caller = Caller.of(request.scope["exchange"], request.app.state.settings.public_url)
    await sessions.prove(identity, caller, person.email, password, otp or None)


async def _page(tx: ReadTx, opened: Opened, token: str) -> Response:
    """Return the form; where the approval is another by now, what differs instead."""
    row = await links.ensure_decides(tx, opened.link)
    approval = await service.get(tx, wire_id(row.id))
    if await links.is_stale(tx, opened.link, row):
        older = await queries.revision(tx, row.id, opened.link.revision)
        changes = differences(msgspec.json.decode(older or "null"), approval.payload)
        return pages.changed(approval, [rendering.change_of(each) for each in changes])
    try:
        await ensure_another(tx, row)
    except SelfApproval as problem:
        return pages.ask(approval, token, only_reject=problem.detail)
    return pages.ask(approval, token)


def _asked(exchange: Exchange) -> LinkDecision:
    """Read the page's form, or the same as JSON. Raises BadLinkDecision and what a bad JSON body raises."""
    try:
        if is_json(exchange.header(b"content-type")):
            return LinkDecision.model_validate_json(admitted_body(exchange))
        given = parse_qs(exchange.body.decode(), keep_blank_values=True, max_num_fields=8, strict_parsing=True)
        return LinkDecision.model_validate({name: values[0] for name, values in given.items() if len(values) == 1})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise BadLinkDecision.at(".".join(map(str, first["loc"])) or "$", first["msg"]) from None
    except ValueError:
        raise BadLinkDecision("The body is the page's form: token, decision, comment, password, otp.") from None
