"""The objects of datastores: their rows, and reading their bytes (spec/automation.md, rows 95, 97 and 98)."""
