"""What can go wrong with skills."""

from provenance.core.errors import Conflict, Invalid, NotFound


class SkillNotFound(NotFound):
    """No skill of this workspace has the id."""

    code = "skill_not_found"


class SkillVersionNotFound(NotFound):
    """The skill has no such version."""

    code = "skill_version_not_found"


class PackageNotFound(NotFound):
    """The skill has no such package, or it was never uploaded."""

    code = "package_not_found"


class UploadNotFound(NotFound):
    """No upload waits at this address: it was used, its time is over, or it never was."""

    code = "upload_not_found"


class SkillNameTaken(Conflict):
    """Another skill of the workspace has the name."""

    code = "skill_name_taken"


class SkillInUse(Conflict):
    """A live workflow, or an agent, calls the skill."""

    code = "in_use"


class SkillStale(Conflict):
    """The skill was changed since it was read."""

    code = "stale"


class NoActivePackage(Conflict):
    """The skill has no code yet: no package was uploaded."""

    code = "no_active_package"


class SkillDisabled(Conflict):
    """The skill is switched off."""

    code = "skill_disabled"


class BadSkillSchema(Invalid):
    """What should be a JSON Schema is none."""

    code = "bad_schema"


class InputRefused(Invalid):
    """The input does not fit the skill's schema; its code was not called."""

    code = "schema_validation"


class PackageTooLarge(Invalid):
    """The package is larger than 50 MiB."""

    code = "package_too_large"


class BadPackage(Invalid):
    """The package is no zip that can be taken: details say why."""

    code = "bad_package"


class PackageDiffers(Invalid):
    """What was uploaded is not what was announced: another size or another SHA-256."""

    code = "package_differs"


class BadSkillEgress(Invalid):
    """The hosts of the skill's egress are none, or its runtime has no way out."""

    code = "bad_egress"
