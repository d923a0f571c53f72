"""What can go wrong with an export."""

from provenance.core.errors import Invalid


class TooManyRecords(Invalid):
    """A format that is one document holds 10,000 records at most, and 64 MiB."""

    code = "narrow_the_range"


class BeyondTheStream(Invalid):
    """The offset lies behind the end of the stream that the cursor stands for."""

    code = "beyond_the_stream"
