"""Forms: what a person typed, read through the shapes that the API uses, and kept when it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any

import marshmallow
from flask import Response, request
from marshmallow import fields

from app.console.frame import PAGES_OF_THEIR_OWN, render
from app.errors import DomainError, by_field
from models.base import BEIJING
from models.lifecycle import IllegalMove


class Form:
    """A form over a marshmallow schema.

    ::

        form = Form(shapes.TrainingBody, trainings.blank())
        if form.submitted:
            with form:  # a refusal stays in the form, at its field
                made = trainings.create(actor, form.values())
                return done("…", url_for(…))
        return form.page("trainings/form.html")

    A field's name is the schema's; in lists of parts "sessions-0-title".

    Args:
        schema: the shape of the POST.
        given: what stands in the fields at first: a mapping, or an object with those attributes.
    """

    def __init__(
        self,
        schema: marshmallow.Schema | type[marshmallow.Schema],
        given: Any = None,
        *,
        partial: bool = False,
    ) -> None:
        self.schema = schema() if isinstance(schema, type) else schema
        self._given, self._partial = given, partial
        self.submitted = request.method == "POST"
        self.refusal: DomainError | None = None

    # --- reading

    def values(self) -> dict[str, Any]:
        """Returns what was typed, as the schema loads it; raises DomainError `validation_failed`."""
        try:
            loaded: dict[str, Any] = self.schema.load(
                _read(self.schema, "", self._partial), partial=self._partial
            )
        except marshmallow.ValidationError as error:
            raise DomainError("validation_failed", fields=by_field(error.messages)) from None
        return loaded

    def __enter__(self) -> Form:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, IllegalMove):
            error = DomainError("illegal_move", current=error.current.label, target=error.target.label)
        if isinstance(error, DomainError) and error.status != 401 and error.code not in PAGES_OF_THEIR_OWN:
            self.refusal = error
            return True
        return False

    # --- showing

    def page(self, template: str, **values: Any) -> Response:
        """Returns the page of the form, with what was refused and what had been typed."""
        response = render(template, self.refusal.status if self.refusal else 200, form=self, **values)
        response.headers.update(self.refusal.headers if self.refusal else {})
        return response

    def text(self, name: str) -> str:
        """Returns what stands in a field: what was typed, else what was given."""
        if self.submitted:
            return request.form.get(name, "")
        return _shown(_inside(self._given, name))

    def chosen(self, name: str) -> list[str]:
        """Returns the values that are ticked in a field of several."""
        if self.submitted:
            return request.form.getlist(name)
        return [_shown(one) for one in _inside(self._given, name) or []]

    def ticked(self, name: str) -> bool:
        """Returns whether a single box is ticked."""
        return name in request.form if self.submitted else bool(_inside(self._given, name))

    def rows(self, name: str) -> list[str]:
        """Returns the prefixes of the parts of a list, such as ["sessions-0-", "sessions-1-"]."""
        numbers = _numbers(name) if self.submitted else range(len(_inside(self._given, name) or []))
        return [f"{name}-{number}-" for number in numbers]

    def errors(self, name: str) -> list[str]:
        """Returns what is wrong in a field."""
        if self.refusal is None:
            return []
        return self.refusal.fields.get(_dotted(name), [])

    @property
    def strays(self) -> list[str]:
        """What was refused and belongs to no field that was posted."""
        if self.refusal is None:
            return []
        posted = {_dotted(name) for name in request.form} | set(request.files)
        return [text for name, texts in self.refusal.fields.items() if name not in posted for text in texts]


def _dotted(name: str) -> str:
    """ "sessions-0-title" → "sessions.0.title", as refusals name the fields."""
    return re.sub(r"-(\d+)-", lambda m: f".{_place(name[: m.start()], int(m[1]))}.", name)


def _place(name: str, number: int) -> int:
    # Parts are read one after the other: where one was taken out, those behind it move up.
    numbers = _numbers(name)
    return numbers.index(number) if number in numbers else number


def _numbers(name: str) -> list[int]:
    found = {int(m[1]) for key in request.form if (m := re.match(rf"{re.escape(name)}-(\d{{1,3}})-", key))}
    return sorted(found)


def _read(schema: marshmallow.Schema, prefix: str, partial: bool) -> dict[str, Any]:
    """Returns the posted fields of a schema as its JSON would have them."""
    read: dict[str, Any] = {}
    for name, field in schema.load_fields.items():
        value = _value(field, prefix + name, partial)
        if value is not marshmallow.missing:
            read[name] = value
    return read


def _value(field: fields.Field[Any], name: str, partial: bool) -> Any:
    if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
        schema = field.inner.schema
        numbers = _numbers(name)
        absent = partial and not numbers and name not in request.form
        return marshmallow.missing if absent else [_read(schema, f"{name}-{n}-", partial) for n in numbers]
    if isinstance(field, fields.List):
        several = [text for text in request.form.getlist(name) if text]
        asked = several or field.required or _there(name)
        if isinstance(field.inner, fields.Integer):
            return [_whole(text) for text in several] if asked else marshmallow.missing
        return several if asked else marshmallow.missing
    if isinstance(field, fields.Boolean):
        asked = name in request.form or _there(name)
        return name in request.form if asked or not partial else marshmallow.missing
    if name not in request.form:
        return marshmallow.missing
    text = request.form[name].strip()
    if not text:
        if field.allow_none:
            return None
        return "" if isinstance(field, fields.String) and not field.required else marshmallow.missing
    if isinstance(field, fields.Integer):
        return _whole(text)
    if isinstance(field, fields.AwareDateTime):
        return f"{text}+08:00" if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", text) else text
    # HTML posts the ends of lines as CR LF; the shapes know LF alone.
    return request.form[name].replace("\r\n", "\n")


def _there(name: str) -> bool:
    """An unticked box is not posted; its hidden companion says that it was there."""
    return f"{name}.there" in request.form


def _whole(text: str) -> int | str:
    plain = text.replace(",", "").replace("，", "")
    return int(plain) if re.fullmatch(r"-?\d{1,19}", plain, re.ASCII) else text


def _inside(given: Any, name: str) -> Any:
    """Returns what `given` holds for "title" or "sessions-0-title"."""
    for part in _dotted(name).split("."):
        if given is None:
            return None
        if isinstance(given, Mapping):
            given = given.get(part)
        elif part.isdigit():
            given = given[int(part)] if int(part) < len(given) else None
        else:
            given = getattr(given, part, None)
    return given


def _shown(value: Any) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M")
    return value.isoformat() if isinstance(value, date) else str(value)
