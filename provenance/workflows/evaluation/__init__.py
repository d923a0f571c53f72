"""Evaluating expressions for editors: what would this mapping give for that scope? Owns no table."""
