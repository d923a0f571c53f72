"""Folders of the fork server's own, made and removed without the modules that take long to import."""

import os

_PLACES = ("/tmp", "/var/tmp")  # noqa: S108  (each folder is made anew, for its owner alone)


def new_folder(within: str | None = None) -> str:
    """Make a folder that nobody else may enter, and return its path. Raises OSError."""
    place = within or next((each for each in _PLACES if os.access(each, os.W_OK)), os.curdir)
    path = os.path.join(place, f"pv-skills-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    return path


def remove(path: str) -> None:
    """Remove a folder with all that is in it, as far as that goes."""
    import shutil  # only where folders are not in memory, or at the end

    shutil.rmtree(path, ignore_errors=True)
