"""Guesses at passwords and codes, counted in the database, each slower than the one before."""
