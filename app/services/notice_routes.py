"""By which way each kind of notice reaches people: channels in order, and what fills a template's fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.notices import KINDS, NoticeKind, automatic
from app.services import message_templates, template_rendering
from app.services.template_rendering import Line
from app.transactions import session, transaction
from models.base import now
from models.message_templates import Channel, MessageTemplate, NoticeRoute, TemplateState, TemplateUse

LONGEST = 100
"""Characters of a text with {variables}."""

SAMPLES: dict[str, str] = {
    "training": "质量管理体系内审员培训（第二期）",
    "time": "2026年12月3日 14:00",
    "place": "丰县政务服务中心三楼会议室",
    "attendee": "王小明",
    "state": "已通过",
    "reason": "材料不完整",
    "deadline": "2026年12月1日 18:00",
    "session": "第1场",
    "people": "2 人",
    "enterprise": "丰县小微车辆配件有限公司",
}
"""What the variables might say, for whoever fills in a template; one not named here says its label."""

# What templates of the platform call what our variables hold, the best first.
_CALLED: dict[str, tuple[str, ...]] = {
    "training": (
        "培训名称",
        "课程名称",
        "活动名称",
        "培训主题",
        "活动主题",
        "会议名称",
        "项目名称",
        "事项名称",
    ),
    "time": (
        "培训时间",
        "开课时间",
        "上课时间",
        "活动时间",
        "开始时间",
        "会议时间",
        "变更后时间",
        "时间",
        "日期",
    ),
    "place": ("培训地点", "上课地点", "活动地点", "会议地点", "变更后地点", "地点", "地址"),
    "attendee": ("参训人", "学员姓名", "学员", "报名人", "参加人", "持证人", "姓名"),
    "state": ("报名状态", "报名结果", "审核结果", "审核状态", "办理状态", "当前状态", "状态", "结果"),
    "reason": ("原因", "退回原因", "取消原因", "变更原因", "审核意见", "温馨提示", "备注"),
    "deadline": ("确认时限", "确认截止时间", "截止时间", "确认截止", "有效期"),
    "session": ("场次", "课次"),
    "enterprise": ("企业名称", "公司名称", "单位名称", "申请单位", "审核事项", "申请事项", "事项名称"),
}
# Of what a template must be, by its title, to go out by it unasked, the best first, and what it must tell:
# a reminder of the beginning would hold what is told of a cancellation, and say the opposite.
_TITLED: dict[str, tuple[tuple[str, str], ...]] = {
    "signup.offered": (("候补", "deadline"), ("报名", "state")),
    "signup.": (("报名", "state"),),
    "training.reminder": tuple((title, "time") for title in ("培训开始", "培训提醒", "开课", "上课", "日程")),
    "training.changed": (("变更", "time"), ("调整", "time"), ("改期", "time")),
    "training.cancelled": (("取消", "training"),),
    "certificate.": (("证书", "training"), ("证明", "training")),
    "enterprise.": (("审核", "enterprise"), ("登记", "enterprise")),
}
# What a field says in a notice of one kind only.
_SAID = {
    ("training.changed", "变更内容"): "时间或地点有调整",
    ("training.cancelled", "原定时间"): "{time}",
}
_PLAIN = {"温馨提示": "请点击查看详情", "备注": "请点击查看详情"}
"""What a field says that asks for nothing in particular."""


@dataclass(frozen=True)
class Use:
    """A channel of a kind's route: its template and what fills the fields, as on the phone."""

    channel: Channel
    template: MessageTemplate
    fields: dict[str, str]
    lines: list[Line]

    @property
    def held(self) -> bool:
        """Whether what goes out by it waits until staff have looked at the template."""
        return self.template.state != TemplateState.active


@dataclass(frozen=True)
class Route:
    """How one kind of notice goes out: `uses` in the order in which they are tried; none: the inbox alone."""

    kind: NoticeKind
    uses: list[Use]
    next_when_refused: bool


@dataclass(frozen=True)
class Filling:
    """A template for a channel with the text of each field."""

    template_id: UUID
    fields: dict[str, str]


