"""What an operator may set. The only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PREFIX = "POINTSBANK_"

_SECRET = frozenset({"master_key", "oidc_client_secret"})
"""Settings whose values stand in no message."""

Port = Annotated[int, Meta(ge=0, le=65535)]


class SettingsError(ValueError):
    """A setting has a value that the program cannot use; the message names each."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of one process. Each may be set by an environment variable: POINTSBANK_ and its name."""

    database: str = "sqlite:///var/pointsbank.db"
    """where the books are: sqlite:///FILE or postgresql://…"""
    ledger: Annotated[str, Meta(min_length=1, max_length=64)] = "city"
    """the ledger that is served"""
    writer: Literal["here", "apart"] = "here"
    """where the ledger's writer works: in the process that serves, or in one of its own beside it, so that judging
    requests and writing the books use two processors"""
    host: str = "127.0.0.1"
    port: Port = 8000
    demo: bool = False
    """the books hold invented people: pages that show single accounts are open to this machine without
    log-in"""
    secure_cookies: bool = False
    """the service is reached by https, so cookies are sent over nothing else"""
    access_log: bool = True
    """one line for each request: never bodies, cookies, query strings or tokens"""
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy: str = ""
    """a folder or file with the policy; empty: the one that comes with the program"""
    people: str = ""
    """where personal data are: sqlite:///FILE or postgresql://…; empty: people.db beside the SQLite file of the
    books, or the schema `people` of their PostgreSQL database"""
    master_key_file: str = ""
    """a file of mode 0600 with the master keys of the people store; keep it apart from every backup"""
    master_key: str = ""
    """the master keys themselves, for hosts that hand secrets over in the environment; goes before the file"""
    erasures: str = ""
    """the list of forgotten persons (random ids only), outside the backups; empty: people.erasures beside
    people.db, or under var/"""
    pepper: str = ""
    """the file with the secret of log-ins; empty: <books>.pepper beside a SQLite file, none on PostgreSQL"""
    public_url: str = ""
    """the address under which people reach the service, for what is printed; empty: host and port as served"""
    record_sheets: str = ""
    """a file with the words and limits of record sheets; empty: the one that comes with the program"""
    sheet_key: str = ""
    """the file of mode 0600 with the keys that sign record sheets; empty: <books>.sheet-key beside a SQLite file,
    none on PostgreSQL"""
    fonts: str = ""
    """a folder with fonts for printed sheets, beside those of the machine"""
    common_passwords: str = ""
    """a file with passwords that nobody may choose, one a line, beside those that the program knows"""
    sender: str = ""
    """what sends codes and notices to phones: the name of an entry point; `console` in a demo, none otherwise"""
    oidc_issuer: str = ""
    """a city's own log-in (OpenID Connect): its issuer, such as https://login.city.example; empty: none"""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_redirect: str = ""
    """the page to which the city's log-in sends the browser back, such as https://bank.city.example/signed-in"""
    shutdown_seconds: Annotated[int, Meta(ge=1, le=300)] = 15
    """how long requests under way may take when the service is told to stop"""

    def __repr__(self) -> str:
        """The settings, without what they keep secret."""
        shown = (
            f"{name}={'…' if name in _SECRET and getattr(self, name) else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"Settings({', '.join(shown)})"

    @property
    def is_loopback(self) -> bool:
        """Whether the service listens to this machine only."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def for_an_interpreter() -> dict[str, str]:
    """What of the environment another interpreter needs to start, and nothing else: there are secrets in it."""
    kept = ("PATH", "HOME", "PYTHON", "LD_", "DYLD_", "SYSTEMROOT")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)}


def settings_from(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment; `overrides` (a command's options) go before it, None means not given.

    Raises SettingsError, which names each wrong value and each unknown variable.
    """
    environment = os.environ if environment is None else environment
    names = set(Settings.__struct_fields__)
    values: dict[str, object] = {}
    problems: list[str] = []
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(f"{PREFIX}TEST_"):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in names:
            problems.append(f"{variable}：没有这个设置 / there is no such setting")
        elif text:
            values[name] = text
    values.update({name: value for name, value in overrides.items() if value is not None})
    for field in msgspec.structs.fields(Settings):
        if field.name not in values:
            continue
        try:
            msgspec.convert(values[field.name], field.type, strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{PREFIX}{field.name.upper()}={values[field.name]!r}：{error}")
    if problems:
        raise SettingsError(
            "设置有误 / wrong settings:\n" + "\n".join(f"  {problem}" for problem in problems)
        )
    return msgspec.convert(values, Settings, strict=False)
