"""The base of all shapes: Chinese messages, tidy text, and output that is not copied value by value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from models import mobile_number
from models.base import BEIJING

_MESSAGES: dict[type[fields.Field[Any]], dict[str, str]] = {
    fields.Field: {"required": "必填", "null": "不能为空", "validator_failed": "填写有误"},
    fields.String: {"invalid": "应为文字", "invalid_utf8": "不是有效的文字"},
    fields.Integer: {"invalid": "应为整数", "too_large": "数值过大"},
    fields.Boolean: {"invalid": "应为是或否"},
    fields.DateTime: {
        "invalid": "应为带时区的时间，如 2026-03-05T14:00:00+08:00",
        "invalid_awareness": "应为带时区的时间，如 2026-03-05T14:00:00+08:00",
        "format": "时间格式有误",
    },
    fields.Date: {"invalid": "应为日期，如 2026-03-05"},
    fields.UUID: {"invalid_uuid": "编号格式有误"},
    fields.List: {"invalid": "应为列表"},
    fields.Nested: {"type": "格式有误"},
    fields.Dict: {"invalid": "格式有误"},
    fields.Url: {"invalid": "应为网址"},
}
for _kind, _texts in _MESSAGES.items():
    _kind.default_error_messages = {**_kind.default_error_messages, **_texts}

# What no text may contain: control and invisible characters; line breaks and tabs only in several lines.
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\ufeff"
_IN_ONE_LINE = _CONTROL + r"\t\n"


class Text(fields.String):
    """Text from a user: NFC, trimmed, without control characters, of limited length."""

    def __init__(self, at_most: int, *, at_least: int = 1, multiline: bool = False, **kwargs: Any) -> None:
        banned = _CONTROL if multiline else _IN_ONE_LINE
        self._banned = re.compile(f"[{banned}\\ud800-\\udfff]")
        # The document says it too: as many characters as are left when the ends have been trimmed.
        pattern = f"^[^{banned}]*" + rf"[^{banned}\s][^{banned}]*" * min(at_least, 2) + "$"
        kwargs["metadata"] = {"pattern": pattern, **kwargs.get("metadata", {})}
        super().__init__(validate=Length(at_least, at_most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))
        if self._banned.search(text):
            raise ValidationError("含有不允许的控制字符")
        return text.strip()


class Integer(fields.Integer):
    """A whole number: no text, no fractions, no booleans, in a 64-bit range."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError("应为整数")
        return super()._deserialize(value, attr, data, **kwargs) or 0


class QueryInteger(fields.Integer):
    """A whole number in the address."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(validate=Range(low, high), **kwargs)


class Time(fields.AwareDateTime):
    """A moment with its offset, in the years that a programme can reach; answers in +08:00."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=value, obj_type="datetime")
        try:
            moment = super()._deserialize(value, attr, data, **kwargs).astimezone(BEIJING)
        except (OverflowError, ValueError):
            raise self.make_error("invalid", input=value, obj_type="datetime") from None
        if not 2000 <= moment.year <= 2100:
            raise ValidationError("年份应在 2000–2100 之间")
        return moment


