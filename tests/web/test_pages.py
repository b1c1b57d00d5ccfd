"""Pages without a browser: sign-in and its forms, languages, what a page may show to whom."""

from __future__ import annotations

import re

import httpx
import pytest

from pointsbank.web.guard import SESSION_COOKIE
from pointsbank.web.pages.assets import ASSET_URLS
from pointsbank.web.pages.sign_in import _inside
from pointsbank.web.pages.words import ACCOUNT_KINDS, ENTRY_KINDS, WORDS

from .conftest import Service, entry, running


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


async def sign_in(service: Service, key: str, onward: str = "/accounts", **headers: str) -> httpx.Response:
    form = await service.get("/sign-in?next=/accounts")
    data = {"form": hidden(form.text, "form"), "key": key, "next": onward}
    return await service.client.post("/sign-in", data=data, headers=headers)


async def searched(service: Service, words: str, **headers: str) -> httpx.Response:
    """The page of what was found for words that somebody typed into the form."""
    return await service.client.post("/accounts", data={"q": words}, headers=headers)


async def test_a_good_key_opens_the_pages_until_log_out(service: Service) -> None:
    key = await service.key("ledger:read")
    await service.post("/api/v1/journal-entries", entry(), await service.key(), "k1")
    assert (await service.client.get("/accounts/memo:a")).status_code == 303
    signed = await sign_in(service, key, "/accounts/memo:a")
    assert signed.status_code == 303
    assert signed.headers["location"] == "/accounts/memo:a"
    cookie = signed.headers["set-cookie"]
    assert SESSION_COOKIE in cookie
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert attribute in cookie
    assert key.split("_")[2] not in cookie
    page = await service.client.get("/accounts/memo:a")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "1.00" in page.text
    assert "memo:b" in page.text
    token = service.client.cookies[SESSION_COOKIE]
    out = await service.client.post("/sign-out", data={"form": hidden(page.text, "form")})
    assert out.status_code == 303
    service.client.cookies.set(SESSION_COOKIE, token)
    assert (await service.client.get("/accounts/memo:a")).status_code == 303


async def test_a_session_is_new_at_each_log_in_and_never_one_that_the_browser_chose(
    small_service: Service,
) -> None:
    service = small_service
    key = await service.key("ledger:read")
    service.client.cookies.set(SESSION_COOKIE, "chosen-by-somebody-else")
    await sign_in(service, key)
    first = service.client.cookies.get(SESSION_COOKIE, domain="testserver.local")
    assert first not in (None, "chosen-by-somebody-else")
    service.client.cookies.clear()
    await sign_in(service, key)
    assert service.client.cookies[SESSION_COOKIE] != first


async def test_a_wrong_key_and_a_key_without_the_scope_open_no_page(small_service: Service) -> None:
    service = small_service
    wrong = await sign_in(service, "pbk_wrong")
    assert wrong.status_code == 401
    assert "没有登录" in wrong.text
    await sign_in(service, await service.key("hours:submit"))
    refused = await service.get("/accounts", Accept="text/html")
    assert refused.status_code == 403


async def test_a_form_from_elsewhere_is_refused(small_service: Service) -> None:
    service = small_service
    key = await service.key("ledger:read")
    stranger = await service.client.post("/sign-in", data={"form": "x", "key": key, "next": "/"})
    assert stranger.status_code == 403
    form = hidden((await service.get("/sign-in")).text, "form")
    service.client.cookies.clear()
    without_cookie = await service.client.post("/sign-in", data={"form": form, "key": key, "next": "/"})
    assert without_cookie.status_code == 403
    cross_site = await sign_in(service, key, **{"Sec-Fetch-Site": "cross-site"})
    assert cross_site.status_code == 403
    await sign_in(service, key)
    assert (await service.client.post("/sign-out", data={"form": "x"})).status_code == 403
    assert (await service.client.get("/accounts")).status_code == 200


