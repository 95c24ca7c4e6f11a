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
from app.services.demo_stories import Story
from app.transactions import session
from models import credit_code
from models.agencies import Agency, Expert
from models.base import at, now
from models.bookings import Meeting
from models.cases import SATISFIED, Case, CaseOffer, CaseState, Purpose, Rating
from models.enterprises import Enterprise
from models.people import User


def tell(story: Story) -> None:
    """Tells a story, in the act under way; its enterprise and agency are there."""
    telling = Telling(story)
    for hour, (step, days) in enumerate(zip(_STEPS, story.entered, strict=False), 9):
        with at(_ago(days, hour)):
            step(telling)
    if story.then:
        getattr(telling, story.then)()


@dataclass
class Telling:
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


_STEPS: tuple[Callable[[Telling], None], ...] = (
    Telling.request,
    Telling.admit,
    Telling.offer,
    Telling.accept,
    Telling.diagnosed,
    Telling.planned,
    Telling.taught,
    Telling.improved,
    Telling.ended,
)


def _ago(days: int, hour: int) -> datetime:
    """Returns an hour of the day so many working days ago."""
    moment = now().replace(hour=hour, minute=10, second=0, microsecond=0)
    while days:
        moment -= timedelta(days=1)
        days -= working_days.is_working_day(moment.date())
    return moment
