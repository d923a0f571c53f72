"""Routes of the framework: who may call stands on the signature, JSON bodies are admitted before they are read.

Dependencies are coroutines even where they wait for nothing: the framework runs plain functions in a thread each.

``Annotated[Actor, require(...)]`` in a route's signature is its whole access rule. The rule runs before the body is
looked at, so that a stranger learns nothing from a body's errors; then the body passes the same admission as on the
hot path (duplicate keys, NUL, numbers JSON can't hold) and reaches the route in canonical form.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as DependsMarker
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from provenance.core.actor import Actor, Role, Scope
from provenance.core.cursors import MAX_LENGTH, MAX_LIMIT
from provenance.core.db import ON_WRITE, Database
from provenance.core.door import Access, AsgiScope, Exchange, admit
from provenance.core.errors import Detail, Invalid, MethodNotAllowed, NotFound, Problem
from provenance.core.idempotency import claim_of
from provenance.core.incoming import ORIGIN, USER_AGENT_KEPT, Origin
from provenance.core.limits import Allowance, Limiter
from provenance.proof.canonical import BadJson
from provenance.proof.canonical import admit as admit_json


class Require:
    """The dependency that a signature's ``require(...)`` stands for: it hands over who was admitted."""

    def __init__(self, access: Access) -> None:
        """Take the access rule."""
        self.access = access

    async def __call__(self, request: Request) -> Actor:
        """Return the actor that the route's handler admitted before anything else ran."""
        exchange: Exchange = request.scope["exchange"]
        assert exchange.actor is not None, "the route class admits before it solves dependencies"
        return exchange.actor


def require(scope: Scope | None, role: Role, *, people_only: bool = False) -> DependsMarker:
    """Declare who may call a route: a key with the scope, or a person of at least the role.

    No scope, or ``people_only``: no key passes.
    """
    return Depends(Require(Access(None if people_only else scope, role)))  # type: ignore[no-any-return]


def require_any_key(role: Role) -> DependsMarker:
    """Declare a route that every key of the workspace may call, whatever its scopes, or a person of the role."""
    return Depends(Require(Access(None, role, any_key=True)))  # type: ignore[no-any-return]


async def database(request: Request) -> Database:
    """Return the database of the running application."""
    found: Database = request.app.state.db
    return found


async def exchange_of(request: Request) -> Exchange:
    """Return the exchange that the door opened for this request."""
    found: Exchange = request.scope["exchange"]
    return found


