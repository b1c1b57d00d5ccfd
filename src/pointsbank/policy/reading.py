"""Reads tables of a policy file and collects every error by its path, instead of stopping at the first."""

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Final, Literal
from unicodedata import normalize

from msgspec import Struct

NOT_NORMAL: Final = "代码不得含全角字符或首尾空格 (must be NFKC text without blanks around it)"


def is_normal(code: str) -> bool:
    """Whether a code is in the form into which fields of files are brought before they are compared."""
    return code == normalize("NFKC", code).strip(" \t")


class PolicyError(Struct, frozen=True):
    """One thing that is wrong in a policy: where it stands (`goods[3].ean13`) and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def in_file(self, name: str) -> "PolicyError":
        """The same error with the name of its file before the path."""
        return PolicyError(f"{name}: {self.path}" if self.path else name, self.message)


class Absent(Enum):
    """Marks a key that has no default and therefore must be there."""

    ABSENT = "absent"


REQUIRED: Final = Absent.ABSENT
Required = Literal[Absent.ABSENT]


class TableReader:
    """One table of the file. What is wrong is noted and replaced by a harmless value, so reading goes on."""

    def __init__(self, values: Mapping[str, object], path: str, errors: list[PolicyError]) -> None:
        self._values = values
        self._path = path
        self._errors = errors
        self._seen: set[str] = set()

    def integer(self, key: str, low: int, high: int, default: int | Required = REQUIRED) -> int:
        """A whole number from `low` to `high`; true and false are no numbers."""
        if not self._has(key, required=default is REQUIRED):
            return low if default is REQUIRED else default
        return self._integer(key, low, high)

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number, or None where the key is absent or null."""
        return self._integer(key, low, high) if self._has(key, required=False) else None

    def flag(self, key: str, default: bool | Required = REQUIRED) -> bool:
        """true or false."""
        if not self._has(key, required=default is REQUIRED):
            return False if default is REQUIRED else default
        value = self._values[key]
        if isinstance(value, bool):
            return value
        self.wrong(key, f"应为 true 或 false (must be true or false, is {value!r})")
        return False

    def text(self, key: str, default: str | Required = REQUIRED) -> str:
        """A text that is not empty."""
        if not self._has(key, required=default is REQUIRED):
            return "" if default is REQUIRED else default
        value = self._values[key]
        if isinstance(value, str) and value.strip():
            return value
        self.wrong(key, f"应为非空文字 (must be a text that is not empty, is {value!r})")
        return ""

    def code(self, key: str, default: str | Required = REQUIRED) -> str:
        """A text that is compared with fields of files, and so must be in their normalised form."""
        value = self.text(key, default)
        if not is_normal(value):
            self.wrong(key, NOT_NORMAL)
        return value

    def day(self, key: str, default: date) -> date:
        """A date: a TOML date, or YYYY-MM-DD as text in JSON."""
        return _day(self._values[key], self, key) if self._has(key, required=False) else default

    def days(self, key: str, *, required: bool = False) -> list[date]:
        """A list of dates; the empty list where the key is absent and may be."""
        if not self._has(key, required=required):
            return []
        values = self._values[key]
        if not isinstance(values, list):
            self.wrong(key, "应为日期列表 (must be a list of dates)")
            return []
        return [_day(value, self, f"{key}[{number}]") for number, value in enumerate(values)]

    def table(self, key: str, *, required: bool = True) -> "TableReader | None":
        """The table under `key`, or None (noted as an error if it is required or is no table)."""
        if not self._has(key, required=required):
            return None
        value = self._values[key]
        if isinstance(value, dict):
            return TableReader(value, self.path_of(key), self._errors)
        self.wrong(key, "应为表 (must be a table)")
        return None

    def tables(self, key: str) -> list["TableReader"]:
        """The list of tables under `key`."""
        if not self._has(key, required=True):
            return []
        values = self._values[key]
        if not isinstance(values, list):
            self.wrong(key, "应为表的列表 (must be a list of tables)")
            return []
        readers = []
        for number, value in enumerate(values):
            if isinstance(value, dict):
                readers.append(TableReader(value, f"{self.path_of(key)}[{number}]", self._errors))
            else:
                self.wrong(f"{key}[{number}]", "应为表 (must be a table)")
        return readers

    def keys_as_data(self) -> list[str]:
        """All keys of this table, for tables whose keys are data."""
        return list(self._values)

    def has(self, key: str) -> bool:
        """Whether `key` is there and not null."""
        return self._values.get(key) is not None

    def raw(self, key: str) -> object:
        """The value under `key` as it stands, unchecked."""
        self._seen.add(key)
        return self._values.get(key)

    def wrong(self, key: str, message: str) -> None:
        """Notes an error at `key`."""
        self._errors.append(PolicyError(self.path_of(key), message))

    def finish(self) -> None:
        """Notes every key that nobody has asked for: a misspelt key must not be silently without effect."""
        for key in self._values:
            if key not in self._seen:
                self.wrong(key, "未知的键 (unknown key)")

    def path_of(self, key: str) -> str:
        """The path of `key` in the file."""
        return f"{self._path}.{key}" if self._path else key

    def _has(self, key: str, *, required: bool) -> bool:
        self._seen.add(key)
        if self.has(key):
            return True
        if required:
            self.wrong(key, "缺少此项 (missing)")
        return False

    def _integer(self, key: str, low: int, high: int) -> int:
        value = self._values[key]
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(key, f"应为整数 (must be a whole number, is {value!r})")
        elif not low <= value <= high:
            self.wrong(key, f"应在 {low} 到 {high} 之间 (must be from {low} to {high}, is {value})")
        else:
            return value
        return low


def _day(value: object, reader: TableReader, key: str) -> date:
    if type(value) is date:  # a TOML date and time is a subclass, and not what is asked for
        return value
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # noted below with every other form that is no date
    reader.wrong(key, f"应为日期 YYYY-MM-DD (must be a date, is {value!r})")
    return date.min
