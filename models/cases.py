"""Assistance cases 帮扶项目: from a request to 办结, with the bureau in the room (notice 二（二）)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, code_number, key, made_at, personal, text
from models.labels import Labelled
from models.lifecycle import State
from models.trainings import Audience

LIMITS = {
    "score": (0, 100),
    "revenue": (0, 10**15),
    "profit_margin": (-100_000, 10_000),
    "quality_cost": (0, 10**15),
    "attendees": (1, 200),
    "offers": (1, 5),
}
"""Least and most of what is typed in as a number: points, yuan, hundredths of a percent, yuan, people."""


class Strategy(Labelled):
    """三大工作策略 (notice 二（二）1)."""

    guidance = "guidance", "精准指导+品牌建设"
    management = "management", "聚焦管理+降本增效"
    foundation = "foundation", "建立体系+夯实基础"


class Aspect(Labelled):
    """六个提升方面 (notice 二（二）1)."""

    awareness = "awareness", "质量管理意识"
    innovation = "innovation", "技术创新水平"
    people = "people", "人员专业水平"
    digital = "digital", "生产数字化水平"
    energy = "energy", "能源管控水平"
    standards = "standards", "标准化水平"


class CaseState(State):
    """申请 → 县局审核 → 接单 → 诊断 → 方案 → 分层培训 → 提升 → 评价 → 办结; 不满意 → 整改 → 回访."""

    requested = "requested", "待审核"
    refused = "refused", "不予受理"
    routing = "routing", "待派机构"
    offered = "offered", "待机构接单"
    diagnosis = "diagnosis", "诊断"
    planning = "planning", "制定方案"
    training = "training", "分层培训"
    improvement = "improvement", "提升"
    evaluation = "evaluation", "评价"
    rectification = "rectification", "整改"
    revisit = "revisit", "回访"
    closed = "closed", "已办结"
    withdrawn = "withdrawn", "企业已撤回"
    terminated = "terminated", "已终止"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.requested: (cls.routing, cls.refused, cls.withdrawn),
            cls.routing: (cls.offered, cls.refused, cls.withdrawn),
            cls.offered: (cls.diagnosis, cls.routing, cls.withdrawn),
            cls.diagnosis: (cls.planning, cls.terminated, cls.withdrawn),
            cls.planning: (cls.training, cls.terminated, cls.withdrawn),
            cls.training: (cls.improvement, cls.terminated, cls.withdrawn),
            cls.improvement: (cls.evaluation, cls.terminated, cls.withdrawn),
            cls.evaluation: (cls.closed, cls.rectification, cls.terminated),
            cls.rectification: (cls.revisit, cls.terminated),
            cls.revisit: (cls.closed, cls.rectification, cls.terminated),
        }


OPEN = tuple(state for state in CaseState if state in CaseState.moves())
"""The states of a case that is not over."""
WORKED = tuple(
    state for state in OPEN if state not in (CaseState.requested, CaseState.routing, CaseState.offered)
)
"""The states in which an agency works on a case: they count in its `under_way`."""
_OPEN = ", ".join(f"'{state.value}'" for state in OPEN)


class Rating(Labelled):
    """How satisfied the enterprise is; the first two count as satisfied."""

    very_satisfied = "very_satisfied", "非常满意"
    satisfied = "satisfied", "满意"
    fair = "fair", "一般"
    dissatisfied = "dissatisfied", "不满意"
    very_dissatisfied = "very_dissatisfied", "非常不满意"


SATISFIED = (Rating.very_satisfied, Rating.satisfied)
DISSATISFIED = (Rating.dissatisfied, Rating.very_dissatisfied)
"""What leads to 整改 and 回访 (处理不满意绝不放过)."""


class Phase(Labelled):
    before = "before", "帮扶前"
    after = "after", "帮扶后"


class StepDeadline(Base, kw_only=True):
    """各环节时限: working days for a step, and after how many more the city is told."""

    __tablename__ = "step_deadlines"
    __scope__: ClassVar = None

    state: Mapped[str] = mapped_column(primary_key=True, comment="环节，帮扶项目的状态")
    working_days: Mapped[int] = mapped_column(comment="时限，工作日")
    city_after: Mapped[int] = mapped_column(comment="逾期多少个工作日后报市局")


class Case(Base, kw_only=True):
    """帮扶项目. One open case of an enterprise at a time.

    `due_at` is when the step must be done; it stands still while `paused_at` is set (补正), and is set
    again by what was left.
    """

    __tablename__ = "cases"
    __scope__: ClassVar = Scope(
        enterprise="enterprise_id", division="division_id", agency="agency_id", user="created_by"
    )
    __table_args__ = (
        Index("uq_cases_open", "enterprise_id", unique=True, postgresql_where=sql(f"state IN ({_OPEN})")),
        Index("ix_cases_division_state", "division_id", "state", "due_at"),
        Index("ix_cases_agency_state", "agency_id", "state", "due_at"),
        Index("ix_cases_due", "due_at", postgresql_where=sql(f"state IN ({_OPEN}) AND paused_at IS NULL")),
    )

    id: Mapped[UUID] = key()
    number: Mapped[str] = code_number("项目编号")
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="企业所属辖区")
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    enterprise_name: Mapped[str] = text(128, "申请时的企业名称")
    agency_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agencies.id"), comment="承接机构", default=None
    )
    expert_id: Mapped[UUID | None] = mapped_column(ForeignKey("experts.id"), comment="负责专家", default=None)
    year: Mapped[int] = mapped_column(comment="提升行动年度")
    need: Mapped[str] = text(2000, "需求说明")
    wanted: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="希望提升的方面")
    scheme: Mapped[str | None] = mapped_column(
        ForeignKey("schemes.code"), comment="意向认证类别", default=None
    )
    contact_name: Mapped[str] = personal("cases.contact_name", "联系人")
    contact_phone: Mapped[str] = personal("cases.contact_phone", "联系电话")
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    state: Mapped[CaseState] = choice(CaseState, "状态", default=CaseState.requested)
    state_reason: Mapped[str | None] = text(500, "不予受理、撤回、终止的原因", default=None)
    state_since: Mapped[datetime] = mapped_column(comment="进入当前环节的时间")
    due_at: Mapped[datetime | None] = mapped_column(comment="当前环节的时限", default=None)
    paused_at: Mapped[datetime | None] = mapped_column(comment="因补正停止计时的时间", default=None)
    paused_seconds: Mapped[int] = mapped_column(BigInteger, comment="本环节已停止计时的秒数", default=0)
    escalated: Mapped[int] = mapped_column(comment="逾期提醒到：0 未提醒，1 县局，2 市局", default=0)
    strategy: Mapped[Strategy | None] = choice(Strategy, "策略", default=None)
    aspects: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="提升方面", default_factory=list)
    strategy_reason: Mapped[str | None] = text(1000, "选策略和提升方面的理由", default=None)
    diagnosis: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="诊断表", default=None)
    diagnosis_version: Mapped[str | None] = text(16, "诊断表版本", default=None)
    plan: Mapped[str | None] = text(4000, "提升方案", default=None)
    summary: Mapped[str | None] = text(4000, "提升小结", default=None)
    rectification: Mapped[str | None] = text(2000, "整改情况", default=None)
    rating: Mapped[Rating | None] = choice(Rating, "企业评价", default=None)
    rating_comment: Mapped[str | None] = text(1000, "评价说明", default=None)
    rated_at: Mapped[datetime | None] = mapped_column(comment="评价时间", default=None)
    closed_at: Mapped[datetime | None] = mapped_column(comment="办结时间", default=None)
    created_at: Mapped[datetime] = made_at()


_AS_THE_CASE = Scope(through=("case_id", Case))


class CaseTransition(Base, kw_only=True):
    """环节记录: each move of a case, by whom and why, and how long the clock stood still before it."""

    __tablename__ = "case_transitions"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (Index("ix_case_transitions_case", "case_id", "id"),)

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    from_state: Mapped[str | None] = text(24, "之前的状态；空为申请", default=None)
    to_state: Mapped[CaseState] = choice(CaseState, "之后的状态")
    by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), comment="空为系统", default=None)
    reason: Mapped[str | None] = text(500, "原因", default=None)
    paused_seconds: Mapped[int] = mapped_column(BigInteger, comment="本环节停止计时的秒数", default=0)
    at: Mapped[datetime] = mapped_column(comment="时间")


class OfferState(State):
    waiting = "waiting", "待答复"
    accepted = "accepted", "已接单"
    declined = "declined", "已拒单"
    expired = "expired", "逾期未答复"
    closed = "closed", "已由其他机构承接或收回"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {cls.waiting: (cls.accepted, cls.declined, cls.expired, cls.closed)}


class CaseOffer(Base, kw_only=True):
    """派单: one agency that a case was offered to, and its answer."""

    __tablename__ = "case_offers"
    __scope__: ClassVar = Scope(agency="agency_id", through=("case_id", Case))
    __table_args__ = (
        Index(
            "uq_case_offers_open",
            "case_id",
            "agency_id",
            unique=True,
            postgresql_where=sql("state = 'waiting'"),
        ),
        Index("ix_case_offers_agency", "agency_id", "state", "answer_by"),
        Index("ix_case_offers_waiting", "answer_by", postgresql_where=sql("state = 'waiting'")),
    )

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    state: Mapped[OfferState] = choice(OfferState, "状态")
    reason: Mapped[str | None] = text(500, "拒单原因", default=None)
    offered_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    offered_at: Mapped[datetime]
    answer_by: Mapped[datetime] = mapped_column(comment="须在此前答复")
    answered_at: Mapped[datetime | None] = mapped_column(default=None)


class Correction(Base, kw_only=True):
    """补正: something asked of the enterprise; the clock of its case stands still until it has answered."""

    __tablename__ = "corrections"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (
        Index("uq_corrections_open", "case_id", unique=True, postgresql_where=sql("ended_at IS NULL")),
    )

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    asked: Mapped[str] = text(1000, "要求补正的内容")
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime]
    answer: Mapped[str | None] = text(2000, "企业的答复；空为收回", default=None)
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)


class CaseScore(Base, kw_only=True):
    """六方面评分, 0–100 points, before and after."""

    __tablename__ = "case_scores"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (CheckConstraint("score BETWEEN 0 AND 100", name="score"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    phase: Mapped[Phase] = choice(Phase, "帮扶前 / 后", primary_key=True)
    aspect: Mapped[Aspect] = choice(Aspect, "方面", primary_key=True)
    score: Mapped[int] = mapped_column(comment="得分")


class CaseEffect(Base, kw_only=True):
    """效果数据 before and after; a year's figures as the enterprise states them."""

    __tablename__ = "case_effects"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (CheckConstraint("revenue >= 0 AND quality_cost >= 0", name="figures"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    phase: Mapped[Phase] = choice(Phase, "帮扶前 / 后", primary_key=True)
    revenue: Mapped[int | None] = mapped_column(BigInteger, comment="营业收入，元", default=None)
    profit_margin: Mapped[int | None] = mapped_column(comment="利润率，万分之一", default=None)
    quality_cost: Mapped[int | None] = mapped_column(BigInteger, comment="质量成本，元", default=None)


class FindingState(State):
    open = "open", "待整改"
    under_way = "under_way", "整改中"
    done = "done", "已完成"
    verified = "verified", "已验证"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.open: (cls.under_way, cls.done),
            cls.under_way: (cls.done,),
            cls.done: (cls.verified, cls.under_way),
        }


class Finding(Base, kw_only=True):
    """问题清单 (一企一策): a problem with its measure, who sees to it and by when."""

    __tablename__ = "findings"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (Index("ix_findings_case", "case_id", "id"),)

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    aspect: Mapped[Aspect] = choice(Aspect, "方面")
    problem: Mapped[str] = text(500, "问题")
    measure: Mapped[str] = text(1000, "措施")
    owner: Mapped[str] = personal("findings.owner", "责任人")
    due_on: Mapped[date] = mapped_column(comment="完成期限")
    state: Mapped[FindingState] = choice(FindingState, "状态", default=FindingState.open)
    result: Mapped[str | None] = text(1000, "完成情况", default=None)
    created_at: Mapped[datetime] = made_at()


class CaseTraining(Base, kw_only=True):
    """分层培训 held inside a case, for one layer of the enterprise (notice 二（二）3)."""

    __tablename__ = "case_trainings"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_case_trainings_case", "case_id", "starts_at"),
    )

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    audience: Mapped[Audience] = choice(Audience, "培训对象")
    title: Mapped[str] = text(120, "内容")
    trainer: Mapped[str] = personal("case_trainings.trainer", "主讲")
    place: Mapped[str] = text(200, "地点")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime] = made_at()


