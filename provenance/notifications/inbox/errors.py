"""What can go wrong with inboxes."""

from provenance.core.errors import NotFound


class NotificationNotFound(NotFound):
    """The inbox of who asks has no such entry."""

    code = "notification_not_found"

    def __init__(self) -> None:
        super().__init__("Your inbox in this workspace has no such notification.")
