"""`pointsbank`: the points bank of a city's volunteers, from the command line."""

from __future__ import annotations

from importlib import import_module

import click

SECTIONS: dict[str, dict[str, str]] = {
    "Begin 开始": {
        "demo": "A whole invented city to try things in 演示城市",
        "serve": "Serve the API and the pages 启动服务",
        "register": "Stations, volunteers and goods from files 登记",
    },
    "Every day 日常": {
        "activities": "Plan, approve, submit, verify and object 活动与核验",
        "attendance": "Sign up, type in times, reject and correct records 报名与到场",
        "awaiting": "Records to verify, objections to decide 待办",
        "hours": "Bring in service hours from a file 导入服务时长",
        "release": "Release points whose public notice has ended 公示期满入账",
        "expire": "Take expired points out of the wallets 积分到期",
        "balance": "What an account holds, now or earlier 余额",
        "statement": "What moved on an account, newest first 对账单",
        "places": "Places and groups from day to day: open, move, close, import 地点与组织",
        "funds": "Budgets, liability, burn rate and queue of the funds 基金",
        "cases": "Hours that do not count, samples of closed batches 追回与抽查",
        "recognition": "Stars, candidate lists of a year, honours 星级与表彰",
        "sheets": "Service record sheets: issue, print, withdraw, check 服务记录单",
        "reverse": "Take a posted entry back by its mirror image 冲正",
    },
    "Proof 证明": {
        "verify": "Recompute everything and name what does not hold 核验",
        "export": "The journal for hledger, beancount or a spreadsheet 导出账簿",
        "replay": "Run a city's data set through the bank 重放数据集",
        "bench": "How fast, as ratios against floors measured in the same run 性能",
    },
    "Keeping 维护": {
        "db": "Upgrade, check, back up and restore the database 数据库",
        "staff": "The first administrators, accounts, roles 人员与角色",
        "keys": "API keys: issue, list, revoke 接口密钥",
        "cards": "Cards of volunteers: issue, replace, freeze 卡",
        "terminals": "Devices at which card and PIN open something 终端",
        "people": "The people store: register, find, consent, forget 人员资料",
        "merge": "Two registrations of one person become one 合并重复登记",
        "gifts": "Points given to the household or the fund 积分转赠",
        "policy": "Check a policy and name every error in it 规则检查",
    },
}
"""Every verb has a file of its name in this folder; it is loaded when it is used."""


class Product(click.Group):
    """The verbs, in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verbs in SECTIONS.values() for verb in verbs]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"pointsbank.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))


@click.command(
    cls=Product, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="pointsbank")
def main() -> None:
    """积分银行 pointsbank: the bank behind a city's volunteers.

    Verified hours become points, points become rice and soap: every movement is a posting in one double-entry
    ledger, nothing is ever changed or removed, and everything can be proved.

    \b
    pointsbank demo --serve                 a city to try, at http://127.0.0.1:8000
    pointsbank hours import hours.xlsx      service hours, each line with its verdict
    pointsbank verify                       does everything hold?

    Every verb takes --database URL; the default is a SQLite file under var/. `pointsbank VERB --help` says more.
    """
