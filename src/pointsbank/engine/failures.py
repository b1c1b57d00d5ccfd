"""Why the writer could not answer. The codes are stable and tell what a caller may do."""

from __future__ import annotations

from pointsbank.store.port import BatchConflict, StoreError


class WriterError(Exception):
    """The writer could not answer; `code` is stable and tells what a caller may do."""

    code = "writer-failed"


class WriterOverloaded(WriterError):
    """The queue is full: nothing was written, try again shortly."""

    code = "overloaded"


class WriterStopped(WriterError):
    """The writer is shutting down or not started: nothing was written."""

    code = "stopped"


class CommitOutcomeUnknown(WriterError):
    """The answer of the database is missing: repeat the same key to learn the outcome."""

    code = "outcome-unknown"


def failure_of(error: Exception) -> WriterError:
    """What the callers of a group are told when it could not be written."""
    if isinstance(error, BatchConflict):
        return WriterError("the database refuses the batch")
    if isinstance(error, StoreError):
        return WriterError(f"the store failed: {error}")
    return WriterError(f"the draft could not be written: {type(error).__name__}")
