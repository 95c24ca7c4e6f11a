"""Who a campaign is for: the conditions, the people they pick, and how many of those can be reached.

Whoever is picked belongs to an enterprise of the campaign's division or below it, whatever the conditions
or the uploaded list say: that is part of the statement, and there is no other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    Uuid,
    any_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from app import masks
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import clusters, enterprise_register, held_certificates, reference
from app.transactions import session, transaction
from models.base import division_patterns, midnight, now
from models.campaigns import Assisted, By, Campaign, TookPart, Who
from models.cases import WORKED, Case, CaseState
from models.checkins import Outcome, Scan
from models.enterprises import Enterprise, EnterpriseState
from models.message_templates import Channel
from models.people import RoleGrant, User, UserState
from models.signups import Signup, SignupState
from models.size_class import SizeClass
from models.subscriptions import Follower, Subscription
from models.trainings import Training, TrainingState

# Only a grant in an enterprise has a UUID as its scope; CASE keeps the cast from the others.
GRANTED: Any = cast(case((RoleGrant.scope_type == "enterprise", RoleGrant.scope_id)), Uuid)
SAMPLE = 10
ANNOUNCED = (TrainingState.published, TrainingState.cancelled)


@dataclass(frozen=True)
class Audience:
    """The conditions of an audience; an empty one does not narrow.

    Args:
        divisions: with all below them.
        industries: codes with their letter, which begin the codes meant.
        clusters: codes; one of them is enough.
        expires_within: days; a certificate in force that the enterprise holds ends by then.
        training, since, until: which trainings `took_part` is about; days in Beijing, both included.
    """

    by: By = By.conditions
    who: Who = Who.owners
    divisions: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    size_classes: tuple[SizeClass, ...] = ()
    clusters: tuple[str, ...] = ()
    expires_within: int | None = None
    states: tuple[EnterpriseState, ...] = (EnterpriseState.reviewed,)
    assisted: Assisted | None = None
    took_part: TookPart | None = None
    training: UUID | None = None
    since: date | None = None
    until: date | None = None

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Audience:
        """Returns the audience that is stored with a campaign."""
        readers: dict[str, Any] = {
            "by": lambda value: By[value],
            "who": lambda value: Who[value],
            "divisions": tuple,
            "industries": tuple,
            "size_classes": lambda values: tuple(map(SizeClass, values)),
            "clusters": tuple,
            "expires_within": int,
            "states": lambda values: tuple(EnterpriseState[one] for one in values),
            "assisted": lambda value: Assisted[value],
            "took_part": lambda value: TookPart[value],
            "training": UUID,
            "since": date.fromisoformat,
            "until": date.fromisoformat,
        }
        return cls(**{name: readers[name](value) for name, value in stored.items() if value is not None})

    def dump(self) -> dict[str, Any]:
        """Returns what is stored of it."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: list(value) if isinstance(value, tuple) else str(value)
            for name, value in plain.items()
            if value is not None
        }


def checked(division_id: str, values: Mapping[str, Any]) -> Audience:
    """Returns the audience that was asked for.

    Raises DomainError `validation_failed` with the fields: a division that is not the campaign's or below
    it, an industry or cluster that there is not, days in the wrong order.
    """
    values = dict(values)
    wrong: dict[str, list[str]] = {}
    if any(not _below(one, division_id) for one in values.get("divisions") or ()):
        wrong["divisions"] = ["只能选择本辖区及其下级"]
    industries: list[str] = []
    for text in str(values.pop("industries", "") or "").replace("，", "、").replace(",", "、").split("、"):
        try:
            industries += [p.removesuffix("%") for p in enterprise_register.industries(text)] if text else []
        except ValueError as reason:
            wrong["industries"] = [f"{text}：{reason}"]
    try:
        values["clusters"] = clusters.checked(values.get("clusters") or ())
    except DomainError as error:
        wrong |= error.fields
    since, until, training = (values.get(name) for name in ("since", "until", "training"))
    if since and until and since > until:
        wrong["until"] = ["不能早于开始日期"]
    if training and not training_title(SYSTEM, training):
        wrong["training"] = ["没有这场培训，或还没有发布"]
    if wrong:
        raise DomainError("validation_failed", fields=wrong)
    for name in ("divisions", "size_classes", "clusters", "states"):
        values[name] = tuple(values.get(name) or ())
    return Audience(**values, industries=tuple(sorted(set(industries))))


