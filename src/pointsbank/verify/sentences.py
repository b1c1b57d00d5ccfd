"""What each finding says, Chinese first. The codes are stable; docs/verify.md lists them."""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    # the head and the ledger itself
    "ledger-name": ("账本编号与名称不符", "the ledger's id is not the one of its name"),
    "chart-unknown": (
        "账本使用的科目表未知，无法核对分录是否允许",
        "the ledger's chart is not known: movements cannot be judged",
    ),
    "head-sequence": ("账头的凭证号与凭证表不符", "the head's sequence is not the newest entry's"),
    "head-posting": ("账头的分录号与分录表不符", "the head's posting is not the newest posting's"),
    "head-account": ("账头的账户号与账户表不符", "the head's account number is not the newest account's"),
    "head-lot": ("账头的批次号与批次表不符", "the head's lot number is not the newest lot's"),
    "head-batch": ("账头的提交号与提交表不符", "the head's batch is not the newest batch's"),
    "head-recorded-at": (
        "账头的记账时间与最后一次提交不符",
        "the head's time is not that of the newest batch",
    ),
    # commits
    "batch-gap": ("提交号不连续", "batch numbers have a gap"),
    "batch-order": (
        "提交记录的凭证号、时间或轮次倒退",
        "a batch's last sequence, time or epoch runs backwards",
    ),
    "batch-time": ("凭证的记账时间与所属提交不符", "an entry's time is not that of its batch"),
    "batch-entry": ("提交记录指向不存在的凭证", "a batch ends at an entry that is not there"),
    # entries
    "entry-gap": ("凭证号不连续，缺少凭证", "sequence numbers have a gap: an entry is missing"),
    "entry-unreadable": ("凭证无法读取", "the entry cannot be read"),
    "entry-postings": (
        "凭证的分录数或首条分录号不符",
        "the entry's count of postings or first posting is wrong",
    ),
    "entry-leaf": (
        "凭证内容与其哈希不符，有字段被改动",
        "the entry does not match its leaf hash: some field was changed",
    ),
    "entry-key-digest": ("幂等键与其摘要不符", "the key digest is not the digest of client and key"),
    "entry-request": ("请求摘要应为 16 字节", "the request digest does not have 16 bytes"),
    "entry-recorded-at": ("记账时间倒退", "recorded_at runs backwards"),
    "entry-metadata": ("凭证附注不是规范文本", "the metadata is not canonical text"),
    "entry-documents": ("凭证的附件清单不是规范文本", "the list of documents is not canonical text"),
    "entry-document-required": (
        "凭证缺少必须附带的单据",
        "the entry does not carry the document that its movement requires",
    ),
    "key-duplicate": ("同一幂等键被使用两次", "one key is used twice"),
    "reversal-target": ("冲正所指的原凭证不存在", "the reversal names an entry that is not there"),
    "reversal-order": ("冲正只能指向更早的凭证", "the reversal does not name an earlier entry"),
    "reversal-mirror": ("冲正与原凭证不成镜像", "the reversal does not mirror its entry"),
    "reversal-twice": ("同一凭证被冲正两次", "an entry is reversed twice"),
    "reversal-of-reversal": ("冲正凭证不能再被冲正", "a reversal is reversed"),
    "reversal-kind": ("该类凭证不允许冲正", "entries of this kind are not reversible"),
    # postings
    "posting-gap": ("分录号不连续，缺少分录", "posting numbers have a gap: a posting is missing"),
    "posting-stray": ("分录不属于任何凭证", "the posting belongs to no entry"),
    "posting-amount": ("分录金额超出范围", "the amount is not in range"),
    "posting-accounts": ("分录借贷两方为同一账户", "the posting has one account twice"),
    "posting-account": ("分录的账户不存在", "the posting names an account that is not there"),
    "posting-lot": ("分录的批次不存在", "the posting names a lot that is not there"),
    "posting-movement": ("科目表不允许这种分录", "the chart does not allow this movement"),
    "posting-version": ("账户版本号不连续", "the account's versions have a gap or a repetition"),
    "posting-balance": (
        "批次余额与此前分录相加不符",
        "the running balance of the lot is not the fold of the postings",
    ),
    "posting-total": ("账户合计与此前分录相加不符", "the running total is not the fold of the postings"),
    "posting-floor": ("余额低于下限", "the balance is under its floor"),
    # balances
    "balance-missing": ("缺少余额记录", "the balance row is missing"),
    "balance-extra": ("余额记录没有对应的分录", "the balance row has no posting"),
    "balance-wrong": ("余额记录与最新分录不符", "the balance row does not agree with the newest posting"),
    "trial-balance": ("试算不平衡", "the trial balance does not even out"),
    # accounts, lots, commodities, keys, counters
    "account-gap": ("账户号不连续，缺少账户", "account numbers have a gap: an account is missing"),
    "account-kind": ("账户路径与科目种类不符", "the account's kind is not the one of its path"),
    "account-type": ("账户类型与科目表不符", "the account's type is not the chart's"),
    "account-floor": ("账户下限与科目表不符", "the account's floor is not what the chart sets"),
    "account-opened-at": ("开户时间不是任何一次提交的时间", "the account was opened at the time of no batch"),
    "lot-gap": ("批次号不连续，缺少批次", "lot numbers have a gap: a lot is missing"),
    "lot-expiry": ("批次到期日与批次名不符", "the lot's expiry date is not the one in its name"),
    "lot-commodity": ("批次的品类不存在", "the lot's commodity is not there"),
    "lot-not-allowed": ("不分批次的品类出现了批次", "a commodity without lots has a lot"),
    "commodity-differs": ("品类的定义与科目表不符", "the commodity is not as the chart defines it"),
    "document-key-digest": (
        "单据幂等键与其摘要不符",
        "the digest of a document's key is not that of client and key",
    ),
    "document-key-request": (
        "单据请求摘要应为 16 字节",
        "the request digest of a document does not have 16 bytes",
    ),
    "document-key-time": (
        "单据幂等键的时间不是任何一次提交的时间",
        "a document's key was recorded at the time of no batch",
    ),
    "counter-gap": ("票号不连续", "the numbers of a counter have a gap or a repetition"),
    "counter-value": ("票号计数器与最后使用的号码不符", "the counter does not stand at the last number used"),
    # domain
    "volunteer-points": (
        "志愿者积分收支不平：入账加退回不等于公示中、可用、已用与已过期之和",
        "a volunteer's points do not add up: credited and put back is not what stands, was spent and expired",
    ),
    "volunteer-movement": (
        "志愿者账户出现未知的收支",
        "a volunteer's account was moved in a way that no rule knows",
    ),
    "volunteer-merit": (
        "志愿者服务时长与有效记录之和不符",
        "merit minutes are not the sum of the records that count",
    ),
    "document-missing": ("凭证所附单据不存在", "a document that the entry carries is not on file"),
    "document-digest": ("单据内容与凭证中的哈希不符", "the document does not match its hash in the journal"),
    "document-entry": ("单据与其凭证互不对应", "the document and its entry do not belong together"),
    "document-amounts": (
        "单据的数额与凭证分录不符",
        "the figures of the document are not those of its postings",
    ),
    "document-state": ("单据状态与冲正情况不符", "the document's state does not agree with the reversals"),
    "withheld-amounts": (
        "记下的扣留积分与凭证分录不符",
        "what is noted as withheld is not what the postings took from notice",
    ),
    "withheld-entry": (
        "扣留积分与扣留它的凭证互不对应",
        "points withheld name an entry that did not take them",
    ),
    "withheld-record": (
        "扣留的积分超出记录的积分，或公示期满时未如数少给",
        "more was withheld than the record has, or its release did not bring so much less",
    ),
    "policy-four-eyes": (
        "规则变更不是由两名不同的人提出与审定",
        "a book of policies was not proposed and decided by two people",
    ),
    "policy-request": (
        "规则变更与当时提出或审定的内容、人员或时间不符",
        "what stands of a book of policies is not what was asked for, by whom and when",
    ),
    "policy-times": (
        "规则变更的时间先后有误",
        "times of a book of policies run backwards, or it was noted after the founding",
    ),
    "policy-number": (
        "规则变更的批准序号不连续，或不是现行的一份",
        "numbers of approved books have a gap, or end at another than the one that rules",
    ),
    # schema
    "table-missing": ("缺少数据表", "a table is missing"),
    "table-strict": ("SQLite 数据表应为 STRICT", "the SQLite table is not STRICT"),
    "column-missing": ("缺少字段", "a column is missing"),
    "column-null": ("字段不应允许为空", "the column takes NULL"),
    "primary-key": ("主键缺失或不符", "the primary key is missing or another"),
    "index-missing": ("缺少索引", "an index is missing"),
    "index-altered": (
        "索引的字段、唯一性或条件不符",
        "the index has other columns, another condition or is not unique",
    ),
    "constraint-missing": ("缺少约束", "a constraint is missing"),
    "constraint-altered": (
        "约束内容不符或未经验证",
        "the constraint says something else or is not validated",
    ),
    "trigger-missing": ("缺少拒绝改动的触发器", "a refusing trigger is missing"),
    "trigger-disabled": ("拒绝改动的触发器被停用", "a refusing trigger is switched off"),
    "trigger-altered": ("触发器内容不符", "the trigger is not the one that we put there"),
}

LIMITS: Final[tuple[tuple[str, str], ...]] = (
    (
        "前后一致的整体改写（改动内容并重算全部哈希与余额）只能靠外部保存的检查点发现。",
        "A consistent rewrite, all hashes and balances made anew, shows only against outside checkpoints.",
    ),
    (
        "整齐截去账本末尾（凭证、分录、余额与账头一并退回）只能靠外部保存的检查点发现。",
        "A tail cut off cleanly, head and balances put back with it, shows only against outside checkpoints.",
    ),
    (
        "从未触及的账户下限、物品的小数位数、对象版本号不在哈希之内。",
        "Floors that were never reached, scales of goods and versions of subjects are in no hash.",
    ),
)
