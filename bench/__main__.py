"""`make bench`: measures the program and its floor in one run on one machine, and prints the ratios.

The two sides take turns in short rounds, and a ratio is the median of the rounds' ratios: what else the
machine does meanwhile hits both. The same rows go to bench/latest.json.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import make_url

from app import create_app
from app.access import SYSTEM
from app.engines import engines
from app.services import reference
from app.transactions import db
from bench import board, load, messages
from bench.floor import Plan
from bench.load import Load, Outcome
from bench.recording import Recording, course, recording
from bench.scenes import CheckIn, Request, Rush, Scene, Wrong, listings
from bench.servers import Server, free_port, gunicorn
from bench.slots import FreeSlots
from config.settings import ROOT, Settings
from tests.builders import World

LATEST = Path(__file__).with_name("latest.json")

Row = dict[str, Any]


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _directory() -> Iterator[Path]:
    """A folder on the disk that the embedded copy uses too: what a commit costs depends on the disk."""
    place = ROOT / "instance"
    place.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as directory:
        yield Path(directory)


def _settings(database_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        wechat_mp_appid="wx00000000bench00",
        wechat_mp_secret=secrets.token_hex(16),
        wechat_mp_push_token=secrets.token_hex(8),
        wechat_mp_aes_key="A" * 43,
        secret_key=secrets.token_hex(32),
        data_keys=f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        public_url="http://127.0.0.1",
        # Still counted, for every request, but nobody is turned away.
        rate_limit_user="10000000/minute",
        rate_limit_address="10000000/minute",
        access_token_minutes=600,
    )


def _record(app: Flask, scene: Scene, request: Request) -> Recording:
    with app.app_context():
        engine = db.engine
    with recording(engine, request.brings) as record:
        answer = app.test_client().open(
            request.path,
            method=request.method,
            json=request.body,
            headers={"Authorization": f"Bearer {request.token}"},
        )
    if answer.status_code != scene.status or scene.mark not in answer.data:
        raise Wrong(f"{scene.name}: {answer.status} {answer.text[:500]}")
    return record


def _plan(app: Flask, scene: Scene) -> Plan:
    """Returns the floor's plan of a scene, from real requests to the program."""
    return [course([_record(app, scene, request) for request in some]) for some in scene.courses()]


def _statements(plan: Plan) -> str:
    return "/".join(str(number) for number in sorted({len(steps) for steps in plan}))


def measure(scene: Scene, at_once: int, program: Server, floor: Server, plan: Plan) -> Row:
    """Returns the row of a scene: rates a second, delays and processor time in milliseconds a request."""

    def one_round(server: Server) -> tuple[Outcome, float | None]:
        ours = server is program
        warm_up, requests = scene.requests(scene.warm_up), scene.requests(scene.count)
        wired = [
            [request.to_program() if ours else request.to_floor(scene.kind) for request in some]
            for some in (warm_up, requests)
        ]
        right = (scene.status, scene.mark) if ours else (200, b"[[")
        before = server.cpu_seconds()
        outcome = load.run(Load(server.port, at_once, *right, *wired))
        after = server.cpu_seconds()
        if outcome.wrong:
            raise Wrong(f"{scene.name}: {outcome.wrong.most_common(3)}\n{server.log.read_text()[-2000:]}")
        scene.check(requests)
        if before is None or after is None:
            return outcome, None
        return outcome, (after - before) * 1000 / (len(warm_up) + len(requests))

    pairs = []
    for number in range(scene.rounds):
        one, other = (program, floor) if number % 2 else (floor, program)
        outcomes = {one: one_round(one), other: one_round(other)}
        pairs.append((outcomes[program], outcomes[floor]))
    ratios = [mine.rate / least.rate for (mine, _), (least, _) in pairs]
    row: Row = {
        "name": f"{scene.name}, {at_once} at once",
        "ours": round(median(mine.rate for (mine, _), _ in pairs), 1),
        "floor": round(median(least.rate for _, (least, _) in pairs), 1),
        "ratio": round(median(ratios), 3),
        "goal": scene.goal,
        "ratios": [round(ratio, 3) for ratio in ratios],
        "statements": _statements(plan),
    }
    for side, name in enumerate(("", "floor_")):
        delays = sorted(delay for pair in pairs for delay in pair[side][0].delays)
        row[f"{name}p50_ms"] = round(median(delays), 1)
        row[f"{name}p99_ms"] = round(quantiles(delays, n=100)[98], 1)
        used = [spent for pair in pairs if (spent := pair[side][1]) is not None]
        row[f"{name}cpu_ms"] = round(median(used), 2) if used else None
    return row


