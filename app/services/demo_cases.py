"""Cases to look around in, in every state: each told from its request on, as if on the days it happened.

Whoever moves a case is the service that moves any. What an agency writes in between is written as it would
be left, for the audit trail knows no other time than that of the writing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from sqlalchemy import select

from app import working_days
from app.access import Actor, Grant
from app.services import (
    bookings,
    case_corrections,
    case_evaluation,
    case_moves,
    case_offers,
    case_routing,
    case_steps,
    cases,
    demo_case_work,
    demo_people,
    slots,
    visits,
)
from app.services.enterprises import Profile
from app.transactions import session
from models import credit_code
from models.agencies import Agency, Expert
from models.base import at, now
from models.bookings import Meeting
from models.cases import SATISFIED, Case, CaseOffer, CaseState, Purpose, Rating
from models.enterprises import Enterprise
from models.people import User

QUALITY, GREEN, FOOD = "徐州演示质量认证有限公司", "江苏演示检验认证中心", "淮海演示认证服务有限公司"
FENGXIAN, PEIXIAN, TONGSHAN, PIZHOU = "js.xz.fengxian", "js.xz.peixian", "js.xz.tongshan", "js.xz.pizhou"


@dataclass(frozen=True)
class Story:
    """What became of one request.

    Args:
        entered: how many working days ago the case came into each state, from 待审核 on.
        then: what happened last, by the name of a method of _Telling.
    """

    enterprise: tuple[str, str, Profile]
    need: str
    agency: str
    entered: tuple[int, ...] = ()
    wanted: tuple[str, ...] = ("standards", "people")
    scheme: str | None = "qms"
    rating: Rating | None = None
    then: str = ""


def tell(story: Story) -> None:
    """Tells a story, in the act under way; its enterprise and agency are there."""
    telling = _Telling(story)
    for hour, (step, days) in enumerate(zip(_STEPS, story.entered, strict=False), 9):
        with at(_ago(days, hour)):
            step(telling)
    if story.then:
        getattr(telling, story.then)()


@dataclass
class _Telling:
    story: Story
    case: Case = field(init=False)

    @cached_property
    def enterprise(self) -> Enterprise:
        first17 = self.story.enterprise[0]
        code = first17 + credit_code.check_digit(first17)
        return session().execute(select(Enterprise).where(Enterprise.credit_code == code)).scalar_one()

    @cached_property
    def agency(self) -> Agency:
        return session().execute(select(Agency).where(Agency.name == self.story.agency)).scalar_one()

    @cached_property
    def expert(self) -> Expert:
        of = select(Expert).where(Expert.agency_id == self.agency.id).order_by(Expert.number)
        return session().execute(of.limit(1)).scalar_one()

    @cached_property
    def owner(self) -> Actor:
        user = User(name="演示经办人")  # without any means to sign in, as all of them
        session().add(user)
        session().flush()
        return Actor(user.id, (Grant("owner", "enterprise", str(self.enterprise.id)),))

    @cached_property
    def county(self) -> Actor:
        return demo_people.county(self.story.enterprise[1])

    @cached_property
    def agent(self) -> Actor:
        return demo_people.somebody("演示顾问", Grant("agency_staff", "agency", str(self.agency.id)))

    # from the request to the agency

    def request(self) -> None:
        wish = cases.Wish(
            self.story.need, "演示联系人", "19900000000", list(self.story.wanted), self.story.scheme
        )
        self.case = cases.request(self.owner, self.enterprise.id, wish)
        self.case.created_at = now()

    def admit(self) -> None:
        case_routing.admit(self.county, self.case.id)

    def offer(self) -> None:
        case_offers.offer(self.county, self.case.id, [self.agency.id])

    def accept(self) -> None:
        case_offers.accept(self.agent, self._offer)
        self.case.expert_id = self.expert.id

    @property
    def _offer(self) -> UUID:
        of = select(CaseOffer.id).where(CaseOffer.case_id == self.case.id).order_by(CaseOffer.id.desc())
        return session().execute(of.limit(1)).scalar_one()

    # the work

    def diagnosed(self) -> None:
        demo_case_work.diagnose(self.case)
        self._visit(Purpose.diagnosis, "查看生产现场，访谈质量负责人和班组长。")
        self._advance()

    def planned(self) -> None:
        demo_case_work.plan(self.case)
        self._advance()

    def taught(self) -> None:
        demo_case_work.teach(self.case, now() - timedelta(days=1))
        self._advance()

    def improved(self) -> None:
        demo_case_work.improve(self.case)
        self._visit(Purpose.improvement, "逐项核对问题清单。")
        self._advance()

    def ended(self) -> None:
        """Rated: closed where the enterprise is content, else to be put right."""
        rating = self.story.rating or Rating.satisfied
        self.case.rating, self.case.rated_at = rating, now()
        if rating in SATISFIED:
            case_evaluation.close(self.county, self.case.id)
        else:
            self.case.rating_comment = "整改时间偏短，班组反映没有讲透。"
            because = f"企业评价“{rating.label}”：{self.case.rating_comment}"
            case_moves.advance(self.owner, self.case, CaseState.rectification, because)

    def _advance(self) -> None:
        session().flush()
        case_steps.advance(self.agent, self.case.id)

    def _visit(self, purpose: Purpose, notes: str) -> None:
        began = now() - timedelta(hours=3)
        visit = {
            "purpose": purpose,
            "starts_at": began,
            "ends_at": began + timedelta(hours=2),
            "place": "企业会议室",
            "expert_id": self.expert.id,
            "officer_id": self.county.user_id,
            "notes": notes,
            "booking_id": None,
        }
        visits.confirm(self.county, visits.record(self.agent, self.case.id, visit).id)

    # what happened last

    def refused(self) -> None:
        with at(_ago(8, 11)):
            case_routing.refuse(self.county, self.case.id, "企业正在办理住所变更，变更完成后再申请。")

    def declined(self) -> None:
        with at(_ago(1, 10)):
            case_offers.decline(self.agent, self._offer, "近期专家已排满，一个月内不能到现场。")

    def asked(self) -> None:
        with at(_ago(2, 10)):
            case_corrections.ask(self.agent, self.case.id, "请补充上一年度的返工、退货统计表。")

    def teaching(self) -> None:
        demo_case_work.teach(self.case, _ago(4, 9))
        demo_case_work.announce(self.case, now() + timedelta(days=5))

    def improving(self) -> None:
        demo_case_work.under_way(self.case)

    def booked(self) -> None:
        """Books a free time of the agency's expert, in the case that is open or in one that this opens."""
        day = now().date()
        free = slots.free(self.owner, self.agency.id, day, day + timedelta(days=21), expert_id=self.expert.id)
        begins = next(one["starts_at"] for one in free["items"] if one["meeting"] == Meeting.onsite)
        start = datetime.fromisoformat(begins[min(4, len(begins) - 1)])
        held = bookings.hold(self.owner, self.agency.id, self.enterprise.id, self.expert.id, start)
        wish = {"need": self.story.need, "contact_name": "演示联系人", "contact_phone": "19900000000"}
        bookings.book(self.owner, held.id, **wish, place="企业办公楼二楼会议室（演示地址）")


