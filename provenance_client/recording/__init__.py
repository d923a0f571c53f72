"""Recording without waiting: a spool on disk that the caller writes, and a sender behind its back that
empties it.

`spool` one file of one process · `folder` whose file it is, and adopting those of the dead · `sender` the
background thread · `recorder` both together, surviving a fork · `scope`, `span` what belongs to what.
"""
