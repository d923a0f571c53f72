"""Recording interactions and reading them back: accept, seal, append; lists, filters, single rows."""
