"""Routes of the skills (spec/automation.md, rows 10 to 16), and the address that takes packages."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.ledger.dependencies import RunningLedger
from provenance.skills import service, uploading
from provenance.skills.calling import Call
from provenance.skills.dependencies import BaseUrl, RunningSkills
from provenance.skills.rendering import ran
from provenance.skills.schemas import (
    Asked,
    Deleted,
    Ran,
    RunAsk,
    Skill,
    SkillCreate,
    Skills,
    SkillUpdate,
    Upload,
    UploadAsk,
    Uploaded,
)

router = APIRouter(route_class=Route, tags=["skills"])

Reader = Annotated[Actor, require(Scope.AGENTS_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.AGENTS_WRITE, Role.EDITOR)]


@router.get("/skills", operation_id="skills.list")
async def list_skills(asked: Annotated[Asked, Query()], actor: Reader, db: Db, ledger: RunningLedger) -> Skills:
    """The skills, newest first."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.read(actor) as tx:
        return await service.page(tx, keys, asked)


@router.post("/skills", operation_id="skills.create", status_code=201)
async def create(body: SkillCreate, actor: Writer, db: Db) -> Skill:
    """Make a skill, a draft until its package is uploaded."""
    async with db.write(actor) as tx:
        return await service.create(tx, body)


@router.get("/skills/{skill_id}", operation_id="skills.get")
async def get(
    skill_id: str, actor: Reader, db: Db, response: Response, version: Annotated[int | None, Query(ge=1)] = None
) -> Skill:
    """A skill as it is now, or as a version of it is."""
    async with db.read(actor) as tx:
        skill, response.headers["etag"] = await service.get(tx, skill_id, version)
    return skill


@router.patch("/skills/{skill_id}", operation_id="skills.update")
async def update(
    skill_id: str,
    body: SkillUpdate,
    actor: Writer,
    db: Db,
    response: Response,
    if_match: Annotated[str | None, Header()] = None,
) -> Skill:
    """Change a skill, or the package it uses; a change of schemas, code or limits makes a version."""
    async with db.write(actor) as tx:
        skill, response.headers["etag"] = await service.update(tx, skill_id, body, if_match)
    return skill


@router.delete("/skills/{skill_id}", operation_id="skills.delete")
async def delete(skill_id: str, actor: Writer, db: Db) -> Deleted:
    """Delete a skill that nothing live calls, with its versions and packages."""
    async with db.write(actor) as tx:
        return await service.delete(tx, skill_id)


@router.post("/skills/{skill_id}/upload-url", operation_id="skills.upload_url")
async def upload_url(
    skill_id: str, body: UploadAsk, actor: Writer, db: Db, ledger: RunningLedger, base_url: BaseUrl
) -> Upload:
    """An address that takes one package, of 50 MiB at most, once, within 15 minutes."""
    keys = await ledger.keyring.of(actor.workspace_id)
    async with db.write(actor) as tx:
        return await uploading.ask(tx, keys, skill_id, body, base_url)


@router.post("/skills/{skill_id}/run", operation_id="skills.run")
async def run(skill_id: str, body: RunAsk, actor: Writer, skills: RunningSkills) -> Ran:
    """Call a skill; its code is not called with an input that its schema does not allow."""
    called = await skills.call(Call(actor, skill_id, body.version, body.input, body.timeout_seconds))
    return ran(called)


@router.put("/skill-uploads/{token}", operation_id="skills.upload")
async def upload(
    token: Annotated[str, Path(max_length=100)], request: Request, ledger: RunningLedger, skills: RunningSkills
) -> Uploaded:
    """Take the package that the address was made for."""
    content = await request.body()
    return await uploading.take(ledger, skills.objects, skills.runtime_version, token, content)
