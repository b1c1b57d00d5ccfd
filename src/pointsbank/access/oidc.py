"""A city's own log-in (OpenID Connect) as an option: linked by issuer and subject after a log-in of ours.

It stands in for the password or for a code by phone, and for nothing else: it gives no role, and staff show the code
of their app as ever. Nobody is found by phone or mail. Authorization code flow with PKCE; state, nonce and verifier are
bound to the browser that began. The packages of the extra `oidc` are needed only where an issuer is set.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
import structlog
from sqlalchemy import Connection, delete, insert, select

from pointsbank.access.logins import LoginStore, oidc_links, oidc_requests
from pointsbank.access.pepper import Pepper
from pointsbank.access.refusals import OidcLinked, OidcRefused
from pointsbank.engine.clock import Clock

Purpose = Literal["log-in", "link"]

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with a key of the issuer; `none` and shared secrets are not among them."""

REQUEST_MINUTES: Final = 10
LEEWAY_SECONDS: Final = 60
SECONDS_TO_ANSWER: Final = 10.0
_SECOND: Final = 1_000_000

log = structlog.get_logger("pointsbank.oidc")


class OidcError(Exception):
    """The log-in of the city cannot be used; the message says why."""


class OidcSettings(msgspec.Struct, frozen=True):
    """What the issuer knows us by. `redirect_uri` is the page to which it sends the browser back."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str

    def __repr__(self) -> str:
        return f"OidcSettings({self.issuer!r})"


class Begun(msgspec.Struct, frozen=True):
    """Where to send the browser, and what goes into its cookie until it comes back."""

    url: str
    browser: str


class Oidc:
    """The city's log-in for one ledger. `client` makes an HTTP client: the real one unless a test brings its own."""

    def __init__(
        self,
        settings: OidcSettings,
        ledger_id: int,
        store: LoginStore,
        pepper: Pepper,
        clock: Clock,
        *,
        client: Callable[..., Any] | None = None,
    ) -> None:
        self._settings = settings
        self._ledger_id = ledger_id
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._client = client or _client()
        self._described: dict[str, Any] = {}
        self._keys: Any = None

    async def begin(self, purpose: Purpose) -> Begun | OidcRefused:
        """Begin: the browser goes to the issuer and comes back with a code, within ten minutes."""
        described = await self._describe()
        if described is None:
            return OidcRefused()
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = self._clock.now()
        row = {
            "state": _hash(state), "browser": _hash(browser), "purpose": purpose,
            "expires_at": now + REQUEST_MINUTES * 60 * _SECOND,
        }  # fmt: skip
        await self._store.run(_begin, self._ledger_id, row, now)
        async with self._session() as session:
            url, _ = session.create_authorization_url(
                described["authorization_endpoint"],
                state=state,
                code_verifier=self._derived("oidc verifier", state),
                nonce=self._derived("oidc nonce", state),
            )
        return Begun(url, browser)

    async def finish(self, purpose: Purpose, browser: str, state: str, code: str) -> str | OidcRefused:
        """Who the issuer says that it is, as the name under which links are kept. Whatever is wrong looks alike.

        The state is used up by this, whether it is good or not.
        """
        begun = await self._store.run(
            _use, self._ledger_id, _hash(state), _hash(browser), purpose, self._clock.now()
        )
        described = await self._describe()
        if not begun or described is None:
            return OidcRefused()
        try:
            async with self._session() as session:
                token = await session.fetch_token(
                    described["token_endpoint"],
                    code=code,
                    code_verifier=self._derived("oidc verifier", state),
                )
            claims = await self._claims(str(token["id_token"]), described, self._derived("oidc nonce", state))
        except Exception as error:  # the issuer may fail in any way, and its words may be about somebody
            log.warning("oidc.refused", error=type(error).__name__)
            return OidcRefused()
        return self._name(claims["iss"], claims["sub"])

    async def link(self, person: str, name: str) -> OidcLinked | None:
        """Link what the issuer said to the person who is logged in with us; one person each way."""
        done = await self._store.run(_link, self._ledger_id, person, name, self._clock.now())
        return None if done else OidcLinked()

    async def unlink(self, person: str) -> None:
        """End a person's link."""
        await self._store.run(_unlink, self._ledger_id, person)

    async def person_of(self, name: str) -> str | None:
        """Whose link this is."""
        return await self._store.run(_person, self._ledger_id, name)

    async def _describe(self) -> dict[str, Any] | None:
        """What the issuer publishes of itself; None if it does not answer or names another issuer."""
        if not self._described:
            url = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                async with self._session() as session:
                    answer = await session.request("GET", url, withhold_token=True)
                described: dict[str, Any] = answer.json()
            except Exception as error:  # the issuer is away, or answers no JSON
                log.warning("oidc.unreachable", error=type(error).__name__)
                return None
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if described.get("issuer") != self._settings.issuer or not all(described.get(w) for w in wanted):
                log.warning("oidc.not_the_issuer")
                return None
            self._described = described
        return self._described

    async def _claims(self, token: str, described: dict[str, Any], nonce: str) -> dict[str, str]:
        """The claims of an ID token that is the issuer's, for us, for this request, and of now. Raises otherwise."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            found = jwt.decode(token, await self._key_set(described), algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError):  # perhaps the issuer has new keys
            self._keys = None
            found = jwt.decode(token, await self._key_set(described), algorithms=list(ALGORITHMS)).claims
        now = self._clock.now() // _SECOND
        jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(found)
        audience = found["aud"]
        if isinstance(audience, list) and len(audience) > 1 and found.get("azp") != self._settings.client_id:
            raise ValueError("the token is for somebody else")
        if now - int(found["iat"]) > REQUEST_MINUTES * 60 + LEEWAY_SECONDS:
            raise ValueError("the token is old")
        return {"iss": str(found["iss"]), "sub": str(found["sub"])}

    async def _key_set(self, described: dict[str, Any]) -> Any:
        from joserfc.jwk import KeySet

        if self._keys is None:
            async with self._session() as session:
                answer = await session.request("GET", described["jwks_uri"], withhold_token=True)
            self._keys = KeySet.import_key_set(answer.json())
        return self._keys

    def _session(self) -> Any:
        return self._client(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret,
            redirect_uri=self._settings.redirect_uri,
            scope="openid",
            code_challenge_method="S256",
            timeout=SECONDS_TO_ANSWER,
        )

    def _derived(self, what: str, state: str) -> str:
        return self._pepper.derive(what, state.encode("utf-8", "replace")).hex()

    def _name(self, issuer: str, subject: str) -> str:
        return self._pepper.derive("oidc link", issuer.encode(), subject.encode()).hex()


def _client() -> Callable[..., Any]:
    """The HTTP client of the extra. Raises OidcError if it is not installed."""
    try:
        from authlib.integrations.httpx_client import AsyncOAuth2Client
    except ImportError as error:
        raise OidcError(
            "设置了 POINTSBANK_OIDC_ISSUER，但没有安装所需的组件（pointsbank[oidc]）。\n"
            "POINTSBANK_OIDC_ISSUER is set, but the packages of pointsbank[oidc] are not installed."
        ) from error
    found: Callable[..., Any] = AsyncOAuth2Client
    return found


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def _begin(connection: Connection, ledger_id: int, row: dict[str, Any], now: int) -> None:
    r = oidc_requests.c
    connection.execute(delete(oidc_requests).where(r.ledger_id == ledger_id, r.expires_at <= now))
    connection.execute(insert(oidc_requests).values(ledger_id=ledger_id, **row))


def _use(connection: Connection, ledger_id: int, state: str, browser: str, purpose: str, now: int) -> bool:
    """Use a request up; whether it was this browser's, for this purpose, and not too old."""
    r = oidc_requests.c
    row = connection.execute(
        select(r.browser, r.purpose, r.expires_at).where(r.ledger_id == ledger_id, r.state == state)
    ).one_or_none()
    used = connection.execute(delete(oidc_requests).where(r.ledger_id == ledger_id, r.state == state))
    return (
        row is not None
        and used.rowcount == 1
        and (row.browser, row.purpose) == (browser, purpose)
        and now < row.expires_at
    )


def _link(connection: Connection, ledger_id: int, person: str, name: str, now: int) -> bool:
    k = oidc_links.c
    held = connection.execute(
        select(k.person_id).where(k.ledger_id == ledger_id, (k.name == name) | (k.person_id == person))
    ).scalars()
    if list(held):
        return False
    connection.execute(
        insert(oidc_links).values(ledger_id=ledger_id, name=name, person_id=person, linked_at=now)
    )
    return True


def _unlink(connection: Connection, ledger_id: int, person: str) -> None:
    k = oidc_links.c
    connection.execute(delete(oidc_links).where(k.ledger_id == ledger_id, k.person_id == person))


def _person(connection: Connection, ledger_id: int, name: str) -> str | None:
    k = oidc_links.c
    found: str | None = connection.execute(
        select(k.person_id).where(k.ledger_id == ledger_id, k.name == name)
    ).scalar_one_or_none()
    return found
