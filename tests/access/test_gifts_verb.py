"""`pointsbank gifts`: two members of staff on the command line, a delay, and one who stops it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.access.test_cli import Shell, shell
from tests.activities.centre import guarded, open_centre
from tests.funds.test_merge_verb import manager

from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.store.database import Database

__all__ = ["shell"]


async def with_points(url: str) -> str:
    """Somebody with points in the books; the id."""
    database = Database(url)
    async with open_centre(database, guarded(notice_days=0), name=CITY_LEDGER) as centre:
        await centre.credited("V1", "2026-03-02")
        person = centre.id("V1")
    await database.close()
    return person


def test_v6_a_gift_is_proposed_waits_and_is_stopped_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    giver = asyncio.run(with_points(shell.url))
    shell.found()
    for login in ("cy", "dee"):
        manager(shell, login)
    assert shell.run("gifts", "propose", giver, "500").exit_code != 0, "nobody without a name"
    assert "没有权限" in shell.acting("ann", "gifts", "propose", giver, "500").output
    stranger = shell.acting("cy", "gifts", "propose", giver, "500", "--to", "somebody")
    assert stranger.exit_code != 0
    proposed = shell.acting("cy", "gifts", "propose", giver, "500")
    assert proposed.exit_code == 0, proposed.output
    [gift] = re.findall(r"^(\S+)\tproposed\t500\tfund", proposed.output, re.MULTILINE)
    early = shell.acting("dee", "gifts", "confirm", giver, gift)
    assert early.exit_code != 0
    assert "等待期" in early.output
    stopped = shell.acting("dee", "gifts", "stop", giver, gift)
    assert f"{gift}\tcalled-off\t500" in stopped.output, stopped.output
    listed = shell.acting("cy", "gifts", "list", giver)
    assert f"{gift}\tcalled-off" in listed.output
    assert shell.run("verify").exit_code == 0
    paper = tmp_path / "passbook.pdf"
    printed = shell.acting("cy", "people", "passbook", giver, str(paper))
    if printed.exit_code == 0:
        assert paper.read_bytes().startswith(b"%PDF-")
        assert paper.stat().st_mode & 0o777 == 0o600
    else:  # a machine without typst or a Chinese font says so
        assert "PDF" in printed.output or "字体" in printed.output, printed.output
