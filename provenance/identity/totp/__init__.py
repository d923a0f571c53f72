"""One-time codes of an authenticator app, and recovery codes for the day the phone is gone."""
