"""What can go wrong with environments."""

from provenance.core.errors import Conflict


class ProductionStays(Conflict):
    """Every workspace has the environment `production`, and it is protected."""

    code = "production_stays"


class EnvironmentInUse(Conflict):
    """Something lives in an environment that was left out of the list."""

    code = "environment_in_use"
