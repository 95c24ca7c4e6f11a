"""Messages about to go out: claimed, still true, filled in, and in the form that the channel takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.access import Actor
from app.notices import KINDS, from_json
from app.services import notice_truth, sending
from app.services.dispatching import UNREACHABLE
from app.services.sending_results import RECOGNISED, TOO_LATE
from app.services.template_rendering import Unfit, render
from models.base import now
from models.deliveries import DeliveryState
from models.message_templates import Channel

NO_WAY = "此类消息已不再由该渠道发送"

Unsent = tuple[UUID, DeliveryState, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one person; `attempts` were made before. The platform knows it again by `client_id`.

    What staff have sent anew has another one: of what failed on its way the platform would send nothing.
    """

    id: UUID
    attempts: int
    anew: int
    channel: Channel
    openid: str = field(repr=False)
    template: str
    values: dict[str, str] = field(repr=False)
    page: str

    @property
    def client_id(self) -> str:
        return f"{self.id.hex}-{self.anew}" if self.anew else self.id.hex


def prepare(
    system: Actor, worker: str, channels: Sequence[Channel], limit: int, lease: timedelta
) -> list[Message]:
    """Claims what is due and returns it ready to be sent; what must not be sent gets its outcome.

    Its steps are transactions of their own: a worker that dies between them leaves claims, whose leases end.
    """
    rows = sending.claim(system, worker, channels, limit, lease)
    if not rows:
        return []
    untrue = notice_truth.untrue(system, [row for row in rows if row.campaign_id is None])
    messages: list[Message] = []
    unsent: list[Unsent] = []
    for row, made in _made(rows, untrue):
        if isinstance(made, Message):
            messages.append(made)
        else:
            unsent.append((row.delivery_id, *made))
    if unsent:
        sending.settle(system, worker, unsent)
    return messages


def _made(
    rows: Sequence[Any], untrue: Mapping[UUID, str]
) -> Iterator[tuple[Any, Message | tuple[DeliveryState, str]]]:
    oldest = now() - RECOGNISED
    for row in rows:
        openid = row.mp_openid if row.channel == Channel.subscribe else row.oa_openid
        if row.first_tried_at is not None and row.first_tried_at <= oldest:
            yield row, (DeliveryState.unknown, TOO_LATE)
        elif row.id in untrue:
            yield row, (DeliveryState.skipped, untrue[row.id])
        elif openid is None:
            yield row, (DeliveryState.refused, UNREACHABLE)
        else:
            yield row, _message(row, openid)


def _message(row: Any, openid: str) -> Message | tuple[DeliveryState, str]:
    if row.campaign_id is None:
        kind = KINDS.get(row.kind)
        page, fields = kind.page if kind else "", row.use_fields
    else:
        page, fields = row.page, (row.templates.get(row.channel) or {}).get("fields")
    if fields is None:
        return DeliveryState.cancelled, NO_WAY
    try:
        values = render(fields, row.template_fields, from_json(row.facts))
    except Unfit as reason:
        return DeliveryState.failed, str(reason)
    page = page.replace("{subject}", str(row.subject_id))
    return Message(
        row.delivery_id, row.attempts, row.anew, row.channel, openid, row.platform_id, values, page
    )
