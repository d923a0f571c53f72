"""How `provenance export` gets its file: a download that survives breaks, and the check at its end."""
