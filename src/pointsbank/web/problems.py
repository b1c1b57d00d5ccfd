"""Every way in which the service says no: one table from a reason to status, stable type, and words for people.

The order is the order of precedence: what is checked first stands first. docs/errors.md has one heading for each.
A type is `/problems/<slug>`, which the service also answers with a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from pointsbank.ledger.refusals import Refusal

MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(msgspec.Struct, frozen=True):
    """One reason: status, title and explanation in both languages, and whether the same command may succeed later.

    The explanations say what it means and what to do; `{names}` in them are facts of the case.
    """

    slug: str
    status: int
    title: str
    title_en: str
    detail: str
    detail_en: str
    retry: bool = False

    @property
    def uri(self) -> str:
        return f"/problems/{self.slug}"

    def in_general(self, language: str) -> str:
        """The explanation without the facts of any case, `zh` or `en`."""
        detail = self.detail_en if language == "en" else self.detail
        return re.sub(r"\{\w+\}", "…", detail)


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: where it stands (`body`, `query`, `path`, `header`), its name, and why."""

    source: str
    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457). `detail` is Chinese, `detail_en` English; `facts` are those of the case."""

    type: str
    title: str
    title_en: str
    status: int
    detail: str
    detail_en: str
    retry: bool
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    facts: dict[str, Any] | UnsetType = UNSET


def _p(slug: str, status: int, title: str, title_en: str, detail: str, detail_en: str, *, retry: bool = False) -> ProblemType:
    return ProblemType(slug, status, title, title_en, detail, detail_en, retry)


_TABLE: Final = (
    # the door
    _p("not-found", 404, "没有这个地址", "Not found",
       "没有这个地址，或其中没有这一项。请核对地址。", "There is nothing at this address. Please check it."),
    _p("method-not-allowed", 405, "方法不允许", "Method not allowed",
       "这个地址不接受 {method} 方法，可用的方法见 Allow。",
       "This address does not take {method}; Allow lists the methods that it takes."),
    _p("unauthenticated", 401, "需要 API 密钥", "An API key is needed",
       "没有带 API 密钥，或密钥有误、已过期、已吊销。请在 Authorization 头中带上 Bearer 加密钥。",
       "No API key was given, or it is wrong, expired or revoked. Send it as a Bearer token in Authorization."),
    _p("forbidden", 403, "没有权限", "Not permitted",
       "这个密钥没有权限 {scope}。请向管理员申请带有该权限的密钥。",
       "This key lacks the scope {scope}. Ask an administrator for a key that has it."),
    _p("form-expired", 403, "表单已失效", "The form has expired",
       "表单已失效或来自别处。请回到页面，刷新后再提交一次。",
       "The form has expired or comes from elsewhere. Go back, reload the page and send it again."),
    _p("payload-too-large", 413, "请求过大", "The request is too large",
       "请求超过了大小上限，没有处理。请分成几次提交。",
       "The request exceeds the size limit and was not looked at. Please send it in parts."),
    _p("unsupported-media-type", 415, "内容类型不支持", "Unsupported media type",
       "请求正文须是 application/json，UTF-8 编码。", "The body must be application/json in UTF-8."),
    _p("malformed-json", 400, "不是有效的 JSON", "Not valid JSON",
       "请求正文不是有效的 JSON：{problem}", "The body is not valid JSON: {problem}"),
    _p("idempotency-key-required", 400, "缺少幂等键", "An idempotency key is required",
       "每个写入请求都须带 Idempotency-Key 头，长 1 至 255 个可打印 ASCII 字符。请为每笔业务生成一个，重试时不变。",
       "Every command needs an Idempotency-Key header of 1 to 255 printable ASCII characters: one for each"
       " business case, the same when it is repeated."),
    _p("invalid-request", 400, "请求有误", "The request is not valid",
       "请求中有 {count} 处不符合要求，逐条列在 errors 中。改正后再提交。",
       "The request has {count} fault(s), each listed in errors. Please correct and send it again."),
    _p("bad-request", 400, "请求有误", "Bad request",
       "服务看不懂这个请求，没有处理。", "The service cannot make sense of this request and did nothing."),
    _p("too-many-requests", 429, "请求过于频繁", "Too many requests",
       "短时间内请求太多。请稍候再试。", "Too many requests in a short time. Please try again shortly.", retry=True),
    # what is asked for does not exist
    _p("unknown-api-key", 404, "没有这个密钥", "No such API key",
       "没有编号为 {id} 的密钥。请核对编号。", "There is no API key with the id {id}. Please check it."),
    # a question without an answer
    _p("question-invalid", 400, "问题不成立", "The question is not well formed",
       "查询条件不成立：{problem}。请改正后再查。", "The question is not well formed: {problem}. Please correct it."),
    _p("cursor-invalid", 400, "翻页游标无效", "The cursor is not valid",
       "翻页游标不是这个列表给出的：{problem}。请从第一页开始。",
       "The cursor does not belong to this list: {problem}. Begin at the first page."),
    _p("sequence-ahead", 404, "账簿还没有到这一号", "The books have not come that far",
       "账簿现在到第 {head} 号，还没有第 {sequence} 号。", "The books stand at {head}; there is no {sequence} yet.",
       retry=True),
    _p("no-such-account", 404, "没有这个账户", "No such account",
       "账簿中没有账户 {account}。请核对路径。", "The books have no account {account}. Please check the path."),
    _p("unavailable", 503, "暂时无法查询", "The books cannot be read now",
       "数据库暂时没有答复，查询没有完成。请稍候再查。", "The database does not answer; please ask again shortly.",
       retry=True),
    # the writer's queue
    _p("stopped", 503, "服务正在停止", "The service is stopping",
       "服务正在停止或尚未就绪，本次请求没有入账。请稍候用同一个 Idempotency-Key 重试。",
       "The service is stopping or not ready; nothing was posted. Repeat the request with the same key shortly.",
       retry=True),
    _p("overloaded", 503, "排队已满", "The queue is full",
       "排队等待入账的请求太多，本次请求没有入账。请稍候用同一个 Idempotency-Key 重试。",
       "Too many requests are waiting; nothing was posted. Repeat the request with the same key shortly.", retry=True),
    _p("outcome-unknown", 503, "结果未知", "The outcome is unknown",
       "数据库没有及时答复，这笔可能已入账，也可能没有。请用同一个 Idempotency-Key 重试，重试不会重复入账。",
       "The database did not answer in time: this may or may not be posted. Repeat the request with the same key;"
       " it will not be posted twice.", retry=True),
    # the ledger's refusals, in its own order of precedence
    _p("idempotency-conflict", 409, "幂等键已被另一请求使用", "The idempotency key belongs to another request",
       "键 {key} 已用于内容不同的请求，本次没有入账。新的业务请换一个新键。",
       "The key {key} was used for another request; nothing was posted. Use a new key for a new case."),
    _p("invalid-draft", 422, "凭证不合规则", "The entry is not well formed",
       "凭证不合规则，没有入账：{problem}。请改正后重新提交。",
       "The entry is not well formed and was not posted: {problem}. Please correct it."),
    _p("stale-read", 409, "情况已变", "Something has changed",
       "处理期间 {subject} 有了新的变动，本次没有入账。请重新查询后再提交。",
       "{subject} has changed in the meantime; nothing was posted. Read again and repeat.", retry=True),
    _p("state-changed", 409, "单据状态已变", "The document has changed its state",
       "单据 {key} 的状态已不是“{expected}”，本次没有入账。请重新查询后再决定。",
       "Document {key} is no longer in the state “{expected}”; nothing was posted. Look at it again.", retry=True),
    _p("document-exists", 409, "单据号已存在", "The document number is taken",
       "编号 {key} 的单据已经存在，本次没有入账。", "There is a document {key} already; nothing was posted.", retry=True),
    _p("commodity-differs", 409, "品种定义不一致", "The commodity is defined otherwise",
       "{commodity} 已按另一种小数位或批次方式登记。", "{commodity} exists with another scale or another use of lots."),
    _p("account-differs", 409, "账户下限不一致", "The account is open with another floor",
       "账户 {account} 已按另一个下限开立。", "Account {account} is open with another floor."),
    _p("unknown-entry", 404, "没有这张凭证", "No such journal entry",
       "没有第 {sequence} 号凭证。请核对凭证号。", "There is no journal entry {sequence}. Please check the number."),
    _p("already-reversed", 409, "凭证已冲正", "The entry was reversed already",
       "第 {sequence} 号凭证已被第 {reversed_by} 号冲正，不能再冲。",
       "Entry {sequence} was reversed by entry {reversed_by} and cannot be reversed again."),
    _p("not-reversible", 409, "凭证不可冲正", "The entry cannot be reversed here",
       "第 {sequence} 号凭证（{kind}）不能由此冲正。如需更正，请走相应业务的更正流程。",
       "Entry {sequence} ({kind}) cannot be reversed here. Correct it through the business it came from."),
    _p("unknown-commodity", 422, "没有这个品种", "Unknown commodity",
       "账簿中没有品种 {commodity}。请核对代码。", "The books have no commodity {commodity}. Please check the code."),
    _p("unknown-account", 422, "没有这个账户", "Unknown account",
       "账簿中没有账户 {account}。请核对路径，或先开户。",
       "The books have no account {account}. Check the path, or open it first."),
    _p("movement-not-allowed", 403, "不允许这种记账", "This movement is not allowed",
       "账户图不允许以“{kind}”由此记借 {debit}、贷 {credit}（{commodity}）。积分、基金和库存只能由相应业务变动。",
       "The chart has no movement of “{kind}” that debits {debit} and credits {credit} ({commodity}) from here."
       " Points, funds and stock move only through their own business."),
    _p("document-missing", 422, "缺少单据", "A document is missing",
       "“{kind}”必须附有单据 {document}。", "An entry of kind “{kind}” must carry a document {document}."),
    _p("lot-required", 422, "须指明批次", "The lot must be named",
       "{commodity} 的这笔变动须写明批次。", "This movement of {commodity} must name its lot."),
    _p("amount-out-of-range", 422, "金额超出范围", "The amount is out of range",
       "账户 {account} 的金额将超出账簿的范围，没有入账。",
       "Account {account} would leave the range of the books; nothing was posted."),
    _p("insufficient-balance", 409, "余额不足", "Insufficient balance",
       "余额不足：账户 {account} 可用 {available}，需要 {required}（{commodity}）。没有入账；可减少数量，或改日再来。",
       "Insufficient balance: account {account} has {available}, {required} are needed ({commodity})."
       " Nothing was posted; take less, or come back another day."),
    _p("group-refused", 409, "同组有一笔被拒", "Another entry of the group was refused",
       "同组第 {position} 笔被拒（{cause}），整组没有入账。改正那一笔后整组重新提交。",
       "Entry {position} of the group was refused ({cause}), so none was posted. Correct it and send all again."),
    # the rooms' verdicts
    _p("conflict", 409, "单号已用于另一笔", "The number belongs to another document",
       "编号 {id} 已用于内容不同的单据，没有入账。请核对单号。",
       "Number {id} was used for another document; nothing was posted. Please check it."),
    _p("duplicate", 409, "重复提交", "Submitted before",
       "编号 {id} 的单据以前已经处理，没有重复入账。", "Document {id} was handled before and was not posted again."),
    _p("malformed", 422, "单据不完整", "The document is not whole",
       "单据 {id} 缺少内容或格式有误，没有入账。请补全后用新单号提交。",
       "Document {id} lacks something or is misshapen; nothing was posted. Complete it and use a new number."),
    _p("bad-quantity", 422, "数量有误", "The quantity is not valid",
       "数量须是大于零的整数，没有入账。请改正数量。", "Quantities must be whole numbers above zero; nothing was posted."),
    _p("unknown-volunteer", 422, "没有这位志愿者", "No such volunteer",
       "没有登记编号为 {volunteer} 的志愿者。请核对编号，或先登记。",
       "No volunteer is registered under {volunteer}. Check the number, or register first."),
    _p("unknown-station", 422, "没有这个服务站", "No such station",
       "没有编号为 {station} 的服务站。请核对站号。", "There is no station {station}. Please check the code."),
    _p("unknown-sku", 422, "没有这种商品", "No such goods",
       "商品目录里没有其中的某种商品，没有入账。请核对商品编号。",
       "The price list lacks one of these goods; nothing was posted. Please check the codes."),
    _p("over-limit", 409, "超过每月限购", "Over the monthly limit",
       "其中有商品超过了本月的限购数量，积分和库存都没有变动。请减少数量，或下月再来。",
       "One of these goods is over its monthly limit; no points and no goods moved. Take less, or come next month."),
    _p("out-of-stock", 409, "库存不足", "Out of stock",
       "货架上没有这么多，积分没有扣。请减少数量或换一种商品。",
       "The shelf does not hold that many; no points were taken. Take less, or something else."),
    _p("insufficient-points", 409, "积分不足", "Insufficient points",
       "积分不足，没有扣分，商品未出库。可以减少商品，或改日再来。",
       "The points do not suffice; none were taken and no goods left. Take less, or come back another day."),
    _p("unknown-receipt", 422, "没有这张小票", "No such receipt",
       "没有单号为 {receipt} 的小票，退货没有办理。请核对小票号。",
       "There is no receipt {receipt}; nothing was taken back. Please check the number."),
    _p("not-on-receipt", 422, "小票上没有这种商品", "Not on this receipt",
       "这张小票上没有要退的商品，退货没有办理。", "The goods are not on this receipt; nothing was taken back."),
    _p("too-many", 409, "退货数量过多", "More than was bought",
       "要退的数量多于买下且未退的数量，退货没有办理。请改正数量。",
       "More are brought back than were bought and kept; nothing was taken back. Correct the quantity."),
    _p("too-late", 409, "已过退货期限", "Too late to return",
       "已过退货期限，退货没有办理。", "The time for returns is over; nothing was taken back."),
    _p("too-early", 422, "退货早于购买", "Returned before it was bought",
       "退货时间早于小票时间，退货没有办理。请核对终端时钟。",
       "The return is dated before the receipt; nothing was taken back. Check the terminal's clock."),
    # our fault
    _p("internal-error", 500, "服务出错", "Internal error",
       "服务内部出错，已记入日志。写入请求请用同一个 Idempotency-Key 重试；若仍出错，请把请求编号告诉管理员。",
       "Something went wrong on our side and was logged. Repeat a command with the same key; if it fails again, give"
       " the request id to the administrator."),
)

PROBLEMS: Final[Mapping[str, ProblemType]] = {problem.slug: problem for problem in _TABLE}

DECIMALS: Final = {"POINT": 2, "CNY": 2}


class ProblemError(Exception):
    """Ends a request with a problem. Raised at the rim only, where a handler would answer."""

    def __init__(
        self, slug: str, *, headers: Mapping[str, str] | None = None, errors: list[FieldError] | None = None, **facts: Any
    ) -> None:
        super().__init__(slug)
        self.type = PROBLEMS[slug]
        self.headers = dict(headers or {})
        self.errors = errors
        self.facts = facts


def problem_of(error: ProblemError, request_id: str) -> Problem:
    """The document of a problem."""
    return _problem(error.type, error.facts, request_id, error.errors)


def problem_of_refusal(refusal: Refusal, request_id: str = "") -> Problem:
    """The document of a refusal of the ledger."""
    return _problem(PROBLEMS[refusal.code], facts_of(refusal), request_id)


def refused(refusal: Refusal) -> ProblemError:
    """A refusal as what ends a request."""
    return ProblemError(refusal.code, **facts_of(refusal))


def facts_of(refusal: Refusal) -> dict[str, Any]:
    """What a refusal tells a person, by name; amounts in minor units."""
    facts = msgspec.structs.asdict(refusal)
    if "floor" in facts and "balance" in facts:
        facts["available"] = facts["balance"] - facts["floor"]
    return facts


def _problem(
    kind: ProblemType, facts: dict[str, Any], request_id: str, errors: list[FieldError] | None = None
) -> Problem:
    words = _for_people(facts)
    return Problem(
        kind.uri, kind.title, kind.title_en, kind.status, kind.detail.format_map(words), kind.detail_en.format_map(words),
        kind.retry, request_id, errors if errors else UNSET, facts if facts else UNSET,
    )


class _Words(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


def _for_people(facts: dict[str, Any]) -> _Words:
    """Facts as they stand in a sentence: amounts with the decimals of their commodity."""
    words = _Words(facts)
    decimals = DECIMALS.get(facts.get("commodity", ""), 0)
    for name in ("available", "required", "balance", "amount"):
        if decimals and isinstance(facts.get(name), int):
            words[name] = amount_text(facts[name], decimals)
    return words


def amount_text(minor: int, decimals: int) -> str:
    """Minor units as a decimal number: 12345 with 2 decimals is 123.45."""
    if not decimals:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
