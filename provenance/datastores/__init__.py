"""Datastores: objects under keys, for passing files between steps and keeping what runs made (spec/automation.md,
4.12 rows 90 to 98, 5.10).

Owns `datastores`, `datastore_references`, `datastore_objects`, `datastore_garbage` and `datastore_uploads`; listens to
no event. What an object is stands in a row, its bytes in the object store (`provenance.core.objects`) under a name of
their own that is never written again: an object is there once its row commits. `objects` reads, lists and deletes,
`uploads` takes new bytes in, `storing` is what the steps of runs use.
"""
