"""What the routes of workflows are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Header, Request, Response

from provenance.core.errors import Invalid
from provenance.expressions import Evaluator
from provenance.workflows.running import NoRuns, RunsOfWorkflows

_NONE = NoRuns()


async def runs_of(request: Request) -> RunsOfWorkflows:
    """Return what the running application knows of runs."""
    found: RunsOfWorkflows = getattr(request.app.state, "runs_of_workflows", _NONE)
    return found


async def base_url(request: Request) -> str:
    """Return the address under which the server is reached: PUBLIC_URL, or the request's own scheme and host."""
    public: str | None = request.app.state.settings.public_url
    return (public or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


async def if_match(header: Annotated[str | None, Header(alias="If-Match", max_length=64)] = None) -> int | None:
    """Return the revision that ``If-Match`` names; None without the header, or for ``*``. Raises Invalid."""
    if header is None or header.strip() == "*":
        return None
    digits = header.strip().removeprefix("W/").strip('"')
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9:
        raise Invalid.at("If-Match", "is no ETag of this resource")
    return int(digits)


def set_etag(response: Response, revision: int) -> None:
    """Give a response the ETag of a revision."""
    response.headers["ETag"] = f'"{revision}"'


RunsSeen = Annotated[RunsOfWorkflows, Depends(runs_of)]
BaseUrl = Annotated[str, Depends(base_url)]
IfMatch = Annotated[int | None, Depends(if_match)]


async def evaluator_of(request: Request) -> Evaluator:
    """Return the evaluator of the running application."""
    found: Evaluator = request.app.state.evaluator
    return found


RunningEvaluator = Annotated[Evaluator, Depends(evaluator_of)]
