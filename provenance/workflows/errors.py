"""What can go wrong with workflows."""

from collections.abc import Iterable

from provenance.core.errors import Conflict, Invalid, NotFound
from provenance.workflows.problems import Problem


class UnknownWorkflow(NotFound):
    """There is no such workflow, or version of it, in this workspace."""

    code = "unknown_workflow"


class UnknownTemplate(NotFound):
    """There is no template of this id."""

    code = "unknown_template"


class NameTaken(Conflict):
    """Another workflow of the environment has this name."""

    code = "workflow_name_taken"


class Stale(Conflict):
    """Somebody changed it since it was read; read it again, and change that."""

    code = "stale"


class DraftUnchanged(Conflict):
    """The draft is what the live version is already."""

    code = "draft_unchanged"


class NotDeployed(Conflict):
    """The workflow has no live version."""

    code = "not_deployed"


class AlreadyLive(Conflict):
    """This version is the live one already."""

    code = "already_live"


class EnvironmentFixed(Conflict):
    """A workflow that was published stays in its environment; promote it to another."""

    code = "environment_fixed"


class ActiveRuns(Conflict):
    """Runs of the workflow are under way; cancel them, or wait."""

    code = "active_runs"


class ConfirmationNeeded(Invalid):
    """Deleting a workflow in production needs its name as confirmation."""

    code = "confirmation_needed"


class UnknownEnvironment(Invalid):
    """The workspace has no such environment."""

    code = "unknown_environment"


class BadYaml(Invalid):
    """A definition that was sent as YAML can't be read."""

    code = "bad_yaml"


class NoWebhook(Conflict):
    """The live version has no webhook trigger."""

    code = "no_webhook"


class InvalidGraph(Invalid):
    """The definition can't run; `details` name every problem at its place."""

    code = "invalid_graph"

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "InvalidGraph":
        """Make the error of a definition's problems."""
        found = list(problems)
        issue = f"The definition has {len(found)} problem{'s' if len(found) > 1 else ''}: {found[0].path}: "
        return cls(issue + found[0].issue, details=[{"path": each.path, "issue": each.issue} for each in found])


class Ungated(Invalid):
    """A path reaches an effect of the risk that was named without the approval that was asked for."""

    code = "ungated"
