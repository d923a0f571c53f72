"""Event triggers: rows of the ledger and messages of the bus start runs of the workflows whose patterns they match.

A row's topic is ``ledger/<RESOURCE_TYPE>/<ACTION>`` (spec/engine.md, Event triggers). `patterns` finds triggers by the
topic before any condition is asked, `listening` is handed the rows, `hearing` reads what they say, `service` starts
the runs, also of whatever message another feature brings. The triggers' rows are the workflows' ``workflow_triggers``.
"""
