"""The rules of a run without any I/O: which edges are taken, which steps are ready, how it all ends."""

from provenance.runs.interpreting.course import Course, EdgeFailed, Verdict
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from provenance.runs.interpreting.scope import NotBounded, Scope

__all__ = ["Course", "Done", "EdgeFailed", "Failed", "NotBounded", "Park", "Result", "Scope", "Verdict"]
