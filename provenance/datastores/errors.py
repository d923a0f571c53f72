"""What can go wrong with datastores and their objects."""

from provenance.core.errors import Conflict, Invalid, NotAllowed, NotFound


class DatastoreNotFound(NotFound):
    """No datastore of this workspace has the id."""

    code = "datastore_not_found"


class DatastoreNameTaken(Conflict):
    """Another datastore of the workspace has the name."""

    code = "datastore_name_taken"


class DatastoreNotEmpty(Conflict):
    """The datastore holds objects; `?force=true` deletes them with it."""

    code = "datastore_not_empty"


class DatastoreInUse(Conflict):
    """Something works with the datastore, such as a published workflow."""

    code = "in_use"


class DatastoreFull(Conflict):
    """The object would take the datastore over its quota."""

    code = "datastore_full"


class ObjectNotFound(NotFound):
    """The datastore holds nothing under the key."""

    code = "object_not_found"


class ObjectExists(Conflict):
    """There is an object under the key, and the upload was asked for with ifNoneMatch."""

    code = "object_exists"


class BadKey(Invalid):
    """The key of an object has 1 to 1,024 bytes, no leading slash, no segment `..` and no control characters."""

    code = "bad_object_key"


class OverLimit(Invalid):
    """The object is larger than the datastore takes; maxObjectBytes says how much that is."""

    code = "object_over_limit"


class RangeOutside(Invalid):
    """The range of bytes that was asked for begins behind the end of the object.

    Not 416: the contract has no such status (spec/automation.md, C11).
    """

    code = "range_not_satisfiable"


class UploadNotFound(NotFound):
    """No upload has this address: it is over, was never begun, or the address was changed."""

    code = "upload_not_found"


class UploadUsed(Conflict):
    """The address was used: what was announced has arrived. Ask for another one."""

    code = "upload_used"


class UploadOutOfStep(Conflict):
    """The part does not begin where the one before ended; receivedBytes of the upload says where that is."""

    code = "upload_out_of_step"


class UploadIncomplete(Conflict):
    """The upload is asked to end, and bytes of it are missing."""

    code = "upload_incomplete"


class BadContentRange(Invalid):
    """A part says where it belongs as `Content-Range: bytes 0-1048575/5242880`."""

    code = "bad_content_range"


class DownloadRefused(NotAllowed):
    """The download address has run out, or was changed."""

    code = "download_refused"
