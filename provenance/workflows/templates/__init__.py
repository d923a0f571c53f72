"""Templates: workflows to begin with, each runnable against local stand-ins. Owns no table: they come with the code."""