class Day(fields.Date):
    """A day, in the years that a programme can reach."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        day = super()._deserialize(value, attr, data, **kwargs)
        if not 2000 <= day.year <= 2100:
            raise ValidationError("年份应在 2000–2100 之间")
        return day


class Boolean(fields.Boolean):
    """true or false, and nothing that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Phone(fields.String):
    """A mobile number of mainland China; gives its eleven digits."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("metadata", {})["pattern"] = "^1[3-9][0-9]{9}$"
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFKC", super()._deserialize(value, attr, data, **kwargs))
        try:
            return mobile_number.check(text)
        except mobile_number.MobileNumberError as error:
            raise ValidationError(str(error)) from None


class Length(validate.Length):
    message_min = "至少 {min} 项"
    message_max = "至多 {max} 项"
    message_all = "长度应为 {min}–{max}"
    message_equal = "长度应为 {equal}"


class Range(validate.Range):
    message_min = "不能小于 {{min}}"
    message_max = "不能大于 {{max}}"
    message_all = "应在 {{min}} 与 {{max}} 之间"


class OneOf(validate.OneOf):
    default_message = "只能是：{choices}"


class Choice(fields.String):
    """One value of an enumeration."""

    def __init__(self, kind: Any, **kwargs: Any) -> None:
        self._kind = kind
        labels = "；".join(f"{m.value} {m.label}" for m in kind if hasattr(m, "label"))
        if labels:
            kwargs.setdefault("metadata", {})["description"] = labels
        super().__init__(validate=OneOf([member.value for member in kind]), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        return self._kind(text) if text in set(self._kind) else text


def _nuls(value: Any) -> Any:
    """Returns where a NUL stands, in the form of marshmallow's messages."""
    if isinstance(value, str):
        return ["含有不允许的控制字符"] if "\0" in value else None
    if isinstance(value, Mapping):
        found = {key: error for key, inner in value.items() if (error := _nuls(inner) or _nuls(key))}
        return found or None
    if isinstance(value, list):
        return {place: error for place, inner in enumerate(value) if (error := _nuls(inner))} or None
    return None


class In(Schema):
    """What comes in: unknown fields are refused by name."""

    error_messages = {
        "unknown": "没有这个字段",
        "type": "应为对象",
    }

    @pre_load
    def _without_nul(self, data: Any, **_: Any) -> Any:
        # NUL is legal in JSON and in an address, but in no text of PostgreSQL.
        if isinstance(data, Mapping) and (errors := _nuls(data)):
            raise ValidationError(errors)
        return data


class Out(Schema):
    """What goes out. Values are passed on as they are (the JSON writer knows UUIDs, enums and times):
    a list of rows costs one tuple and one dict a row, and the fields serve the document and the tests."""

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        many = self.many if many is None else many
        return [self._row(item) for item in obj] if many else self._row(obj)

    def _row(self, obj: Any) -> Mapping[str, Any]:
        names, nested, get = self._shape()
        if isinstance(obj, Mapping):
            if not nested and obj.keys() == self.dump_fields.keys():
                return obj  # made for this answer, as it goes out
            row: dict[str, Any] = {name: obj[name] for name in names if name in obj}
        else:
            row = dict(zip(names, get(obj), strict=True))
        for name, schema, many in nested:
            if row.get(name) is not None:
                row[name] = schema.dump(row[name], many=many)
        return row

    def _shape(self) -> Any:
        shape = self.__dict__.get("_shape_cache")
        if shape is None:
            names = list(self.dump_fields)
            nested = []
            for name, field in self.dump_fields.items():
                many = isinstance(field, fields.List)
                inner = field.inner if isinstance(field, fields.List) else field
                if isinstance(inner, fields.Nested):
                    nested.append((name, inner.schema, many or inner.many))
            get = attrgetter(*names) if len(names) > 1 else lambda obj: (getattr(obj, names[0]),)
            shape = self.__dict__["_shape_cache"] = (names, nested, get)
        return shape


class Problem(Schema):
    """RFC 9457."""

    type = fields.String(required=True)
    title = fields.String(required=True, metadata={"description": "给人看的中文说明"})
    status = fields.Integer(required=True)
    code = fields.String(required=True, metadata={"description": "稳定的错误代码"})
    fields_ = fields.Dict(data_key="fields", metadata={"description": "各字段的错误说明"})
    details = fields.Dict()
    instance = fields.String(metadata={"description": "请求编号"}, allow_none=True)


class ReasonBody(In):
    """Why something is refused, returned or cancelled."""

    reason = Text(200, at_least=2, multiline=True, required=True)


class PageQuery(In):
    """Cursor pagination."""

    cursor = fields.String(
        load_default=None, validate=Length(max=200), metadata={"description": "上一页答复中的 next"}
    )
    limit = QueryInteger(1, 200, load_default=50)


def page_of(item: type[Out]) -> type[Out]:
    """Returns the shape of one page of `item`."""
    return Out.from_dict(  # type: ignore[return-value]
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(
                allow_none=True, required=True, metadata={"description": "下一页的游标；末页为空"}
            ),
        },
        name=f"{item.__name__}Page",
    )
