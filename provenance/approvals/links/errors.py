"""What can go wrong with links in mails."""

from provenance.core.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, NotFound


class LinkNotFound(NotFound):
    """There is no such link, or it was made for another approval."""

    code = "link_not_found"

    def __init__(self) -> None:
        super().__init__("This link is none of ours, or was cut off on its way. Sign in to see what is asked of you.")


class LinkUsed(Conflict):
    """A decision was made by this link, or by another one of the same mail."""

    code = "link_used"

    def __init__(self) -> None:
        super().__init__("This link was used already. A link decides once.")


class LinkExpired(Conflict):
    """The link's time is over; that of the approval may not be."""

    code = "link_expired"

    def __init__(self) -> None:
        super().__init__("The time of this link is over. Sign in to see whether the approval still waits.")


class NotYourLink(NotAllowed):
    """Somebody else is signed in than the one whom the mail was sent to."""

    code = "not_your_link"

    def __init__(self) -> None:
        super().__init__("This link was mailed to somebody else: only that person may decide by it.")


class NotSignedIn(NotAuthenticated):
    """A link opens an approval; deciding by it takes the person's password, or a sign-in."""

    code = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("Deciding takes your password: the link alone opens the page, and does no more.")


class SignInNeeded(NotAllowed):
    """This approval is not decided by a link: its risk is critical, or the policy wants a passkey's signature."""

    code = "sign_in_required"

    def __init__(self) -> None:
        super().__init__("This approval is not decided by a link. Sign in to decide it.")


class BadLinkDecision(Invalid):
    """The form is not the one of the page: it takes token, decision, comment, password and otp."""

    code = "bad_link_decision"
