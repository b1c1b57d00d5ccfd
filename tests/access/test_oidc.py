"""The city's own log-in: a real server that signs, our side of the flow, and everything that must not pass."""

from __future__ import annotations

import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from litestar import Litestar, Request, get, post

pytest.importorskip("authlib")
pytest.importorskip("joserfc")

from joserfc import jwt
from joserfc.jwk import ECKey

from pointsbank.access.log_in import OpenedSession
from pointsbank.access.oidc import Begun, Oidc, OidcSettings
from pointsbank.access.refusals import LogInRefused, OidcLinked, OidcRefused
from pointsbank.store.database import Database

from .office import ADDRESS, MINUTE, Office, open_office

CLIENT = "pointsbank"
SECRET = "between us"


@dataclass
class Issuer:
    """A provider on this machine: it signs what the test wants it to say."""

    address: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}))
    published: ECKey | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    challenges: dict[str, str] = field(default_factory=dict)
    """the PKCE challenge of each code"""
    algorithm: str = "ES256"
    name: str = ""

    def allow(self, url: str, **claims: Any) -> tuple[str, str]:
        """Somebody logs in at the issuer: state and code, as the browser brings them back."""
        asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"] == "openid"
        self.challenges["the code"] = asked["code_challenge"]
        now = claims.pop("now")
        said = {"iss": self.address, "aud": CLIENT, "sub": "42", "iat": now, "exp": now + 300}
        self.claims = {**said, "nonce": asked["nonce"], **claims}
        return asked["state"], "the code"


def provider(issuer: Issuer) -> Litestar:
    @get("/.well-known/openid-configuration", sync_to_thread=False)
    def describe() -> dict[str, Any]:
        return {
            "issuer": issuer.name or issuer.address,
            "authorization_endpoint": f"{issuer.address}/authorize",
            "token_endpoint": f"{issuer.address}/token",
            "jwks_uri": f"{issuer.address}/keys",
        }

    @get("/keys", sync_to_thread=False)
    def keys() -> dict[str, Any]:
        return {"keys": [(issuer.published or issuer.key).as_dict(private=False)]}

    @post("/token", status_code=200)
    async def token(request: Request[Any, Any, Any]) -> dict[str, Any]:
        form = await request.form()
        digest = sha256(str(form["code_verifier"]).encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if issuer.challenges.pop(str(form["code"]), "") != challenge:
            return {"error": "invalid_grant"}
        claims = {name: value for name, value in issuer.claims.items() if value is not None}
        signed = jwt.encode({"alg": issuer.algorithm, "kid": "one"}, claims, issuer.key)
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}

    return Litestar([describe, keys, token])


