"""How the service says no: problems.toml is the one table from a reason to status, stable type and words.

A type is `/problems/<slug>`, which the service also answers with a page; docs/errors.md has the same list.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from pointsbank.ledger.refusals import Refusal

MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason: its status, and what it means and what to do, in Chinese and English.

    `{names}` in the explanations are facts of the case. `retry`: the same command may succeed later.
    """

    slug: str
    status: int
    title: str
    title_en: str
    detail: str
    detail_en: str
    retry: bool = False

    @property
    def uri(self) -> str:
        return f"/problems/{self.slug}"

    def in_general(self, language: str) -> str:
        """The explanation without the facts of any case, `zh` or `en`."""
        detail = self.detail_en if language == "en" else self.detail
        return re.sub(r"\{\w+\}", "…", detail)


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: where it stands (body, query, path, header), its name, and why."""

    source: str
    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457): `detail` is Chinese, `detail_en` English, `facts` those of the case."""

    type: str
    title: str
    title_en: str
    status: int
    detail: str
    detail_en: str
    retry: bool
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    facts: dict[str, Any] | UnsetType = UNSET


def _load() -> dict[str, ProblemType]:
    text = (Path(__file__).parent / "problems.toml").read_text(encoding="utf-8")
    table = msgspec.convert(tomllib.loads(text)["problem"], list[ProblemType])
    return {problem.slug: problem for problem in table}


PROBLEMS: Final[Mapping[str, ProblemType]] = _load()
"""The table, by slug, in the order of precedence."""

DECIMALS: Final = {"POINT": 2, "CNY": 2}


class ProblemError(Exception):
    """Ends a request with a problem. Raised at the rim only, where a handler would answer."""

    def __init__(
        self,
        slug: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[FieldError] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(slug)
        self.type = PROBLEMS[slug]
        self.headers = dict(headers or {})
        self.errors = errors
        self.facts = facts


def problem_of(error: ProblemError, request_id: str) -> Problem:
    """The document of a problem."""
    return _problem(error.type, error.facts, request_id, error.errors)


def problem_of_refusal(refusal: Refusal, request_id: str = "") -> Problem:
    """The document of a refusal of the ledger."""
    return _problem(PROBLEMS[refusal.code], facts_of(refusal), request_id)


def refused(refusal: Refusal) -> ProblemError:
    """A refusal as what ends a request; who must wait is told how long."""
    return ProblemError(refusal.code, headers=retry_after(refusal), **facts_of(refusal))


def retry_after(refusal: Refusal) -> dict[str, str]:
    """The header that says when to come back, where a refusal knows: in seconds, or as a date (RFC 9110)."""
    facts = msgspec.structs.asdict(refusal)
    if "seconds" in facts:
        return {"Retry-After": str(facts["seconds"])}
    for name in ("retry_at", "settles_at", "from_at"):
        if facts.get(name):
            return {"Retry-After": formatdate(facts[name] // 1_000_000 + 1, usegmt=True)}
    return {}


def facts_of(refusal: Refusal) -> dict[str, Any]:
    """What a refusal tells a person, by name; amounts in minor units."""
    facts = msgspec.structs.asdict(refusal)
    if "floor" in facts and "balance" in facts:
        facts["available"] = facts["balance"] - facts["floor"]
    return facts


def _problem(
    kind: ProblemType, facts: dict[str, Any], request_id: str, errors: list[FieldError] | None = None
) -> Problem:
    words = _for_people(facts)
    return Problem(
        kind.uri,
        kind.title,
        kind.title_en,
        kind.status,
        kind.detail.format_map(words),
        kind.detail_en.format_map(words),
        kind.retry,
        request_id,
        errors or UNSET,
        facts or UNSET,
    )


class _Words(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


def _for_people(facts: dict[str, Any]) -> _Words:
    """Facts as they stand in a sentence: amounts with the decimals of their commodity."""
    words = _Words(facts)
    decimals = DECIMALS.get(facts.get("commodity", ""), 0)
    for name in ("available", "required", "balance", "amount"):
        if decimals and isinstance(facts.get(name), int):
            words[name] = amount_text(facts[name], decimals)
    return words


def amount_text(minor: int, decimals: int) -> str:
    """Minor units as a decimal number: 12345 with 2 decimals is 123.45."""
    if not decimals:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
