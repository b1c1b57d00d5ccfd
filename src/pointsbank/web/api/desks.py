"""The desks of activities and of the life of a record, made once for a ledger when the service starts."""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from pointsbank.activities.attendance import AttendanceService
from pointsbank.activities.codes import RotatingCodes
from pointsbank.activities.ports import By, Households, PlaceCodes, Places, RegisteredHouseholds
from pointsbank.activities.service import ActivityService
from pointsbank.engine.registry import Ledger
from pointsbank.hours.appeals import Appealing
from pointsbank.hours.clawback import Clawing
from pointsbank.hours.corrections import Correcting
from pointsbank.hours.funding import Funding
from pointsbank.hours.notices import Names, Notices
from pointsbank.hours.objections import Objecting
from pointsbank.hours.sampling import Sampling
from pointsbank.hours.status import Standings
from pointsbank.hours.submission import Submitting
from pointsbank.hours.verification import Verifying
from pointsbank.hours.watched import WatchedSubmitting, WatchedVerifying
from pointsbank.people.directory import directory_of
from pointsbank.people.registry import Registry
from pointsbank.policy.book import PolicyBook
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in
from pointsbank.web.validation import BankRequest


class Desks(msgspec.Struct, frozen=True):
    """Where activities are planned, attendance is noted and records are judged."""

    ledger: Ledger
    activities: ActivityService
    attendance: AttendanceService
    submitting: Submitting
    verifying: Verifying
    objecting: Objecting
    correcting: Correcting
    funding: Funding
    standings: Standings
    appealing: Appealing
    clawing: Clawing
    sampling: Sampling
    notices: Notices


_MADE: WeakKeyDictionary[Ledger, Desks] = WeakKeyDictionary()


def make_desks(
    ledger: Ledger,
    policies: PolicyBook,
    *,
    code_key: bytes,
    households: Households | None = None,
    places: Places | None = None,
    names: Names | None = None,
) -> Desks:
    """The desks of a ledger. `code_key` signs rotating codes: the same for all processes that serve it.

    `names` is the register of people, for the masked names of the public notice; without it nobody is named.
    """
    households = households or RegisteredHouseholds(ledger)
    desks = _MADE[ledger] = Desks(
        ledger,
        ActivityService(ledger, policies, places or PlaceCodes(ledger)),
        AttendanceService(ledger, policies, RotatingCodes(ledger.name, code_key)),
        WatchedSubmitting(ledger, policies, households),
        WatchedVerifying(ledger, policies, households),
        Objecting(ledger, policies, households),
        Correcting(ledger, policies, households),
        Funding(ledger, policies),
        Standings(ledger, policies),
        Appealing(ledger, policies, households),
        Clawing(ledger, policies, households),
        Sampling(ledger, policies, households),
        Notices(ledger, policies, names),
    )
    return desks


def desks_of(bank: Bank) -> Desks:
    """The desks of the bank's ledger, made when they are first needed. Then codes are good in this process only."""
    made = _MADE.get(bank.ledger)
    if made is None:
        names = Registry(directory_of(bank.ledger).store)
        made = make_desks(bank.ledger, bank.policies, code_key=os.urandom(32), names=names)
    return made


def by_of(request: BankRequest) -> By:
    """Who acts: the natural person behind the key or session; a key of nobody is a machine, and its own device."""
    return by_actor(actor_in(request))


def by_actor(actor: Any) -> By:
    """As `by_of`, of somebody whom the door has let in."""
    person = getattr(actor, "person", "")
    places = [grant.place for grant in getattr(actor, "grants", ())]
    place = "" if not places or "" in places else places[0]
    return By(actor.id, person, "" if person else actor.id, place)
