"""What staff decide about sign-ups: one by one, or each of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.services import seats, signups
from app.transactions import transaction
from models.lifecycle import IllegalMove
from models.signups import Signup, SignupState
from models.trainings import Training


@transaction("signups.review")
def approve(actor: Actor, signup_id: UUID) -> Signup:
    """Approves a pending sign-up; raises IllegalMove."""
    training, signup = signups.hold(signup_id)
    if signup.state != SignupState.pending:
        raise DomainError("illegal_move", current=signup.state.label, target=SignupState.confirmed.label)
    return _decide(actor, training, signup, SignupState.confirmed, None)


@transaction("signups.review")
def return_for_completion(actor: Actor, signup_id: UUID, reason: str) -> Signup:
    """Returns a pending sign-up with the reason; its seat is kept meanwhile; raises IllegalMove."""
    return _decide(actor, *signups.hold(signup_id), SignupState.returned, reason)


@transaction("signups.review")
def refuse(actor: Actor, signup_id: UUID, reason: str) -> Signup:
    """Refuses a sign-up with the reason; raises IllegalMove."""
    return _decide(actor, *signups.hold(signup_id), SignupState.refused, reason)


@transaction("signups.review")
def cancel_for(actor: Actor, signup_id: UUID, reason: str) -> Signup:
    """Cancels a sign-up on the enterprise's behalf, whatever the deadline; raises IllegalMove."""
    return _decide(actor, *signups.hold(signup_id), SignupState.cancelled, reason)


def _decide(
    actor: Actor, training: Training, signup: Signup, target: SignupState, reason: str | None
) -> Signup:
    seats.move_signup(training, signup, target)
    signup.state_reason = reason
    because = f"原因：{reason}" if reason else ""
    seats.tell(
        training,
        signup,
        f"signup.{target}",
        f"报名{target.label}",
        f"您报名的“{training.title}”{target.label}。{because}",
        **({"reason": reason} if reason else {}),
    )
    audit.record(actor, f"signup.{target}", signup, reason=reason)
    return signup


@dataclass(frozen=True)
class Answer:
    """What became of one of many: changed, or why not."""

    signup_id: UUID
    refusal: DomainError | None = None


def each(signup_ids: Iterable[UUID], act: Callable[[UUID], object]) -> list[Answer]:
    """Returns what became of each: an act of its own each time, so that a refused one undoes no other."""
    answers = []
    for signup_id in dict.fromkeys(signup_ids):
        refusal: DomainError | None = None
        try:
            act(signup_id)
        except DomainError as error:
            refusal = error
        except IllegalMove as error:
            refusal = DomainError("illegal_move", current=error.current.label, target=error.target.label)
        answers.append(Answer(signup_id, refusal))
    return answers
