"""Opens the zip package of a workbook as if a stranger had sent it, which is how workbooks arrive.

Nothing is unpacked to disk and no member is read whole: `chunks` hands out 64 KiB at a time and counts.
What the package declares about itself (sizes, number of members) is checked before, and again while
reading.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final
from xml.parsers import expat

import msgspec

from pointsbank.intake.sheet_error import SheetError

CHUNK_BYTES: Final = 1 << 16


class ZipLimits(msgspec.Struct, frozen=True):
    """How much a workbook may unfold. A full sheet (1,048,576 rows) of service records passes."""

    members: int = 1_000
    uncompressed_bytes: int = 1 << 30
    ratio: int = 200  # XML of real sheets stays below 100; deflate can reach 1,032
    ratio_free_bytes: int = 1 << 20  # a small member may be as repetitive as it likes
    single_read_bytes: int = 1 << 20  # the list of members is read in one piece, so this bounds it as well


# What zipfile raises on bytes that are no zip, or a broken one.
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
_XML_DEPTH_LIMIT: Final = 64
_XML_TOKEN_LIMIT_BYTES: Final = 1 << 20
_ARCHIVES: Final = (
    ".zip",
    ".xlsx",
    ".xlsm",
    ".docx",
    ".pptx",
    ".jar",
    ".7z",
    ".rar",
    ".gz",
    ".tar",
    ".bz2",
    ".xz",
)
_MAGIC: Final = re.compile(rb"PK\x03\x04|PK\x05\x06|7z\xbc\xaf|Rar!|\x1f\x8b|BZh|\xfd7zXZ")


class Package:
    """A checked zip package, open for reading. Raises SheetError for everything that is wrong with it."""

    def __init__(self, path: Path, limits: ZipLimits) -> None:
        self.path = path
        self._limits = limits
        self._file = _BoundedFile(path, limits.single_read_bytes)
        try:
            try:
                self._zip = zipfile.ZipFile(self._file)
            except _ZIP_ERRORS as error:
                raise self.damaged("zip", str(error)) from error
            self._members = self._checked_members()
        except SheetError:
            self._file.close()
            raise

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def has(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        return list(self._members)

    def compressed_bytes(self, name: str) -> int:
        return self._members[name].compress_size if name in self._members else 0

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far, for progress."""
        return self._file.bytes_read

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member in pieces; what it unfolds to is counted, whatever the package declared."""
        unfolded = 0
        read_before = self._file.bytes_read
        try:
            with self._zip.open(self._members[name]) as member:
                while chunk := member.read(CHUNK_BYTES):
                    unfolded += len(chunk)
                    read = self._file.bytes_read - read_before
                    self._check_size(name, unfolded, read + CHUNK_BYTES)
                    yield chunk
        except _ZIP_ERRORS as error:
            raise self.damaged(name, str(error)) from error

    def damaged(self, part: str, reason: str) -> SheetError:
        return SheetError("workbook-damaged", name=self.path.name, part=part, reason=reason[:200])

    def _checked_members(self) -> dict[str, zipfile.ZipInfo]:
        members = self._zip.infolist()
        if len(members) > self._limits.members:
            raise self._unsafe("members", f"成员有 {len(members)} 个", f"it has {len(members)} members")
        by_name: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename
            if _is_hostile_name(member.orig_filename):
                shown = ascii(name)[:100]
                raise self._unsafe(
                    "path", f"成员名 {shown} 指向压缩包之外", f"the name {shown} leads outside"
                )
            if name in by_name:
                raise self._unsafe("repeated", f"成员 {name} 出现两次", f"{name} occurs twice")
            by_name[name] = member
            self._check_member(member)
        total = sum(member.file_size for member in members)
        if total > self._limits.uncompressed_bytes:
            raise self._unsafe("size", f"解压后有 {total} 字节", f"it unfolds to {total} bytes")
        for member in members:
            self._check_nested(member)
        return by_name

    def _check_member(self, member: zipfile.ZipInfo) -> None:
        name = member.filename
        if member.flag_bits & 0x1:
            raise self._unsafe("encrypted", f"成员 {name} 有密码", f"{name} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._unsafe(
                "method", f"成员 {name} 的压缩方式不常见", f"{name} is packed in an unusual way"
            )
        self._check_size(name, member.file_size, member.compress_size)

    def _check_size(self, name: str, unfolded: int, packed: int) -> None:
        if unfolded > self._limits.uncompressed_bytes:
            raise self._unsafe("size", f"{name} 解压后超过上限", f"{name} unfolds beyond the limit")
        if unfolded > self._limits.ratio_free_bytes and unfolded > packed * self._limits.ratio:
            times = unfolded // max(packed, 1)
            raise self._unsafe(
                "ratio", f"{name} 的压缩比为 {times} 倍", f"{name} unfolds to {times} times its size"
            )

    def _check_nested(self, member: zipfile.ZipInfo) -> None:
        is_archive = member.filename.lower().endswith(_ARCHIVES)
        if not is_archive and not member.is_dir():
            try:
                with self._zip.open(member) as opened:
                    is_archive = _MAGIC.match(opened.read(8)) is not None
            except _ZIP_ERRORS as error:
                raise self.damaged(member.filename, str(error)) from error
        if is_archive:
            name = member.filename
            raise self._unsafe("nested", f"成员 {name} 本身是压缩包", f"{name} is an archive itself")

    def _unsafe(self, reason: str, chinese: str, english: str) -> SheetError:
        return SheetError(
            "zip-unsafe", name=self.path.name, reason=reason, reason_zh=chinese, reason_en=english
        )


class _BoundedFile(io.FileIO):
    """Counts what is read and refuses to read much in one piece, so that no declared size is believed."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._limit = limit
        self._size = path.stat().st_size
        self.bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = self._size - self.tell()
        if size > self._limit:
            raise zipfile.BadZipFile(f"a single piece of {size} bytes")
        data = super().read(size) or b""
        self.bytes_read += len(data)
        return data


