"""What people choose when a password must be long: common words and runs of keys, with a common ending, or twice.

Thousands of them are made here from their parts (`made`); a city adds a list of its own, one a line, by the setting
`POINTSBANK_COMMON_PASSWORDS`. Small letters and look-alike digits count as the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Final

_STEMS = """
password passw0rd admin administrator root user guest manager master system server database network security
welcome letmein changeme default secret private login access account computer internet windows microsoft google
android iphone samsung facebook qq wechat weixin taobao alipay baidu huawei xiaomi tencent
qwertyuiopas qazwsxedcrfv 1qaz2wsx3edc zaq12wsxcde3 5201314520131 adminadmin a12345678901
qwerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazwsxedc 1qaz2wsx 1q2w3e4r 1qazxsw2 zaq12wsx q1w2e3r4 abc
abcd abcdef abc123 a123456 aa123456 123qwe qwe123 asd123 123abc 123456 1234567 12345678 123456789 1234567890 111111
000000 112233 123123 123321 654321 666666 888888 168168 520520 5201314 1314520 7758521 147258369 159357 987654321
iloveyou ilovejesus ilovemom lovelove loveyou forever family friends baby angel princess sunshine flower happy
monkey dragon tiger lion panda football baseball basketball soccer hockey superman batman spiderman pokemon starwars
michael jennifer jessica daniel andrew thomas charlie jordan robert william george ashley amanda nicole
summer winter autumn spring monday january february december freedom liberty america england london paris
china zhongguo beijing shanghai guangzhou shenzhen haerbin harbin heilongjiang dongbei bingcheng songhuajiang
woaini woaiwojia woaizhongguo nihao xiexie mima denglu guanliyuan gongzuo xiaozu zhandian fuwuzhan zhiyuan
wangwei zhangwei liwei wangfang lina zhangmin liqiang wangjing liuwei wangxiuying zhangli lijun
school student teacher doctor hospital police company office business project money bank
"""

_ENDINGS = """
1 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890 0 00 000 0000 1111 111111 222 321 54321 654321 666
6666 666666 777 888 8888 888888 999 520 1314 5201314 168 110 119 2020 2021 2022 2023 2024 2025 2026 2027 1980 1985
1990 1995 2000 2008 a aa abc abcd abc123 qwe qwerty qaz asd zxc x xx ! !! !!! @ @123 @1234 @123456 #123 . .. ... _123
_1 a1 1a 1! 123! 1234! 123456! @2024 @2025 @2026
"""

STEMS: Final = tuple(_STEMS.split())
ENDINGS: Final = tuple(_ENDINGS.split())

_LOOK_ALIKE: Final = str.maketrans("@4310$5", "aaeioss")


def is_common(password: str, known: frozenset[str] = frozenset()) -> bool:
    """Whether a password is one of the common ones, or of a list of the city's, whatever its capitals."""
    lower = password.lower()
    return lower in made() or plain(lower) in plain_made() or lower in known


@lru_cache(maxsize=1)
def made() -> frozenset[str]:
    """Every common password of at least ten characters that is made here."""
    found = {stem + ending for stem, ending in product(STEMS, ENDINGS)}
    found |= {ending + stem for stem, ending in product(STEMS, ENDINGS)}
    found |= {first + second for first, second in product(STEMS, STEMS)}
    found |= set(STEMS)
    return frozenset(one for one in found if len(one) >= 10)


@lru_cache(maxsize=1)
def plain_made() -> frozenset[str]:
    """The same without look-alikes."""
    return frozenset(map(plain, made()))


def plain(lower: str) -> str:
    """A password with letters in place of the digits and signs that look like them."""
    return lower.translate(_LOOK_ALIKE)


@lru_cache(maxsize=8)
def known_of(path: str) -> frozenset[str]:
    """The list of a city, in small letters. Raises OSError or UnicodeDecodeError if it cannot be read."""
    if not path:
        return frozenset()
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip())
