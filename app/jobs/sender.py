"""The sender: `flask sender`, a process of its own that turns deliveries into calls of the platform.

One thread prepares (dispatches notices, claims and fills in), one coordinates (records results and marks as
being sent, in one transaction a turn), and a bounded number of threads make the calls. Any number of such
processes may run. Killed at any moment it leaves rows from which the next one sees where it was.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from secrets import token_hex
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError

from app.access import SYSTEM
from app.jobs.pace import Pace
from app.logs import log
from app.services import (
    campaign_progress,
    delivery_outcomes,
    dispatching,
    outgoing,
    sending,
    sending_results,
)
from app.services.outgoing import Message
from app.services.sending import Claim
from app.services.sending_results import Result
from app.transactions import db
from config.settings import Settings
from models.base import now
from models.message_templates import Channel
from wechat.client import MiniProgram, MiniProgramState
from wechat.errors import WeChatError
from wechat.official_account import OfficialAccount, Page

DISPATCHED_AT_ONCE = 1_000
IDLE_SECONDS = 0.25
PACED_SECONDS = 0.005
RECOVER_SECONDS = 5.0
FINISH_SECONDS = 1.0
AWAY_SECONDS = 0.5
LAST_TRIES_SECONDS = 30.0

Call = Callable[[Message], str]
"""Sends a message and returns the platform's number of it; raises WeChatError."""