def _memory(program: Server, floor: Server) -> Row:
    ours, least = program.memory(), floor.memory()
    return {
        "name": "web worker memory",
        "ours": ours["rss"],
        "floor": least["rss"],
        "ratio": round(least["rss"] / ours["rss"], 3),
        "goal": None,
        "p50_ms": None,
        "p99_ms": None,
        "unit": "MiB",
        "pss": ours.get("pss"),
        "floor_pss": least.get("pss"),
    }


_COLUMNS = [
    *("ours", "floor", "ratio", "goal", "p50_ms", "p99_ms", "floor_p50_ms", "floor_p99_ms"),
    *("cpu_ms", "floor_cpu_ms", "statements", "peak_mib"),
]


def table(rows: Sequence[Row]) -> str:
    """Returns the rows as text; a ratio below its goal is marked."""
    width = max(len(row["name"]) for row in rows)
    lines = [" " * width + "".join(f"{name:>14}" for name in _COLUMNS)]
    for row in rows:
        cells = ["–" if row.get(name) is None else str(row[name]) for name in _COLUMNS]
        short = row["goal"] is not None and row["ratio"] < row["goal"]
        lines.append(f"{row['name']:<{width}}" + "".join(f"{c:>14}" for c in cells) + (" <" if short else ""))
    return "\n".join(lines)


def run(directory: Path) -> list[Row]:
    """Measures everything, in `directory`; raises Wrong."""
    say(f"启动数据库与 Redis（{'redis-server' if shutil.which('redis-server') else 'fakeredis'}）……")
    with engines(directory, free_port(), durable=True) as running:
        settings = _settings(running.database_url, running.redis_url)
        app = create_app(replace(settings, log_level="ERROR"))
        with app.app_context(), redirect_stdout(io.StringIO()):
            upgrade()
            reference.load(SYSTEM)
        say("准备数据……")
        world = World(app)
        lists = listings(world)
        every: list[Scene] = [
            CheckIn(world),
            Rush(world),
            FreeSlots(world),
            *(scene for sizes in lists for scene in sizes),
        ]
        plans = {scene.kind: _plan(app, scene) for scene in every}
        for sizes in lists:
            numbers = {scene.name: _statements(plans[scene.kind]) for scene in sizes}
            say(f"SQL 语句数：{numbers}")
            if len(set(numbers.values())) > 1:
                raise Wrong("the number of statements depends on the size of the page")
        conninfo = make_url(settings.database_url).set(drivername="postgresql")
        url = conninfo.render_as_string(hide_password=False)
        options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]
        file = directory / "plans"
        file.write_bytes(pickle.dumps((url, options, settings.web_threads, plans)))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        factory = f"bench.floor:create_app({str(file)!r})"
        with (
            gunicorn("wsgi:app", settings, directory / "program.log") as program,
            gunicorn(factory, settings, directory / "floor.log") as floor,
        ):
            rows = []
            for scene in every:
                for at_once in scene.at_once if scene.count else ():
                    rows.append(measure(scene, at_once, program, floor, plans[scene.kind]))
                    say(f"{rows[-1]['name']}：{rows[-1]['ratio']}（{rows[-1]['ratios']}）")
            memory = _memory(program, floor)
        say("看板、消息……")
        return [*rows, *board.rows(app, world), *messages.rows(app, world, directory), memory]


def main() -> None:
    began = time.monotonic()
    try:
        with _directory() as directory:
            rows = run(directory)
    except Wrong as wrong:
        sys.exit(f"测量无效：{wrong}")
    LATEST.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    memory = rows[-1]
    say(f"\n{table(rows)}\n")
    say(f"内存（MiB）：RSS {memory['ours']} / {memory['floor']}，PSS {memory['pss']} / {memory['floor_pss']}")
    say(f"用时 {time.monotonic() - began:.0f} 秒；每行已写入 {LATEST.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
