"""What can go wrong with schemas."""

from provenance.core.errors import Conflict, Invalid, NotFound


class UnknownSchema(NotFound):
    """The workspace has no bus schema with this id."""

    code = "bus_schema_not_found"


class SchemaNameTaken(Conflict):
    """Another bus schema of the workspace has the name."""

    code = "name_taken"


class BadBusSchema(Invalid):
    """What should be a JSON Schema is none."""

    code = "bad_schema"


class SchemaIncompatible(Conflict):
    """The new version would refuse messages that the one before let in, and compatibility is kept."""

    code = "schema_incompatible"


class SchemaIdNeeded(Invalid):
    """The form of the address without an id needs ``schemaId`` in the query or the body."""

    code = "schema_id_needed"
