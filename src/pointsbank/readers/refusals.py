"""Why a question has no answer; the ledger's own UnknownAccount and UnknownEntry are used too."""

from __future__ import annotations

import msgspec


class QuestionRefused(msgspec.Struct, frozen=True, tag_field="code"):
    """Base of the refusals of questions. `code` is stable."""

    @property
    def code(self) -> str:
        return str(self.__struct_config__.tag)


class QuestionInvalid(QuestionRefused, frozen=True, tag="question-invalid"):
    """The question is not well formed: what is wrong with it."""

    problem: str


class CursorInvalid(QuestionRefused, frozen=True, tag="cursor-invalid"):
    """The cursor was not given out for this list, or was changed: begin at the first page."""

    problem: str


class SequenceAhead(QuestionRefused, frozen=True, tag="sequence-ahead"):
    """The books have not come to this sequence number yet; `head` is where they are."""

    sequence: int
    head: int
