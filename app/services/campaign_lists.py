"""A list of enterprises for a campaign, uploaded as a workbook: every row is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import select

from app.access import Actor
from app.services import campaigns, transfers
from app.transactions import session, transaction
from app.workbooks import Column, Outcome, Row
from models import credit_code
from models.enterprises import Enterprise, EnterpriseState
from models.labels import Labelled

COLUMNS = (
    Column("统一社会信用代码", "credit_code", required=True, width=24),
    Column("企业名称", "name", width=32),
)
_AT_ONCE = 500


class Result(Labelled):
    """What became of a row."""

    matched = "matched", "已列入"
    repeated = "repeated", "重复，未再列入"
    rejected = "rejected", "未列入"


def read_list(actor: Actor, rows: Sequence[Row], *, campaign: str) -> Iterator[Outcome]:
    """Makes the enterprises of a workbook the list of a draft, in place of the one before.

    Matched are those in the actor's divisions. Raises DomainError as `campaigns.set_credit_codes` does.
    """
    campaign_id = UUID(campaign)
    campaigns.draft(actor, campaign_id)
    matched: dict[str, None] = {}
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        known = _states(actor, [_code(row) for row in some])
        for row in some:
            reason = _wrong(row, known)
            if reason:
                yield Outcome(row, Result.rejected, reason)
            elif _code(row) in matched:
                yield Outcome(row, Result.repeated)
            else:
                matched[_code(row)] = None
                yield Outcome(row, Result.matched)
    campaigns.set_credit_codes(actor, campaign_id, list(matched))


def _code(row: Row) -> str:
    return credit_code.normalise(str(row.values.get("credit_code") or ""))


@transaction("messages.send")
def _states(_actor: Actor, codes: list[str]) -> dict[str, EnterpriseState]:
    found = select(Enterprise.credit_code, Enterprise.state).where(Enterprise.credit_code.in_(codes))
    return {row.credit_code: row.state for row in session().execute(found)}


def _wrong(row: Row, known: dict[str, EnterpriseState]) -> str:
    if row.problems:
        return "；".join(row.problems.values())
    state = known.get(_code(row))
    if state == EnterpriseState.merged:
        return "该企业已并入另一企业，请改填后者的信用代码"
    if state is not None:
        return ""
    try:
        credit_code.check(_code(row))
    except credit_code.CreditCodeError as error:
        return str(error)
    return "本辖区没有登记这家企业"


IMPORT = transfers.register_import(
    "campaigns.list",
    "群发名单",
    "messages.send",
    COLUMNS,
    Result,
    read_list,
    {"credit_code": "91110000101623741K", "name": "某某有限公司"},
)
