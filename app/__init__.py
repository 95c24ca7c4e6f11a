"""create_app(): settings, extensions, blueprints, errors and commands; and nothing else."""

from __future__ import annotations

import redis
from flask import Flask
from flask_migrate import Migrate
from sqlalchemy.engine import make_url

import models
from app import api, cli, console, faces, files, health, limits, logs
from app.transactions import db
from config.settings import ROOT, Settings, settings, use
from models import crypto
from wechat.client import MiniProgram
from wechat.official_account import OfficialAccount
from wechat.push import PushReceiver
from wechat.tokens import TokenStore


def create_app(configured: Settings | None = None) -> Flask:
    """Returns the application; raises ConfigurationError when the settings are incomplete."""
    if configured:
        use(configured)
    s = settings()
    app = Flask(__name__)
    logs.configure(s.log_level)
    crypto.configure(crypto.Keyring(s.keyring(), s.secret_key, s.data_cipher))
    app.config.update(
        SETTINGS=s,
        SECRET_KEY=s.secret_key,
        MAX_CONTENT_LENGTH=1024 * 1024,
        SQLALCHEMY_DATABASE_URI=make_url(s.database_url).set(drivername="postgresql+psycopg"),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": s.web_threads,
            "max_overflow": 4,
            "pool_pre_ping": False,
            "hide_parameters": True,
            # Times come out of the database at +08:00, the way the API and the screens show them.
            "connect_args": {"options": "-c timezone=Asia/Shanghai -c statement_timeout=30000"},
        },
    )
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    cache = redis.Redis.from_url(s.redis_url, socket_timeout=2, socket_connect_timeout=2)
    app.extensions["redis"] = cache
    tokens = TokenStore(cache)
    app.extensions["mini_program"] = MiniProgram(
        s.wechat_mp_appid, s.wechat_mp_secret, tokens, api_base=s.wechat_api_base
    )
    app.extensions["push_receiver"] = PushReceiver(
        s.wechat_mp_appid, s.wechat_mp_push_token, s.wechat_mp_aes_key
    )
    if s.wechat_oa_appid:
        app.extensions["official_account"] = OfficialAccount(
            s.wechat_oa_appid, s.wechat_oa_secret, tokens, api_base=s.wechat_api_base
        )
        app.extensions["official_push_receiver"] = PushReceiver(
            s.wechat_oa_appid, s.wechat_oa_push_token, s.wechat_oa_aes_key
        )
    app.extensions["files"] = files.of(s)
    for part in (logs, faces, health, api, console, cli):
        part.init_app(app)
    limits.init_app(app, s)
    return app


__all__ = ["create_app", "models"]
