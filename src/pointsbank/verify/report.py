"""What `verify` found: every broken row by name, and what it cannot know."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from pointsbank.verify.sentences import LIMITS, SENTENCES

LISTED: Final = 1000
"""Findings that are listed; those beyond are counted."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not hold: a stable code, where (table/key), a sentence, expected and found."""

    code: str
    place: str
    zh: str
    en: str
    expected: str = ""
    found: str = ""


class Sentence(msgspec.Struct, frozen=True):
    """A sentence in both languages."""

    zh: str
    en: str


class Report(msgspec.Struct, frozen=True):
    """The outcome of a verification. Times in microseconds UTC and seconds; sequences inclusive."""

    ledger_id: int
    name: str
    chart: str
    engine: str
    holds: bool
    from_sequence: int
    to_sequence: int
    checked: dict[str, int]
    """How many of each were checked: entries, postings, balances, accounts …"""
    total_findings: int
    counts: dict[str, int]
    """Findings by code, also of those that are not listed."""
    findings: tuple[Finding, ...]
    cannot_reveal: tuple[Sentence, ...]
    started_at: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 only if everything holds."""
        return 0 if self.holds else 1

    def to_json(self) -> str:
        """The report as one JSON object."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


class Findings:
    """Collects findings in bounded memory: all are counted, the first are listed."""

    def __init__(self, listed: int = LISTED) -> None:
        self._limit = listed
        self._listed: dict[tuple[str, str], Finding] = {}
        self.counts: Counter[str] = Counter()

    def add(self, code: str, place: str, expected: object = "", found: object = "") -> None:
        """Note one finding; the same code at the same place is one finding."""
        if (code, place) in self._listed:
            return
        self.counts[code] += 1
        if len(self._listed) < self._limit:
            zh, en = SENTENCES[code]
            self._listed[code, place] = Finding(code, place, zh, en, _shown(expected), _shown(found))

    @property
    def listed(self) -> tuple[Finding, ...]:
        return tuple(self._listed.values())


def cannot_reveal() -> tuple[Sentence, ...]:
    """What no look at the database alone can reveal."""
    return tuple(Sentence(zh, en) for zh, en in LIMITS)


def render(report: Report) -> str:
    """The report for people, Chinese first."""
    whole = report.from_sequence <= 1
    lines = [
        f"核验账本 {report.name}（{report.engine}）  verify ledger {report.name}",
        f"范围 凭证 {report.from_sequence}–{report.to_sequence}"
        f"（{'全部' if whole else '增量'}）  entries, {'all' if whole else 'incremental'}",
        "已核对 checked: " + ", ".join(f"{name} {count:,}" for name, count in report.checked.items()),
        f"用时 {report.seconds:.1f} 秒  seconds",
        "",
    ]
    if report.holds:
        lines.append("结论：全部相符。  All invariants hold.")
    else:
        lines.append(f"结论：发现 {report.total_findings:,} 处不符。  {report.total_findings:,} findings:")
        lines += [f"  {code}: {count:,}" for code, count in sorted(report.counts.items())]
        lines.append("")
        for finding in report.findings:
            lines += _rendered(finding)
        unlisted = report.total_findings - len(report.findings)
        if unlisted:
            lines.append(f"另有 {unlisted:,} 处未列出。  {unlisted:,} more are not listed.")
    lines += ["", "本核验不能发现的情况  What this cannot reveal:"]
    for limit in report.cannot_reveal:
        lines += [f"  - {limit.zh}", f"    {limit.en}"]
    return "\n".join(lines) + "\n"


def _rendered(finding: Finding) -> list[str]:
    lines = [
        f"✗ {finding.place}  [{finding.code}]",
        f"  {finding.zh}。{finding.en[0].upper()}{finding.en[1:]}.",
    ]
    if finding.expected or finding.found:
        lines.append(f"  应为 expected: {finding.expected}   实为 found: {finding.found}")
    return lines


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes | memoryview) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"


def span(table: str, first: int, last: int) -> str:
    """A row, or a run of rows, by its table and numbers."""
    return f"{table}/{first}" if first == last else f"{table}/{first}..{last}"
