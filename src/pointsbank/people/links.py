"""Who may act for whom: guardians of minors, helpers of people without a phone.

Two members of staff make a link: one proposes it with evidence, another confirms it; neither is one of the linked or
of the ward's household. It works after a delay, in which the ward hears of it. Guardians' links end at 18.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people.identity import FULL_AGE, turns
from pointsbank.people.model import USUAL
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import LinkNotAllowed, SecondPersonNeeded, UnknownChange, UnknownPerson
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import OPEN_END, links, persons
from pointsbank.policy.calendar import city_day, completed_years

LinkKind = Literal["guardian", "helper"]


class LinkRules(msgspec.Struct, frozen=True):
    """How many wards one helper may have, and how long a new link waits (microseconds)."""

    most_wards: int = USUAL.most_wards
    delay: int = USUAL.new_means_micros


class Link(msgspec.Struct, frozen=True):
    """One link. `from_day` is its first day, `to_day` the first day without it; it works from `effective_at` on."""

    id: str
    ward_id: str
    kind: str
    holder_id: str
    from_day: str
    to_day: str
    state: str
    proposed_by: str
    confirmed_by: str
    effective_at: int


class Links:
    """Makes and ends links, and answers who may act for whom."""

    def __init__(
        self, store: PeopleStore, *, zone: str = "Asia/Shanghai", rules: LinkRules | None = None
    ) -> None:
        self.store = store
        self.zone = zone
        self.rules = rules or LinkRules()

    async def propose(
        self,
        kind: LinkKind,
        holder_id: str,
        ward_id: str,
        by: str,
        *,
        evidence: str,
        household: Collection[str] = (),
    ) -> Link | UnknownPerson | LinkNotAllowed | SecondPersonNeeded:
        """Propose a link with its evidence. `household`: the persons of the ward's household today."""
        now = self.store.clock.now()
        return await self.store.write(
            lambda c: self._propose(c, kind, holder_id, ward_id, by, evidence, frozenset(household), now)
        )

    async def confirm(
        self, ward_id: str, link_id: str, by: str, *, household: Collection[str] = ()
    ) -> Link | UnknownChange | SecondPersonNeeded | LinkNotAllowed:
        """Confirm what another member of staff proposed. The ward is told; the link works after the delay."""
        now = self.store.clock.now()
        return await self.store.write(
            lambda c: self._confirm(c, ward_id, link_id, by, frozenset(household), now)
        )

    async def end(self, ward_id: str, link_id: str, by: str) -> UnknownChange | None:
        """End a link at once; to take a right away one person is enough."""
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._end(c, ward_id, link_id, by, now))

    async def guardians_of(self, person_id: str) -> list[str]:
        """Who may act as a guardian of this person now."""
        now = self.store.clock.now()
        day = city_day(now, self.zone)
        return await self.store.read(lambda c: guardians_of(c, self.store.ledger_id, person_id, day, now))

    async def wards_of(self, holder_id: str) -> list[Link]:
        """For whom somebody may act now."""
        now = self.store.clock.now()
        day = city_day(now, self.zone).isoformat()
        t = links.c
        return await self.store.read(
            lambda c: _links(
                c,
                t.ledger_id == self.store.ledger_id,
                t.holder_id == holder_id,
                t.state == "active",
                t.from_day <= day,
                t.to_day > day,
                t.effective_at <= now,
            )
        )

    async def of(self, person_id: str) -> list[Link]:
        """Every link of a ward, also proposed and ended ones."""
        t = links.c
        return await self.store.read(
            lambda c: _links(c, t.ledger_id == self.store.ledger_id, t.ward_id == person_id)
        )

    def _propose(
        self,
        connection: Connection,
        kind: LinkKind,
        holder_id: str,
        ward_id: str,
        by: str,
        evidence: str,
        household: frozenset[str],
        now: int,
    ) -> Link | UnknownPerson | LinkNotAllowed | SecondPersonNeeded:
        vault, day = self.store.vault, city_day(now, self.zone)
        for person_id in (holder_id, ward_id):
            if not _is_active(connection, vault.ledger_id, person_id):
                return UnknownPerson(person_id)
        refused = outsider(by, (holder_id, ward_id), household) or self._allowed(
            connection, kind, holder_id, ward_id, evidence, day
        )
        if refused is not None:
            return refused
        link = Link(
            new_id(), ward_id, kind, holder_id, day.isoformat(), self._ends(connection, kind, ward_id), "proposed",
            by, "", 0,
        )  # fmt: skip
        key = vault.keys_of(connection, [ward_id])[ward_id]
        connection.execute(
            insert(links).values(
                ledger_id=vault.ledger_id, ward_id=ward_id, link_id=link.id, kind=kind, holder_id=holder_id,
                from_day=link.from_day, to_day=link.to_day, state=link.state, proposed_by=by, proposed_at=now,
                confirmed_by="", confirmed_at=0, effective_at=0,
                evidence=vault.seal(key, f"evidence {link.id}", evidence),
            )
        )  # fmt: skip
        return link

    def _confirm(
        self, connection: Connection, ward_id: str, link_id: str, by: str, household: frozenset[str], now: int
    ) -> Link | UnknownChange | SecondPersonNeeded | LinkNotAllowed:
        t, ledger_id = links.c, self.store.ledger_id
        here = (t.ledger_id == ledger_id, t.ward_id == ward_id, t.link_id == link_id)
        found = _links(connection, *here, t.state == "proposed")
        if not found:
            return UnknownChange(link_id)
        link = found[0]
        lock(connection, ledger_id, link.holder_id)
        refused = outsider(by, (link.holder_id, ward_id, link.proposed_by), household) or self._wards(
            connection, link.kind, link.holder_id
        )
        if refused is not None:
            return refused
        day = city_day(now, self.zone).isoformat()
        changed = connection.execute(
            update(links)
            .where(*here, t.state == "proposed")
            .values(
                state="active",
                from_day=day,
                confirmed_by=by,
                confirmed_at=now,
                effective_at=now + self.rules.delay,
            )
        ).rowcount
        if not changed:
            return UnknownChange(link_id)
        enqueue(connection, self.store.vault, ward_id, f"{link.kind}-linked", now)
        # who helps already hears that somebody else will, too
        tell_helpers(
            connection, self.store.vault, ward_id, f"ward-{link.kind}-linked", now, but=link.holder_id
        )
        return msgspec.structs.replace(
            link, state="active", from_day=day, confirmed_by=by, effective_at=now + self.rules.delay
        )

    def _end(
        self, connection: Connection, ward_id: str, link_id: str, by: str, now: int
    ) -> UnknownChange | None:
        t = links.c
        changed = connection.execute(
            update(links)
            .where(
                t.ledger_id == self.store.ledger_id,
                t.ward_id == ward_id,
                t.link_id == link_id,
                t.state != "ended",
            )
            .values(state="ended", to_day=city_day(now, self.zone).isoformat())
        ).rowcount
        if not changed:
            return UnknownChange(link_id)
        enqueue(connection, self.store.vault, ward_id, "link-ended", now)
        return None

    def _allowed(
        self, connection: Connection, kind: LinkKind, holder_id: str, ward_id: str, evidence: str, day: date
    ) -> LinkNotAllowed | None:
        if holder_id == ward_id:
            return LinkNotAllowed("不能为自己办理", "nobody is linked to oneself")
        if not evidence.strip():
            return LinkNotAllowed("须有证明材料", "evidence is needed")
        values = self.store.vault.values_of(connection, [holder_id, ward_id], ("birth",))
        grown = self._age(values[holder_id], day)
        if grown is not None and grown < FULL_AGE:
            return LinkNotAllowed("监护人和协助人须年满18周岁", "guardians and helpers are grown up")
        if kind == "guardian":
            age = self._age(values[ward_id], day)
            if age is None or grown is None:
                return LinkNotAllowed("双方须已登记出生日期", "the birth dates of both must be on file")
            if age >= FULL_AGE:
                return LinkNotAllowed("被监护人已满18周岁", "the person is 18 already")
        return self._wards(connection, kind, holder_id)

    def _wards(self, connection: Connection, kind: str, holder_id: str) -> LinkNotAllowed | None:
        """A helper has at most so many wards; asked again at confirmation, under a lock on the helper's row."""
        t = links.c
        count = connection.execute(
            select(func.count())
            .select_from(links)
            .where(
                t.ledger_id == self.store.ledger_id,
                t.holder_id == holder_id,
                t.kind == "helper",
                t.state == "active",
            )
        ).scalar_one()
        if kind == "helper" and count >= self.rules.most_wards:
            return LinkNotAllowed("协助的人数已达上限", "the helper has as many wards as allowed")
        return None

    def _ends(self, connection: Connection, kind: LinkKind, ward_id: str) -> str:
        if kind == "helper":
            return OPEN_END
        values = self.store.vault.values_of(connection, [ward_id], ("birth",))[ward_id]
        return turns(date.fromisoformat(values["birth"]), FULL_AGE).isoformat()

    def _age(self, values: dict[str, str], day: date) -> int | None:
        return completed_years(date.fromisoformat(values["birth"]), day) if "birth" in values else None


