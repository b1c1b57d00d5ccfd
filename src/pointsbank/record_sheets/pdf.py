"""Sets a sheet as a page: PDF by typst, the QR code by segno. Made on demand and kept nowhere.

Both are loaded when the first page is set: a service that prints none does without their memory.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pointsbank.record_sheets.content import SheetContent
from pointsbank.record_sheets.refusals import NotPrintable
from pointsbank.record_sheets.rules import SheetRules
from pointsbank.record_sheets.signing import Signature

if TYPE_CHECKING:
    import typst

_TEMPLATE = Path(__file__).with_name("sheet.typ")


def set_page(
    content: SheetContent,
    text: bytes,
    signature: Signature,
    rules: SheetRules,
    public_page: str,
    fonts: str = "",
) -> bytes | NotPrintable:
    """The sheet as PDF, with what is signed and the signature attached. Takes a core for some tenths of a second.

    `fonts` is a folder beside the machine's own. Refused, and not printed with empty boxes, if no family of the rules
    is there.
    """
    try:
        import segno
        import typst
    except ImportError:
        return NotPrintable("typst")
    family = next((name for name in rules.fonts if name in families_in(fonts)), "")
    if not family:
        return NotPrintable("font")
    qr = io.BytesIO()
    segno.make(public_page, error="m", micro=False).save(qr, kind="svg", border=0, xmldecl=False)
    sheet = _words(content, rules) | {
        "fonts": [family],
        "qr": qr.getvalue().decode(),
        "content": text.decode(),
        "signature": list(signature.octets),
        "signature_text": base64.b64encode(signature.octets).decode(),
        "key_id": signature.key_id,
    }
    return typst.compile(
        _TEMPLATE.read_bytes(),
        font_paths=fonts_in(fonts),
        sys_inputs={"sheet": msgspec.json.encode(sheet).decode()},
        format="pdf",
    )


def hours_text(minutes: int) -> str:
    """Minutes as people say them: 3 小时 20 分钟."""
    hours, rest = divmod(minutes, 60)
    return f"{hours:,} 小时" + (f" {rest} 分钟" if rest else "")


def _words(content: SheetContent, rules: SheetRules) -> dict[str, object]:
    hours, rest = divmod(content.minutes, 60)
    return {
        **{
            name: getattr(content, name)
            for name in ("number", "title", "title_en", "name", "volunteer_number", "issuer")
        },
        **{name: getattr(content, name) for name in ("from_day", "to_day", "issued_on", "expires_on")},
        "as_of": str(content.as_of),
        "total": hours_text(content.minutes),
        "total_en": f"{hours:,} h {rest} min · {content.records:,} times",
        "note": rules.note,
        "note_en": rules.note_en,
        "lines": [
            {
                "activity": line.activity,
                "station": line.station,
                "days": line.first_day
                if line.first_day == line.last_day
                else f"{line.first_day} – {line.last_day}",
                "times": f"{line.times:,}",
                "minutes": f"{line.minutes:,}",
            }
            for line in content.lines
        ],
    }


@lru_cache(maxsize=2)
def fonts_in(folder: str) -> typst.Fonts:
    """The fonts of the machine and of a folder."""
    import typst

    return typst.Fonts(font_paths=[folder] if folder else [])


@lru_cache(maxsize=2)
def families_in(folder: str) -> frozenset[str]:
    """Names of the families that are there."""
    return frozenset(fonts_in(folder).families())
