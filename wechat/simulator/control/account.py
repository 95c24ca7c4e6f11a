"""What one person does on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wechat.simulator import messages
from wechat.simulator.control.plane import (
    ControlError,
    blueprint,
    body,
    check_templates,
    find_person,
    platform,
)

if TYPE_CHECKING:
    from wechat.simulator.people import Person

# what a person can take back: 5 microphone, 6 nickname and avatar, 8 mobile number, …
REVOCABLE = {str(number) for number in (*range(1, 9), *range(12, 17), 18, 19, 20)}


def describe(person: Person) -> dict[str, Any]:
    """Returns what the phone page shows of a person."""
    people, official = platform().people, platform().accounts.official
    return {
        "id": person.id,
        "name": person.name,
        "phone": person.phone,
        "openid": people.openid(person),
        "unionid": people.unionid(person),
        "cancelled": person.cancelled,
        "credits": person.credits,
        "standing": person.standing,
        "official_openid": people.openid(person, official.appid) if official else None,
        "follows": person.followed_at is not None,
        "blocks": person.blocks,
    }


@blueprint.get("/people")
def list_people() -> dict[str, Any]:
    """Everybody."""
    with platform().lock:
        return {"people": [describe(person) for person in platform().people]}


@blueprint.post("/people")
def create_person() -> tuple[dict[str, Any], int]:
    """{name}: a new person with a new phone."""
    name = str(body().get("name", "")).strip()
    if not 1 <= len(name) <= 20:
        raise ControlError(400, "姓名应为 1 至 20 个字")
    with platform().lock:
        return describe(platform().people.create(name)), 201


@blueprint.post("/login")
def wx_login() -> dict[str, Any]:
    """{person, appid?}: wx.login on that person's phone."""
    wish, p = body(), platform()
    with p.lock:
        code = p.logins.wx_login(find_person(wish.get("person")), wish.get("appid") or p.app.appid, p.now())
    return {"code": code}


@blueprint.post("/phone_code")
def phone_code() -> dict[str, Any]:
    """{person, appid?}: the person lets the mini-program have the mobile number."""
    wish, p = body(), platform()
    with p.lock:
        code = p.logins.phone_code(find_person(wish.get("person")), wish.get("appid") or p.app.appid, p.now())
    return {"code": code}


@blueprint.post("/popup")
def popup() -> dict[str, Any]:
    """{person, answers: {template id: accept|reject}}: the sheet of wx.requestSubscribeMessage."""
    wish, p = body(), platform()
    answers = wish.get("answers")
    if not isinstance(answers, dict) or not answers or set(answers.values()) - {"accept", "reject"}:
        raise ControlError(400, "answers 应为 {模板编号: accept 或 reject}")
    with p.lock:
        person = find_person(wish.get("person"))
        check_templates(list(answers))
        messages.answer_popup(p, person, answers)
        return describe(person)


@blueprint.post("/people/<person_id>/switch_off")
def switch_off(person_id: str) -> dict[str, Any]:
    """{template_id}: the person turns a message off in the mini-program's settings."""
    template_id = str(body().get("template_id", ""))
    p = platform()
    with p.lock:
        person = find_person(person_id)
        check_templates([template_id])
        messages.switch_off(p, person, template_id)
        return describe(person)


@blueprint.post("/people/<person_id>/revoke")
def revoke(person_id: str) -> dict[str, Any]:
    """{info: ["8", …]}: the person takes back what was allowed; one push for each."""
    info = body().get("info")
    if not isinstance(info, list) or not info or set(info) - REVOCABLE:
        raise ControlError(400, 'info 应为授权信息编号的列表，例如 ["8"] 为手机号')
    p = platform()
    with p.lock:
        person = find_person(person_id)
        union = {"UnionID": p.people.unionid(person)}
        for number in info:
            p.pushes.account_event(
                "user_authorization_revoke", p.people.openid(person), {"RevokeInfo": number} | union
            )
        return describe(person)


@blueprint.post("/people/<person_id>/cancel")
def cancel(person_id: str) -> dict[str, Any]:
    """{}: the person closes the account; nothing reaches that openid any more."""
    body()
    p = platform()
    with p.lock:
        person = find_person(person_id)
        person.cancelled = True
        p.codes.shown.pop(person.id, None)
        p.people.save(person)
        p.pushes.account_event(
            "user_authorization_cancellation",
            p.people.openid(person),
            {"UnionID": p.people.unionid(person)},
        )
        return describe(person)
