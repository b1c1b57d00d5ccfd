"""Loads a policy from dated TOML or from the `policy.json` of a data set; a wrong one is refused whole."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pointsbank.policy.model import (
    COUNTER_OFF,
    NO_LIMITS,
    SAFEGUARDS_OFF,
    Campaign,
    Caps,
    CaseRules,
    Category,
    Fund,
    Good,
    HourClass,
    Limits,
    PeopleRules,
    Policy,
)
from pointsbank.policy.protection import read_counter, read_people
from pointsbank.policy.reading import NOT_NORMAL, PolicyError, TableReader, is_normal
from pointsbank.policy.safeguards import read_safeguards
from pointsbank.policy.unimplemented import read_unimplemented

_A_YEAR_OF_MINUTES = 366 * 24 * 60
_MOST_POINTS = 10_000_000
_MOST_PIECES = 1_000_000
_MEASURED_AND_WRITTEN = {"信用", "荣誉"}
"""The classes of hours that were measured by checking in and out, and of those written down afterwards."""


class PolicyErrors(ValueError):
    """A policy that is wrong; `errors` names everything that is wrong with it."""

    def __init__(self, source: str, errors: Iterable[PolicyError]) -> None:
        self.source = source
        self.errors = tuple(errors)
        lines = [f"规则文件有误，未加载 (policy refused): {source}", *(f"  {error}" for error in self.errors)]
        super().__init__("\n".join(lines))


def load_policy(path: Path) -> Policy:
    """The policy in the file `path` (`.json` or TOML). Raises `PolicyErrors` with every error that it has."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise PolicyErrors(
            path.name, [PolicyError("", f"无法读取 (cannot be read: {error.strerror})")]
        ) from error
    except UnicodeDecodeError as error:
        raise PolicyErrors(path.name, [PolicyError("", "不是 UTF-8 编码 (is not UTF-8)")]) from error
    return parse_policy(content, path.name)


def parse_policy(content: str, source: str) -> Policy:
    """The policy in a text; `source` names it in errors, and as JSON if it ends in `.json`."""
    errors: list[PolicyError] = []
    try:
        values = _parse_json(content, errors) if source.endswith(".json") else tomllib.loads(content)
    except (ValueError, RecursionError) as error:  # both parsers raise subclasses of ValueError
        raise PolicyErrors(source, [PolicyError("", f"语法错误 (syntax: {error})")]) from error
    if not isinstance(values, dict):
        raise PolicyErrors(source, [PolicyError("", "应为表 (must be a table)")])
    policy = _read_policy(values, errors, of_data_set=source.endswith(".json"))
    if errors:
        raise PolicyErrors(source, errors)
    return policy


def canonical_content(values: Mapping[str, object]) -> bytes:
    """The bytes that the version is the SHA-256 of: JSON with sorted keys, no blanks, dates as YYYY-MM-DD.

    It is made of the values in the file, so comments and the order of keys do not change it, and a later
    version of this program that knows more keys computes the same.
    """
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "backslashreplace")


def _parse_json(content: str, errors: list[PolicyError]) -> object:
    def no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values = dict(pairs)
        if len(values) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = sorted({key for key in keys if keys.count(key) > 1})
            errors.extend(PolicyError(key, "键重复 (key occurs twice)") for key in twice)
        return values

    return json.loads(content, object_pairs_hook=no_key_twice)


