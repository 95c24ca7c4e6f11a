"""Enterprises that may have been registered twice: who is alike, and what a merge would do."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, bindparam, func, select

from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.services import enterprise_merges, enterprises, held_certificates, memberships
from app.services.enterprise_merges import TAKEABLE
from app.services.enterprises import FIELDS
from app.transactions import session, transaction
from models import credit_code
from models.checkins import AttendanceCertificate
from models.enterprises import Enterprise, EnterpriseState, MembershipRequest, MembershipState
from models.held_certificates import HeldCertificate
from models.people import RoleGrant
from models.signups import Signup
from models.trainings import EnterpriseSeats, Training

LOOKED_AT, SHOWN = 60, 8
ALIKE, ALIKE_WITH_REASON = 0.7, 0.3
"""How alike two names are, of 1: by themselves, and where the legal representative is the same."""
SAME_PERSON = 0.4
"""What the same legal representative counts for in the order."""

_FORMS = ("有限责任公司", "股份有限公司", "有限公司", "集团公司", "公司", "集团")
_ASIDE = re.compile(r"[（(][^（）()]{1,5}[)）]")
"""What stands in brackets is the place, or says that it is a group."""
_PLACES = re.compile(r"^(江苏省?)?(徐州市?)?([\u4e00-\u9fff]{1,3}(县|区|市))?")


@dataclass(frozen=True)
class Candidate:
    """An enterprise that may be the same, and why it is thought so."""

    row: Any
    why: str
    alike: float


@dataclass(frozen=True)
class Compared:
    """One fact of two enterprises, side by side."""

    name: str
    label: str
    kept: Any
    dropped: Any
    takeable: bool

    @property
    def differs(self) -> bool:
        return bool(self.kept != self.dropped)


@dataclass(frozen=True)
class Preview:
    """What a merge would do: facts side by side, rows that move by kind, and what to mind."""

    keep: Enterprise
    drop: Enterprise
    facts: list[Compared]
    moves: dict[str, int]
    remarks: list[str] = field(default_factory=list)


def core(name: str) -> str:
    """Returns what is left of a name without widths, punctuation, place and legal form."""
    shorter = _ASIDE.sub("", name)
    plain = "".join(char for char in unicodedata.normalize("NFKC", shorter).lower() if char.isalnum())
    for form in _FORMS:
        plain = plain.removesuffix(form)
    return _PLACES.sub("", plain, count=1) or plain or name


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text) - 1)} or {text}


def alike(one: str, other: str) -> float:
    """Returns how alike two names are: 0 to 1, by the pairs of neighbouring characters (Dice)."""
    first, second = _pairs(core(one)), _pairs(core(other))
    return 2 * len(first & second) / (len(first) + len(second))


_asked: Any = bindparam("pairs", type_=ARRAY(Text))
_bigrams = func.bigrams(Enterprise.name)
_pair = func.unnest(_asked, type_=Text).column_valued("pair")
_shared = (
    select(func.count())
    .where(func.strpos(func.lower(Enterprise.name), _pair) > 0)
    .correlate(Enterprise)
    .scalar_subquery()
)
_ALIKE = Prepared(
    select(
        Enterprise.id,
        Enterprise.name,
        Enterprise.credit_code,
        Enterprise.division_id,
        Enterprise.legal_representative,
        Enterprise.state,
        Enterprise.created_at,
    )
    .where(
        _bigrams.op("&&", is_comparison=True)(_asked),
        Enterprise.id != bindparam("id"),
        Enterprise.state != EnterpriseState.merged,
    )
    .order_by(_shared.desc(), Enterprise.id)
    .limit(bindparam("limit", type_=Integer))
)


@transaction("enterprises.review")
def candidates(_actor: Actor, enterprise_id: UUID) -> list[Candidate]:
    """Returns the enterprises in reach that may be the same one, the likeliest first.

    Raises DomainError `not_found`.
    """
    own = enterprises.find(enterprise_id)
    rows = _ALIKE(id=enterprise_id, pairs=sorted(_pairs(core(own.name))), limit=LOOKED_AT)
    found = [candidate for row in rows if (candidate := _judge(own, row))]
    return sorted(found, key=lambda one: -one.alike)[:SHOWN]


def _judge(own: Enterprise, row: Any) -> Candidate | None:
    share = alike(own.name, row.name)
    same_person = own.legal_representative and own.legal_representative == row.legal_representative
    if share < (ALIKE_WITH_REASON if same_person else ALIKE):
        return None
    why = "名称相同" if core(own.name) == core(row.name) else f"名称相近（{share:.0%}）"
    return Candidate(
        row, f"{why}，法定代表人相同" if same_person else why, share + (SAME_PERSON if same_person else 0)
    )


@transaction("enterprises.review")
def partner(_actor: Actor, code: str) -> Enterprise:
    """Returns the enterprise in reach of a credit code; raises `validation_failed` where there is none."""
    wanted = select(Enterprise).where(Enterprise.credit_code == credit_code.normalise(code))
    found = session().execute(wanted).scalar()
    if found is None:
        reason = "您的辖区内没有使用该统一社会信用代码的企业"
        raise DomainError("validation_failed", fields={"credit_code": [reason]})
    return found


@transaction("enterprises.review")
def preview(_actor: Actor, keep_id: UUID, drop_id: UUID) -> Preview:
    """Returns what merging the second into the first would do.

    Raises DomainError `merge_with_itself`, `not_found` or `enterprise_not_eligible`.
    """
    keep, drop = enterprise_merges.pair(keep_id, drop_id)
    facts = [
        Compared(name, label, getattr(keep, name), getattr(drop, name), name in TAKEABLE)
        for name, label in FIELDS.items()
        if name != "size_rule_version"
    ]
    return Preview(keep, drop, facts, *_effects(SYSTEM, keep, drop))


@transaction(None)
def _effects(_actor: Actor, keep: Enterprise, drop: Enterprise) -> tuple[dict[str, int], list[str]]:
    members = {
        id_: set(session().execute(select(RoleGrant.user_id).where(*memberships.of(id_))).scalars())
        for id_ in (keep.id, drop.id)
    }
    pending = (MembershipRequest.enterprise_id == drop.id, MembershipRequest.state == MembershipState.pending)
    moves = {
        "members": len(members[drop.id]),
        "requests": _count(MembershipRequest, *pending),
        "signups": _count(Signup, Signup.enterprise_id == drop.id),
        "certificates": _count(AttendanceCertificate, AttendanceCertificate.enterprise_id == drop.id),
        "held_certificates": _count(HeldCertificate, HeldCertificate.enterprise_id == drop.id),
    }
    owners = [memberships.owner(SYSTEM, one.id) for one in (keep, drop)]
    remarks = []
    if all(owners) and owners[0] != owners[1]:
        remarks.append("两家各有负责人：保留企业的负责人不变，被并入企业的负责人改为成员。")
    elif owners[1] and not owners[0]:
        remarks.append("保留企业没有负责人：被并入企业的负责人将成为其负责人。")
    both = len(members[keep.id] & members[drop.id])
    if both:
        remarks.append(f"有 {both} 人同时是两家的成员，合并后保留其在保留企业中的角色。")
    remarks += [
        f"“{row.title}”合并后共占 {row.places} 个名额，超过每家 {row.seats_per_enterprise} 人的上限；"
        "已有报名不受影响。"
        for row in _over_limit(keep.id, drop.id)
    ]
    if same := _count(HeldCertificate, *held_certificates.twice(keep.id, drop.id)):
        remarks.append(f"有 {same} 张认证证书两家都登记了，以保留企业登记的为准。")
    if keep.state != drop.state:
        remarks.append(f"状态不同：合并后保持“{keep.state.label}”。")
    return moves, remarks


def _count(model: Any, *conditions: Any) -> int:
    return session().execute(select(func.count()).select_from(model).where(*conditions)).scalar_one()


def _over_limit(keep_id: UUID, drop_id: UUID) -> list[Any]:
    places = func.sum(EnterpriseSeats.taken).label("places")
    both = (
        select(Training.title, Training.seats_per_enterprise, places)
        .join(Training, Training.id == EnterpriseSeats.training_id)
        .where(EnterpriseSeats.enterprise_id.in_((keep_id, drop_id)))
        .group_by(Training.id)
        .having(func.count() > 1, places > Training.seats_per_enterprise)
    )
    return list(session().execute(both))
