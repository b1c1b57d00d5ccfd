"""`pointsbank policy`: a policy is checked before it comes into force, every error named at once."""

from __future__ import annotations

from pathlib import Path

import click

from pointsbank.cli.terminal import Ending, name_unimplemented, policies, say
from pointsbank.policy.load import PolicyErrors


@click.group("policy")
def command() -> None:
    """Policies: the rates, caps, deadlines, prices and limits of the programme. 规则。"""


@command.command("check", short_help="Name every error of a file or folder 检查规则")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
def check(path: Path | None) -> None:
    """Check a policy file or a folder of dated policies, and name every error. 检查规则。"""
    try:
        book = policies(str(path) if path else "")
    except PolicyErrors as error:
        raise Ending(str(error)) from error
    name_unimplemented(book)
    for policy in book.policies:
        say(f"{policy.version}  {policy.valid_from} – {policy.valid_to}  {policy.city}")
        say(
            f"  {len(policy.categories)} 类服务 / categories, {len(policy.goods)} 种商品 / goods, "
            f"公示 {policy.public_notice_days} 个工作日 / working days of notice"
        )
