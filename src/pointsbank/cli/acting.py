"""Who acts when a verb changes the books: a logged-in person, or a key.

Until the ledger has staff a bare shell is the operator. From the founding on it is nobody: whoever sits at the machine
has to show who they are, like everybody else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from pointsbank.access.authorize import Denial, StepUpRequired, authorize, may_somewhere
from pointsbank.access.log_in import LogIns, OpenedSession
from pointsbank.access.model import SCOPES, Actor
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk
from pointsbank.access.standing import ZONE
from pointsbank.app import open_log_ins
from pointsbank.cli.terminal import Ending, refusal_text
from pointsbank.engine.registry import Ledger
from pointsbank.policy.calendar import city_day
from pointsbank.settings import settings_from
from pointsbank.web.bounds import Act, Found, note_denied, resources_of

T = TypeVar("T")

Query = Callable[..., Sequence[Found]]

OPERATOR = Actor(
    "operator",
    "cli",
    frozenset({*SCOPES, "register", "people:read", "people:register", "people:freeze", "recognition:decide"}),
)
"""The bare shell of a ledger without staff."""

HERE = "command line"
"""The address of who logs in at the machine itself."""


class Shown(msgspec.Struct, frozen=True):
    """How somebody shows who they are: a login name to log in with, or a file that holds a key."""

    login: str = ""
    key_file: Path | None = None


def acting_options(command: Callable[..., T]) -> Callable[..., T]:
    """`--login NAME` or `--key-file FILE`, the same for every verb that changes something; gives `shown`."""

    def gather(*args: Any, login: str, key_file: Path | None, **kwargs: Any) -> T:
        return command(*args, shown=Shown(login, key_file), **kwargs)

    gather.__name__, gather.__doc__ = command.__name__, command.__doc__
    gather.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    with_key = click.option(
        "--key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Act with the API key in this file.",
    )
    return with_key(login_option(gather))


def login_option(command: Callable[..., T]) -> Callable[..., T]:
    """`--login NAME`: password and code are asked for, never taken from the command line."""
    return click.option(
        "--login", default="", help="Act as this member of staff; asks for password and code."
    )(command)


async def who_acts(ledger: Ledger, action: str, shown: Shown, *acts: Act, bounded: bool = False) -> Actor:
    """Who acts, if they may do each of these acts, or without any, in the whole city. Ends the verb if not.

    `bounded` if whoever asked asks again with the place: then it is enough to have the right somewhere.
    """
    ring = KeyRing(ledger, ledger.writer.clock)
    staff = StaffDesk(ledger, ring)
    if shown.login:
        async with logged_in(ledger, ring, staff, shown.login) as actor:
            if bounded:
                return allowed(actor, action, bounded=True)
            return await _allowed_at(ledger, actor, action, acts)
    if shown.key_file is not None:
        key = await ring.recognise(shown.key_file.read_text(encoding="utf-8").strip())
        if key is None:
            raise Ending("密钥有误、已过期或已吊销 / the key is wrong, expired or revoked")
        if bounded:
            return allowed(key.actor, action, bounded=True)
        return await _allowed_at(ledger, key.actor, action, acts)
    if await staff.is_founded():
        raise Ending(
            "账簿已有工作人员：请用 --login 登录，或用 --key-file 指定密钥。\n"
            "The ledger has staff: log in with --login, or name a key with --key-file."
        )
    return allowed(OPERATOR, action, bounded=bounded)


@asynccontextmanager
async def logged_in(ledger: Ledger, ring: KeyRing, staff: StaffDesk, login: str) -> AsyncIterator[Actor]:
    """A member of staff, logged in for as long as the verb runs."""
    async with open_door(ledger, ring, staff) as door:
        password = click.prompt("密码 / password", hide_input=True)
        code = click.prompt("动态码 / code")
        opened = await door.log_in(login, password, code, HERE)
        if not isinstance(opened, OpenedSession):
            raise Ending(refusal_text(opened))
        actor = await door.actor(opened.token)
        assert actor is not None, "the session was opened this moment"
        try:
            yield actor
        finally:
            await door.end(actor.person, actor.session)


@asynccontextmanager
async def open_door(ledger: Ledger, ring: KeyRing, staff: StaffDesk) -> AsyncIterator[LogIns]:
    """The log-ins of a ledger. Ends the verb with a sentence if their secret is not there."""
    async with open_log_ins(settings_from(), ledger, ring, staff) as door:
        if door is None:
            raise Ending(
                "没有口令密钥文件，工作人员不能登录；请设置 POINTSBANK_PEPPER。\n"
                "The secret of log-ins is not there, so nobody can log in; set POINTSBANK_PEPPER."
            )
        yield door


async def who_acts_on(
    ledger: Ledger,
    action: str,
    shown: Shown,
    query: Query,
    ids: Sequence[str] | Sequence[int],
    *,
    about: bool = True,
) -> Actor:
    """As `who_acts`, for acts on things that a query finds by id. What it does not find is no place of anybody's.

    Without `about` only the place is judged: where lines are judged one by one, the room itself refuses one's own.
    """
    found = await ledger.database.read(query, ledger.id, ids)
    acts = [Act(thing.station, person=thing.person if about else "") for thing in found]
    if len(found) < len(set(ids)) or not acts:
        acts.append(Act())
    return await who_acts(ledger, action, shown, *dict.fromkeys(acts))


async def _allowed_at(ledger: Ledger, actor: Actor, action: str, acts: Sequence[Act]) -> Actor:
    """The actor, if each act is at a place and about a person that the table of rights allows."""
    if not actor.person or not acts:
        return allowed(actor, action)
    today = city_day(ledger.writer.clock.now(), ZONE)
    known = await ledger.database.read(resources_of, ledger.id, acts, actor.person, today)
    for act in acts:
        denial = authorize(actor, action, known[act])
        if denial is not None:
            await note_denied(ledger, ZONE, actor, action, known[act])
        _end_if_denied(denial, action)
    return actor


def allowed(actor: Actor, action: str, *, bounded: bool = False) -> Actor:
    """The actor, if the table of rights allows the action. Ends the verb with a sentence if not."""
    denial = may_somewhere(actor, action) if bounded else authorize(actor, action)
    _end_if_denied(denial, action)
    return actor


def _end_if_denied(denial: Denial | None, action: str) -> None:
    if isinstance(denial, StepUpRequired):
        raise Ending(f"这项操作需要刚验证过的动态码 / {action} needs a fresh code")
    if denial is not None:
        raise Ending(
            f"没有权限 {action}，或不在角色所管的地点 / the right {action} is missing, or the place is not one of the role"
        )
