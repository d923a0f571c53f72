"""Which OCSF class and activity an interaction is (docs/guides/export.md has the table).

What services record is API Activity: somebody asked for an action on a resource. Of what the platform records,
sign-ins, accounts and managed things have classes of their own. A row that does not show what a class requires,
because it is masked or erased, is API Activity too.
"""

import re
from typing import NamedTuple

OTHER = 99


class OcsfClass(NamedTuple):
    """One class of OCSF 1.8: its number, its name and that of its category."""

    uid: int
    name: str
    category: str

    @property
    def category_uid(self) -> int:
        """The number of the category: the thousands of the class."""
        return self.uid // 1000


API_ACTIVITY = OcsfClass(6003, "API Activity", "Application Activity")
AUTHENTICATION = OcsfClass(3002, "Authentication", "Identity & Access Management")
ACCOUNT_CHANGE = OcsfClass(3001, "Account Change", "Identity & Access Management")
ENTITY_MANAGEMENT = OcsfClass(3004, "Entity Management", "Identity & Access Management")

Meaning = tuple[OcsfClass, int]

_PLATFORM: dict[tuple[str, str], Meaning] = {
    ("AUTH", "LOGIN"): (AUTHENTICATION, 1),
    ("AUTH", "LOGIN_FAILED"): (AUTHENTICATION, 1),
    ("AUTH", "LOGOUT"): (AUTHENTICATION, 2),
    ("AUTH", "PASSWORD_RESET"): (ACCOUNT_CHANGE, 4),
    ("AUTH", "MFA_CHANGED"): (ACCOUNT_CHANGE, OTHER),
    ("AUTH", "PASSKEY_CHANGED"): (ACCOUNT_CHANGE, OTHER),
    ("MEMBER", "INVITED"): (ACCOUNT_CHANGE, 1),
    ("MEMBER", "JOINED"): (ACCOUNT_CHANGE, 2),
    ("MEMBER", "ROLE_CHANGED"): (ACCOUNT_CHANGE, OTHER),
    ("MEMBER", "REMOVED"): (ACCOUNT_CHANGE, 6),
    ("MEMBER", "ERASED"): (ACCOUNT_CHANGE, 6),
}
_MANAGED = {"CREATED": 1, "UPDATED": 3, "DELETED": 4, "REVOKED": 9}
_VERBS = (
    (1, "CREATE|CREATED|ADD|ADDED|INSERT|INSERTED|REGISTER|REGISTERED|UPLOAD|UPLOADED|RECORDED|WRITTEN"),
    (2, "READ|GET|VIEW|VIEWED|LIST|LISTED|SEARCH|SEARCHED|DOWNLOAD|DOWNLOADED|EXPORT|EXPORTED|ACCESSED|REVEALED"),
    (3, "UPDATE|UPDATED|MODIFY|MODIFIED|EDIT|EDITED|PATCH|PATCHED|CHANGE|CHANGED|SET|ROTATE|ROTATED"),
    (4, "DELETE|DELETED|REMOVE|REMOVED|ERASE|ERASED|REVOKE|REVOKED"),
)
_VERB = [(activity, re.compile(rf"(?:.*[_.-])?(?:{words})", re.IGNORECASE)) for activity, words in _VERBS]


def meaning_of(resource_type: str, action: str, *, platform: bool) -> Meaning:
    """Return the class and the activity of an interaction by its mnemonics."""
    if not platform:
        return API_ACTIVITY, verb_of(action)
    known = _PLATFORM.get((resource_type, action))
    if known is not None:
        return known
    managed = _MANAGED.get(action)
    return (API_ACTIVITY, verb_of(action)) if managed is None else (ENTITY_MANAGEMENT, managed)


def verb_of(action: str) -> int:
    """Return the activity of API Activity: 1 create, 2 read, 3 update, 4 delete, by the last word; else 99."""
    return next((activity for activity, words in _VERB if words.fullmatch(action)), OTHER)
