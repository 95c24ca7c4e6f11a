"""States and their legal moves: the one piece of code that moves any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.labels import Labelled


class IllegalMove(Exception):
    """The lifecycle does not allow this move; `current` and `target` say which."""

    def __init__(self, current: State, target: State) -> None:
        super().__init__(f"{type(current).__name__}: {current} → {target}")
        self.current, self.target = current, target


class State(Labelled):
    """A state and, in `moves()`, the states it may move to."""

    @classmethod
    def moves(cls) -> Mapping[Any, tuple[Any, ...]]:
        """Returns the legal moves, state by state."""
        raise NotImplementedError

    @classmethod
    def before(cls, target: Any) -> tuple[Any, ...]:
        """Returns the states from which `target` may be reached: the WHERE of a conditional UPDATE."""
        return tuple(state for state, targets in cls.moves().items() if target in targets)


def move(subject: Any, target: Any) -> None:
    """Moves `subject.state` to `target`.

    Raises IllegalMove. Who moved it and why is the audit row that the calling service writes.
    """
    if target not in type(target).moves().get(subject.state, ()):
        raise IllegalMove(subject.state, target)
    subject.state = target
