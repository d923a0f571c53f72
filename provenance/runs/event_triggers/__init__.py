"""Event triggers: a row of the ledger starts runs of the workflows whose patterns its topic matches.

A row's topic is ``ledger/<RESOURCE_TYPE>/<ACTION>`` (spec/engine.md, Event triggers). `patterns` finds triggers by the
topic before any condition is asked, `listening` hears the rows, `service` starts the runs of a row, and of whatever
other message another feature brings. The rows of the triggers are the workflows' ``workflow_triggers``.
"""
