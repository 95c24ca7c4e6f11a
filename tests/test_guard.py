"""The guard beneath every query: no actor, no rows; and no form of asking gets around it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, exists, func, select, text, union_all, update
from sqlalchemy.orm import aliased

from app.access import NOBODY, SYSTEM, Actor, Grant, NoActor
from app.prepared import Prepared
from app.transactions import begin, session
from models.base import Base, Scope
from models.enterprises import Enterprise, MembershipRequest
from models.messages import Notice
from models.people import RoleGrant, User
from models.signups import Signup
from models.trainings import Training, TrainingState
from tests.builders import World
from tests.places import Place, place, undone


@pytest.fixture(scope="module")
def places(app: Flask) -> dict[str, Place]:
    """Something of a county's, and of the province's."""
    world = World(app)
    return {
        "fengxian": place(world, "js.xz.fengxian", TrainingState.published),
        "province": place(world, "js", TrainingState.draft),
    }


@pytest.fixture
def fengxian(app: Flask, places: dict[str, Place]) -> Iterator[Actor]:
    """An act of the county's staff; everything that is not theirs must be out of its sight."""
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),), "signups.review")
    with app.app_context(), begin(actor):
        yield actor


def test_a_query_without_an_actor_raises(app: Flask) -> None:
    with app.app_context():
        for statement in (
            select(User),
            select(func.count()).select_from(User),
            update(User).values(name="x"),
            text("SELECT 1"),
        ):
            with pytest.raises(NoActor):
                session().execute(statement)
        with pytest.raises(NoActor):
            session().get(User, UUID(int=1))
        session().add(User())
        with pytest.raises(NoActor):
            session().flush()


S = aliased(Signup)
STATEMENTS = {
    "rows": select(Signup.division_id),
    "objects": select(Signup).with_only_columns(Signup.division_id, Signup),
    "distinct": select(Signup.division_id).distinct(),
    "aliased": select(S.division_id),
    "joined": select(Signup.division_id).join(Training, Training.id == Signup.training_id),
    "outer side": select(Signup.division_id)
    .select_from(User)
    .join(Signup, Signup.attendee_user_id == User.id),
    "subquery": select(select(Signup.division_id).subquery().c.division_id),
    "CTE": select(select(Signup.division_id).cte().c.division_id),
    "union": union_all(select(Signup.division_id), select(S.division_id)),
    "scalar subquery": select(
        select(func.max(Signup.division_id)).where(Signup.division_id == "js").scalar_subquery()
    ),
    "in subquery": select(Training.division_id).where(Training.id.in_(select(Signup.training_id))),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_rows_are_narrowed_however_they_are_asked_for(fengxian: Actor, name: str) -> None:
    found = {row[0] for row in session().execute(STATEMENTS[name])} - {None}
    assert found <= {"js.xz.fengxian"}
    with begin(SYSTEM):
        assert "js" in {row[0] for row in session().execute(STATEMENTS[name])}


def test_counts_and_existence_are_narrowed(fengxian: Actor) -> None:
    there = select(exists().where(Signup.division_id == "js"))
    also = select(Training.id).where(select(S.id).where(S.division_id == "js").exists())
    count = select(func.count()).select_from(Signup)
    rows = len(session().execute(select(Signup.id)).all())
    assert session().execute(there).scalar_one() is False
    assert session().execute(also).first() is None
    assert session().execute(count).scalar_one() == rows
    with begin(SYSTEM):
        assert session().execute(there).scalar_one() is True
        assert session().execute(count).scalar_one() > rows


def test_prepared_statements_are_narrowed_for_each_kind_of_actor(
    app: Flask, places: dict[str, Place]
) -> None:
    everything = Prepared(select(Signup.division_id))
    change = Prepared(update(Signup).values(state_reason="x").returning(Signup.division_id))
    trainings = Prepared(select(Training.state))
    staff = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),), "signups.review")
    for _ in range(2):  # compiled the first time, ready the second
        with undone(app), begin(SYSTEM):
            assert "js" in {row[0] for row in everything()}
            assert {row[0] for row in trainings()} > {"draft"}
            with begin(staff):
                assert {row[0] for row in everything()} == {"js.xz.fengxian"}
                assert {row[0] for row in change()} == {"js.xz.fengxian"}
            with begin(NOBODY):
                assert everything() == [] == change()
                assert "draft" not in {row[0] for row in trainings()}
    with app.app_context(), pytest.raises(NoActor):
        everything()


def test_changes_are_narrowed(app: Flask, places: dict[str, Place]) -> None:
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.xz.fengxian"),), "signups.review")
    far = places["province"].ids["signup_id"]
    with undone(app), begin(actor):
        changed = update(Signup).where(Signup.id == far).values(state_reason="x").returning(Signup.id)
        assert session().execute(changed).first() is None
        gone = delete(MembershipRequest).returning(MembershipRequest.division_id)
        found = set(session().execute(gone).scalars())
        assert all(f"{division}.".startswith("js.xz.fengxian.") for division in found)
        assert session().get(Signup, far) is None


def test_nobody_reaches_only_what_is_everybodys(app: Flask) -> None:
    with app.app_context(), begin(NOBODY):
        for model in (User, RoleGrant, Enterprise, Signup, Notice):
            assert session().execute(select(model).limit(1)).first() is None
        assert set(session().execute(select(Training.state)).scalars()) <= {"published", "cancelled"}


def test_a_division_is_not_its_neighbour_with_a_longer_name(app: Flask) -> None:
    actor = Actor(UUID(int=1), (Grant("county_staff", "division", "js.x"),), "signups.review")
    assert not actor.reaches_division("js.xz.fengxian") and actor.reaches_division("js.x.y")
    with app.app_context(), begin(actor):
        assert session().execute(select(Signup)).first() is None


def test_every_model_says_whose_its_rows_are() -> None:
    for mapper in Base.registry.mappers:
        model = mapper.class_
        assert "__scope__" in vars(model), f"{model.__name__} declares no __scope__"
        scope = model.__scope__
        if isinstance(scope, Scope):
            columns = [scope.division, scope.enterprise, scope.training, scope.agency, scope.user]
            columns += [scope.through[0]] if scope.through else []
            assert any(columns) and all(c in model.__table__.c for c in columns if c), model.__name__
    everybodys = {m.class_.__name__ for m in Base.registry.mappers if m.class_.__scope__ is None}
    assert everybodys == {
        "Agency",
        "AgencyAssessment",
        "AgencySelection",
        "Availability",
        "Bank",
        "Cluster",
        "Division",
        "Document",
        "Expert",
        "Follower",  # an id of the platform, and nothing of a person
        "Industry",
        "MessageTemplate",
        "MessageTemplateVersion",
        "NoticeRoute",
        "ReceivedPush",
        "Scheme",
        "SendingPause",
        "SizeRuleRow",
        "StepDeadline",
        "StoredFile",
        "TemplateUse",
    }
