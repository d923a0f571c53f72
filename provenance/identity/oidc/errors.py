"""What can go wrong with sign-on through a provider."""

from provenance.core.errors import NotAuthenticated, NotFound, Unavailable


class OidcNotConfigured(NotFound):
    """This installation names no OpenID Connect provider."""

    code = "oidc_not_configured"


class OidcRefused(NotAuthenticated):
    """The provider did not say who this is, or nobody here has the verified address it names."""

    code = "oidc_refused"


class OidcUnavailable(Unavailable):
    """The OpenID Connect provider does not answer as its protocol demands."""

    code = "oidc_unavailable"