class CaseAttendee(Base, kw_only=True):
    """参训人 of such a training, and whether they came."""

    __tablename__ = "case_attendees"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (Index("ix_case_attendees_training", "training_id", "id"),)

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    training_id: Mapped[UUID] = mapped_column(ForeignKey("case_trainings.id"))
    name: Mapped[str] = personal("case_attendees.name", "姓名")
    post: Mapped[str] = text(32, "职务", default="")
    attended: Mapped[bool | None] = mapped_column(comment="是否到场；空为尚未登记", default=None)


class Purpose(Labelled):
    """What a visit is for."""

    diagnosis = "diagnosis", "诊断"
    training = "training", "培训"
    improvement = "improvement", "提升指导"
    evaluation = "evaluation", "评价"
    revisit = "revisit", "回访"


class Visit(Base, kw_only=True):
    """走访: agency and county officer at the enterprise (notice 二（二）3 全程参与).

    The officer, who took part, confirms it in person: `confirmed_at`.
    """

    __tablename__ = "visits"
    __scope__: ClassVar = _AS_THE_CASE
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_visits_case", "case_id", "starts_at"),
        Index("ix_visits_officer", "officer_id", postgresql_where=sql("confirmed_at IS NULL")),
    )

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    booking_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("bookings.id"), comment="由预约而来", default=None
    )
    purpose: Mapped[Purpose] = choice(Purpose, "事由")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place: Mapped[str] = text(200, "地点")
    expert_id: Mapped[UUID] = mapped_column(ForeignKey("experts.id"), comment="到场专家")
    officer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), comment="参与的县局人员")
    confirmed_at: Mapped[datetime | None] = mapped_column(comment="县局人员确认参与的时间", default=None)
    notes: Mapped[str] = text(2000, "情况记录", default="")
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = made_at()
