"""Who may act for a record: natural persons are compared, never accounts or keys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from pointsbank.activities.ports import By
from pointsbank.policy.model import Safeguards


class Line(msgspec.Struct, frozen=True, gc=False):
    """Who has to do with a record so far: people by their id, machine sources as `machine:…`."""

    beneficiary: str
    recorders: frozenset[str]
    """Who recorded it, and whom the paper names."""
    verifiers: frozenset[str] = frozenset()
    objectors: frozenset[str] = frozenset()


class Ties(msgspec.Struct, frozen=True):
    """What ties people to each other: households on the days that count, and who credited whom lately."""

    households: tuple[Mapping[str, str], ...] = ()
    """The household of each person, on the service date and on the day of the act."""
    credited: Collection[tuple[str, str]] = frozenset()
    """(actor, beneficiary): the actor has recorded or verified for the beneficiary within the policy's days."""

    def live_together(self, one: str, other: str) -> bool:
        for homes in self.households:
            home = homes.get(one)
            if home is not None and home == homes.get(other):
                return True
        return False


def may_not_record(by: By, beneficiary: str, ties: Ties, guard: Safeguards) -> str:
    """The rule that forbids recording hours of this person, empty if none does. A machine source may record."""
    if by.person == beneficiary:
        return "recorder-is-beneficiary"
    if guard.household and ties.live_together(by.person, beneficiary):
        return "same-household"
    if guard.reciprocal_days and (beneficiary, by.person) in ties.credited:
        return "reciprocal"
    return ""


def may_not_verify(by: By, line: Line, ties: Ties, guard: Safeguards) -> str:
    """The rule that forbids verifying, or approving at the second level; empty if none does.

    Only where verification is no safeguard, in a replay, a machine may do it: another than the one that recorded.
    """
    if not by.person:
        if guard.separate_verification:
            return "machine-source"
        return "verifier-is-recorder" if by.name in line.recorders else ""
    if by.person in line.recorders:
        return "verifier-is-recorder"
    if by.person in line.verifiers:
        return "approver-is-verifier"
    if by.person == line.beneficiary:
        return "verifier-is-beneficiary"
    if guard.household and ties.live_together(by.person, line.beneficiary):
        return "same-household"
    if guard.reciprocal_days and (line.beneficiary, by.person) in ties.credited:
        return "reciprocal"
    return ""


def may_not_decide(by: By, line: Line, ties: Ties, guard: Safeguards) -> str:
    """The rule that forbids deciding an objection; empty if none does."""
    if not by.person:
        return "machine-source"
    if by.person in line.objectors:
        return "decider-is-objector"
    return may_not_verify(by, line, ties, guard)
