"""What can go wrong with connections. No text here ever holds a credential or what a provider said word for word."""

from provenance.core.errors import Conflict, Invalid, NotFound, Unavailable
from provenance.secrets.errors import InUse


class ConnectionNotFound(NotFound):
    """No connection of this workspace has the id."""

    code = "connection_not_found"


class ConnectionNameTaken(Conflict):
    """Another connection of the workspace has the name."""

    code = "connection_name_taken"


class ConnectionInUse(InUse):
    """Something works with the connection, so it can't be deleted; ``usedBy`` of the connection says what."""


class UnknownIntegration(Invalid):
    """There is no integration of this name."""

    code = "unknown_integration"


class WrongAuthType(Invalid):
    """The integration does not take this kind of credential."""

    code = "wrong_auth_type"


class BadConfig(Invalid):
    """The configuration lacks a field, has one that does not fit, or holds what belongs in the credential."""

    code = "bad_connection_config"


class BadCredential(Invalid):
    """The credential lacks a field, or has one that can't be sent. Its values are not repeated."""

    code = "bad_credential"


class CredentialNeeded(Conflict):
    """The change would send the stored credential to another host: send the credential with it."""

    code = "credential_needed"


class NotTested(Conflict):
    """A connection with an error is used again after a good test, not by hand."""

    code = "connection_not_tested"


class NotOAuth(Conflict):
    """The connection is not authorised at a provider: its credential is sent with it."""

    code = "connection_not_oauth"


class OAuthClientMissing(Conflict):
    """Nobody said which OAuth client this integration uses: the operator, or ``config.clientId``."""

    code = "oauth_client_missing"


class BadRedirect(Invalid):
    """After an authorisation the browser goes on to an address of this installation, and no other."""

    code = "bad_redirect_uri"


class AuthorizationSpent(Invalid):
    """The state of an authorisation is unknown, was used before, or has run out: begin again."""

    code = "authorization_spent"


class AuthorizationRefused(Invalid):
    """The provider, or the person there, did not grant what was asked for."""

    code = "authorization_refused"


class ConnectionPaused(Conflict):
    """The connection is held by hand and not used."""

    code = "connection_paused"


class ConnectionPending(Conflict):
    """The connection was not authorised at the provider yet."""

    code = "connection_pending"


class ConnectionBroken(Conflict):
    """The connection's credential is not accepted any more; ``lastError`` says why. Authorise or test it again."""

    code = "connection_error"


class HostNotAllowed(Invalid):
    """The call goes to a host that this connection's credential is not sent to."""

    code = "host_not_allowed"


class ProviderAway(Unavailable):
    """The outside service does not answer now, or not as its protocol demands."""

    code = "provider_unavailable"
