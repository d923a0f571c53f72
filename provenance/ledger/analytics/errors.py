"""What can be wrong with a question for figures."""

from provenance.core.errors import Invalid


class UnknownField(Invalid):
    """The field is neither a column nor a JSON path, or the operation can't be applied to it."""

    code = "unknown_field"


class AskedTwice(Invalid):
    """The same metric or dimension is asked for twice; their names would collide in the answer."""

    code = "asked_twice"


class NotAFilter(Invalid):
    """This filter narrows lists only: its condition can't be evaluated while the database counts."""

    code = "filter_not_supported"