def _read_policy(values: Mapping[str, object], errors: list[PolicyError], *, of_data_set: bool) -> Policy:
    """A data set's policy has no safeguards and no make-up days: its adapter sets them, its file cannot."""
    top = TableReader(values, "", errors)
    valid_from, valid_to = top.day("valid_from", date.min), top.day("valid_to", date.max)
    if valid_to < valid_from:
        top.wrong("valid_to", f"早于生效日 (ends before valid_from, {valid_from})")
    policy = Policy(
        name=top.code("policy"),
        city=top.text("city"),
        timezone=_timezone(top),
        valid_from=valid_from,
        valid_to=valid_to,
        fund=_fund(top),
        points_per_hour=top.integer("points_per_hour", 0, 10_000),
        round_down_minutes=top.integer("round_down_minutes", 1, 24 * 60),
        session_max_hours=top.integer("session_max_hours", 1, 366 * 24),
        caps=_caps(top),
        participation_floor_percent=top.integer("participation_floor_percent", 0, 100),
        record_deadline_working_days=top.integer("record_deadline_working_days", 0, 1000),
        public_notice_days=top.integer("public_notice_days", 0, 1000),
        holidays=frozenset(top.days("holidays")),
        expiry_years_after_service_year=top.integer("expiry_years_after_service_year", 0, 100),
        return_hours=top.integer("return_hours", 0, 366 * 24),
        fen_per_point=top.optional_integer("fen_per_point", 0, 1_000_000),
        hour_classes=MappingProxyType(_hour_classes(top)),
        categories=MappingProxyType(_categories(top)),
        goods=MappingProxyType(_goods(top)),
        makeup_days=frozenset() if of_data_set else frozenset(top.days("makeup_days", required=True)),
        safeguards=SAFEGUARDS_OFF if of_data_set else read_safeguards(top),
        campaigns=MappingProxyType({} if of_data_set else _campaigns(top)),
        cases=CaseRules() if of_data_set else _cases(top),
        people=PeopleRules() if of_data_set else read_people(top),
        counter=COUNTER_OFF if of_data_set else read_counter(top),
        limits=NO_LIMITS if of_data_set else _limits(top),
        digest=sha256(canonical_content(values)).hexdigest(),
        unimplemented=read_unimplemented(top),
    )
    if policy.safeguards.class_by_way and not set(policy.hour_classes) >= _MEASURED_AND_WRITTEN:
        top.wrong(
            "hour_classes", "须有“信用”和“荣誉” (needs 信用 and 荣誉 where the way in decides the class)"
        )
    top.finish()
    return policy


def _timezone(top: TableReader) -> str:
    name = top.text("timezone")
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # names with odd characters raise the latter two
        top.wrong("timezone", f"未知时区 (unknown time zone {name!r})")
    return name


def _fund(top: TableReader) -> Fund:
    fund = top.table("fund", required=False)
    if fund is None:
        return Fund(code="city", budget_points=None)
    code, budget = fund.code("code"), fund.optional_integer("budget_points", 0, 10**13)
    fund.finish()
    return Fund(code, budget)


def _caps(top: TableReader) -> Caps:
    caps = top.table("caps")
    if caps is None:
        return Caps(0, 0, 0)
    read = Caps(
        activity_minutes=caps.integer("activity_minutes", 0, _A_YEAR_OF_MINUTES),
        day_minutes=caps.integer("day_minutes", 0, _A_YEAR_OF_MINUTES),
        year_minutes=caps.integer("year_minutes", 0, _A_YEAR_OF_MINUTES),
    )
    caps.finish()
    return read


def _hour_classes(top: TableReader) -> dict[str, HourClass]:
    classes = top.table("hour_classes")
    if classes is None:
        return {}
    found = {}
    for name in classes.keys_as_data():
        if not is_normal(name):
            classes.wrong(name, NOT_NORMAL)
        hour_class = classes.table(name)
        if hour_class is not None:
            found[name] = HourClass(name, hour_class.flag("earns_points"))
            hour_class.finish()
    if not found:
        top.wrong("hour_classes", "至少需要一个时数类型 (needs at least one class of hours)")
    return found


def _categories(top: TableReader) -> dict[str, Category]:
    found: dict[str, Category] = {}
    for table in top.tables("categories"):
        category = _category(table)
        if category.code in found:
            table.wrong("code", f"类别代码重复 (code {category.code!r} occurs twice)")
        if category.code:
            found[category.code] = category
        table.finish()
    return found


