"""What can go wrong with people, keys and credentials, wherever in identity it arises."""

from provenance.core.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, Problem


class WeakKey(Invalid):
    """An API key that is too short, or of another form than pv_<id>_<secret>."""

    code = "weak_api_key"


class WeakPassword(Invalid):
    """A password that is too short, too long, or made of too few different characters."""

    code = "weak_password"


class BadCredentials(NotAuthenticated):
    """The e-mail address or the password is not right; the answer is the same whether the account exists."""

    code = "bad_credentials"


class CodeRequired(NotAuthenticated):
    """The password is right, and this account asks for a one-time code as well: send it as `otp`."""

    code = "otp_required"


class TwoCredentials(Invalid):
    """The request carries a bearer token and an API key; send one."""

    code = "two_credentials"


class FreshLoginRequired(NotAllowed):
    """This act needs a recent sign-in: sign in again, then repeat it."""

    code = "fresh_login_required"


class NoMembership(NotAllowed):
    """The person is no active member of the workspace, or of any."""

    code = "no_membership"


class AlreadyMember(Conflict):
    """The person is an active member of the workspace already."""

    code = "already_member"


class TicketSpent(Invalid):
    """The token of a link or a sign-in under way is unknown, was used before, or has run out."""

    code = "ticket_spent"


class TooManyGuesses(Problem):
    """Too many wrong guesses from this address or at this account; `Retry-After` tells when the next one counts."""

    status = 429
    code = "too_many_guesses"
    title = "Too many requests"
