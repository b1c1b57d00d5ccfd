"""Terminals: proposed by one, confirmed by another, enrolled once by their device with a code. One person revokes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.access.terminals import Terminal
from pointsbank.engine.commands import Command
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, IdempotencyKey, Limit, operation, problems
from pointsbank.web.api.people_answers import done
from pointsbank.web.api.people_shapes import Id, PersonId, Words
from pointsbank.web.api.sessions import DOOR
from pointsbank.web.api.shapes import when
from pointsbank.web.api.staff import COMMAND, After
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, may_at
from pointsbank.web.guard import PUBLIC, actor_in, person
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest


class TerminalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device for a place (its id), with a label for the desk."""

    place: Id
    label: Words


class TerminalOut(msgspec.Struct, frozen=True):
    """A terminal. `code` (when confirmed) and `key` (when enrolled) are told this once."""

    id: str
    place: str
    label: str
    proposed_by: str
    confirmed_by: str
    enrolled_at: datetime | None
    state: str
    code: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"TerminalOut({self.id!r}, {self.state!r})"


class TerminalsOut(msgspec.Struct, frozen=True):
    """Terminals in the order of their ids; `next` is the `after` of the next page, null at the end."""

    terminals: list[TerminalOut]
    next: str | None


class TerminalCodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the second person got."""

    code: Annotated[str, Meta(max_length=200)]


@get(
    "/",
    opt=person("terminals:manage", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("Terminals.", "列出终端"),
)
async def list_terminals(
    bank: NamedDependency[Bank], request: BankRequest, after: After = "", limit: Limit = 100
) -> Response[TerminalsOut]:
    found = await bank.terminals.list(after=after, limit=limit)
    following = found[-1].id if len(found) == limit else None
    # only those at places that the reader may see, so a page may be short
    acts = [Act(place=one.place) for one in found]
    seen = await may_at(bank, actor_in(request), "terminals:manage", acts)
    return answered(
        TerminalsOut([_out(one) for one, is_seen in zip(found, seen, strict=True) if is_seen], following)
    )


@post(
    "/",
    opt=person("terminals:manage", bounded=True),
    responses=problems(*COMMAND, "unknown-role-place"),
    **operation(
        "Propose a terminal for a place; another person must confirm it.", "提议终端（须另一人确认）"
    ),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[TerminalIn],
    idempotency_key: IdempotencyKey,
) -> Response[TerminalOut]:
    actor = actor_in(request)
    made = await bank.terminals.propose(actor, data.place, data.label, _command(request, idempotency_key))
    return answered(_out(done(made)), 201)


@post(
    "/{terminal_id:str}/confirmation",
    opt=person("terminals:confirm", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-terminal", "second-person-needed"),
    **operation(
        "Confirm a terminal; gives the code with which its device enrols, once.", "确认终端，得到登记码"
    ),
)
async def confirm(
    bank: NamedDependency[Bank], request: BankRequest, terminal_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[TerminalOut]:
    made = done(
        await bank.terminals.confirm(actor_in(request), terminal_id, _command(request, idempotency_key))
    )
    out = msgspec.structs.replace(_out(made.terminal), code=made.code)
    return answered(out, headers=replayed(made.code is None))


@post(
    "/enrolment",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "terminal-code-refused"),
    **operation("A device shows its code, once, and gets its key.", "终端凭登记码领取密钥"),
)
async def enrol(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[TerminalCodeIn]
) -> Response[TerminalOut]:
    if bank.log_ins is not None:
        address = request.client.host if request.client is not None else ""
        wait = await bank.log_ins.attempt_at("terminal", address)
        if wait is not None:
            raise refused(wait)
    terminal, key = done(await bank.terminals.enrol(data.code))
    return answered(msgspec.structs.replace(_out(terminal), key=key), 201)


@delete(
    "/{terminal_id:str}",
    opt=person("terminals:manage", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-terminal"),
    **operation("Revoke a terminal at once.", "撤销终端，立即生效"),
)
async def revoke(
    bank: NamedDependency[Bank], request: BankRequest, terminal_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[TerminalOut]:
    receipt = done(
        await bank.terminals.revoke(actor_in(request), terminal_id, _command(request, idempotency_key))
    )
    found = await bank.terminals.find(terminal_id)
    if found is None:
        raise ProblemError("unknown-terminal")
    return answered(_out(found), headers=replayed(receipt.replayed))


@post(
    "/{terminal_id:str}/restart",
    opt=person("terminals:manage", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-terminal", "log-in-closed"),
    **operation("Start a terminal again that many failed PINs have stopped.", "恢复停用的终端"),
)
async def restart(
    bank: NamedDependency[Bank], request: BankRequest, terminal_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[TerminalOut]:
    # a terminal that runs goes on running, so there is nothing to remember under the key
    found = done(await bank.terminals.may_restart(actor_in(request), terminal_id))
    if bank.visits is None:
        raise ProblemError("log-in-closed")
    await bank.visits.pins.restart(terminal_id)
    return answered(_out(found))


def _out(terminal: Terminal) -> TerminalOut:
    return TerminalOut(
        terminal.id,
        terminal.place,
        terminal.label,
        terminal.proposed_by,
        terminal.confirmed_by,
        when(terminal.enrolled_at) if terminal.enrolled_at else None,
        terminal.state,
    )


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


router = Router(
    "/terminals",
    route_handlers=[list_terminals, propose, confirm, enrol, revoke, restart],
    tags=["terminals 终端"],
)