def _category(table: TableReader) -> Category:
    per_event = table.flag("per_event", default=False)
    coefficient = table.optional_integer("coefficient_hundredths", 0, 10_000)
    points = table.optional_integer("points_per_event", 0, _MOST_POINTS)
    if per_event and table.has("coefficient_hundredths"):
        table.wrong(
            "coefficient_hundredths", "按件计分的类别不得有系数 (a per_event category has no coefficient)"
        )
    if per_event and not table.has("points_per_event"):
        table.wrong("points_per_event", "缺少此项 (missing: a per_event category needs it)")
    if not per_event and not table.has("coefficient_hundredths"):
        table.wrong("coefficient_hundredths", "缺少此项 (missing)")
    if not per_event and table.has("points_per_event"):
        table.wrong("points_per_event", "仅用于按件计分的类别 (only for a per_event category)")
    minimum_age = table.integer("minimum_age", 0, 150)
    return Category(table.code("code"), table.text("name"), coefficient, per_event, points, minimum_age)


def _goods(top: TableReader) -> dict[str, Good]:
    found: dict[str, Good] = {}
    barcodes: set[str] = set()
    for table in top.tables("goods"):
        good = Good(
            sku=table.code("sku"),
            ean13=_ean13(table),
            name=table.text("name"),
            price_points=table.integer("price_points", 0, _MOST_POINTS),
            monthly_limit=_monthly_limit(table),
            opening_stock=table.integer("opening_stock", 0, _MOST_PIECES, default=0),
        )
        if good.sku in found:
            table.wrong("sku", f"商品编码重复 (SKU {good.sku!r} occurs twice)")
        if good.ean13 in barcodes:
            table.wrong("ean13", f"条码重复 (EAN {good.ean13} occurs twice)")
        if good.sku:
            found[good.sku] = good
        if good.ean13:
            barcodes.add(good.ean13)
        table.finish()
    return found


def _cases(top: TableReader) -> CaseRules:
    cases = top.table("cases")
    if cases is None:
        return CaseRules()
    read = CaseRules(
        handover_minutes=cases.integer("handover_minutes", 0, 24 * 60),
        debt_percent=cases.integer("debt_percent", 0, 100),
        appeal_days=cases.integer("appeal_days", 0, 1000),
        false_hours_bar_years=cases.integer("false_hours_bar_years", 0, 10),
    )
    cases.finish()
    return read


def _limits(top: TableReader) -> Limits:
    return Limits(
        balance_cap_points=top.integer("balance_cap_points", 0, _MOST_POINTS),
        min_redeem_points=top.integer("min_redeem_points", 0, _MOST_POINTS),
    )


def _campaigns(top: TableReader) -> dict[str, Campaign]:
    found: dict[str, Campaign] = {}
    for table in top.tables("campaigns"):
        campaign = Campaign(
            code=table.code("code"),
            name=table.text("name"),
            decision=table.text("decision"),
            honour_earns_points=table.flag("honour_earns_points"),
            activity_minutes=table.integer("activity_minutes", 0, _A_YEAR_OF_MINUTES),
        )
        if campaign.code in found:
            table.wrong("code", f"行动代码重复 (campaign {campaign.code!r} occurs twice)")
        found[campaign.code] = campaign
        table.finish()
    return found


def _ean13(table: TableReader) -> str:
    text = table.text("ean13")
    if not text:
        return ""
    if not re.fullmatch(r"[0-9]{13}", text):
        table.wrong("ean13", f"条码应为 13 位数字 (must be 13 digits, is {text!r})")
        return ""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(text[:12]))
    if (weighted + int(text[12])) % 10:
        table.wrong(
            "ean13", f"条码校验位应为 {-weighted % 10} (check digit of {text} must be {-weighted % 10})"
        )
    return text


def _monthly_limit(table: TableReader) -> int | None:
    """Pieces a person and calendar month: `monthly_limit = 2` or `limit = { pieces = 2, per = "month" }`."""
    monthly = table.optional_integer("monthly_limit", 0, _MOST_PIECES)
    limit = table.table("limit", required=False)
    if limit is None:
        return monthly
    if table.has("monthly_limit"):
        table.wrong("limit", "与 monthly_limit 只能有一个 (give limit or monthly_limit, not both)")
    pieces, per = limit.integer("pieces", 0, _MOST_PIECES), limit.text("per")
    if per and per != "month":
        limit.wrong("per", f"仅支持 month (only a limit per month is implemented, not per {per!r})")
    limit.finish()
    return pieces
