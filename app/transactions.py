"""The database session and the one way to run a business act: `@transaction`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

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
def begin(actor: Actor, *, commit: bool = True) -> Iterator[Session]:
    """Runs the block as `actor` in one transaction; a block inside another joins it.

    The outermost block commits, or rolls back when an exception leaves it. One that only looks may
    leave the transaction open (`commit=False`) to the act that follows in the same request.
    """
    current = session()
    outer = current.info.get("actor")
    current.info["actor"] = actor
    try:
        yield current
        if outer is not None:
            current.flush()
        elif commit:
            current.commit()
    except BaseException:
        if outer is None:
            current.rollback()
        raise
    finally:
        current.info["actor"] = outer


def changed(statement: Any) -> int:
    """Runs an UPDATE or DELETE in the act that is under way, and returns how many rows it found."""
    done: Any = session().execute(statement, execution_options={"synchronize_session": False})
    return int(done.rowcount)


def outside_transaction() -> None:
    """Raises RuntimeError inside a transaction: what calls the network asks this first."""
    if session().in_transaction():
        raise RuntimeError("a network call inside a transaction")


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
