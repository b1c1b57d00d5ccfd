"""People at the desk: registered, found by whole numbers, shown masked, frozen, forgotten; consents and links.

What is personal travels in bodies, never in an address. Who saw whom is written down before anything is shown.
"""

from __future__ import annotations

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pointsbank.people.consents import Consent
from pointsbank.people.links import Link
from pointsbank.people.model import NewPerson, Registered
from pointsbank.web.api.answers import NO_STORE, answered, replayed
from pointsbank.web.api.describe import READING, IdempotencyKey, any_object, operation, problems
from pointsbank.web.api.people_answers import ASKING, COMMAND, desk_of, done, look, once
from pointsbank.web.api.people_shapes import (
    ConsentIn,
    ConsentOut,
    ConsentsOut,
    FoundOut,
    FoundsOut,
    HintOut,
    LinkIn,
    LinkOut,
    LinksOut,
    PersonDone,
    PersonId,
    PersonIn,
    ProfileOut,
    ReasonIn,
    RegisteredOut,
    RevealedOut,
    SearchIn,
    UnmaskIn,
    consent_out,
    link_out,
)
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs, person
from pointsbank.web.validation import BankRequest


@post(
    "/",
    opt=person("people:register", bounded=True),
    responses=problems(*COMMAND, "person-data-invalid", "person-exists"),
    **operation("Put somebody on file; a shared phone is a hint and no refusal.", "登记人员"),
)
async def register(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[PersonIn],
    idempotency_key: IdempotencyKey,
) -> Response[RegisteredOut]:
    wanted = NewPerson(
        name=data.name, role=data.role, phone=data.phone, volunteer_number=data.volunteer_number,
        id_number=data.id_number, born=data.born,
    )  # fmt: skip
    asked = (
        data.name,
        data.role,
        data.phone,
        data.volunteer_number,
        data.id_number,
        str(data.born),
        data.place,
    )
    actor = actor_in(request)
    made, again = await once(
        bank, request, idempotency_key, list[Registered], asked,
        lambda desk: desk.register(actor, wanted, data.place),
    )  # fmt: skip
    one = made[0] if isinstance(made, list) else made
    hints = [HintOut(hint.person_id, hint.reason) for hint in one.hints]
    return answered(RegisteredOut(one.person_id, hints), 201, replayed(again))


@post(
    "/searches",
    opt=needs("people:read", bounded=True),
    status_code=200,
    responses=problems(*ASKING, "person-data-invalid", "search-limit"),
    **operation(
        "Who has this whole number; each search counts, also one that finds nobody.", "按完整号码查找"
    ),
)
async def find(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[SearchIn]
) -> Response[FoundsOut]:
    found = done(await desk_of(bank).find(actor_in(request), data.by, data.number))
    return answered(FoundsOut([FoundOut(f.person_id, f.state, f.name, f.age_band) for f in found]))


@post(
    "/{person_id:str}/profile",
    opt=needs("people:read", bounded=True),
    status_code=200,
    responses=problems(*ASKING, "unknown-person", "minor-protected", "reason-needed"),
    **operation("A person, masked; of a minor with a right of its own and a reason.", "查看人员（脱敏）"),
)
async def profile(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, data: JSONBody[ReasonIn]
) -> Response[ProfileOut]:
    seen = done(await desk_of(bank).profile(actor_in(request), person_id, data.reason))
    return answered(
        ProfileOut(
            seen.person_id, seen.state, list(seen.roles), seen.name, seen.phone, seen.volunteer_number,
            seen.has_id_number, seen.age_band, seen.is_minor, list(seen.consents),
        )
    )  # fmt: skip


@post(
    "/{person_id:str}/unmasking",
    opt=person("people:unmask", bounded=True),
    status_code=200,
    responses=problems(
        *ASKING, "unknown-person", "minor-protected", "reason-needed", "unmasking-not-permitted", "consent-missing"
    ),
    **operation("One value in full, with a reason that is kept.", "查看完整信息（须说明理由）"),
)  # fmt: skip
async def unmask(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, data: JSONBody[UnmaskIn]
) -> Response[RevealedOut]:
    shown = done(await desk_of(bank).unmask(actor_in(request), person_id, data.field, data.reason))
    return answered(RevealedOut(shown.person_id, shown.field, shown.value))


@post(
    "/{person_id:str}/export",
    opt=person("people:unmask", bounded=True),
    status_code=200,
    responses={**any_object(), **problems(*ASKING, "unknown-person", "minor-protected", "reason-needed")},
    **operation("All that the store holds of somebody who asks for it at the desk.", "代本人导出全部资料"),
)
async def export(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, data: JSONBody[ReasonIn]
) -> Response[bytes]:
    found = done(await desk_of(bank).export(actor_in(request), person_id, data.reason))
    return Response(found, media_type="application/json", headers=NO_STORE)