@transaction("messages.desk")
def every(_actor: Actor) -> list[Route]:
    """Returns the route of every kind of notice, in the order in which kinds are registered."""
    stored = _stored()
    return [_route(kind, *stored.get(name, (None, {}))) for name, kind in automatic().items()]


@transaction("messages.desk")
def get(_actor: Actor, name: str) -> Route:
    """Returns the route of a kind of notice; raises DomainError `not_found`."""
    kind = _kind(name)
    return _route(kind, *_stored(name).get(name, (None, {})))


def _kind(name: str) -> NoticeKind:
    kind = automatic().get(name)
    if kind is None:
        raise DomainError("not_found")
    return kind


def _stored(name: str | None = None) -> dict[str, tuple[NoticeRoute, dict[str, Use]]]:
    only = (NoticeRoute.kind == name,) if name else ()
    routes = {row.kind: row for row in session().execute(select(NoticeRoute).where(*only)).scalars()}
    uses = (
        select(TemplateUse, MessageTemplate)
        .join(MessageTemplate, MessageTemplate.id == TemplateUse.template_id)
        .where(*((TemplateUse.kind == name,) if name else ()))
    )
    by_kind: dict[str, dict[str, Use]] = {}
    for use, template in session().execute(uses):
        if use.kind in KINDS:
            lines = sample(KINDS[use.kind], template, use.fields)
            by_kind.setdefault(use.kind, {})[use.channel] = Use(use.channel, template, use.fields, lines)
    return {kind: (route, by_kind.get(kind, {})) for kind, route in routes.items()}


def _route(
    kind: NoticeKind, route: NoticeRoute | None = None, uses: Mapping[str, Use] | None = None
) -> Route:
    if route is None or not uses:
        return Route(kind, [], True)
    return Route(kind, [uses[name] for name in route.channels if name in uses], route.next_when_refused)


def sample(kind: NoticeKind, template: MessageTemplate, fields: Mapping[str, str]) -> list[Line]:
    """Returns a message of that kind as it would look on the phone."""
    facts = {name: SAMPLES.get(name, label) for name, label in kind.variables.items()}
    return template_rendering.preview(fields, template.fields, facts)


@transaction("messages.desk")
def try_out(_actor: Actor, name: str, template_id: UUID, fields: Mapping[str, str]) -> Use:
    """Returns how a template would look with these texts; raises DomainError `not_found`.

    A field that has no text yet gets what is proposed for it.
    """
    kind, template = _kind(name), session().get(MessageTemplate, template_id)
    if template is None:
        raise DomainError("not_found")
    proposed = propose(kind, template)
    filled = {one["key"]: fields.get(one["key"], proposed.get(one["key"], "")) for one in template.fields}
    return Use(template.channel, template, filled, sample(kind, template, filled))


def propose(kind: NoticeKind, template: MessageTemplate) -> dict[str, str]:
    """Returns what is likely to fill the fields, by their labels; those without an idea are left out."""
    found = {}
    for one in template.fields:
        text = _proposed(kind, one)
        if text:
            found[one["key"]] = text
    return found


def _proposed(kind: NoticeKind, field: Mapping[str, Any]) -> str:
    label = field["label"]
    meant = [name for name, own in kind.variables.items() if label == own or label in _CALLED.get(name, ())]
    plain = (_SAID.get((kind.name, label)), _PLAIN.get(label))
    texts = [*(f"{{{name}}}" for name in meant), *(text for text in plain if text)]
    return next((text for text in texts if not _problem(kind, field, text)), "")


def _problem(kind: NoticeKind, field: Mapping[str, Any], text: str) -> str:
    facts = {name: SAMPLES.get(name, label) for name, label in kind.variables.items()}
    [line] = template_rendering.preview({field["key"]: text}, [field], facts)
    return line.problem


def suggest(kind: NoticeKind, templates: Sequence[MessageTemplate]) -> MessageTemplate | None:
    """Returns the template that suits best: by its title, and what is proposed fills all its fields."""
    titled = next((words for name, words in _TITLED.items() if kind.name.startswith(name)), ())
    fitting = [(one, propose(kind, one)) for one in templates]
    return next(
        (
            one
            for title, told in titled
            for one, fields in fitting
            if title in one.title and f"{{{told}}}" in fields.values() and message_templates.fits(one, fields)
        ),
        None,
    )


