"""What can go wrong with a workspace."""

from provenance.core.errors import Conflict


class SlugTaken(Conflict):
    """Another workspace of this installation has the slug."""

    code = "slug_taken"


class SlugImmutable(Conflict):
    """A workspace's slug names its log for ever and can't be changed."""

    code = "slug_immutable"