def _is_hostile_name(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        not name
        or "\x00" in name
        or "\\" in name
        or ":" in name
        or name.startswith("/")
        or ".." in parts
        or len(name) > 250
    )


def new_parser() -> expat.XMLParserType:
    """An expat parser that refuses a DOCTYPE, and with it every entity trick: no spreadsheet writes one."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.XmlDeclHandler = _refuse_encoding
    return parser


class ForeignXmlError(Exception):
    """Raised inside the parser only; `feed` turns it into a SheetError."""


def check_depth(depth: int) -> None:
    if depth > _XML_DEPTH_LIMIT:
        raise ForeignXmlError("nesting")


def _refuse_doctype(*_: object) -> None:
    raise ForeignXmlError("DOCTYPE")


def _refuse_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf-16"):
        raise ForeignXmlError("encoding")


def feed(parser: expat.XMLParserType, package: Package, name: str) -> Iterator[None]:
    """Parses a member piece by piece, giving way after each piece.

    An unfinished tag or comment makes expat keep what it has got so far; the limit on a token stops that.
    """
    fed = 0
    try:
        for chunk in package.chunks(name):
            parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > _XML_TOKEN_LIMIT_BYTES:
                raise _unsafe_xml(package, name, "oversized tag")
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise package.damaged(name, str(error)) from error
    except ForeignXmlError as error:
        raise _unsafe_xml(package, name, str(error)) from error
    yield


def _unsafe_xml(package: Package, name: str, reason: str) -> SheetError:
    return SheetError("xml-unsafe", name=package.path.name, part=name, reason=reason)


def elements(package: Package, name: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(parent, element, attributes) of each element of a small part, local names only, as it is read."""
    found: list[tuple[str, str, dict[str, str]]] = []
    path: list[str] = [""]

    def start(tag: str, attributes: dict[str, str]) -> None:
        local = local_name(tag)
        found.append((path[-1], local, {local_name(key): value for key, value in attributes.items()}))
        path.append(local)
        check_depth(len(path))

    parser = new_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: path.pop()
    for _ in feed(parser, package, name):
        yield from found
        found.clear()


def local_name(tag: str) -> str:
    """'x:row' and 'row' are the same: some writers prefix every element."""
    return tag.rpartition(":")[2]