@pytest.fixture(scope="module")
def served() -> Iterator[Issuer]:
    """The issuer, on a port of its own."""
    issuer = Issuer()
    server = uvicorn.Server(uvicorn.Config(provider(issuer), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < until:
        thread.join(0.02)
    issuer.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield issuer
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def issuer(served: Issuer) -> Issuer:
    served.key, served.published, served.algorithm, served.name = (
        ECKey.generate_key("P-256", {"kid": "one"}),
        None,
        "ES256",
        "",
    )
    return served


@dataclass
class City:
    """An office whose staff may come by the city's log-in."""

    office: Office
    issuer: Issuer
    oidc: Oidc

    @property
    def now(self) -> int:
        return self.office.clock.time // 1_000_000

    async def back(self, purpose: Any = "log-in", **claims: Any) -> tuple[str, str, str]:
        """Begin, and come back from the issuer: browser, state, code."""
        begun = await self.oidc.begin(purpose)
        assert isinstance(begun, Begun), begun
        state, code = self.issuer.allow(begun.url, now=self.now, **claims)
        return begun.browser, state, code

    async def named(self, purpose: Any = "log-in", **claims: Any) -> str | OidcRefused:
        browser, state, code = await self.back(purpose, **claims)
        return await self.oidc.finish(purpose, browser, state, code)


@pytest.fixture
async def city(database: Database, issuer: Issuer) -> AsyncIterator[City]:
    async with open_office(database) as office:
        settings = OidcSettings(issuer.address, CLIENT, SECRET, "https://bank.example/signed-in")
        pepper = office.log_ins.pepper
        yield City(office, issuer, Oidc(settings, office.ledger.id, office.store, pepper, office.clock))


async def test_who_is_linked_logs_in_with_the_code_of_the_app_and_nobody_else(city: City) -> None:
    office, ann = city.office, city.office.people["ann"]
    await office.enrol("ann")
    name = await city.named()
    assert isinstance(name, str)
    assert await city.oidc.person_of(name) is None, "nobody is found by what the issuer says of them"
    linked = await city.named("link")
    assert linked == name, "the same issuer and subject"
    assert await city.oidc.link(ann, name) is None
    assert await city.oidc.person_of(name) == ann
    assert await city.oidc.link(office.people["bo"], name) == OidcLinked()
    assert await city.oidc.link(ann, "another") == OidcLinked()
    office.clock.time += MINUTE
    assert await office.log_ins.open_linked(ann, "000000", ADDRESS) == LogInRefused()
    opened = await office.log_ins.open_linked(ann, office.code("ann"), ADDRESS)
    assert isinstance(opened, OpenedSession)
    actor = await office.log_ins.actor(opened.token)
    assert actor is not None
    assert {grant.role for grant in actor.grants} == {"administrator"}, "the roles are ours"
    await city.oidc.unlink(ann)
    assert await city.oidc.person_of(name) is None


async def test_another_subject_or_mail_is_another_person(city: City) -> None:
    name = await city.named(email="ann@example.org", phone_number="+8613845670123")
    other = await city.named(sub="43", email="ann@example.org", phone_number="+8613845670123")
    assert isinstance(name, str)
    assert isinstance(other, str)
    assert name != other


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"nonce": "of another request"},
        {"nonce": None},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 1},
    ],
)
async def test_a_token_of_somebody_else_for_somebody_else_or_of_another_time_is_refused(
    city: City, claims: dict[str, Any]
) -> None:
    assert await city.named(**claims) == OidcRefused()
    assert isinstance(await city.named(), str)


async def test_a_token_that_the_issuer_did_not_sign_is_refused(city: City, issuer: Issuer) -> None:
    issuer.published = ECKey.generate_key("P-256", {"kid": "one"})
    assert await city.named() == OidcRefused()
    issuer.published = None
    assert isinstance(await city.named(), str), "its new keys are fetched"


async def test_a_state_is_one_browsers_for_one_purpose_once_and_for_ten_minutes(city: City) -> None:
    browser, state, code = await city.back()
    assert await city.oidc.finish("log-in", "another browser", state, code) == OidcRefused()
    assert await city.oidc.finish("log-in", browser, state, code) == OidcRefused(), "used up"
    browser, state, code = await city.back()
    assert await city.oidc.finish("link", browser, state, code) == OidcRefused()
    browser, state, code = await city.back()
    assert isinstance(await city.oidc.finish("log-in", browser, state, code), str)
    assert await city.oidc.finish("log-in", browser, state, code) == OidcRefused()
    browser, state, code = await city.back()
    city.office.clock.time += 10 * MINUTE
    assert await city.oidc.finish("log-in", browser, state, code) == OidcRefused()


async def test_an_issuer_that_names_another_or_does_not_answer_opens_nothing(
    city: City, issuer: Issuer
) -> None:
    issuer.name = "https://elsewhere.example"
    assert await city.oidc.begin("log-in") == OidcRefused()
    office = city.office
    away = OidcSettings("http://127.0.0.1:9", CLIENT, SECRET, "https://bank.example/signed-in")
    gone = Oidc(away, office.ledger.id, office.store, office.log_ins.pepper, office.clock)
    assert await gone.begin("log-in") == OidcRefused()