Db = Annotated[Database, Depends(database)]
Incoming = Annotated[Exchange, Depends(exchange_of)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page, 50 by default.")]
Cursor = Annotated[str | None, Query(max_length=MAX_LENGTH, description="nextCursor of the page before.")]
"""What a list by key is asked with (spec/automation.md, 2.2)."""
Reader = Annotated[Actor, require(Scope.INTERACTIONS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.INTERACTIONS_WRITE, Role.EDITOR)]


def access_of(dependant: Dependant) -> Access | None:
    """Return the access rule among a route's dependencies; None for a public route."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Require):
            return inner.call.access
        found = access_of(inner)
        if found is not None:
            return found
    return None


class Route(APIRoute):
    """A route that admits the caller, then the body, then runs."""

    def __init__(self, path: str, *arguments: Any, **options: Any) -> None:
        self._stem = path.partition("{")[0]
        super().__init__(path, *arguments, **options)

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Tell whether a request is this route's: most are not, and that shows before the path's pattern is tried."""
        if not scope["path"].startswith(self._stem):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        framework = super().get_route_handler()
        access = access_of(self.dependant)
        reads_json = self.body_field is not None
        may_be_empty = reads_json and not self.body_field.field_info.is_required()  # type: ignore[union-attr]

        async def handle(request: Request) -> Response:
            exchange: Exchange = request.scope["exchange"]
            request.scope["route_path"] = self.path_format
            agent = exchange.header(b"user-agent")
            ORIGIN.set(Origin(exchange.client_ip, agent and agent[:USER_AGENT_KEPT], exchange.request_id))
            if access is not None:
                await admit(exchange, access, request.app.state.authenticate)
            allowance = None if self.operation_id in UNLIMITED else spend(request, exchange)
            refuse_nul(request)
            if reads_json and (exchange.body or not may_be_empty):
                request = _CanonicalRequest(request.scope, request.receive)
                request.admitted = admitted_body(exchange)
            response = await self._once(request, exchange, framework)
            if allowance is not None:
                response.headers.update(allowance.headers)
            return response

        return handle

    async def _once(
        self, request: Request, exchange: Exchange, framework: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        """Run the route, or repeat its answer for a request that carries an Idempotency-Key seen before."""
        claim = await claim_of(request, exchange, self.path_format)
        if claim is None:
            return await framework(request)
        db: Database = request.app.state.db
        repeated = await claim.repeat(db)
        if repeated is not None:
            return repeated
        begun = ON_WRITE.set(claim.take)
        try:
            response = await framework(request)
        finally:
            ON_WRITE.reset(begun)
        await claim.keep(db, response)
        return response


UNLIMITED = frozenset(
    {
        "interactions.create",
        "interactions.create_batch",
        "messages.publish",
        "messages.publish_batch",
        "queue.push",
        "subscriptions.acknowledge",
        "subscriptions.pull",
    }
)
"""What services record and publish is not counted; the bounds of the lanes hold it back."""


def spend(request: Request, exchange: Exchange) -> Allowance | None:
    """Count a call of a known caller; None where no limit applies. Raises RateLimited."""
    if exchange.actor is None:
        return None
    limiter: Limiter = request.app.state.limiter
    return limiter.take(exchange.actor.id)


def refuse_nul(request: Request) -> None:
    """Refuse the character NUL, which no text of the database can hold, in a path or the filters of a GET."""
    named = list(request.path_params.items())
    if request.method == "GET" and "%00" in request.url.query:
        named += request.query_params.multi_items()
    for name, value in named:
        if "\0" in name or "\0" in str(value):
            raise Invalid.at(name.replace("\0", "") or "$", "contains the character NUL", code="nul_character")


class _CanonicalRequest(Request):
    """A request whose body reads as its canonical JSON."""

    admitted: bytes = b""

    async def body(self) -> bytes:
        return self.admitted

    async def json(self) -> Any:
        return msgspec.json.decode(self.admitted)


def is_json(content_type: str | None) -> bool:
    """Tell whether a content type is JSON."""
    if content_type == "application/json":
        return True
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def admitted_body(exchange: Exchange) -> bytes:
    """Return the canonical form of the exchange's JSON body.

    Raises Invalid when the content type is not JSON or the body is not acceptable JSON, naming the path.
    """
    if not is_json(exchange.header(b"content-type")):
        raise Invalid("Send the body as JSON with Content-Type: application/json.", code="unsupported_content_type")
    try:
        return admit_json(exchange.body)
    except BadJson as error:
        raise bad_json(error) from None


def bad_json(error: BadJson, prefix: str = "") -> Invalid:
    """Name an inadmissible JSON text as the caller's error."""
    return Invalid.at(prefix + error.path if error.path else "$", error.issue, code=error.code)


def install_error_rendering(app: FastAPI) -> None:
    """Make the framework's own refusals take the one error shape."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return _render(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        details: list[Detail] = [{"path": _path(item["loc"]), "issue": _issue(item)} for item in error.errors()]
        first = details[0] if details else {"path": "$", "issue": "is not valid"}
        return _render(request, Invalid(f"{first['path']}: {first['issue']}", details=details))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _render(request, _named(error))

    async def on_crash(request: Request, error: Exception) -> Response:
        return _render(request, Problem("The server failed; the request id finds the cause in its log."))

    app.add_exception_handler(Exception, on_crash)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def _render(request: Request, problem: Problem) -> Response:
    request.scope["problem_code"] = problem.code
    exchange: Exchange = request.scope["exchange"]
    return Response(
        problem.body(exchange.request_id),
        problem.status,
        problem.headers,
        media_type="application/problem+json",
    )


def _named(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return NotFound("There is nothing at this path.")
    if error.status_code == 405:
        return MethodNotAllowed("This path does not serve this method.", headers=error.headers)
    return Invalid(str(error.detail))


def _path(location: tuple[int | str, ...]) -> str:
    """Write where an error is: ``limit`` for a query parameter, ``resources[0].resourceId`` in a body."""
    text = ""
    for part in location[1:] if len(location) > 1 else ():
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "$"


def _issue(item: dict[str, Any]) -> str:
    message = str(item.get("msg", "is not valid")).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
