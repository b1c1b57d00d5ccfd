"""The pages in a real browser: they fit, they read well, they work without a mouse, they ask no other
host."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .conftest import SIZES, VOLUNTEER, Site, Visitor, served, visiting

PAGES = ("/", "/accounts", "FOUND", "STATEMENT", "/api-docs", "/problems", "/sign-in")

CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055)
  ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join('');
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!text || !box.width || box.right < 0 || style.visibility === 'hidden') continue;
    const a = light(parse(style.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 &&
    style.fontWeight >= 700); if (ratio < (large ? 3 : 4.5)) poor.push(`${text.slice(0, 20)}
    ${ratio.toFixed(2)}`); }
  return poor;
}"""


def _open(visitor: Visitor, path: str) -> None:
    if path not in ("FOUND", "STATEMENT"):
        visitor.go(path)
        return
    page = visitor.go("/accounts")
    page.get_by_label("志愿者编号").fill(VOLUNTEER)
    page.get_by_role("button", name="查询").click()
    expect(page.locator(".found")).to_be_visible()
    assert VOLUNTEER not in page.url
    if path == "STATEMENT":
        page.locator(".found a").first.click()
        expect(page.locator(".statement")).to_be_visible()


@pytest.mark.parametrize(
    ("size", "scheme"), [("phone", "light"), ("phone", "dark"), ("tablet", "dark"), ("desktop", "light")]
)
def test_every_page_fits_reads_well_and_asks_no_other_host(
    size: str, scheme: str, browser: Browser, demo: Site
) -> None:
    with visiting(browser, demo, size, scheme) as visitor:
        for path in PAGES:
            _open(visitor, path)
            page = visitor.page
            expect(page.locator("h1").first).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= SIZES[size][0], f"{path} is {width} wide on a {size}"
            assert page.evaluate(CONTRAST) == [], f"{path} {scheme}"
            assert page.locator("script").count() == 0
            unnamed = page.locator("input:not([type=hidden])").evaluate_all(
                "all => all.filter(e => !e.labels.length).length"
            )
            assert unnamed == 0
        assert visitor.complaints == []


def test_the_overview_shows_what_the_bank_holds(visitor: Visitor) -> None:
    page = visitor.go("/")
    for name in ("积分余额", "服务时长", "商品库存", "账户", "今日流水", "最近核验"):
        expect(page.locator("main").get_by_text(name).first).to_be_visible()
    values = page.locator(".tile data").evaluate_all("all => all.map(e => Number(e.value))")
    points, minutes, goods, accounts = values
    assert points > 0
    assert minutes > 0
    assert goods == 0
    assert accounts > 10
    expect(page.get_by_text("账实相符")).to_be_visible()


def test_a_person_finds_a_volunteer_and_reads_the_statement_page_by_page(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.get_by_label("志愿者编号").fill(VOLUNTEER)
    page.get_by_role("button", name="查询").click()
    expect(page.get_by_role("heading", name="查询结果")).to_be_visible()
    page.get_by_role("link", name="可用积分").click()
    expect(page.get_by_text(VOLUNTEER)).to_be_visible()
    rows = page.locator(".statement tbody tr")
    assert rows.count() == 25
    expect(rows.first).to_contain_text("公示期满")
    newest = rows.first.inner_text()
    page.get_by_role("link", name="更早的流水").click()
    assert 0 < rows.count() < 25
    assert rows.first.inner_text() != newest
    page.get_by_role("link", name="回到最新").click()
    assert rows.first.inner_text() == newest
    page.get_by_role("link", name="服务时长").click()
    expect(page.get_by_role("heading", name="服务时长", level=1)).to_be_visible()


def test_a_station_is_found_by_its_name(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.get_by_label("志愿者编号").fill("金岗")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="货架库存").click()
    expect(page.get_by_text("S0001 明兴街道金岗社区")).to_be_visible()


def test_the_pages_work_with_the_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "focus must be seen"
        if page.evaluate("document.activeElement.id") == "q":
            break
    page.keyboard.type(VOLUNTEER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="可用积分")).to_be_visible()


def test_the_language_is_changed_and_kept(visitor: Visitor) -> None:
    _open(visitor, "FOUND")
    page = visitor.page
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Find an account")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    page = visitor.go("/")
    expect(page.get_by_role("heading", name="The books at a glance")).to_be_visible()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="账簿总览")).to_be_visible()


def test_a_change_of_language_keeps_what_a_search_found_and_puts_no_number_in_the_address(
    visitor: Visitor,
) -> None:
    _open(visitor, "FOUND")
    page = visitor.page
    paths = page.locator(".found .path").all_inner_texts()
    for button, heading in (("English", "Results for"), ("中文", "查询结果")):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert page.locator(".found .path").all_inner_texts() == paths
        assert VOLUNTEER not in page.url
    page.goto(page.url)  # the address itself finds nothing
    expect(page.locator(".found")).to_have_count(0)
    expect(page.get_by_role("link", name="English")).to_be_visible()


def test_an_address_that_does_not_exist_has_a_page_that_leads_home(browser: Browser, demo: Site) -> None:
    with visiting(browser, demo, "phone") as visitor:
        page = visitor.go("/nothing")
        expect(page.get_by_role("heading", name="没有这个地址")).to_be_visible()
        page.get_by_role("link", name="返回首页").click()
        expect(page.get_by_role("heading", name="账簿总览")).to_be_visible()
        assert all("404" in complaint for complaint in visitor.complaints)


def test_without_the_demo_a_key_is_asked_for_and_logging_out_shuts_the_door(
    browser: Browser, books: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    copy = tmp_path_factory.mktemp("closed") / "books.db"
    source = books[0].removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        if shutil.os.path.exists(source + suffix):  # type: ignore[attr-defined]
            shutil.copy(source + suffix, f"{copy}{suffix}")
    for part in Path(source).parent.glob("people.db*"):
        shutil.copy(part, copy.parent)
    with served((f"sqlite:///{copy}", books[1])) as site, visiting(browser, site) as visitor:
        page = visitor.go("/")
        page.get_by_label("志愿者编号").fill(VOLUNTEER)
        page.get_by_role("button", name="查询").click()
        page.get_by_label("API 密钥").fill("pbk_wrong")
        page.locator("main").get_by_role("button", name="登录").click()
        expect(page.get_by_role("alert")).to_contain_text("没有登录")
        page.get_by_label("API 密钥").fill(site.key)
        page.locator("main").get_by_role("button", name="登录").click()
        page.wait_for_url("**/accounts")
        page.get_by_label("志愿者编号").fill(VOLUNTEER)
        page.get_by_role("button", name="查询").click()
        expect(page.get_by_role("link", name="可用积分")).to_be_visible()
        page.get_by_role("button", name="退出").click()
        page.wait_for_url(site.address + "/")
        page.goto(f"{site.address}/accounts")
        expect(page.get_by_label("API 密钥")).to_be_visible()
        assert [complaint for complaint in visitor.complaints if "401" not in complaint] == []
