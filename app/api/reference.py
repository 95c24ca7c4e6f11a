"""Reference data that the forms of the mini-program offer."""

from __future__ import annotations

from typing import Any

from app.access import Actor
from app.api.frame import Blueprint, public
from app.services import reference
from schemas import people as people_shapes
from schemas import reference as shapes

blp = Blueprint("reference", __name__, description="基础数据：辖区、行业、产业集群（链）、认证类别、问卷")


@blp.route("/divisions")
@public
@blp.response(200, shapes.DivisionOut(many=True))
def divisions(actor: Actor) -> Any:
    """辖区"""
    return reference.divisions(actor)


@blp.route("/industries")
@public
@blp.response(200, shapes.IndustryOut(many=True))
def industries(actor: Actor) -> Any:
    """国民经济行业分类"""
    return reference.industries(actor)


@blp.route("/clusters")
@public
@blp.response(200, shapes.ClusterOut(many=True))
def clusters(actor: Actor) -> Any:
    """产业集群（链）"""
    return reference.clusters(actor)


@blp.route("/schemes")
@public
@blp.response(200, shapes.SchemeOut(many=True))
def schemes(actor: Actor) -> Any:
    """认证类别"""
    return reference.schemes(actor)


@blp.route("/needs-survey")
@public
@blp.response(200, people_shapes.DocumentOut)
def needs_survey(actor: Actor) -> Any:
    """当前的企业需求调查问卷"""
    return reference.current_document(actor, "needs_survey")


@blp.route("/diagnosis-form")
@public
@blp.response(200, people_shapes.DocumentOut)
def diagnosis_form(actor: Actor) -> Any:
    """当前的诊断表；每题的 aspect 为所属的提升方面"""
    return reference.current_document(actor, "diagnosis")
