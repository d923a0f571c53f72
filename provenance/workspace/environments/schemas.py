"""What goes in and out of environments, and the event they leave."""

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from provenance.workspace.schemas import Name, Wire

PRODUCTION = "production"
MOST = 50


class EnvironmentEvent(StrEnum):
    """What can happen to a workspace's environments."""

    UPDATED = "environment.updated"


class EnvironmentInput(Wire):
    """An environment as it shall be; ``slug`` says which one."""

    name: Name
    slug: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", examples=["staging"])
    protected: bool | None = Field(default=None, description="Left out: as it was; of a new one only production is.")
    description: str = Field(default="", max_length=1_000)


class EnvironmentsUpdate(Wire):
    """The whole list of environments, in the order they are shown; a bare list is taken as well."""

    items: list[EnvironmentInput] = Field(max_length=MOST)

    @model_validator(mode="before")
    @classmethod
    def _of_a_list(cls, sent: Any) -> Any:
        return {"items": sent} if isinstance(sent, list) else sent


class Environment(Wire):
    """One environment."""

    name: str
    slug: str
    protected: bool
    description: str
    created_at: str


class Environments(Wire):
    """The environments of a workspace, in their order."""

    items: list[Environment]
