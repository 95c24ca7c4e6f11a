"""A small set of data to look around in: enterprises, trainings, agencies, cases, ways into WeChat.

It makes no account and no password: whoever tries the program signs in through the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import audit, outbox
from app.access import Actor, Grant
from app.services import demo_agencies, demo_cases, signups, sizing, trainings
from app.services.demo_stories import STORIES
from app.services.enterprises import Profile
from app.transactions import session, transaction
from models import credit_code
from models.base import new_id, now
from models.enterprises import Enterprise, EnterpriseState
from models.message_templates import NoticeRoute
from models.people import User
from models.trainings import Audience, Mode, Provider, Training, TrainingState

# The first seventeen characters of the credit code, division, and what the enterprise says of itself.
_ENTERPRISES = (
    (
        "91320321MA0DEMA01",
        "js.xz.fengxian",
        Profile("丰县演示车辆配件有限公司", "C36", 86, 32_000_000, 28_000_000),
    ),
    (
        "91320322MA0DEMA02",
        "js.xz.peixian",
        Profile("沛县演示铝型材有限公司", "C33", 45, 12_600_000, 9_800_000),
    ),
    (
        "91320312MA0DEMA03",
        "js.xz.tongshan",
        Profile("铜山演示工程机械部件厂", "C34", 120, 56_000_000, 41_000_000),
    ),
    ("91320382MA0DEMA04", "js.xz.pizhou", Profile("邳州演示木业有限公司", "C20", 18, 2_400_000, 1_900_000)),
)
_FULL = "demo-full"
_PAST = "demo-past"


@dataclass(frozen=True)
class Made:
    """How many rows were new."""

    enterprises: int
    trainings: int
    agencies: int
    cases: int


@transaction(None)
def load(actor: Actor) -> Made:
    """Loads the set, with times counted from today; what is there already is left as it is."""
    enterprises = sum(_enterprise(actor, *given) for given in _ENTERPRISES)
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    made = [key for key, values in _trainings(midnight).items() if _training(actor, key, values)]
    if _FULL in made:
        _fill(_FULL)
    if session().execute(select(NoticeRoute.kind)).first() is None:
        # The simulated platform is not there yet.
        outbox.defer("messages.set_up", at=now() + timedelta(seconds=3))
    agencies = demo_agencies.load(actor)
    told = [one for one in STORIES if _enterprise(actor, *one.enterprise)]
    for story in told:
        demo_cases.tell(story)
    return Made(enterprises + len(told), len(made), agencies, len(told))


def _enterprise(actor: Actor, first17: str, division_id: str, profile: Profile) -> bool:
    row = {
        "id": new_id(),
        "credit_code": credit_code.check(first17 + credit_code.check_digit(first17)),
        "division_id": division_id,
        "state": EnterpriseState.reviewed,
        **profile.columns(sizing.yardstick(actor)),
    }
    made = insert(Enterprise).values(row).on_conflict_do_nothing(index_elements=["credit_code"])
    if session().execute(made.returning(Enterprise.id)).first() is None:
        return False
    audit.record(actor, "enterprise.imported", (Enterprise.__tablename__, row["id"]))
    return True


def _training(actor: Actor, key: str, values: dict[str, Any]) -> bool:
    """Writes a published training; the past one too, which nobody could publish any more."""
    training_id = new_id()
    checked = trainings.sound(actor, values)
    if not trainings.write(training_id, checked, import_key=key, state=TrainingState.published):
        return False
    audit.record(actor, "training.imported", (Training.__tablename__, training_id))
    return True


def _fill(key: str) -> None:
    """Signs one person of each of the first enterprises up, until no seat is left."""
    training = session().execute(select(Training).where(Training.import_key == key)).scalar_one()
    who = User(name="演示经办人")  # without any means to sign in
    session().add(who)
    session().flush()
    for place in range(training.capacity):
        first17 = _ENTERPRISES[place][0]
        code = first17 + credit_code.check_digit(first17)
        enterprise_id: UUID = (
            session().execute(select(Enterprise.id).where(Enterprise.credit_code == code)).scalar_one()
        )
        member = Actor(who.id, (Grant("member", "enterprise", str(enterprise_id)),))
        attendee = signups.Attendee(f"演示学员{'甲乙丙丁'[place]}", f"1990000000{place}", "质量负责人")
        signups.sign_up(member, training.id, enterprise_id, [attendee])


def _trainings(midnight: datetime) -> dict[str, dict[str, Any]]:
    def at(day: int, hour: int = 9) -> datetime:
        return midnight + timedelta(days=day, hours=hour)

    def one(day: int, first: int = 9, last: int = 12) -> dict[str, Any]:
        return {"starts_at": at(day, first), "ends_at": at(day, last)}

    usual: dict[str, Any] = {
        "mode": Mode.onsite,
        "provider": Provider.own,
        "audience": Audience.quality_lead,
        "division_id": "js.xz.fengxian",
        "open_to": ["js.xz"],
        "capacity": 60,
        "seats_per_enterprise": 3,
        "opens_at": at(-3),
        "description": "演示数据。",
    }
    peixian = {"division_id": "js.xz.peixian", "organiser": "沛县市场监督管理局"}
    tongshan = {"division_id": "js.xz.tongshan", "organiser": "徐州市铜山区市场监督管理局"}
    city = {"division_id": "js.xz", "organiser": "徐州市市场监督管理局"}
    return {
        "demo-open": usual
        | {
            "title": "小微企业质量管理体系基础培训",
            "organiser": "丰县市场监督管理局",
            "place": "丰县政务服务中心三楼会议室",
            "closes_at": at(6, 18),
            "sessions": [one(7), one(7, 14, 17)],
            "certificate_percent": 50,
        },
        _FULL: usual
        | peixian
        | {
            "title": "内审员实操小班（名额已满，可候补）",
            "audience": Audience.internal_auditor,
            "place": "沛县经济开发区服务中心",
            "capacity": 2,
            "seats_per_enterprise": 1,
            "closes_at": at(9, 18),
            "sessions": [one(10), one(11)],
        },
        "demo-online": usual
        | city
        | {
            "title": "质量认证知识线上公开课",
            "mode": Mode.online,
            "provider": Provider.province,
            "audience": Audience.management,
            "online_url": "https://live.example.com/quality",
            "capacity": 5000,
            "seats_per_enterprise": 20,
            "closes_at": at(5, 9),
            "sessions": [one(5, 14, 16)],
        },
        "demo-approval": usual
        | tongshan
        | {
            "title": "卓越绩效管理研修班（报名需审核）",
            "audience": Audience.management,
            "place": "铜山区市场监督管理局会议室",
            "needs_approval": True,
            "offer_minutes": 120,
            "capacity": 30,
            "closes_at": at(12, 18),
            "sessions": [one(14), one(15), one(16)],
        },
        "demo-upcoming": usual
        | city
        | {
            "title": "绿色低碳认证专题培训（报名未开始）",
            "provider": Provider.alliance,
            "place": "徐州市会议中心",
            "opens_at": at(3),
            "closes_at": at(20, 18),
            "sessions": [one(25)],
        },
        _PAST: usual
        | {
            "title": "班组长质量工具培训（已结束）",
            "organiser": "丰县市场监督管理局",
            "audience": Audience.team,
            "place": "丰县经济开发区管委会",
            "opens_at": at(-40),
            "closes_at": at(-21, 18),
            "sessions": [one(-20)],
        },
    }
