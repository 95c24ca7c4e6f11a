"""The database session and the one way to run a business act: `@transaction`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from app.access import Actor, guard
from models.base import Base

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
guard(db.session)


def session() -> Session:
    """Returns the session of the business act that is running."""
    return cast(Session, db.session())


@contextmanager
def begin(actor: Actor) -> Iterator[Session]:
    """Runs the block as `actor` in one transaction; a block inside another joins it.

    The outermost block commits, or rolls back when an exception leaves it.
    """
    current = session()
    outer = current.info.get("actor")
    current.info["actor"] = actor
    try:
        yield current
        if outer is None:
            current.commit()
        else:
            current.flush()
    except BaseException:
        if outer is None:
            current.rollback()
        raise
    finally:
        current.info["actor"] = outer


P = ParamSpec("P")
R = TypeVar("R")


def transaction(
    permission: str | None,
) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[Concatenate[Actor, P], R]]:
    """Makes a service function a business act: one transaction, under one declared permission.

    Raises DomainError `permission_denied` when the actor does not hold the permission. With None the
    act is open to everybody, signed in or not, and reaches what the actor reaches anyway.
    """

    def decorate(function: Callable[Concatenate[Actor, P], R]) -> Callable[Concatenate[Actor, P], R]:
        @wraps(function)
        def act(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> R:
            narrowed = actor.acting(permission) if permission else actor
            with begin(narrowed):
                return function(narrowed, *args, **kwargs)

        act.permission = permission  # type: ignore[attr-defined]
        return act

    return decorate
