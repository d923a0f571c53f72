"""A question for figures on the wire, and its answer."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from provenance.ledger.fields.schemas import FieldType
from provenance.ledger.interactions.filters import End, Filters, Start

MAX_GROUPS = 1_000
Operation = Literal["count", "sum", "avg", "min", "max", "distinct", "p50", "p95"]
Bucket = Literal["minute", "hour", "day", "week", "month"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)[1:]
"""Those that take a field."""
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)
COUNT = "count"
TIME = "time:"

_STRICT = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Metric(BaseModel):
    """An operation on a field. On the wire plain ``"count"`` stands for the count of rows."""

    model_config = _STRICT

    op: Operation
    field: str | None = Field(default=None, max_length=500)

    @model_validator(mode="after")
    def _names_a_field(self) -> Self:
        if (self.field is None) != (self.op == COUNT):
            raise ValueError("count takes no field, every other operation needs one")
        return self

    @property
    def name(self) -> str:
        """The metric's key in the answer: ``count`` or ``sum(total)``."""
        return COUNT if self.field is None else f"{self.op}({self.field})"


def _metric(value: Any) -> Any:
    if isinstance(value, str):
        if value != COUNT:
            raise ValueError('must be "count" or an object such as {"op": "sum", "field": "total"}')
        return {"op": COUNT}
    return value


def _dimension(value: Any) -> Any:
    """Bring ``{"time": "day"}`` into the form ``time:day``."""
    if isinstance(value, dict):
        if list(value) != ["time"]:
            raise ValueError('must be a name, a JSON path or {"time": "day"}')
        value = f"{TIME}{value['time']}"
    if isinstance(value, str) and value.startswith(TIME) and value[len(TIME) :] not in BUCKETS:
        raise ValueError(f"must be one of {', '.join(TIME + bucket for bucket in BUCKETS)}")
    return value


_METRIC_SCHEMA = WithJsonSchema(
    {
        "oneOf": [
            {"const": COUNT},
            {
                "type": "object",
                "properties": {"op": {"enum": list(OPERATIONS)}, "field": {"type": "string"}},
                "required": ["op", "field"],
                "additionalProperties": False,
            },
        ]
    }
)
_DIMENSION_SCHEMA = WithJsonSchema(
    {
        "oneOf": [
            {"type": "string", "description": "A name, a JSON path, or time: and a bucket, such as time:day."},
            {
                "type": "object",
                "properties": {"time": {"enum": list(BUCKETS)}},
                "required": ["time"],
                "additionalProperties": False,
            },
        ]
    }
)
AskedMetric = Annotated[Metric, BeforeValidator(_metric), _METRIC_SCHEMA]
AskedDimension = Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(_dimension), _DIMENSION_SCHEMA]


class TimeRange(BaseModel):
    """When the interactions happened: back from now, or between two moments (each may be left out)."""

    model_config = _STRICT

    type: Literal["relative", "absolute"]
    value: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,4}[smhdw]$", examples=["7d"])
    start: Start = None
    end: End = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        absolute = self.start is not None or self.end is not None
        if self.type == "relative" and (self.value is None or absolute):
            raise ValueError('a relative range takes a value such as "7d", and neither start nor end')
        if self.type == "absolute" and (self.value is not None or not absolute):
            raise ValueError("an absolute range takes start or end or both, and no value")
        return self


class AnalyticsFilters(Filters):
    """The filters of the list of interactions; ``where`` is not taken."""

    model_config = ConfigDict(extra="forbid")


class AnalyticsQuery(BaseModel):
    """What is to be computed, by what it is grouped, and over which interactions."""

    model_config = _STRICT

    metrics: list[AskedMetric] = Field(min_length=1, max_length=10)
    dimensions: list[AskedDimension] = Field(default_factory=list, max_length=3)
    filters: AnalyticsFilters = Field(default_factory=lambda: AnalyticsFilters.model_validate({}))
    time_range: TimeRange | None = None
    limit: int = Field(default=MAX_GROUPS, ge=1, le=MAX_GROUPS, description="Most groups in the answer.")


class Group(BaseModel):
    """One group: its dimensions and its metrics, by name."""

    dimensions: dict[str, Any]
    metrics: dict[str, int | float | None]


class AnswerMeta(BaseModel):
    """What the figures cover. ``ignored`` counts, by metric, the values that were no numbers."""

    start: str | None
    end: str | None
    groups: int
    truncated: bool
    platformRows: Literal["included", "excluded"]  # noqa: N815 — the wire's spelling
    ignored: dict[str, int]


class AnalyticsAnswer(BaseModel):
    """Groups in order, and what they cover."""

    data: list[Group]
    meta: AnswerMeta


class KnownField(BaseModel):
    """A JSON path that may be a dimension or the field of a metric; ``numeric`` when it held numbers."""

    path: str
    types: list[FieldType]
    count: int
    numeric: bool


class TimeSpan(BaseModel):
    """When the oldest and the newest interaction happened; null in an empty ledger."""

    start: str | None
    end: str | None


class Discovery(BaseModel):
    """What may be asked."""

    metrics: list[str]
    dimensions: list[str]
    distinct: list[str]
    timeBuckets: list[str]  # noqa: N815 — the wire's spelling
    fields: list[KnownField]
    timeSpan: TimeSpan  # noqa: N815 — the wire's spelling
    interactions: int
