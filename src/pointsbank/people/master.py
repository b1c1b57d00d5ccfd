"""The master keys: what wraps every person's key. They come from a file or the environment, never from a database.

A key reads `pbm1.<id>.<secret>`; the id is derived from the secret, so that a mistyped key is noticed. The first
key seals, the others only open: that is how keys are rotated while the service goes on.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from pointsbank.settings import Settings, SettingsError

KEY_BYTES: Final = 32

_PREFIX: Final = "pbm1"

_HEADING: Final = """\
# Master keys of pointsbank 主密钥. The first key seals, the others only open. 第一把用于加密，其余只用于解密。
# Keep this file apart from every copy of the databases; without it nobody's data can be read. 与数据库及其备份分开保存。
"""


class MasterKeyError(SettingsError):
    """There is no usable master key; the message says what to do, and holds nothing of a key."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key. `secret` is 256 random bits and never shown."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.secret) == KEY_BYTES

    @property
    def text(self) -> str:
        """The key as it stands in a key file."""
        return f"{_PREFIX}.{self.id}.{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"


class MasterKeys:
    """The keys that one process holds. A key that was added to the `file` since is found when it is first needed."""

    def __init__(self, keys: Iterable[MasterKey], file: Path | None = None) -> None:
        self.file = file
        self._take(tuple(keys))

    def _take(self, keys: tuple[MasterKey, ...]) -> None:
        if not keys:
            raise MasterKeyError("没有主密钥 / there is no master key")
        self.all = keys
        self._by_id = {key.id: key for key in keys}

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._by_id)})"

    @property
    def current(self) -> MasterKey:
        """The key that seals."""
        return self.all[0]

    def find(self, key_id: str) -> MasterKey:
        """The key with this id. Raises MasterKeyError if this process does not hold it."""
        if key_id not in self._by_id and self.file is not None:
            self._take(read_file(self.file).all)
        key = self._by_id.get(key_id)
        if key is None:
            raise MasterKeyError(
                f"缺少主密钥 {key_id}，由它保护的资料无法读取。请找回这把密钥。\n"
                f"The master key {key_id} is missing; what it protects cannot be read. Bring the key back."
            )
        return key


def generate() -> MasterKey:
    """A fresh random master key."""
    return key_of(secrets.token_bytes(KEY_BYTES))


def parse(text: str, source: str) -> MasterKeys:
    """The keys of a text: one a line or word, what follows `#` is a comment. Raises MasterKeyError.

    `source` names the text in messages, which never repeat it.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise MasterKeyError(f"{source} 中没有主密钥 / holds no master key")
    return MasterKeys(_parse_one(word, f"{source} #{number}") for number, word in enumerate(words, 1))


def read_file(path: Path) -> MasterKeys:
    """The keys of a file that only its owner may read or write (mode 0600). Raises MasterKeyError."""
    try:
        # by descriptor, so that the file that is checked is the file that is read
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise MasterKeyError(
                    f"主密钥文件 {path} 的权限为 {mode:04o}，别人也能读。请运行 chmod 600 {path}\n"
                    f"The mode of the master key file {path} is {mode:04o}: others may read it. Run chmod 600 {path}"
                )
            text = file.read().decode()
    except FileNotFoundError:
        raise MasterKeyError(
            f"没有主密钥文件 {path}。用 pointsbank people keys generate {path} 生成。\n"
            f"There is no master key file {path}. Make one: pointsbank people keys generate {path}"
        ) from None
    except UnicodeDecodeError:
        raise MasterKeyError(f"{path} 不是主密钥文件 / is not a master key file") from None
    return MasterKeys(parse(text, str(path)).all, path)


def write_file(path: Path, keys: Iterable[MasterKey]) -> None:
    """Write a key file with mode 0600; it takes the place of an older one as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_HEADING + "".join(f"{key.text}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def master_keys(settings: Settings, demo_file: Path | None = None) -> MasterKeys:
    """The master keys of the settings: the environment's, or the key file's. Raises MasterKeyError without one.

    `serve` and every verb that opens the people store call this first. Only the demo, whose people are invented,
    makes a key of its own, in `demo_file`.
    """
    if settings.master_key:
        return parse(settings.master_key, "POINTSBANK_MASTER_KEY")
    if settings.master_key_file:
        return read_file(Path(settings.master_key_file))
    if settings.demo and demo_file is not None:
        if not demo_file.exists():
            demo_file.parent.mkdir(parents=True, exist_ok=True)
            write_file(demo_file, [generate()])
        return read_file(demo_file)
    raise MasterKeyError(
        "没有设置主密钥，个人资料无法保护，因此不启动。请设置 POINTSBANK_MASTER_KEY_FILE（权限 0600 的文件）"
        "或 POINTSBANK_MASTER_KEY；用 pointsbank people keys generate 生成。\n"
        "No master key is set, so personal data could not be protected, and nothing starts. Set"
        " POINTSBANK_MASTER_KEY_FILE (a file of mode 0600) or POINTSBANK_MASTER_KEY; make a key with"
        " `pointsbank people keys generate`."
    )


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse_one(word: str, source: str) -> MasterKey:
    prefix, _, rest = word.partition(".")
    key_id, _, text = rest.partition(".")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        secret = b""
    if prefix != _PREFIX or len(secret) != KEY_BYTES or key_of(secret).id != key_id:
        raise MasterKeyError(f"{source} 不是主密钥，或抄写有误 / is not a master key, or was mistyped")
    return MasterKey(key_id, secret)


def key_of(secret: bytes) -> MasterKey:
    """The master key with this secret of 32 bytes."""
    return MasterKey(sha256(b"pointsbank master key id\0" + secret).hexdigest()[:16], secret)
