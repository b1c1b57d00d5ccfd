"""A policy is read whole or refused with every error named by its path."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors, load_policy, parse_policy
from pointsbank.policy.model import (
    COUNTER_OFF,
    NO_LIMITS,
    SAFEGUARDS_OFF,
    Caps,
    Category,
    Fund,
    Good,
    HourClass,
    PeopleRules,
    Policy,
)
from pointsbank.policy.unimplemented import NEUTRAL

HARBIN = Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml"


def good_values() -> dict[str, Any]:
    """The content of a small policy without errors, in the form of a data set."""
    return {
        "policy": "small",
        "city": "哈尔滨市",
        "timezone": "Asia/Shanghai",
        "points_per_hour": 10,
        "round_down_minutes": 30,
        "session_max_hours": 24,
        "caps": {"activity_minutes": 240, "day_minutes": 480, "year_minutes": 30000},
        "participation_floor_percent": 60,
        "record_deadline_working_days": 10,
        "public_notice_days": 0,
        "expiry_years_after_service_year": 2,
        "return_hours": 168,
        "hour_classes": {"信用": {"earns_points": True}, "荣誉": {"earns_points": False}},
        "categories": [
            {
                "code": "ENV",
                "name": "环境整治",
                "coefficient_hundredths": 100,
                "per_event": False,
                "points_per_event": None,
                "minimum_age": 6,
            },
            {
                "code": "MEDIATE",
                "name": "调解",
                "coefficient_hundredths": None,
                "per_event": True,
                "points_per_event": 30,
                "minimum_age": 6,
            },
        ],
        "goods": [
            {
                "sku": "G001",
                "ean13": "2301000000013",
                "name": "香皂125g",
                "price_points": 40,
                "monthly_limit": None,
                "opening_stock": 20,
            },
            {
                "sku": "G002",
                "ean13": "2301000000020",
                "name": "牙膏",
                "price_points": 60,
                "monthly_limit": 2,
                "opening_stock": 15,
            },
        ],
    }


def parse(values: dict[str, Any]) -> Any:
    return parse_policy(json.dumps(values), "policy.json")


def errors_of(values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(PolicyErrors) as refused:
        parse(values)
    return {error.path: error.message for error in refused.value.errors}


def test_a_data_set_policy_is_read_with_everything_in_it() -> None:
    policy = parse(good_values())
    assert (policy.name, policy.city, policy.timezone) == ("small", "哈尔滨市", "Asia/Shanghai")
    assert (policy.valid_from, policy.valid_to) == (date.min, date.max)
    assert policy.fund == Fund("city", None)
    assert policy.caps == Caps(240, 480, 30000)
    assert policy.hour_classes == {"信用": HourClass("信用", True), "荣誉": HourClass("荣誉", False)}
    assert policy.categories["MEDIATE"] == Category("MEDIATE", "调解", None, True, 30, 6)
    assert policy.goods["G002"] == Good("G002", "2301000000020", "牙膏", 60, 2, 15)
    assert policy.goods["G002"].price == 6000
    assert policy.unimplemented == ()


def test_the_default_policy_loads_and_lists_what_is_not_implemented() -> None:
    policy = load_policy(HARBIN)
    assert policy.name == "harbin-2026"
    assert (len(policy.categories), len(policy.goods)) == (16, 40)
    assert policy.public_notice_days == 3
    assert policy.goods["G005"].monthly_limit == 2
    assert policy.unimplemented == tuple(sorted(NEUTRAL))


def test_the_version_is_the_name_and_the_digest_of_the_content_not_of_its_form() -> None:
    values = good_values()
    policy = parse(values)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert policy.digest == sha256(text.encode()).hexdigest()
    assert policy.version == f"small@{policy.digest[:16]}"
    assert parse(dict(reversed(values.items()))).version == policy.version
    values["goods"][0]["price_points"] = 41
    assert parse(values).version != policy.version


def test_comments_and_layout_of_toml_do_not_change_the_version() -> None:
    text = HARBIN.read_text("utf-8")
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert bare != text
    assert parse_policy(bare, "a.toml").version == load_policy(HARBIN).version


def test_every_error_is_named_at_once() -> None:
    values = good_values()
    del values["city"]
    values["points_per_hour"] = "10"
    values["return_hours"] = True
    values["participation_floor_percent"] = 101
    values["caps"]["day_minuts"] = values["caps"].pop("day_minutes")
    values["hour_classes"]["信用"] = {"earns_points": 1}
    values["timezone"] = "Asia/Nowhere"
    values["valid_from"], values["valid_to"] = "2026-02-01", "2026-01-31"
    values["categories"][1]["coefficient_hundredths"] = 100
    values["categories"].append(dict(values["categories"][0]))
    values["goods"][1]["ean13"] = "2301000000021"
    values["goods"].append(dict(values["goods"][0], limit={"pieces": 1, "per": "year"}))
    values["goods"].append({"sku": "Ｇ９", "ean13": "12", "name": " ", "price_points": -1})
    values["goods"].append("G010")
    assert sorted(errors_of(values)) == sorted(
        [
            "city",
            "points_per_hour",
            "return_hours",
            "participation_floor_percent",
            "caps.day_minutes",
            "caps.day_minuts",
            "hour_classes.信用.earns_points",
            "timezone",
            "valid_to",
            "categories[1].coefficient_hundredths",
            "categories[2].code",
            "goods[1].ean13",
            "goods[2].sku",
            "goods[2].ean13",
            "goods[2].limit.per",
            "goods[3].sku",
            "goods[3].ean13",
            "goods[3].name",
            "goods[3].price_points",
            "goods[4]",
        ]
    )


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("points_per_hour", None, "missing"),
        ("points_per_hour", 10.0, "whole number"),
        ("round_down_minutes", 0, "from 1"),
        ("policy", "", "not empty"),
        ("policy", "harbin ", "NFKC"),
        ("caps", [], "must be a table"),
        ("categories", {}, "list of tables"),
        ("hour_classes", {}, "at least one"),
        ("holidays", ["2026-02-30"], "must be a date"),
        ("valid_from", "2026-1-1", "must be a date"),
        ("pointsperhour", 10, "unknown key"),
        ("fund", {"code": "f", "budget": 5}, "unknown key"),
        ("timezone", "../etc/passwd", "time zone"),
        ("timezone", "\0", "time zone"),
    ],
)
def test_each_kind_of_error_says_what_is_wrong(path: str, value: object, word: str) -> None:
    values = good_values()
    values[path] = value
    errors = errors_of(values)
    [message] = [text for where, text in errors.items() if where.startswith(path)]
    assert word in message


@pytest.mark.parametrize("key", sorted(NEUTRAL))
def test_a_key_that_is_not_implemented_is_refused_where_it_would_matter(key: str) -> None:
    section, _, name = key.rpartition(".")
    values = good_values()
    values.update({section: {name: NEUTRAL[key]}} if section else {name: NEUTRAL[key]})
    assert parse(values).unimplemented == (key,)
    look_alike = 0 if NEUTRAL[key] is False else False
    for wanted in (50, True, [100], look_alike):
        values.update({section: {name: wanted}} if section else {name: wanted})
        assert "not implemented" in errors_of(values)[key]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"coefficient_hundredths": None}, "categories[0].coefficient_hundredths"),
        ({"points_per_event": 30}, "categories[0].points_per_event"),
        ({"per_event": True}, "categories[0].coefficient_hundredths"),
        ({"minimum_age": -1}, "categories[0].minimum_age"),
        ({"code": "MEDIATE"}, "categories[1].code"),
    ],
)
def test_a_category_pays_by_the_hour_or_by_the_event(changes: dict[str, object], path: str) -> None:
    values = good_values()
    values["categories"][0].update(changes)
    assert path in errors_of(values)


def test_a_limit_is_written_in_one_of_two_forms_and_not_in_both() -> None:
    values = good_values()
    values["goods"][0]["limit"] = {"pieces": 3, "per": "month"}
    assert parse(values).goods["G001"].monthly_limit == 3
    values["goods"][1]["limit"] = {"pieces": 3, "per": "month"}
    assert list(errors_of(values)) == ["goods[1].limit"]


@pytest.mark.parametrize(
    ("content", "source"), [("{", "a.json"), ("[1]", "a.json"), ("a = ", "a.toml"), ("[" * 100_000, "a.json")]
)
def test_what_cannot_be_parsed_is_one_clear_error(content: str, source: str) -> None:
    with pytest.raises(PolicyErrors, match=source) as refused:
        parse_policy(content, source)
    assert len(refused.value.errors) == 1


def test_a_key_that_occurs_twice_in_json_is_an_error() -> None:
    text = json.dumps(good_values()).replace('"return_hours": 168', '"return_hours": 168, "return_hours": 1')
    with pytest.raises(PolicyErrors) as refused:
        parse_policy(text, "policy.json")
    assert [error.path for error in refused.value.errors] == ["return_hours"]


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyErrors, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyErrors, match="not UTF-8"):
        load_policy(tmp_path / "binary.toml")


def _without(text: str, key: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(f"{key} =")]
    assert len(lines) == len(text.splitlines()) - 1, key
    return "\n".join(lines)


SAFEGUARD_KEYS = {
    **dict.fromkeys(
        ("separate_verification", "activity_approval", "sign_up", "training", "insurance", "class_by_way",
         "recording_evidence", "companion_below_age", "consent_below_age", "batch_lines", "lines_per_hour",
         "decision_working_days", "sample_percent"),
        "safeguards.",
    ),
    **dict.fromkeys(
        ("household", "reciprocal_days", "second_level_line_hours", "second_level_batch_hours"), "four_eyes."
    ),
    **dict.fromkeys(("handover_minutes", "debt_percent", "appeal_days", "false_hours_bar_years"), "cases."),
    **dict.fromkeys(
        ("searches_hour", "searches_day", "most_wards", "new_means_hours", "minors_days", "attended_days"), "people."
    ),
    **dict.fromkeys(("step_seconds", "card_day_points"), "code."),
    "redeem_with_guardian_below_age": "minor.",
    **dict.fromkeys(("balance_cap_points", "min_redeem_points"), ""),
    **dict.fromkeys(("late_approval", "long_line_hours", "long_line_notice_days", "makeup_days", "campaigns"), ""),
}  # fmt: skip


@pytest.mark.parametrize("key", SAFEGUARD_KEYS)
def test_a_safeguard_that_is_forgotten_is_an_error_and_not_off(key: str) -> None:
    with pytest.raises(PolicyErrors) as refused:
        parse_policy(_without(HARBIN.read_text("utf-8"), key), "a.toml")
    [error] = refused.value.errors
    assert (error.path, "missing" in error.message) == (SAFEGUARD_KEYS[key] + key, True)


LIMIT_KEYS = ("balance_cap_points", "min_redeem_points")


@pytest.mark.parametrize("key", LIMIT_KEYS)
def test_a_limit_stands_in_a_policy_of_a_city_and_a_data_set_cannot_have_it(key: str) -> None:
    text = HARBIN.read_text("utf-8").replace(f"{key} = 0", f"{key} = 70")
    city = parse_policy(text, "a.toml")
    assert getattr(city.limits, key) == 70
    [without] = PolicyBook([city]).without_safeguards().policies
    assert without.limits == NO_LIMITS
    assert parse(good_values()).limits == NO_LIMITS
    assert "unknown key" in errors_of(good_values() | {key: 0})[key]


@pytest.mark.parametrize(
    ("line", "wrong", "path"),
    [
        ("searches_hour = 30", "searches_hour = 0", "people.searches_hour"),
        ("searches_day = 100", "searches_day = 29", "people.searches_day"),
        ("most_wards = 5", "most_wards = -1", "people.most_wards"),
        ("new_means_hours = 24", "new_means_hours = 0", "people.new_means_hours"),
        ("minors_days = 90", "minors_days = 91", "people.minors_days"),
        ("attended_days = 90", "attended_days = true", "people.attended_days"),
        ("attended_days = 90", "attended_days = 90\nwards = 5", "people.wards"),
        ("step_seconds = 30", "step_seconds = 61", "code.step_seconds"),
        ("card_day_points = 300", "card_day_points = -1", "code.card_day_points"),
        ("below_age = 14 #", "below_age = 19 #", "minor.redeem_with_guardian_below_age"),
    ],
)
def test_a_figure_about_people_and_means_out_of_its_range_is_refused(
    line: str, wrong: str, path: str
) -> None:
    text = HARBIN.read_text("utf-8")
    assert text.count(line) == 1
    with pytest.raises(PolicyErrors) as refused:
        parse_policy(text.replace(line, wrong), "a.toml")
    assert [error.path for error in refused.value.errors] == [path]


def test_all_errors_about_people_and_means_are_named_at_once() -> None:
    text = HARBIN.read_text("utf-8")
    for line in ("searches_hour = 30", "minors_days = 90", "step_seconds = 30", "card_day_points = 300"):
        text = text.replace(line, line.partition(" ")[0] + " = -1")
    with pytest.raises(PolicyErrors) as refused:
        parse_policy(text, "a.toml")
    assert {error.path for error in refused.value.errors} == {
        "people.searches_hour", "people.minors_days", "code.step_seconds", "code.card_day_points",
    }  # fmt: skip


def test_no_key_that_is_implemented_is_listed_as_not_implemented() -> None:
    source = Path(__file__).parents[2] / "src" / "pointsbank"
    elsewhere = "\n".join(
        path.read_text("utf-8")
        for path in sorted([*source.rglob("*.py"), *source.rglob("*.toml")])
        if path.name != "unimplemented.py"
    )
    for key in NEUTRAL:
        section, _, name = key.rpartition(".")
        names = {key, name if "_" in name else f"{section}_{name}"}
        assert not [one for one in names if one in elsewhere], key
    sections = {key.rpartition(".")[0] for key in NEUTRAL}
    assert not sections & {*Policy.__struct_fields__, "code", "minor", "people"}


def test_the_default_policy_has_every_safeguard_on() -> None:
    guard = load_policy(HARBIN).safeguards
    off = [name for name in guard.__struct_fields__ if not getattr(guard, name)]
    assert off == []
    assert guard.recording_evidence == "server"
    assert (guard.second_level_line_minutes, guard.second_level_sum_minutes) == (20 * 60, 200 * 60)


def test_a_data_set_has_no_safeguards_and_cannot_switch_one_on() -> None:
    policy = parse(good_values())
    assert (policy.safeguards, policy.counter) == (SAFEGUARDS_OFF, COUNTER_OFF)
    assert policy.people == PeopleRules() == load_policy(HARBIN).people, (
        "it says nothing about people on file"
    )
    for key in (
        "people",
        "code",
        "minor",
        "safeguards",
        "four_eyes",
        "makeup_days",
        "campaigns",
        "late_approval",
    ):
        assert key in errors_of({**good_values(), key: True})


def test_the_way_in_decides_between_two_classes_that_must_be_there() -> None:
    text = HARBIN.read_text("utf-8").replace('"荣誉" =', '"别的" =')
    with pytest.raises(PolicyErrors, match="hour_classes"):
        parse_policy(text, "a.toml")


def test_campaigns_name_the_citys_decision() -> None:
    campaign = (
        '{ code = "F", name = "抗洪", decision = "1号", honour_earns_points = true, activity_minutes = 600 }'
    )
    text = HARBIN.read_text("utf-8").replace("campaigns = []", f"campaigns = [{campaign}]")
    assert parse_policy(text, "a.toml").campaigns["F"].decision == "1号"
    with pytest.raises(PolicyErrors, match="decision"):
        parse_policy(text.replace('decision = "1号", ', ""), "a.toml")
