"""The control plane, /__sim__: what people do on their phones, and what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from wechat.simulator.accounts import App
    from wechat.simulator.people import Person
    from wechat.simulator.platform import Platform

blueprint = Blueprint("control", __name__, url_prefix="/__sim__")
MOST_TEMPLATES = 5  # in one sheet of wx.requestSubscribeMessage


class ControlError(HTTPException):
    """A control call that makes no sense; the text says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.code = status


@blueprint.errorhandler(ControlError)
def _explain(error: ControlError) -> tuple[Response, int]:
    return jsonify(error=error.description), error.code or 400


def platform() -> Platform:
    """Returns the platform of the running application."""
    return cast("Platform", current_app.extensions["wechat_platform"])


def body() -> dict[str, Any]:
    """Returns the JSON object of this request; only JSON, so that no foreign web page can post here."""
    value = request.get_json(silent=True)
    if not isinstance(value, dict):
        raise ControlError(400, "请以 application/json 提交一个对象")
    return value


def find_person(person_id: object) -> Person:
    """Returns a living person; raises ControlError 404 or 409."""
    person = platform().people.get(str(person_id))
    if person is None:
        raise ControlError(404, "没有这个人")
    if person.cancelled:
        raise ControlError(409, "此人已注销账号")
    return person


def official_account() -> App:
    """Returns the Official Account; raises ControlError 409."""
    app = platform().accounts.official
    if app is None:
        raise ControlError(409, "没有配置服务号")
    return app


def check_templates(template_ids: list[str]) -> None:
    """Raises ControlError with the client's own error number when the sheet would not open."""
    templates = platform().templates.subscribe
    if len(template_ids) > MOST_TEMPLATES:
        raise ControlError(422, "20003: Templates count out of max bounds")
    if any(template_id not in templates for template_id in template_ids):
        raise ControlError(422, "20001: No template data return, verify the template id exist")
    if len({templates[template_id].parsed.subscription for template_id in template_ids}) > 1:
        raise ControlError(422, "20002: Templates type must be same")