def outsider(by: str, concerned: Collection[str], household: Collection[str]) -> SecondPersonNeeded | None:
    """Refuse somebody who is concerned: one of the persons, of the household, or who acted before."""
    if by in concerned or by in household:
        return SecondPersonNeeded(
            "经办人不能是当事人、其家人或同一位工作人员",
            "who acts may not be one of the persons, of the household, or the one who proposed it",
        )
    return None


def guardians_of(connection: Connection, ledger_id: int, person_id: str, day: date, now: int) -> list[str]:
    """Guardians of a person on a day whose links work by now."""
    t = links.c
    on = day.isoformat()
    query = select(t.holder_id).where(
        t.ledger_id == ledger_id,
        t.ward_id == person_id,
        t.kind == "guardian",
        t.state == "active",
        t.from_day <= on,
        t.to_day > on,
        t.effective_at <= now,
    )
    return sorted(connection.execute(query).scalars())


def _links(connection: Connection, *conditions: object) -> list[Link]:
    t = links.c
    query = (
        select(
            t.link_id, t.ward_id, t.kind, t.holder_id, t.from_day, t.to_day, t.state, t.proposed_by,
            t.confirmed_by, t.effective_at,
        )
        .where(*conditions)  # type: ignore[arg-type]
        .order_by(t.link_id)
        .limit(1000)
    )  # fmt: skip
    return [Link(*tuple(row)) for row in connection.execute(query)]


def _is_active(connection: Connection, ledger_id: int, person_id: str) -> bool:
    t = persons.c
    state = connection.execute(
        select(t.state).where(t.ledger_id == ledger_id, t.person_id == person_id)
    ).scalar()
    return state == "active"


def lock(connection: Connection, ledger_id: int, person_id: str) -> None:
    """Hold a person's row until the transaction ends, so that what is counted stays true."""
    t = persons.c
    connection.execute(
        select(t.state).where(t.ledger_id == ledger_id, t.person_id == person_id).with_for_update()
    )
