"""Why this room says no. Each has a heading in docs/errors.md."""

from __future__ import annotations

from typing import ClassVar

from pointsbank.ledger.refusals import Refusal


class NotPermitted(Refusal, frozen=True, tag="forbidden"):
    """The table of rights does not allow it, at this place or to this person."""

    scope: str


class StepUpNeeded(Refusal, frozen=True, tag="step-up-required"):
    """Allowed after a fresh code."""

    action: str


class AlreadyFounded(Refusal, frozen=True, tag="already-founded"):
    """The ledger has its first administrators; the founding works once."""


class LoginTaken(Refusal, frozen=True, tag="login-taken"):
    """Another person has this login name, or this person has an account."""

    login: str


class UnknownStaff(Refusal, frozen=True, tag="unknown-staff"):
    """There is no member of staff with this id, or the account is closed."""

    person: str


class UnknownRole(Refusal, frozen=True, tag="unknown-role"):
    """The table of rights has no such role."""

    role: str


class UnknownRolePlace(Refusal, frozen=True, tag="unknown-role-place"):
    """The role would hold at a place that is not there."""

    place: str


class RoleDays(Refusal, frozen=True, tag="role-days"):
    """The role would end before it begins, or before today."""


class UnknownGrant(Refusal, frozen=True, tag="unknown-grant"):
    """There is no role grant with this id."""

    id: str


class OwnRole(Refusal, frozen=True, tag="own-role"):
    """Nobody gives a right to themselves, or confirms what gives them one."""


class SecondPersonNeeded(Refusal, frozen=True, tag="second-person-needed"):
    """Who proposed does not confirm: four eyes are two persons, whatever accounts and keys they have."""


class LastAdministrators(Refusal, frozen=True, tag="last-administrators"):
    """Two administrators must remain, or nobody could confirm anything any more."""


class UnknownEnrolment(Refusal, frozen=True, tag="unknown-enrolment"):
    """There is no such enrolment, or its code is wrong, used or too old: all look alike."""


class WeakPassword(Refusal, frozen=True, tag="weak-password"):
    """The password is too short, too long, too common, or holds the login name."""

    why: str
    shortest: int


class LogInRefused(Refusal, frozen=True, tag="log-in-refused"):
    """The login name, the password or the code is wrong; which one is not told."""


class CodeRefused(Refusal, frozen=True, tag="code-refused"):
    """The code is wrong, too old, or was used before."""


class TooManyAttempts(Refusal, frozen=True, tag="too-many-attempts"):
    """Too many failures with this account or from this address."""

    retry: ClassVar[bool] = True
    seconds: int


class UnknownSession(Refusal, frozen=True, tag="unknown-session"):
    """There is no such session of one's own."""


class LogInClosed(Refusal, frozen=True, tag="log-in-closed"):
    """The service was started without the secret that log-ins need."""


class WeakPin(Refusal, frozen=True, tag="weak-pin"):
    """The PIN is not six digits, or a series, or the birthday."""

    why: str


class PinRefused(Refusal, frozen=True, tag="pin-refused"):
    """The PIN is wrong, or the card has none."""


class PinPaused(Refusal, frozen=True, tag="pin-paused"):
    """The PIN was wrong several times: the card waits."""

    retry: ClassVar[bool] = True
    seconds: int


class CardFrozen(Refusal, frozen=True, tag="card-frozen"):
    """The PIN was wrong too often: the card is frozen till the desk."""


class TerminalStopped(Refusal, frozen=True, tag="terminal-stopped"):
    """The PINs of many cards were wrong at this terminal: it is stopped till the desk."""


class UnknownTerminal(Refusal, frozen=True, tag="unknown-terminal"):
    """There is no such terminal, or its key opens nothing: revoked, mistyped and unknown look alike."""


class TerminalCodeRefused(Refusal, frozen=True, tag="terminal-code-refused"):
    """The code of a terminal is wrong, used or too old: all look alike."""


class NoPinChoice(Refusal, frozen=True, tag="no-pin-choice"):
    """Nobody has given leave to choose a PIN, or the leave is too old or used."""


class CardNotYet(Refusal, frozen=True, tag="card-not-yet"):
    """The card, the PIN or the phone is new: it opens, and spends only after a delay. `from_at` in microseconds UTC."""

    retry: ClassVar[bool] = True
    from_at: int


class CardDayLimit(Refusal, frozen=True, tag="card-day-limit"):
    """A card redeems so many points a day at most: `amount`, of which `available` are left, in hundredths."""

    commodity: str
    amount: int
    available: int


class GuardianNotPresent(Refusal, frozen=True, tag="guardian-not-present"):
    """Under 14 redeems only with the guardian present, who shows the own card and PIN."""


class PhoneCodeRefused(Refusal, frozen=True, tag="phone-code-refused"):
    """The code, the number or the browser is another, the code too old or tried too often: all look alike."""


class OwnCodeRefused(Refusal, frozen=True, tag="own-code-refused"):
    """A dynamic code is forged, too old, of somebody who may not act, or was used before."""


class OidcRefused(Refusal, frozen=True, tag="oidc-refused"):
    """The city's log-in does not answer, or said something that is not good here, or is linked to nobody."""


class OidcLinked(Refusal, frozen=True, tag="oidc-linked"):
    """This log-in of the city, or this person, is linked already."""


class NotAWard(Refusal, frozen=True, tag="not-a-ward"):
    """There is no recorded link to this person that works today."""


class ReservedKind(Refusal, frozen=True, tag="reserved-kind"):
    """Entries of this kind are posted by their own room alone, never through a general door."""

    kind: str
    room: str


class PolicyInvalid(Refusal, frozen=True, tag="policy-invalid"):
    """The policies cannot rule here; `why` names each error."""

    why: str


class UnknownPolicyChange(Refusal, frozen=True, tag="unknown-policy-change"):
    """There are no proposed policies with this id."""

    id: str


class PolicyChangeDecided(Refusal, frozen=True, tag="policy-change-decided"):
    """The policies were decided on before, otherwise or by somebody else."""

    id: str
    state: str