def _below(division: str, top: str) -> bool:
    return division == top or division.startswith(f"{top}.")


# --- the statement


def people(division_id: str, audience: Audience, credit_codes: Sequence[str]) -> Any:
    """Returns the SELECT of the people: `user_id` and `enterprise_id`, a row for each membership."""
    roles = ["owner", "member"] if audience.who is Who.members else ["owner"]
    picked = _listed(credit_codes) if audience.by is By.listed else _conditions(audience)
    return (
        select(RoleGrant.user_id, Enterprise.id.label("enterprise_id"))
        .join(Enterprise, Enterprise.id == GRANTED)
        .join(User, User.id == RoleGrant.user_id)
        .where(
            RoleGrant.role == _any(roles),
            User.state == UserState.active,
            Enterprise.state != EnterpriseState.merged,
            inside(Enterprise.division_id, division_id),
            *picked,
        )
    )


def _any(values: Sequence[str]) -> Any:
    return any_(literal(list(values), ARRAY(Text)))


def inside(column: Any, *divisions: str) -> ColumnElement[bool]:
    """Returns the condition that a division is one of these or below one."""
    condition: ColumnElement[bool] = column.op("~~", is_comparison=True)(_any(division_patterns(divisions)))
    return condition


def _listed(credit_codes: Sequence[str]) -> list[ColumnElement[bool]]:
    return [Enterprise.credit_code == _any(credit_codes)]


def _conditions(audience: Audience) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if audience.divisions:
        conditions.append(inside(Enterprise.division_id, *audience.divisions))
    if audience.industries:
        begins = _any([f"{code}%" for code in audience.industries])
        conditions.append(Enterprise.industry_code.op("~~", is_comparison=True)(begins))
    if audience.size_classes:
        conditions.append(Enterprise.size_class.in_(audience.size_classes))
    if audience.clusters:
        tagged = Enterprise.clusters.op("&&", is_comparison=True)
        conditions.append(tagged(literal(list(audience.clusters), ARRAY(Text))))
    if audience.expires_within:
        conditions.append(held_certificates.expiring(Enterprise.id, audience.expires_within))
    if audience.states:
        conditions.append(Enterprise.state.in_(audience.states))
    if audience.assisted:
        conditions.append(_assisted(audience.assisted))
    if audience.took_part:
        conditions.append(_took_part(audience, audience.took_part))
    return conditions


def _assisted(what: Assisted) -> ColumnElement[bool]:
    states = {
        Assisted.under_way: WORKED,
        Assisted.finished: (CaseState.closed,),
        Assisted.never: (*WORKED, CaseState.closed),
    }
    case_ = exists().where(Case.enterprise_id == Enterprise.id, Case.state.in_(states[what]))
    return not_(case_) if what is Assisted.never else case_


def _took_part(audience: Audience, what: TookPart) -> ColumnElement[bool]:
    came = exists().where(Scan.signup_id == Signup.id, Scan.outcome == Outcome.accepted)
    signed_up = (
        exists()
        .where(Signup.enterprise_id == Enterprise.id, Training.id == Signup.training_id)
        .where(*_trainings(audience))
    )
    if what is TookPart.attended:
        return signed_up.where(came)
    if what is TookPart.not_attended:
        return not_(signed_up.where(came))
    return signed_up.where(
        Signup.state == SignupState.confirmed,
        Training.state == TrainingState.published,
        Training.ends_at < now(),
        not_(came),
    )


def _trainings(audience: Audience) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if audience.training:
        conditions.append(Training.id == audience.training)
    if audience.since:
        conditions.append(Training.starts_at >= midnight(audience.since))
    if audience.until:
        conditions.append(Training.starts_at < midnight(audience.until + timedelta(days=1)))
    return conditions


# --- how many they are


@dataclass(frozen=True)
class Somebody:
    """One of the sample, masked."""

    name: str
    enterprise: str
    division: str


@dataclass(frozen=True)
class Preview:
    """How many people of how many enterprises, and how many of them each channel reaches as far as is known.

    `inbox_only` counts whom none of the campaign's channels reaches.
    """

    people: int
    enterprises: int
    reached: dict[Channel, int] = field(default_factory=dict)
    inbox_only: int = 0
    sample: list[Somebody] = field(default_factory=list)


