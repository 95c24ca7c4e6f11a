"""Everything that an id in a URL can stand for, whose it is, and a way to try anything with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from app.transactions import db
from models.agencies import Agency, AgencySelection, Expert, SelectionReason
from models.base import new_id, now
from models.bookings import Absence, Availability, Booking, BookingState, Meeting
from models.campaigns import Campaign
from models.cases import (
    Aspect,
    Case,
    CaseAttendee,
    CaseOffer,
    CaseState,
    CaseTraining,
    Finding,
    OfferState,
    Purpose,
    Visit,
)
from models.deliveries import Delivery, DeliveryState, SendingPause
from models.enterprises import MembershipRequest
from models.evidence import Evidence, EvidenceKind, StoredFile
from models.held_certificates import HeldCertificate
from models.message_templates import Channel, MessageTemplate, TemplateType
from models.messages import Notice
from models.people import ScanRequest, StaffAccount
from models.signups import Signup, SignupState
from models.trainings import Audience, EnterpriseSeats, TrainingState
from models.transfers import Transfer
from tests.builders import World, fresh_phone


@dataclass(frozen=True)
class Thing:
    """What an id in a URL stands for, by whose it is; nothing known of it: it goes with the other ids."""

    division: str | None = None
    enterprise: UUID | None = None
    training: UUID | None = None
    user: UUID | None = None
    agency: UUID | None = None
    public: bool = False


@dataclass(frozen=True)
class Place:
    """One of everything, in one division."""

    ids: dict[str, UUID | str]
    things: dict[str, Thing]
    given: dict[str, Any]


def place(world: World, division: str, state: TrainingState) -> Place:
    """Everything that a URL can name; the attendee, the applicant and the one told are one person.

    The training is in `state`; sessions and the sign-up are of one that was published.
    """
    person, enterprise = world.person(), world.enterprise(division_id=division)
    training = world.training(division_id=division, taken=1)
    named = training if state == training.state else world.training(division_id=division, state=state)
    helper = world.person(
        grants=[("member", "enterprise", str(enterprise.id)), ("trainer", "training", str(named.id))]
    )
    [session_id] = world.sessions_of(training)
    phone = fresh_phone()
    signup = Signup(
        training_id=training.id,
        division_id=division,
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name,
        created_by=helper.id,
        attendee_name="李质量",
        attendee_phone=phone,
        attendee_phone_index=phone.encode(),
        attendee_user_id=person.id,
        state=SignupState.confirmed,
    )
    seats = EnterpriseSeats(
        training_id=training.id, enterprise_id=enterprise.id, division_id=division, taken=1
    )
    request = MembershipRequest(enterprise_id=enterprise.id, division_id=division, user_id=person.id)
    held = HeldCertificate(
        enterprise_id=enterprise.id,
        division_id=division,
        scheme="qms",
        agency_name="某某认证有限公司",
        number="00124Q30001R0S/3200",
        issued_on=date(2026, 3, 1),
        valid_until=date(2029, 2, 28),
    )
    twin, staff = world.enterprise(division_id=division), world.person(phone=None)
    account = StaffAccount(
        user_id=staff.id, division_id=division, login_name=f"p{new_id().hex[:16]}", password_hash="-"
    )
    transfer = Transfer(
        user_id=staff.id, kind="export", title="导出", parameters="{}", expires_at=now() + timedelta(days=7)
    )
    scan = ScanRequest(browser_hash=new_id().bytes, digits="07", expires_at=now() + timedelta(days=1))
    agency = Agency(name=f"认证机构{new_id().hex}", counties=["js.xz.fengxian"])
    expert = Expert(agency_id=agency.id, name="陈专家", fields=["standards"])
    selection = AgencySelection(
        division_id=division,
        year=now().year,
        agency_id=agency.id,
        reasons=[SelectionReason.responsible.value],
        selected_by=staff.id,
    )
    with world.session() as s:
        s.add_all([signup, seats, request, held, account, transfer, scan, agency])
        s.flush()
        s.add_all([expert, selection])
        s.flush()
        notice = Notice(
            user_id=person.id,
            kind="signup.confirmed",
            title="报名已通过",
            body="请准时参加。",
            subject_type="signups",
            subject_id=signup.id,
            dedupe_key=str(signup.id),
        )
        template = MessageTemplate(
            channel=Channel.subscribe,
            platform_id=f"p{new_id().hex}",
            title="报名结果通知",
            type=TemplateType.one_time,
            content="培训名称:{{thing1.DATA}}",
            fields=[{"key": "thing1", "label": "培训名称", "type": "thing", "choices": []}],
            synced_at=now(),
        )
        campaign = Campaign(
            division_id=division,
            name="补报名提醒",
            title="补报名",
            body="还有名额。",
            channels=[],
            created_by=staff.id,
        )
        s.add_all([notice, template, campaign])
        s.flush()
        delivery = Delivery(
            notice_id=notice.id,
            user_id=person.id,
            kind=notice.kind,
            channel=Channel.subscribe,
            template_id=template.id,
            division_id=division,
            state=DeliveryState.unknown,
            due_at=now(),
        )
        pause = SendingPause(channel=Channel.subscribe, template_id=template.id, reason="模板不可用")
        s.add_all([delivery, pause])
        case = Case(
            division_id=division,
            enterprise_id=enterprise.id,
            enterprise_name=enterprise.name,
            agency_id=agency.id,
            year=now().year,
            need="想建立质量管理体系。",
            wanted=["standards"],
            contact_name="李质量",
            contact_phone=phone,
            created_by=helper.id,
            state=CaseState.planning,
            state_since=now(),
        )
        agency.under_way = 1
        s.add(case)
        s.flush()
        finding = Finding(
            case_id=case.id,
            aspect=Aspect.standards,
            problem="没有检验规程",
            measure="编写检验规程",
            owner="李质量",
            due_on=now().date(),
        )
        times = {"starts_at": now() - timedelta(hours=2), "ends_at": now() - timedelta(hours=1)}
        case_training = CaseTraining(
            case_id=case.id,
            audience=Audience.team,
            title="检验方法",
            trainer="陈专家",
            place="一车间",
            **times,
        )
        visit = Visit(
            case_id=case.id,
            purpose=Purpose.diagnosis,
            place="一车间",
            expert_id=expert.id,
            officer_id=staff.id,
            created_by=staff.id,
            **times,
        )
        offer = CaseOffer(
            case_id=case.id,
            agency_id=agency.id,
            state=OfferState.accepted,
            offered_by=staff.id,
            offered_at=now(),
            answer_by=now() + timedelta(days=2),
        )
        start = now() + timedelta(days=3)
        booking = Booking(
            agency_id=agency.id,
            expert_id=expert.id,
            expert_no=expert.number,
            enterprise_id=enterprise.id,
            enterprise_name=enterprise.name,
            division_id=division,
            created_by=helper.id,
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            blocked_from=start,
            blocked_until=start + timedelta(hours=1),
            meeting=Meeting.agency,
            contact_name="李质量",
            contact_phone=phone,
            state=BookingState.booked,
            cancel_deadline=start,
        )
        availability = Availability(
            agency_id=agency.id,
            expert_id=expert.id,
            expert_no=expert.number,
            weekday=0,
            from_minute=540,
            until_minute=720,
            valid_from=now().date(),
            meeting=Meeting.agency,
        )
        absence = Absence(
            agency_id=agency.id,
            expert_id=expert.id,
            starts_at=start + timedelta(days=1),
            ends_at=start + timedelta(days=2),
        )
        s.add_all([booking, availability, absence])
        s.add(offer)
        s.add_all([finding, case_training, visit])
        digest = new_id().hex * 2
        stored = StoredFile(
            digest=digest, object_name=digest, size=1, media_type="application/pdf", key_id="k1"
        )
        s.add(stored)
        s.flush()
        evidence = Evidence(
            case_id=case.id, digest=digest, kind=EvidenceKind.other, name="a.pdf", uploaded_by=person.id
        )
        s.add(evidence)
        attendee = CaseAttendee(case_id=case.id, training_id=case_training.id, name="王班长")
        s.add(attendee)
    of_training = Thing(division, training=named.id, public=state != TrainingState.draft)
    of_enterprise = Thing(division, enterprise=enterprise.id)
    of_case = Thing(division, enterprise=enterprise.id, agency=agency.id)
    return Place(
        ids={
            "enterprise_id": enterprise.id,
            "training_id": named.id,
            "session_id": session_id,
            "signup_id": signup.id,
            "request_id": request.id,
            "held_certificate_id": held.id,
            "notice_id": notice.id,
            "user_id": helper.id,
            "account_id": account.id,
            "transfer_id": transfer.id,
            "campaign_id": campaign.id,
            "delivery_id": delivery.id,
            "template_id": template.id,
            "pause_id": pause.id,
            "agency_id": agency.id,
            "expert_id": expert.id,
            "selection_id": selection.id,
            "booking_id": booking.id,
            "availability_id": availability.id,
            "absence_id": absence.id,
            "case_id": case.id,
            "offer_id": offer.id,
            "finding_id": finding.id,
            "case_training_id": case_training.id,
            "attendee_id": attendee.id,
            "visit_id": visit.id,
            "evidence_id": evidence.id,
            "kind": "signup.confirmed",
            "keep_id": enterprise.id,
            "drop_id": twin.id,
            "number": scan.number,
            "name": "transfers",
            "role": "result",
        },
        things={
            "enterprise_id": of_enterprise,
            "training_id": of_training,
            "session_id": Thing(division, training=training.id, public=True),
            "signup_id": Thing(division, enterprise.id, training.id, person.id),
            "request_id": Thing(division, enterprise.id, user=person.id),
            "held_certificate_id": of_enterprise,
            "notice_id": Thing(user=person.id),
            "user_id": Thing(),
            "account_id": Thing(division),
            "transfer_id": Thing(user=staff.id),
            "campaign_id": Thing(division),
            "delivery_id": Thing(division),
            "template_id": Thing(),
            "pause_id": Thing(),
            # Everybody's to read, and the city's to keep; experts are the agency's.
            "agency_id": Thing("js.xz", agency=agency.id, public=True),
            "expert_id": Thing(agency=agency.id, public=True),
            "selection_id": Thing(division),
            "booking_id": of_case,
            "availability_id": Thing(agency=agency.id),
            "absence_id": Thing(agency=agency.id),
            "case_id": of_case,
            "offer_id": of_case,
            "finding_id": of_case,
            "case_training_id": of_case,
            "attendee_id": of_case,
            "visit_id": of_case,
            "evidence_id": of_case,
            "kind": Thing(),
            "keep_id": of_enterprise,
            "drop_id": of_enterprise,
            "number": Thing(),
            "name": Thing(),
            "role": Thing(),
        },
        given={
            "enterprise_id": str(enterprise.id),
            "signup_id": str(signup.id),
            "user_id": str(helper.id),
            "contact_phone": phone,
            "credit_code": enterprise.credit_code,
            "phone": helper.phone,
            "division_id": division,
            "reason": "材料不完整",
        },
    )


@contextmanager
def undone(app: Flask) -> Iterator[None]:
    """Takes back whatever the requests of the block did, so that each meets the same world.

    They run on one connection inside a transaction that is never committed; their own transactions are
    savepoints of it (SQLAlchemy: joining a session into an external transaction).
    """
    with app.app_context():
        engines: Any = db.engines
        engine = engines[None]
        with engine.connect() as connection, connection.begin() as never_committed:
            engines[None] = connection
            db.session(join_transaction_mode="create_savepoint")
            try:
                yield
            finally:
                db.session.remove()
                engines[None] = engine
                never_committed.rollback()