class Sender:
    """One sender process.

    Args:
        calls: how a message goes out, for each channel that there is.
        sleep: waits, in seconds, before the database is tried again.
    """

    def __init__(
        self,
        app: Flask,
        calls: Mapping[Channel, Call],
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._app, self._calls, self._sleep = app, calls, sleep
        self._worker = f"{socket.gethostname()[:40]}:{token_hex(6)}"
        self._lease = timedelta(seconds=settings.sender_lease_seconds)
        self._size = settings.sender_threads
        self._pace = {
            channel: Pace(channel.value, settings.send_rate, settings.redis_url) for channel in calls
        }
        self._ready: dict[Channel, deque[Message]] = {channel: deque() for channel in calls}
        self._work: SimpleQueue[Message | None] = SimpleQueue()
        self._came: SimpleQueue[Result] = SimpleQueue()
        self._bell, self._hungry = threading.Event(), threading.Event()
        self._stopping, self._settled = threading.Event(), threading.Event()
        self._crash: BaseException | None = None

    def stop(self) -> None:
        """Lets what is in flight finish and ends `run`."""
        self._stopping.set()
        self._bell.set()
        self._hungry.set()

    def run(self) -> None:
        """Sends until `stop`; raises what the preparing thread crashed of."""
        callers = [threading.Thread(target=self._call, name="caller") for _ in range(self._size)]
        preparing = threading.Thread(target=self._prepare, name="preparing")
        for thread in (*callers, preparing):
            thread.daemon = True
            thread.start()
        log.info("sender started", worker=self._worker, threads=self._size)
        try:
            self._coordinate()
        finally:
            self.stop()
            for _ in callers:
                self._work.put(None)
            for thread in (*callers, preparing):
                thread.join()
            self._give_back()
        log.info("sender stopped", worker=self._worker)
        if self._crash:
            raise self._crash

    # --- calls

    def _call(self) -> None:
        while (message := self._work.get()) is not None:
            attempt = message.attempts + 1
            try:
                verdict = delivery_outcomes.accepted(self._calls[message.channel](message))
            except WeChatError as error:
                verdict = delivery_outcomes.refused(error, message.channel, attempt, now())
            except Exception as error:  # whatever it was, the message may have gone out
                log.exception("a call of the platform crashed")
                reason = f"程序出错（{type(error).__name__}），结果不明"
                verdict = delivery_outcomes.lost(message.channel, attempt, now(), reason)
            self._pace[message.channel].note(verdict.answered)
            self._came.put(Result(message.id, attempt, verdict))
            self._bell.set()

    # --- the coordinating thread

    def _coordinate(self) -> None:
        in_flight, results, planned = 0, list[Result](), list[Message]()
        give_up = float("inf")
        while True:
            results += self._collected()
            if self._stopping.is_set():
                give_up = min(give_up, time.monotonic() + LAST_TRIES_SECONDS)
                if not planned and not results and in_flight == 0:
                    break
            elif not planned:
                planned = self._plan(self._size - in_flight + len(results))
            if not results and not planned:
                self._bell.wait(self._patience(self._size - in_flight))
                self._bell.clear()
                continue
            try:
                marked = self._turn(results, planned)
            except (OperationalError, InterfaceError) as error:
                # Whether it was committed is not known: the same turn may be taken again.
                self._database_away(error)
                if time.monotonic() > give_up:
                    log.error("results not recorded", results=len(results))
                    return
                continue
            if results:
                self._settled.set()
            in_flight += len(marked) - len(results)
            for message in planned:
                if message.id in marked:
                    self._work.put(message)
                else:
                    self._pace[message.channel].give_back(1)
            results, planned = [], []

    def _collected(self) -> list[Result]:
        found = []
        with suppress(Empty):
            while True:
                found.append(self._came.get_nowait())
        return found

    def _plan(self, free: int) -> list[Message]:
        """Returns what may be called for by the free threads, at the pace of each channel."""
        planned: list[Message] = []
        for channel, waiting in self._ready.items():
            wanted = min(free - len(planned), len(waiting))
            if wanted > 0:
                planned += [waiting.popleft() for _ in range(self._pace[channel].take(wanted))]
        if sum(map(len, self._ready.values())) < 2 * self._size:
            self._hungry.set()
        return planned

    def _patience(self, free: int) -> float:
        """Seconds until a turn may be worth while though nothing has happened."""
        return PACED_SECONDS if free and any(self._ready.values()) else IDLE_SECONDS

    def _turn(self, results: list[Result], planned: list[Message]) -> set[UUID]:
        claims = [Claim(message.id, message.attempts) for message in planned]
        with self._app.app_context():
            return sending.turn(SYSTEM, self._worker, results, claims, self._lease)

    def _give_back(self) -> None:
        left = [message.id for waiting in self._ready.values() for message in waiting]
        with self._app.app_context(), suppress(OperationalError, InterfaceError):
            sending.release(SYSTEM, self._worker, left)

    # --- the preparing thread

    def _prepare(self) -> None:
        try:
            self._prepare_until_stopped()
        except BaseException as error:
            self._crash = error
            self.stop()

    def _prepare_until_stopped(self) -> None:
        recovered_at = finished_at = float("-inf")
        while not self._stopping.is_set():
            try:
                if time.monotonic() - recovered_at >= RECOVER_SECONDS:
                    with self._app.app_context():
                        recovered = sending_results.recover(SYSTEM)
                    recovered_at = time.monotonic()
                    if recovered:
                        log.warning("deliveries recovered", count=recovered)
                if self._settled.is_set() and time.monotonic() - finished_at >= FINISH_SECONDS:
                    self._settled.clear()
                    with self._app.app_context():
                        campaign_progress.finish(SYSTEM)
                    finished_at = time.monotonic()
                busy = self._prepare_some()
            except (OperationalError, InterfaceError) as error:
                self._database_away(error)
                continue
            if not busy:
                self._hungry.wait(IDLE_SECONDS)
                self._hungry.clear()

    def _prepare_some(self) -> bool:
        with self._app.app_context():
            dispatched = dispatching.dispatch(SYSTEM, DISPATCHED_AT_ONCE)
        if dispatched:
            self._settled.set()  # whoever cannot be reached has an outcome
        wanted = 4 * self._size - sum(map(len, self._ready.values()))
        if wanted <= self._size:
            return dispatched == DISPATCHED_AT_ONCE
        with self._app.app_context():
            made = outgoing.prepare(SYSTEM, self._worker, list(self._calls), wanted, self._lease)
        for message in made:
            self._ready[message.channel].append(message)
        if made:
            self._bell.set()
        return dispatched == DISPATCHED_AT_ONCE or len(made) >= self._size

    def _database_away(self, error: Exception) -> None:
        log.warning("database away", exception=type(error).__name__)
        with self._app.app_context():
            db.engine.dispose()
        self._sleep(AWAY_SECONDS)


_OPENS_IN: dict[str, MiniProgramState] = {"release": "formal", "trial": "trial", "develop": "developer"}


def wechat_calls(app: Flask, settings: Settings) -> dict[Channel, Call]:
    """Returns the calls of WeChat, by the accounts that there are."""
    mini_program: MiniProgram = app.extensions["mini_program"]
    account: OfficialAccount | None = app.extensions.get("official_account")
    state = _OPENS_IN[settings.wechat_mp_env_version]

    def subscribe(message: Message) -> str:
        return mini_program.send_subscribe_message(
            message.openid, message.template, message.values, page=message.page, state=state
        )

    def template(message: Message) -> str:
        assert account
        page = Page(mini_program.appid, message.page) if message.page else None
        return account.send_template_message(
            message.openid, message.template, message.values, page=page, client_msg_id=message.client_id
        )

    return {Channel.subscribe: subscribe, **({Channel.template: template} if account else {})}


def run(app: Flask, settings: Settings) -> None:
    """Runs a sender in this process until SIGTERM or SIGINT."""
    sender = Sender(app, wechat_calls(app, settings), settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sender.stop())
    sender.run()