@transaction("messages.templates")
def set_up(actor: Actor) -> list[NoticeKind]:
    """Sets the routes of which staff have never decided, by the templates that suit; returns their kinds.

    A kind that no template suits stays in the inbox alone, and undecided.
    """
    decided = set(session().execute(select(NoticeRoute.kind)).scalars())
    offered = {channel: _in_use(actor, channel) for channel in Channel}
    made = []
    for name, kind in automatic().items():
        found = {channel: suggest(kind, templates) for channel, templates in offered.items()}
        fillings = {
            channel: Filling(template.id, propose(kind, template))
            for channel, template in found.items()
            if template is not None
        }
        if name not in decided and fillings and _claim(name):
            change(actor, name, list(fillings), True, fillings)
            made.append(kind)
    return made


def _in_use(actor: Actor, channel: Channel) -> list[MessageTemplate]:
    there = message_templates.usable(actor.acting("messages.desk"), channel)
    return [one for one in there if one.state == TemplateState.active]


def _claim(name: str) -> bool:
    """Returns whether the kind is still undecided: nobody else can decide until the act has ended."""
    fresh = insert(NoticeRoute).values(kind=name, channels=[]).on_conflict_do_nothing()
    return session().execute(fresh.returning(NoticeRoute.kind)).first() is not None


@transaction("messages.templates")
def change(
    actor: Actor,
    name: str,
    channels: Sequence[Channel],
    next_when_refused: bool,
    fillings: Mapping[Channel, Filling],
) -> None:
    """Sets the route of a kind of notice; with no channel it goes to the inbox alone, as was decided.

    Args:
        channels: in the order in which they are tried.
        fillings: by channel; only those of `channels` are looked at.

    Raises DomainError `not_found` for an unknown kind, or `validation_failed` with what is wrong by field:
    "subscribe.template_id", "subscribe.thing1".
    """
    kind, channels = _kind(name), list(dict.fromkeys(channels))
    wrong = {
        f"{channel}.{field}": [problem]
        for channel in channels
        for field, problem in _problems(kind, channel, fillings.get(channel))
    }
    if wrong:
        raise DomainError("validation_failed", fields=wrong)
    values = {"channels": channels, "next_when_refused": next_when_refused, "updated_at": now()}
    kept = insert(NoticeRoute).values(kind=name, **values)
    session().execute(kept.on_conflict_do_update(index_elements=["kind"], set_=values))
    session().execute(delete(TemplateUse).where(TemplateUse.kind == name))
    for channel in channels:
        filling = fillings[channel]
        texts = {key: text.strip() for key, text in filling.fields.items()}
        session().add(TemplateUse(kind=name, channel=channel, template_id=filling.template_id, fields=texts))
    audit.record(actor, "notice_route.changed", ("notice_routes", name), channels=list(channels))


def _problems(kind: NoticeKind, channel: Channel, filling: Filling | None) -> Iterator[tuple[str, str]]:
    """Returns what is wrong in the filling of a channel, by field."""
    template = session().get(MessageTemplate, filling.template_id) if filling else None
    if filling is None or template is None or template.channel != channel:
        yield "template_id", "请选择模板"
        return
    if template.state == TemplateState.gone:
        yield "template_id", "该模板在平台上已不存在，请另选"
    for key in sorted(filling.fields.keys() - {one["key"] for one in template.fields}):
        yield key, "模板中没有这一项"
    for line in sample(kind, template, filling.fields):
        text = filling.fields.get(line.key, "")
        unknown = [name for name in template_rendering.variables(text) if name not in kind.variables]
        if unknown:
            yield line.key, f"没有变量 {{{unknown[0]}}}"
        elif len(text) > LONGEST:
            yield line.key, f"至多 {LONGEST} 个字"
        elif line.problem:
            yield line.key, line.problem
