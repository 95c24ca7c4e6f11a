"""Pages of a training's attendance: the register, the sign-in sheet, imports and certificates."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app import masks
from app.access import Actor
from app.console import transfers as transfer_pages
from app.console.forms import Form
from app.console.frame import attachment, done, page, render, require
from app.console.lists import list_page
from app.services import (
    attendance_imports,
    attendance_live,
    attendance_register,
    attendance_sheet,
    certificates,
)
from models.trainings import Provider
from schemas import checkins as shapes

PDF = "application/pdf"


@page("/trainings/<uuid:training_id>/attendance")
@require("signups.roster")
def attendance(actor: Actor, training_id: UUID) -> Response:
    """Who of a training attended which sessions, and who has earned a certificate."""
    return list_page(
        actor,
        attendance_register.REGISTER,
        template="attendance/register.html",
        of={"training": training_id},
        training=attendance_sheet.training(actor, training_id),
        sessions=attendance_live.sessions(actor, training_id),
        standing=attendance_register.standing(actor, training_id),
    )


@page("/trainings/<uuid:training_id>/attendance/sheet")
@require("signups.roster")
def attendance_sheet_page(actor: Actor, training_id: UUID) -> Response:
    """The sign-in sheet, for paper: with a column for each session, or for one."""
    sheet = attendance_sheet.sheet(actor, training_id)
    asked = request.args.get("session")
    columns = [one for one in sheet.sessions if str(one.number) == asked] or sheet.sessions
    return render("attendance/sheet.html", sheet=sheet, columns=columns, masked=masks.phone)


@page("/trainings/<uuid:training_id>/attendance/import", methods=("GET", "POST"), upload=True)
@require("checkins.write")
def attendance_import(actor: Actor, training_id: UUID) -> Any:
    """The import of attendance from an outside platform."""
    training = attendance_imports.ground(actor, training_id)
    form = Form(shapes.AttendanceImportForm, {"enrol": training.provider != Provider.own})
    if form.submitted:
        with form:
            enrol = form.values()["enrol"] and actor.may("signups.review")
            return transfer_pages.start(
                actor, attendance_imports.IMPORT, training=str(training_id), enrol=enrol
            )
    return form.page("attendance/import.html", training=training, columns=attendance_imports.COLUMNS)


@page("/attendance/template.xlsx")
@require("checkins.write")
def attendance_template(_actor: Actor) -> Response:
    """The workbook to fill in."""
    return transfer_pages.template_of(attendance_imports.IMPORT)


@page("/trainings/<uuid:training_id>/certificates", methods=("POST",))
@require("signups.review")
def attendance_certificates(actor: Actor, training_id: UUID) -> Any:
    """Issues all certificates that are earned."""
    issued = certificates.issue_earned(actor, training_id)
    said = f"已发放 {issued} 份培训证明，参训人可在小程序中下载。" if issued else "没有待发放的培训证明。"
    return done(said, url_for(".attendance", training_id=training_id, certificate="issued"))


@page("/signups/<uuid:signup_id>/certificate.pdf")
@require("signups.read")
def attendance_certificate(actor: Actor, signup_id: UUID) -> Response:
    """A certificate, issued now if it is earned."""
    return attachment("培训证明.pdf", certificates.render(actor, signup_id), PDF)
