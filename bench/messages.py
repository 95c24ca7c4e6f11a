"""Messages: how fast they are prepared and sent, and what leaving one costs the act that leaves it.

`python -m bench.messages CAMPAIGN_ID` prepares a campaign in a process of its own, whose peak of memory
is then that of the preparation; it prints the seconds and the mebibytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis
from flask import Flask
from sqlalchemy import func, insert, make_url, select, text

from app import create_app, outbox
from app.access import SYSTEM
from app.services import campaign_preparing, dispatching
from app.transactions import begin
from bench.scenes import Wrong
from config.settings import ROOT, Settings, settings
from models.campaigns import Campaign, CampaignState, Who
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate
from models.people import RoleGrant
from tests.builders import World
from tests.message_builders import (
    TEXTS,
    campaign,
    known_people,
    people,
    settled,
    states,
    template,
    template_of_platform,
)
from tests.senders import Simulator, configured, environment_of, sender, simulator, until
from tests.statements import queries
from wechat.client import MiniProgram
from wechat.tokens import TokenStore

LATENCY_MS = 50
SENT, RATE = 4_000, 500
RECIPIENTS, FEW, ENTERPRISES = 100_000, 10_000, 100

Row = dict[str, Any]


def rows(app: Flask, world: World, directory: Path) -> list[Row]:
    """Measures everything about messages; raises Wrong."""
    found = [_leaving(app, world), *_preparing(world, directory)]
    with simulator(directory, LATENCY_MS) as platform:
        content = _library()
        one = template_of_platform(world, Channel.subscribe, content["priTmplId"], content["content"])
        # The shorter ones last: a machine that is busy for a moment spoils little of a long one.
        for threads, sent in ((32, SENT), (8, SENT // 3)):
            found.append(_sending(world, platform, one, directory, threads, sent))
    return found


def _row(name: str, ours: float, floor: float, ratio: float, goal: float | None, **more: Any) -> Row:
    return {
        "name": name,
        "ours": round(ours, 1),
        "floor": round(floor, 1),
        "ratio": round(ratio, 3),
        "goal": goal,
        "p50_ms": None,
        "p99_ms": None,
        **more,
    }


# --- what leaving a notice costs the act


def _leaving(app: Flask, world: World) -> Row:
    enterprise, person = world.enterprise(), world.person()
    with app.app_context(), queries(app) as seen:
        for number in range(2):  # the second time as always
            seen.clear()
            with begin(SYSTEM):
                facts = {"enterprise": enterprise.name}
                outbox.notify(
                    person.id, "enterprise.approved", enterprise, "标题", "正文", facts, once=str(number)
                )
    if len(seen) > 2:
        raise Wrong(f"a notice costs an act {len(seen)} statements")
    return _row("a notice left in an act, statements", len(seen), 1, 1 / len(seen), 0.5)


# --- preparing


def _preparing(world: World, directory: Path) -> list[Row]:
    one = template(world)
    enterprises = [world.enterprise().id for _ in range(ENTERPRISES)]
    users = people(world, RECIPIENTS, one)
    grants = [
        {"user_id": user, "role": "member", "scope_type": "enterprise", "scope_id": str(enterprise)}
        for user, enterprise in zip(users, (e for e in enterprises for _ in repeat(0, 1000)), strict=True)
    ]
    with world.session() as session:
        session.execute(insert(RoleGrant), grants)
    url = make_url(settings().database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        found = []
        for number in (FEW, RECIPIENTS):
            some = enterprises[: number // 1000]
            with world.session() as session:
                found_codes = text("SELECT credit_code FROM enterprises WHERE id = ANY(:ids)")
                codes = list(session.execute(found_codes, {"ids": some}).scalars())
            made = campaign(
                world,
                [],
                one,
                state=CampaignState.preparing,
                recipients=number,
                started_at=None,
                created_by=users[0],
                audience={"by": "listed", "who": Who.members.name},
                credit_codes=codes,
            )
            seconds, peak = _prepared(made.id, directory)
            least = _copied(connection, made.id, number)
            found.append(
                _row(
                    f"preparing {number:,} recipients, a second",
                    number / seconds,
                    number / least,
                    least / seconds,
                    0.05,
                    peak_mib=peak,
                )
            )
    return found


def _prepared(campaign_id: UUID, directory: Path) -> tuple[float, float]:
    environment = environment_of(_never_quiet(settings()), directory / f"preparing-{campaign_id}")
    command = [sys.executable, "-m", "bench.messages", str(campaign_id)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    seconds, peak = map(float, done.stdout.splitlines()[-1].split())
    return seconds, peak


def _never_quiet(some: Settings) -> Settings:
    return replace(some, embedded=True, quiet_from="00:00", quiet_until="00:00", log_level="ERROR")


def _copied(connection: psycopg.Connection[Any], campaign_id: UUID, number: int) -> float:
    """Returns the seconds that the bare INSERT … SELECT of the same rows takes, into the same tables."""
    for table in ("notices", "deliveries"):
        connection.execute(f"DROP TABLE IF EXISTS copied_{table}")
        connection.execute(
            f"CREATE TABLE copied_{table} AS SELECT * FROM {table} WHERE campaign_id = %s", [campaign_id]
        )
    connection.execute("DELETE FROM deliveries WHERE campaign_id = %s", [campaign_id])
    connection.execute("DELETE FROM notices WHERE campaign_id = %s", [campaign_id])
    connection.execute("VACUUM ANALYZE")
    began = time.perf_counter()
    copied = 0
    with connection.transaction():
        for table in ("notices", "deliveries"):
            copied += connection.execute(f"INSERT INTO {table} SELECT * FROM copied_{table}").rowcount
    seconds = time.perf_counter() - began
    if copied != 2 * number:
        raise Wrong(f"{number} recipients left {copied} rows, not a notice and a delivery each")
    connection.execute("DELETE FROM deliveries WHERE campaign_id = %s", [campaign_id])
    connection.execute("DELETE FROM notices WHERE campaign_id = %s", [campaign_id])
    return seconds


def _prepare(campaign_id: UUID) -> None:
    app = create_app()
    with app.app_context():
        began = time.perf_counter()
        campaign_preparing.prepare(campaign_id)
        while dispatching.dispatch(SYSTEM, 1000):
            pass
        seconds = time.perf_counter() - began
    print(seconds, _peak_mib())


def _peak_mib() -> float:
    # Not ru_maxrss: that is inherited from whoever started this process.
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024, 1)


# --- sending


def _library() -> Row:
    templates: list[Row] = json.loads((ROOT / "wechat/simulator/subscribe_templates.json").read_text())
    return next(one for one in templates if "{{time2.DATA}}" in one["content"] and one["type"] == 2)


def _sending(
    world: World, platform: Simulator, one: MessageTemplate, directory: Path, threads: int, sent: int
) -> Row:
    crowd = platform.crowd(sent, {one.platform_id: 2})
    floor = _bare(platform, one, [person["openid"] for person in crowd], threads)
    users = known_people(world, crowd, one)
    made = campaign(world, users, one)
    changed = _never_quiet(configured(platform, embedded=True, sender_lease_seconds=60, send_rate=RATE))
    with sender(replace(changed, sender_threads=threads), directory) as running:
        until(lambda: DeliveryState.sent in states(world, made))
        before, begun = _cpu_seconds(running.process.pid), states(world, made)[DeliveryState.sent]
        until(lambda: settled(world, made), every=0.2)
        used = _cpu_seconds(running.process.pid) - before
    if states(world, made) != {DeliveryState.sent: sent}:
        raise Wrong(f"of {sent} messages, {states(world, made)}")
    rate = _rate(world, made, sent)
    allowed = min(RATE, threads * 1000 / LATENCY_MS)
    return _row(
        f"sending, {threads} threads, {LATENCY_MS} ms, at most {RATE} a second: of {allowed:.0f}",
        rate,
        floor,
        rate / allowed,
        0.9,
        cpu_ms=round(used * 1000 / (sent - begun), 2),
    )


def _rate(world: World, made: Campaign, sent: int) -> float:
    """Messages a second, from the first result to the last."""
    found = select(func.min(Delivery.settled_at), func.max(Delivery.settled_at))
    with world.session() as session:
        first, last = session.execute(found.where(Delivery.campaign_id == made.id)).one()
    return (sent - 1) / float((last - first).total_seconds())


def _bare(platform: Simulator, one: MessageTemplate, openids: Sequence[str], threads: int) -> float:
    """Returns the calls a second of a bare loop over the same client, with as many threads and no rate."""
    s = settings()
    cache = redis.Redis.from_url(s.redis_url)
    client = MiniProgram(
        s.wechat_mp_appid, s.wechat_mp_secret, TokenStore(cache), platform.base, connections=threads
    )
    values = {field["key"]: TEXTS[field["type"]] for field in one.fields}
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        template = repeat(one.platform_id), repeat(values)
        done = list(pool.map(client.send_subscribe_message, openids, *template))
        seconds = time.perf_counter() - began
    client.close()
    cache.close()
    return len(done) / seconds


def _cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    _prepare(UUID(sys.argv[1]))
