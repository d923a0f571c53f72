"""Sign-ins: access tokens, refresh tokens that rotate, and what a signed-in person is told of themselves."""