@transaction(None)
def preview(_system: Actor, campaign: Campaign, audience: Audience) -> Preview:
    """Returns who `audience` would be, by the campaign's division, list and channels."""
    picked = people(campaign.division_id, audience, campaign.credit_codes).cte("picked")
    person = select(picked.c.user_id).distinct().subquery()
    ways = {channel: _reaches(campaign, channel) for channel in (Channel[name] for name in campaign.channels)}
    counted = select(
        func.count().label("people"),
        select(func.count(picked.c.enterprise_id.distinct())).scalar_subquery().label("enterprises"),
        *(func.count().filter(way).label(channel.value) for channel, way in ways.items()),
        func.count().filter(not_(or_(literal(False), *ways.values()))).label("inbox_only"),
    ).select_from(person.join(User, User.id == person.c.user_id))
    counts = session().execute(counted).one()._mapping
    return Preview(
        counts["people"],
        counts["enterprises"],
        {channel: counts[channel.value] for channel in ways},
        counts["inbox_only"],
        _sample(picked),
    )


def _reaches(campaign: Campaign, channel: Channel) -> ColumnElement[bool]:
    if channel is Channel.template:
        return exists().where(Follower.unionid == User.unionid)
    template = UUID(campaign.templates[channel.value]["template_id"])
    return exists().where(
        User.mp_openid.is_not(None),
        Subscription.user_id == User.id,
        Subscription.template_id == template,
        or_(Subscription.lasting, Subscription.credits > 0),
    )


def _sample(picked: Any) -> list[Somebody]:
    # Spread over all, and the same ones each time it is looked at.
    some = (
        select(picked.c.user_id, func.min(cast(picked.c.enterprise_id, Text)).label("enterprise_id"))
        .group_by(picked.c.user_id)
        .order_by(func.md5(cast(picked.c.user_id, Text)))
        .limit(SAMPLE)
        .subquery()
    )
    rows = session().execute(
        select(User.name, Enterprise.name.label("enterprise"), Enterprise.division_id)
        .select_from(some)
        .join(User, User.id == some.c.user_id)
        .join(Enterprise, Enterprise.id == cast(some.c.enterprise_id, Uuid))
    )
    names = reference.division_names(SYSTEM)
    return [
        Somebody(masks.name(row.name) or "未填姓名", row.enterprise, names.get(row.division_id, ""))
        for row in rows
    ]


def said(audience: Audience, listed: int) -> list[tuple[str, str]]:
    """Returns the audience in words, as label and value."""
    whom = [("发给", audience.who.label)]
    if audience.by is By.listed:
        return [*whom, ("企业", f"上传的名单，{listed} 家")]
    names, industries = reference.division_names(SYSTEM), reference.industry_names(SYSTEM)
    called = clusters.names()
    pairs = [
        ("辖区", [names.get(one, one) for one in audience.divisions]),
        ("行业", [enterprise_register.industry_name(one, industries) for one in audience.industries]),
        ("规模", [one.label for one in audience.size_classes]),
        ("产业集群（链）", [called.get(one, one) for one in audience.clusters]),
        ("认证证书", _expiry_said(audience)),
        ("企业状态", [one.label for one in audience.states]),
        ("帮扶", [audience.assisted.label] if audience.assisted else []),
        ("参训", _took_part_said(audience)),
    ]
    return whom + [(label, "、".join(values)) for label, values in pairs if values]


def _expiry_said(audience: Audience) -> list[str]:
    return [f"有效，{audience.expires_within} 天内到期"] if audience.expires_within else []


def _took_part_said(audience: Audience) -> list[str]:
    if audience.took_part is None:
        return []
    which = "所有培训"
    if audience.training:
        which = f"“{training_title(SYSTEM, audience.training)}”"
    elif audience.since or audience.until:
        which = f"{audience.since or ''} 至 {audience.until or ''} 开始的培训"
    return [f"{audience.took_part.label}（{which}）"]


@transaction(None)
def training_title(_system: Actor, training_id: UUID) -> str:
    """Returns the title of a training that was published, empty if there is none."""
    published = select(Training.title).where(Training.id == training_id, Training.state.in_(ANNOUNCED))
    return session().execute(published).scalar() or ""


@transaction(None)
def trainings(_system: Actor) -> list[Any]:
    """Returns the trainings that a campaign can be about, the latest first."""
    published = select(Training.id, Training.title, Training.starts_at).where(Training.state.in_(ANNOUNCED))
    return list(session().execute(published.order_by(Training.starts_at.desc()).limit(200)))
