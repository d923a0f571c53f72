"""What can go wrong with a search for activity."""

from provenance.core.errors import Invalid


class FilterRequired(Invalid):
    """Nothing narrows the search; the list of interactions is there to read everything."""

    code = "filter_required"
