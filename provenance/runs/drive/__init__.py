"""One run in memory: the interpreter between two checkpoints (docs/life-of/a-run.md).

`advance` interprets until nothing goes on without the outside, then makes a checkpoint of all that happened. An
effect begins only after the commit that records its intent; pure steps are recorded with whatever comes next. After
a take-over the same object is built from the stored rows and comes to the same place.

One class, a file for each of its subjects, each on top of the one before: what it holds (`memory`), what becomes of a
step (`outcomes`), going on after a wait (`waits`), after a take-over (`takeover`), beginning steps (`starts`), work
outside (`work`), checkpoints (`checkpoints`), and what others may ask of it (`drive`).
"""

from provenance.runs.drive.drive import Drive

__all__ = ["Drive"]