@post(
    "/{person_id:str}/freeze",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND),
    **operation("Stop everything that somebody could do, at once; one is enough.", "立即冻结人员"),
)
async def freeze(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[PersonDone]:
    # freezing what is frozen changes nothing, so there is nothing to remember under the key
    done(await desk_of(bank).freeze(actor_in(request), person_id))
    if bank.visits is not None:
        await bank.visits.end_all(person_id)
    return answered(PersonDone(person_id))


@get(
    "/{person_id:str}/consents",
    opt=needs("people:read", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("Every consent of somebody, also the withdrawn.", "查看同意"),
)
async def consents(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId
) -> Response[ConsentsOut]:
    found = done(await desk_of(bank).consents(actor_in(request), person_id))
    return answered(ConsentsOut([consent_out(one) for one in found]))


@post(
    "/{person_id:str}/consents",
    opt=person("people:register", bounded=True),
    responses=problems(*COMMAND, "guardian-must-consent"),
    **operation("Take a consent down; under 14 a recorded guardian gives it.", "登记同意"),
)
async def consent(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[ConsentIn],
    idempotency_key: IdempotencyKey,
) -> Response[ConsentOut]:
    actor = actor_in(request)
    given, again = await once(
        bank, request, idempotency_key, Consent, (data.purpose, data.wording, data.given_by),
        lambda desk: desk.consent(actor, person_id, data.purpose, data.wording, data.given_by),
    )  # fmt: skip
    return answered(consent_out(given), 201, replayed(again))


@delete(
    "/{person_id:str}/consents/{consent_id:str}",
    opt=person("people:register", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-consent"),
    **operation("End a consent from now on; what it allowed before stays right.", "撤回同意"),
)
async def withdraw(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    consent_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[PersonDone]:
    actor = actor_in(request)
    _, again = await once(
        bank, request, idempotency_key, type(None), (), lambda desk: desk.withdraw(actor, person_id, consent_id)
    )  # fmt: skip
    return answered(PersonDone(person_id), headers=replayed(again))


@get(
    "/{person_id:str}/links",
    opt=needs("people:read", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("Guardians and helpers of somebody.", "查看监护人、协助人"),
)
async def links(bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId) -> Response[LinksOut]:
    found = done(await desk_of(bank).links(actor_in(request), person_id))
    names = await _names(bank, *found)
    return answered(LinksOut([link_out(link, names) for link in found]))


@post(
    "/{person_id:str}/links",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, "link-not-allowed"),
    **operation("Propose a guardian or a helper, with evidence.", "提议监护人或协助人（须另一人确认）"),
)
async def propose_link(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[LinkIn],
    idempotency_key: IdempotencyKey,
) -> Response[LinkOut]:
    actor = actor_in(request)
    link, again = await once(
        bank, request, idempotency_key, Link, (data.kind, data.holder, data.evidence),
        lambda desk: desk.propose_link(actor, person_id, data.kind, data.holder, data.evidence),
    )  # fmt: skip
    return answered(link_out(link, await _names(bank, link)), 201, replayed(again))


@post(
    "/{person_id:str}/links/{link_id:str}/confirmation",
    opt=person("people:confirm", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "link-not-allowed", "unknown-change"),
    **operation("Confirm a link that another proposed; it works after a delay.", "确认监护人或协助人"),
)
async def confirm_link(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    link_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[LinkOut]:
    actor = actor_in(request)
    link, again = await once(
        bank, request, idempotency_key, Link, (), lambda desk: desk.confirm_link(actor, person_id, link_id)
    )
    look(bank)
    return answered(link_out(link, await _names(bank, link)), headers=replayed(again))


@delete(
    "/{person_id:str}/links/{link_id:str}",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-change"),
    **operation("End a link at once; one is enough.", "结束监护或协助关系"),
)
async def end_link(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    link_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[PersonDone]:
    actor = actor_in(request)
    _, again = await once(
        bank, request, idempotency_key, type(None), (), lambda desk: desk.end_link(actor, person_id, link_id)
    )
    look(bank)
    return answered(PersonDone(person_id), headers=replayed(again))


async def _names(bank: Bank, *found: Link) -> dict[str, str]:
    """Masked names of both ends of links."""
    ids = {one for link in found for one in (link.ward_id, link.holder_id)}
    return await desk_of(bank).registry.masked_names(ids)


HANDLERS = (
    register, find, profile, unmask, export, freeze, consents, consent, withdraw, links, propose_link, confirm_link,
    end_link,
)  # fmt: skip
