"""Going from one workspace to another, and making one more."""
