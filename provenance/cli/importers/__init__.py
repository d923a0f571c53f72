"""Importers: each turns one kind of source into records; one delivery sends them, none stored twice.

`contract.py` is what an importer is, `registry.py` finds them (a plug-in registers in the entry-point group
`provenance.importers`), `delivery.py` sends, `journal.py` remembers how far an interrupted import came.
"""
