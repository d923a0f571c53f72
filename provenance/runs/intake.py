"""A run's input as it comes in: held to its schema, with numbers that stay what they are (spec/automation.md, 6.4)."""

from collections.abc import Mapping
from typing import Any

from provenance.core.errors import Invalid
from provenance.core.json_schemas import schema_of
from provenance.runs.activity import to_text
from provenance.runs.doers.http import settled_numbers
from provenance.workflows.plan import Plan, Trigger

INPUT_BYTES = 1024 * 1024

Schema = Mapping[str, Any] | bool | None


class BadInput(Invalid):
    """The input does not fit the schema of the trigger that the run enters."""

    code = "invalid_input"


def taken_in(plan: Plan, trigger: Trigger, value: Any) -> str:
    """Return the input as its run keeps it. Raises BadInput."""
    schema = plan.schema_of_input(trigger)
    faults = schema_of(schema).faults(value, "input") if schema is not None else []
    if faults:
        raise BadInput(f"{faults[0]['path']}: {faults[0]['issue']}", details=faults)
    text = to_text(typed(value, schema))
    if len(text) > INPUT_BYTES:
        raise BadInput.at("input", "is larger than 1 MiB")
    return text


def typed(value: Any, schema: Schema) -> Any:
    """Return a value with its numbers typed: by the schema where it says number or integer, else integral ones as
    integers. The text that is kept of it reads back the same.
    """
    if not isinstance(schema, Mapping):
        return settled_numbers(value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        return {name: typed(each, properties.get(name, rest)) for name, each in value.items()}
    if isinstance(value, list):
        return [typed(each, schema.get("items")) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and schema.get("type") == "number":
        return float(value)
    return value if schema.get("type") == "number" else settled_numbers(value)
