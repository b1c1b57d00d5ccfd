"""docs/security.md claims nothing without a test, and leaves out no requirement in silence."""

from __future__ import annotations

import re
from pathlib import Path

from pointsbank.access.passwords import MEMORY_KIB, MOST_WAITING, PASSES
from pointsbank.access.rights import rights
from pointsbank.policy.shipped import policies_at

ROOT = Path(__file__).parents[2]
POLICY = policies_at().policies[-1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d\.\d\.\d+) \| .+? \| `(tests/[\w/]+\.py)::(test_\w+)` \| .+? \|$", re.MULTILINE)

LAST = re.compile(r"^\| \d\.\d\.\d+ \| .+ \| (.+?) \|$", re.MULTILINE)
SOURCE = ROOT / "src" / "pointsbank"

# levels 1 and 2 of ASVS 5.0
REQUIREMENTS = {
    *(f"6.1.{n}" for n in range(1, 4)),
    *(f"6.2.{n}" for n in range(1, 13)),
    *(f"6.3.{n}" for n in range(1, 5)),
    *(f"6.4.{n}" for n in range(1, 5)),
    *(f"6.5.{n}" for n in range(1, 6)),
    *(f"6.6.{n}" for n in range(1, 4)),
    *(f"6.8.{n}" for n in range(1, 5)),
    *(f"7.1.{n}" for n in range(1, 4)),
    *(f"7.2.{n}" for n in range(1, 5)),
    *(f"7.3.{n}" for n in range(1, 3)),
    *(f"7.4.{n}" for n in range(1, 6)),
    *(f"7.5.{n}" for n in range(1, 3)),
    *(f"7.6.{n}" for n in range(1, 3)),
    *("8.1.1", "8.1.2", "8.2.1", "8.2.2", "8.2.3", "8.3.1", "8.4.1"),
}


def test_every_row_names_a_test_that_is_there() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > 35
    for requirement, path, name in rows:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), (requirement, name)


def test_every_requirement_is_kept_or_named_as_not_kept() -> None:
    kept = [requirement for requirement, _, _ in ROW.findall(PAGE)]
    open_ = re.findall(r"\d\.\d\.\d+", PAGE.split("Without an object here")[1])
    assert len(kept) == len(set(kept))
    assert not set(kept) & set(open_)
    assert set(kept) | set(open_) == REQUIREMENTS


def test_a_deviation_for_volunteers_names_risk_limit_and_alternative() -> None:
    """Of the other rows the last column is a dash, and perhaps a remark about staff."""
    deviations = [cell for cell in LAST.findall(PAGE) if not cell.startswith("–")]
    assert len(deviations) >= 4
    for cell in deviations:
        assert all(word in cell for word in ("risk: ", "; limit: ", "; alternative: ")), cell


def test_no_field_for_a_secret_shows_it_or_hinders_a_password_manager() -> None:
    """6.2.6 and 6.2.7: on pages, and at the prompts of the command line."""
    fields = [
        field
        for page in (SOURCE / "web" / "pages" / "templates").glob("*.html")
        for field in re.findall(r"<input [^>]*>", page.read_text("utf-8"))
        if re.search(r'name="(key|password|pin|code|secret)"', field)
    ]
    assert fields
    for field in fields:
        assert 'type="password"' in field, field
        assert 'autocomplete="off"' not in field, field
    for script in (SOURCE / "web" / "pages").rglob("*.js"):
        assert "paste" not in script.read_text("utf-8"), script
    prompts = [
        line
        for verb in (SOURCE / "cli").glob("*.py")
        for line in verb.read_text("utf-8").splitlines()
        if "click.prompt(" in line and "password" in line
    ]
    assert len(prompts) > 1
    assert all("hide_input=True" in line for line in prompts), prompts


def test_the_figures_on_the_page_are_those_of_the_program() -> None:
    rules = rights().log_in
    for sentence in (
        f"{rules.password_shortest} to {rules.password_longest} characters",
        f"argon2id ({MEMORY_KIB // 1024} MiB, two passes",
        f"{MOST_WAITING} more wait",
        f"{rules.idle_minutes} minutes idle, {rules.longest_hours} hours at most",
        f"Throttles, within {rules.window_minutes} minutes: {rules.most_failures_here} failures of one account",
        f"{rules.most_failures_account} of one account, {rules.most_failures_address} from one address",
    ):
        assert sentence in " ".join(PAGE.split()), sentence
    visit, pin = rights().visit, rights().pin
    people, counter = POLICY.people, POLICY.counter
    for sentence in (
        f"redeems at most {counter.card_day_points} points a day",
        f"At most {visit.codes_phone_hour} an hour and {visit.codes_phone_day} a day for a phone,"
        f" {visit.codes_address_hour} an hour for an address, {visit.codes_day:,} a day for the city",
        f"a notice and {people.new_means_hours} hours",
        f"ends within {people.minors_days} days",
        f"attendance within {people.attended_days} days",
        f"lives {counter.code_step_seconds} to {2 * counter.code_step_seconds} seconds",
    ):
        assert sentence in " ".join(PAGE.split()), sentence
    assert (visit.card_seconds, visit.code_minutes, visit.code_tries, people.most_wards) == (120, 5, 5, 5)
    assert (pin.failures_to_pause, pin.failures_to_freeze, pin.cards_to_stop) == (5, 10, 20)
    assert (pin.pause_minutes, visit.pin_choice_minutes, visit.terminal_code_hours) == (15, 30, 24)
    words = {2: "two", 5: "five"}
    assert f"{words[rules.most_sessions]} at a time" in PAGE
    assert f"the last {words[rules.step_up_minutes]} minutes" in PAGE
    assert PASSES == 2
    assert rules.enrolment_hours == 72
