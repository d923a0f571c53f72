"""Sign-on through an OpenID Connect provider: code flow with PKCE."""