@pytest.mark.parametrize(
    "onward", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb", "/\u4e2d"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(onward: str) -> None:
    assert _inside(onward) == "/"


async def test_pages_speak_chinese_and_english_on_request(small_service: Service) -> None:
    chinese = await small_service.get("/")
    assert 'lang="zh-CN"' in chinese.text
    assert "账簿总览" in chinese.text
    english = await small_service.get("/?lang=en")
    assert "The books at a glance" in english.text
    kept = await small_service.get("/")
    assert 'lang="en"' in kept.text
    assert not re.search(r"[\u4e00-\u9fff]", re.sub(r">中文<", "><", kept.text))


def test_every_word_is_there_in_both_languages() -> None:
    for words in (WORDS, ACCOUNT_KINDS, ENTRY_KINDS):
        for name, (zh, en) in words.items():
            assert zh, name
            assert en, name
            assert set(re.findall(r"\{(\w+)\}", zh)) == set(re.findall(r"\{(\w+)\}", en)), name


def test_every_kind_of_the_chart_has_its_name_on_the_screen() -> None:
    from pointsbank.ledger.chart import SHIPPED

    assert set(SHIPPED.kinds) <= set(ACCOUNT_KINDS)
    assert {movement.entry for movement in SHIPPED.movements.values()} <= set(ENTRY_KINDS)


async def test_the_overview_is_for_everybody_and_names_no_account(small_service: Service) -> None:
    await small_service.post("/api/v1/journal-entries", entry(), await small_service.key(), "k1")
    page = await small_service.get("/")
    assert page.status_code == 200
    assert "memo:" not in page.text
    assert "尚未核验" in page.text


async def test_the_search_finds_paths_and_says_when_it_finds_nothing(sqlite_url: str) -> None:
    async with running(sqlite_url, demo=True) as service:
        await service.post("/api/v1/journal-entries", entry(), await service.key(), "k1")
        found = await searched(service, "memo")
        assert 'href="/accounts/memo%3Aa"' in found.text
        assert "没有找到" in (await searched(service, "\x00\U0001f43c")).text
        assert "没有找到" in (await searched(service, "无此站")).text
        hostile = await searched(service, '"><script>alert(1)</script>')
        assert "<script" not in hostile.text
        elsewhere = await searched(service, "memo", **{"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403
        assert 'class="found"' not in (await service.get("/accounts?q=memo")).text, "an address finds nothing"
        assert (await service.get("/accounts/nothing", Accept="text/html")).status_code == 404
        assert (await service.get("/accounts/memo:a?cursor=abc", Accept="text/html")).status_code == 400


async def test_a_change_of_language_sends_a_search_again_in_a_body_and_from_this_site_only(
    sqlite_url: str,
) -> None:
    async with running(sqlite_url, demo=True) as service:
        await service.post("/api/v1/journal-entries", entry(), await service.key(), "k1")
        found = (await searched(service, "memo")).text
        [switch] = re.findall(r'<form method="post" action="(\?[^"]*)">(.*?)</form>', found, re.DOTALL)
        assert switch[0] == "?lang=en"
        assert '<input type="hidden" name="q" value="memo">' in switch[1]
        hostile = await searched(service, '"><script>alert(1)</script>')
        assert "<script" not in hostile.text
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        refused = await service.client.post("/accounts?lang=en", data={"q": "memo"}, headers=elsewhere)
        assert refused.status_code == 403
        english = await service.client.post("/accounts?lang=en", data={"q": "memo"})
        assert 'lang="en"' in english.text
        assert 'href="/accounts/memo%3Aa"' in english.text
        assert 'action="?lang=zh"' in english.text
        empty = await service.get("/accounts?lang=zh")
        assert '<a class="language" href="?lang=en"' in empty.text, "without results it is a link"


async def test_a_long_statement_has_pages(sqlite_url: str) -> None:
    async with running(sqlite_url, demo=True) as service:
        key = await service.key()
        entries = [entry(n + 1) for n in range(60)]
        await service.post("/api/v1/journal-entries/bulk", {"entries": entries}, key, "b")
        seen: list[int] = []
        address = "/accounts/memo:a"
        while address:
            page = await service.get(address)
            seen += [int(n) for n in re.findall(r'class="number">(\d+)</td>', page.text)]
            following = re.search(r'rel="next" href="([^"]+)"', page.text)
            address = following[1] if following else ""
        assert seen == list(range(61, 1, -1))


async def test_assets_are_kept_by_browsers_because_their_names_carry_their_hash(
    small_service: Service,
) -> None:
    for address in ASSET_URLS.values():
        answer = await small_service.get(address)
        assert "immutable" in answer.headers["cache-control"]
    assert (await small_service.get(ASSET_URLS["bank.css"])).headers[
        "content-type"
    ] == "text/css; charset=utf-8"
    assert (await small_service.get("/static/bank.css")).status_code == 404
    assert (await small_service.get("/static/..%2f..%2fapp.py")).status_code == 404


async def test_the_api_page_shows_every_operation_with_its_scope(small_service: Service) -> None:
    page = await small_service.get("/api-docs")
    document = (await small_service.get("/api/openapi.json")).json()
    for path, item in document["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page.text
    assert "market:sell" in page.text
    assert "<script" not in page.text
