"""The policies of a programme by date: which one is in force on a day."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from msgspec.structs import replace

from pointsbank.policy.load import PolicyErrors, load_policy
from pointsbank.policy.model import COUNTER_OFF, NO_LIMITS, SAFEGUARDS_OFF, Policy
from pointsbank.policy.reading import PolicyError


class NoPolicyError(LookupError):
    """No policy of the book covers the day."""


class PolicyBook:
    """Dated policies that follow each other day by day, without gap and without overlap."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        """Raises `PolicyErrors` if two policies overlap, leave a gap, or bear one name."""
        self.policies = tuple(sorted(policies, key=lambda policy: policy.valid_from))
        errors = [] if self.policies else [PolicyError("", "没有规则文件 (no policy)")]
        names = Counter(policy.name for policy in self.policies)
        twice = [name for name, times in names.items() if times > 1]
        errors += [PolicyError(name, "名称重复 (two policies bear this name)") for name in twice]
        for earlier, later in zip(self.policies, self.policies[1:], strict=False):
            errors += _seam(earlier, later)
        if errors:
            raise PolicyErrors("policy book", errors)

    def in_force(self, on: date) -> Policy:
        """The policy whose validity covers `on` (a service date in the city). Raises `NoPolicyError`."""
        for policy in reversed(self.policies):
            if policy.valid_from <= on <= policy.valid_to:
                return policy
        raise NoPolicyError(f"{on} 无有效规则 (no policy is in force on {on})")

    def protecting(self, on: date) -> Policy:
        """The policy whose protection of people and means holds on a day, also where no policy is in force.

        A city that forgot to go on with its policy pays no hours, but its people do not stand open: then the nearest
        policy protects them.
        """
        first, last = self.policies[0], self.policies[-1]
        return self.in_force(min(max(on, first.valid_from), last.valid_to))

    def without_safeguards(self) -> "PolicyBook":
        """The same policies with every safeguard off: for a ledger of invented or replayed people, never a live one.

        How much one may hold and what one redeems at least is off too, so that the rules are those of a data set.
        """
        off = {"safeguards": SAFEGUARDS_OFF, "counter": COUNTER_OFF, "limits": NO_LIMITS}
        return PolicyBook([replace(policy, **off) for policy in self.policies])

    def require_safeguards(self) -> None:
        """Raise `PolicyErrors`, naming each safeguard that is off: a live ledger takes no such policy."""
        errors = [
            PolicyError(path, "正式账本不得关闭此项 (must not be off on a live ledger)").in_file(policy.name)
            for policy in self.policies
            for path in policy.switched_off()
        ]
        if errors:
            raise PolicyErrors("policy book", errors)


def load_book(folder: Path) -> PolicyBook:
    """The book of all `*.toml` in `folder`. Raises `PolicyErrors` with the errors of all files together."""
    policies: list[Policy] = []
    errors: list[PolicyError] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            policies.append(load_policy(path))
        except PolicyErrors as refused:
            errors += [error.in_file(path.name) for error in refused.errors]
    if errors:
        raise PolicyErrors(folder.name, errors)
    return PolicyBook(policies)


def _seam(earlier: Policy, later: Policy) -> list[PolicyError]:
    if later.valid_from <= earlier.valid_to:
        text = f"与 {earlier.name} 的有效期重叠 (overlaps {earlier.name}, valid to {earlier.valid_to})"
    elif later.valid_from > earlier.valid_to + timedelta(days=1):
        text = (
            f"与 {earlier.name} 之间有空档 (leaves a gap after {earlier.name}, valid to {earlier.valid_to})"
        )
    else:
        return []
    return [PolicyError(f"{later.name}: valid_from", text)]
