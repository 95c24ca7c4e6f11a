"""The register of enterprises 企业台账, as staff search, sort and take it out, and the review's queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Integer, LargeBinary, Text, Uuid, and_, any_, bindparam, func, select

from app import masks
from app.access import SYSTEM, Actor
from app.prepared import Prepared
from app.registers import Filter, Register, choice, division, starts
from app.services import clusters, held_certificates, memberships, reference
from app.transactions import transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models import mobile_number
from models.base import in_divisions
from models.crypto import keyring
from models.enterprises import Enterprise, EnterpriseState
from models.held_certificates import FARTHEST_EXPIRY
from models.people import RoleGrant, User
from models.signups import Signup
from models.size_class import SizeClass

_index = bindparam("index", type_=LargeBinary)
_OF_MEMBER = Prepared(
    select(RoleGrant.scope_id)
    .join(User, User.id == RoleGrant.user_id)
    .where(RoleGrant.scope_type == "enterprise", User.phone_index == _index)
)
_OF_ATTENDEE = Prepared(select(Signup.enterprise_id).where(Signup.attendee_phone_index == _index).distinct())


def _phone(text: str) -> list[UUID]:
    try:
        return _of_phone(SYSTEM, keyring().blind_index(mobile_number.check(text)))
    except mobile_number.MobileNumberError:
        raise ValueError("请填写完整的 11 位手机号") from None


@transaction(None)
def _of_phone(_actor: Actor, index: bytes) -> list[UUID]:
    """Returns the enterprises with whom somebody of that number has to do: a member, or who attended."""
    members = {UUID(row.scope_id) for row in _OF_MEMBER(index=index)}
    return sorted(members | {row.enterprise_id for row in _OF_ATTENDEE(index=index)})


def _owner(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("没有这个选项")
    return text == "yes"


def industries(text: str) -> list[str]:
    """Returns the patterns of the codes that are meant by a code, with or without its letter, or a name."""
    code = "".join(text.upper().split())
    known = reference.industries(SYSTEM)
    if code.isascii():
        letters = {one.code[0] for one in known if one.code[1:3] == code[:2]} if code.isdigit() else {""}
        codes = [letter + code for letter in sorted(letters)]
    else:
        codes = [one.code for one in known if text in one.name]
    if not codes:
        raise ValueError("没有这个行业，请填写代码（如 C36）或名称中的几个字")
    return [f"{one}%" for one in codes]


def _cluster(text: str) -> list[str]:
    if text not in clusters.names():
        raise ValueError("没有这个选项")
    return [text]


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= FARTHEST_EXPIRY):
        raise ValueError(f"请填写 1–{FARTHEST_EXPIRY} 的天数")
    return int(text)


_named: Any = bindparam("q", type_=Text)
_FILTERS = (
    Filter(
        "q",
        "企业名称",
        # The pairs of characters lead to the index; what stands beside them decides.
        and_(
            func.bigrams(Enterprise.name).op("@>", is_comparison=True)(func.bigrams(_named)),
            func.strpos(func.lower(Enterprise.name), func.lower(_named)) > 0,
        ),
        str,
        hint="名称中的几个字",
    ),
    starts("credit_code", "统一社会信用代码", Enterprise.credit_code, "前几位即可"),
    Filter(
        "phone",
        "手机号",
        Enterprise.id == any_(bindparam("phone", type_=ARRAY(Uuid))),
        _phone,
        hint="成员或参训人，11 位",
    ),
    Filter(
        "industry", "行业", in_divisions(Enterprise.industry_code, "industry"), industries, hint="C36 或 汽车"
    ),
    Filter(
        "cluster",
        "产业集群（链）",
        Enterprise.clusters.op("&&", is_comparison=True)(bindparam("cluster", type_=ARRAY(Text))),
        _cluster,
        "choice",
        clusters.choices,
    ),
    choice("size_class", "规模", Enterprise.size_class, SizeClass),  # type: ignore[arg-type]
    division("division", "所属辖区", Enterprise.division_id),
    choice("state", "状态", Enterprise.state, EnterpriseState),
    Filter(
        "expiring",
        "认证证书多少天内到期",
        held_certificates.expiring(Enterprise.id, bindparam("expiring", type_=Integer)),
        _days,
        hint="如 90",
    ),
    Filter(
        "owner",
        "企业负责人",
        # A function of the database: grants are in reach of the people who hold them, and of nobody here.
        func.has_owner(Enterprise.id) == bindparam("owner", type_=Boolean),
        _owner,
        "choice",
        [("yes", "有"), ("no", "无")],
    ),
)
COLUMNS = (
    Column("企业名称", "name", width=32),
    Column("状态", "state", width=10),
    Column("统一社会信用代码", "credit_code", width=24),
    Column("所属辖区", "division", width=12),
    Column("行业", "industry", width=28),
    Column("规模", "size_class", width=8),
    Column("从业人员", "headcount", kind=Kind.INTEGER, width=12),
    Column("营业收入（元）", "revenue", kind=Kind.INTEGER),
    Column("法定代表人", "legal_representative", width=12),
    Column("负责人", "owner", width=8),
    Column("产业集群（链）", "clusters", width=24),
    Column("有效认证证书（张）", "certificates", kind=Kind.INTEGER, width=12),
    Column("最早到期", "first_expiry", kind=Kind.DATE, width=12),
    Column("登记时间", "created_at", kind=Kind.DATETIME, width=18),
)
_LISTED = select(
    Enterprise.id,
    Enterprise.name,
    Enterprise.credit_code,
    Enterprise.division_id,
    Enterprise.industry_code,
    Enterprise.size_class,
    Enterprise.headcount,
    Enterprise.revenue,
    Enterprise.legal_representative,
    Enterprise.state,
    Enterprise.created_at,
    Enterprise.clusters,
)


def industry_name(code: str, names: Mapping[str, str]) -> str:
    """Returns the code with the name of what it is or falls under: "C3670 汽车制造业"."""
    known = (code[:end] for end in range(len(code), 0, -1))
    return f"{code} {next((names[one] for one in known if one in names), '')}".strip()


def _shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = reference.industry_names(SYSTEM)
    owned = memberships.owned(SYSTEM, [row["id"] for row in rows])
    held = held_certificates.in_force(SYSTEM, [row["id"] for row in rows])
    called = clusters.names()
    for row in rows:
        row["clusters"] = clusters.said(row["clusters"], called)
        row["certificates"], row["first_expiry"] = held.get(row["id"], (0, None))
        row["industry"] = industry_name(row["industry_code"], names)
        row["size_class"] = row["size_class"].label if row["size_class"] else ""
        row["legal_representative"] = masks.name(row["legal_representative"])
        row["owner"] = "有" if row["id"] in owned else "无"
    return rows


_SORTS = {
    "name": Enterprise.name,
    "created_at": Enterprise.created_at,
    "division": Enterprise.division_id,
    "headcount": Enterprise.headcount,
    "revenue": Enterprise.revenue,
}

ENTERPRISES = Register(
    "enterprises",
    "企业台账",
    "enterprises.desk",
    _LISTED,
    COLUMNS,
    key=Enterprise.id,
    filters=_FILTERS,
    sorts=_SORTS,
    default="-created_at",
    show=_shown,
)


def _without(columns: Sequence[Any], *keys: str) -> tuple[Any, ...]:
    return tuple(one for one in columns if getattr(one, "key", getattr(one, "name", "")) not in keys)


REVIEWS = Register(
    "enterprises.reviews",
    "登记审核",
    "enterprises.review",
    _LISTED.where(Enterprise.state == EnterpriseState.registered),
    _without(COLUMNS, "state", "certificates", "first_expiry"),
    key=Enterprise.id,
    filters=_without(_FILTERS, "state", "expiring"),
    sorts=_SORTS,
    default="created_at",
    show=_shown,
)
"""What waits for its review, first come first."""

_FIRST_WAITING = (
    select(Enterprise.id)
    .where(Enterprise.state == EnterpriseState.registered)
    .order_by(Enterprise.created_at, Enterprise.id)
    .limit(1)
)
_NEXT = Prepared(_FIRST_WAITING.where(Enterprise.created_at > bindparam("after")))
_FIRST = Prepared(_FIRST_WAITING)


@transaction("enterprises.review")
def next_to_review(_actor: Actor, after: Enterprise) -> UUID | None:
    """Returns the enterprise that waits for its review behind this one, else the first, if any waits."""
    found = _NEXT.first(after=after.created_at) or _FIRST.first()
    return found.id if found else None