_STEPS: tuple[Callable[[_Telling], None], ...] = (
    _Telling.request,
    _Telling.admit,
    _Telling.offer,
    _Telling.accept,
    _Telling.diagnosed,
    _Telling.planned,
    _Telling.taught,
    _Telling.improved,
    _Telling.ended,
)


def _ago(days: int, hour: int) -> datetime:
    """Returns an hour of the day so many working days ago."""
    moment = now().replace(hour=hour, minute=10, second=0, microsecond=0)
    while days:
        moment -= timedelta(days=1)
        days -= working_days.is_working_day(moment.date())
    return moment


def _of(
    number: int, division: str, name: str, industry: str, people: int, wan: int
) -> tuple[str, str, Profile]:
    """Returns an enterprise with its yearly revenue in 万元."""
    area = {FENGXIAN: "320321", PEIXIAN: "320322", TONGSHAN: "320312", PIZHOU: "320382"}[division]
    profile = Profile(name, industry, people, wan * 10_000, wan * 8_000)
    return f"91{area}MA0DEMB{number:02}", division, profile


STORIES: tuple[Story, ...] = (
    Story(
        _of(1, FENGXIAN, "丰县演示电动车有限公司", "C37", 64, 3_100),
        "整车返修率偏高，想建立质量管理体系并培训检验人员。",
        QUALITY,
        (1,),
    ),
    Story(
        _of(2, TONGSHAN, "铜山演示液压件有限公司", "C34", 48, 1_900),
        "客户要求提供能源管理和质量管理证明，不知道从哪里做起。",
        GREEN,
        (4, 3, 2),
        wanted=("energy", "standards"),
        scheme="enms",
        then="declined",
    ),
    Story(
        _of(3, PIZHOU, "邳州演示板材有限公司", "C20", 35, 1_200),
        "产品等级不稳定，想请专家到现场看一看工艺。",
        FOOD,
        (3, 2, 1),
        wanted=("innovation", "awareness"),
    ),
    Story(
        _of(4, FENGXIAN, "丰县演示食品有限公司", "C14", 52, 2_600),
        "准备申请食品安全管理体系认证，请帮助梳理文件。",
        QUALITY,
        wanted=(),
        scheme=None,
        then="booked",
    ),
    Story(
        _of(5, PEIXIAN, "沛县演示光伏材料有限公司", "C38", 110, 8_600),
        "想做绿色低碳认证，降低单位产品能耗。",
        GREEN,
        (8, 7, 6, 5),
        wanted=("energy", "digital"),
        scheme="green_low_carbon",
        then="booked",
    ),
    Story(
        _of(6, TONGSHAN, "铜山演示铸造有限公司", "C33", 75, 3_400),
        "铸件气孔多、废品率高，想找到原因。",
        QUALITY,
        (17, 16, 15, 14),
        wanted=("innovation", "people"),
    ),
    Story(
        _of(7, FENGXIAN, "丰县演示轮毂有限公司", "C36", 95, 6_200),
        "体系证书到期，文件和现场两张皮。",
        QUALITY,
        (16, 15, 14, 13, 5),
        then="asked",
    ),
    Story(
        _of(8, PIZHOU, "邳州演示家具有限公司", "C21", 41, 1_500),
        "出口订单验货常被退回，班组不清楚检验标准。",
        FOOD,
        (30, 29, 28, 27, 20, 12),
        wanted=("people", "awareness"),
        then="teaching",
    ),
    Story(
        _of(9, FENGXIAN, "丰县演示车架有限公司", "C37", 58, 2_800),
        "焊接返工多，质量成本高。",
        QUALITY,
        (45, 44, 43, 42, 34, 26, 10),
        then="improving",
    ),
    Story(
        _of(10, PEIXIAN, "沛县演示铝制品有限公司", "C33", 66, 4_100),
        "希望提升高端品质，进入整车厂供应链。",
        GREEN,
        (80, 79, 78, 77, 70, 62, 45, 3),
        scheme="premium_quality",
    ),
    Story(
        _of(11, TONGSHAN, "铜山演示起重配件有限公司", "C34", 88, 5_300),
        "客户审核不通过，需要限期整改。",
        QUALITY,
        (90, 89, 88, 87, 80, 72, 50, 8, 4),
        rating=Rating.dissatisfied,
    ),
    Story(
        _of(12, PIZHOU, "邳州演示包装有限公司", "C22", 39, 1_800),
        "食品包装客户要求体系认证。",
        FOOD,
        (100, 99, 98, 97, 90, 82, 60, 14, 12),
        rating=Rating.satisfied,
    ),
    Story(
        _of(13, FENGXIAN, "丰县演示农机有限公司", "C35", 72, 3_700),
        "想减少售后投诉，建立全过程检验。",
        QUALITY,
        (110, 109, 108, 107, 100, 90, 66, 22, 20),
        rating=Rating.very_satisfied,
    ),
    Story(
        _of(14, PEIXIAN, "沛县演示纺织有限公司", "C17", 29, 900),
        "想了解认证费用减免。",
        GREEN,
        (9,),
        wanted=(),
        scheme=None,
        then="refused",
    ),
)
