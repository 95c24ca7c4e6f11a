"""Followers of the Official Account, and whole crowds of people at once."""

from __future__ import annotations

from typing import Any

from wechat.simulator import messages, official
from wechat.simulator.control.account import describe
from wechat.simulator.control.plane import (
    ControlError,
    blueprint,
    body,
    find_person,
    official_account,
    platform,
)

MOST = 100_000


@blueprint.post("/people/batch")
def create_people() -> tuple[dict[str, Any], int]:
    """{count, name?, accept?: {template id: times}, follows?: bool}: a crowd, without a single push.

    Everybody has accepted these subscribe messages and, if so wished, follows the Official Account.
    """
    wish, p = body(), platform()
    count, accept = wish.get("count"), wish.get("accept", {})
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise ControlError(400, f"count 应为 1 至 {MOST} 的整数")
    if not isinstance(accept, dict) or not all(isinstance(times, int) for times in accept.values()):
        raise ControlError(400, "accept 应为 {模板编号: 次数}")
    if wish.get("follows"):
        official_account()
    with p.lock:
        if set(accept) - set(p.templates.subscribe):
            raise ControlError(422, "没有这个模板")
        since = int(p.now()) if wish.get("follows") else None
        p.store.execute("BEGIN")
        people = [p.people.create(str(wish.get("name", "群众")), followed_at=since) for _ in range(count)]
        for person in people:
            for template_id, times in accept.items():
                messages.allow(p, person, template_id, times)
            p.people.save(person)
        p.store.execute("COMMIT")
        return {"people": [describe(person) for person in people]}, 201


@blueprint.post("/people/<person_id>/follow")
def follow(person_id: str) -> dict[str, Any]:
    """{scene?}: the person follows the Official Account, or scans its code again, which carries `scene`."""
    p, app, scene = platform(), official_account(), str(body().get("scene", ""))
    with p.lock:
        person = find_person(person_id)
        official.follow(p, app, person, scene)
        return describe(person)


@blueprint.post("/people/<person_id>/unfollow")
def unfollow(person_id: str) -> dict[str, Any]:
    """{}: the person no longer follows the Official Account."""
    body()
    p, app = platform(), official_account()
    with p.lock:
        person = find_person(person_id)
        official.unfollow(p, app, person)
        return describe(person)


@blueprint.post("/people/<person_id>/block")
def block(person_id: str) -> dict[str, Any]:
    """{blocks: bool}: the person refuses the Official Account's messages, which only their result tells."""
    blocks, p = body().get("blocks") is True, platform()
    with p.lock:
        person = find_person(person_id)
        person.blocks = blocks
        p.people.save(person)
        return describe(person)


@blueprint.post("/open-platform")
def bind() -> dict[str, Any]:
    """{bound: bool}: whether the accounts belong to one Open Platform account and so see unionids."""
    bound = body().get("bound") is True
    with platform().lock:
        platform().people.bind(bound)
    return {"bound": bound}
