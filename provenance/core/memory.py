"""How a process that lives long looks for garbage."""

import gc


def hold_garbage() -> None:
    """Look for no garbage while a process loads: a fifth of the time went into finding that nothing of it is any.

    `settle_memory` ends it.
    """
    gc.disable()


def settle_memory() -> None:
    """Take what lives for ever out of the collector's sight, and let it look less often.

    Requests and runs make no cycles, so full collections under load only find the same live objects again; they took
    a fifth of the time of a busy process. To be called once what a process loads is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
