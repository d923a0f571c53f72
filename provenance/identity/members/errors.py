"""What can go wrong with members."""

from provenance.core.errors import Conflict, NotFound


class UnknownMember(NotFound):
    """The workspace has no member with this id."""

    code = "member_not_found"


class LastAdmin(Conflict):
    """A workspace would be left without an active administrator."""

    code = "last_admin"


class AlreadyErased(Conflict):
    """The member was erased: nobody is left to change."""

    code = "member_erased"


class MemberElsewhere(Conflict):
    """The person is also a member of a workspace that who asks does not administer, which has a say in erasing them."""

    code = "member_elsewhere"
