"""Every setting of the program: its name, type, default and when it is required.

A process is configured in one of two ways, and never half of each:

* **service mode**: the environment names the database, the cache and the WeChat accounts;
* **embedded mode**: the environment names none of them, and the values come from the file that
  `python -m app.embedded` (``make run``) wrote for this port under ``instance/``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WECHAT_API = "https://api.weixin.qq.com"


class ConfigurationError(RuntimeError):
    """The settings are incomplete or contradict each other; the message names which."""


def _setting(env: str, *, default: Any = ..., secret: bool = False) -> Any:
    """A setting read from the variable `env`; without a default it is required in service mode."""
    metadata = {"env": env, "required": default is ...}
    if default is ...:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, typed; `Settings.load()` reads them, tests build them directly."""

    embedded: bool = False
    # engines
    database_url: str = _setting("DATABASE_URL", secret=True)
    redis_url: str = _setting("REDIS_URL", secret=True)
    # the mini-program's account on mp.weixin.qq.com: 开发管理 → 开发设置 / 消息推送
    wechat_mp_appid: str = _setting("WECHAT_MP_APPID")
    wechat_mp_secret: str = _setting("WECHAT_MP_SECRET", secret=True)
    wechat_mp_push_token: str = _setting("WECHAT_MP_PUSH_TOKEN", secret=True)
    wechat_mp_aes_key: str = _setting("WECHAT_MP_AES_KEY", secret=True)
    wechat_mp_env_version: str = _setting("WECHAT_MP_ENV_VERSION", default="release")
    # the Official Account (服务号), if there is one: all four or none
    wechat_oa_appid: str = _setting("WECHAT_OA_APPID", default="")
    wechat_oa_secret: str = _setting("WECHAT_OA_SECRET", default="", secret=True)
    wechat_oa_push_token: str = _setting("WECHAT_OA_PUSH_TOKEN", default="", secret=True)
    wechat_oa_aes_key: str = _setting("WECHAT_OA_AES_KEY", default="", secret=True)
    wechat_api_base: str = _setting("WECHAT_API_BASE", default=WECHAT_API)
    # keys of our own
    secret_key: str = _setting("SECRET_KEY", secret=True)
    data_keys: str = _setting(
        "DATA_KEYS", secret=True
    )  # "id:base64 of 32 bytes", comma-separated; the last one encrypts
    data_cipher: str = _setting("DATA_CIPHER", default="aes-gcm")  # or "sm4-gcm" with SM3
    # the web server
    public_url: str = _setting("PUBLIC_URL")  # where people reach us: in links, certificates and QR codes
    port: int = _setting("PORT", default=8000)
    web_processes: int = _setting("WEB_PROCESSES", default=2)
    web_threads: int = _setting("WEB_THREADS", default=8)
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES", default=0
    )  # reverse proxies before us that set X-Forwarded-For
    rate_limit_user: str = _setting("RATE_LIMIT_USER", default="300/minute")
    # an address may be a whole hall behind one router, or a carrier's NAT
    rate_limit_address: str = _setting("RATE_LIMIT_ADDRESS", default="3000/minute")
    # passwords tried at the console from one address, which may be a whole bureau's
    rate_limit_sign_in: str = _setting("RATE_LIMIT_SIGN_IN", default="60/minute")
    log_level: str = _setting("LOG_LEVEL", default="INFO")
    # sending to WeChat: calls at once in a sender process; calls a second of an account, of all of them
    # together; and for how many seconds what a sender holds is its own (a call takes less)
    sender_threads: int = _setting("SENDER_THREADS", default=32)
    send_rate: int = _setting("SEND_RATE", default=500)
    sender_lease_seconds: int = _setting("SENDER_LEASE_SECONDS", default=60)
    # sign-in
    access_token_minutes: int = _setting("ACCESS_TOKEN_MINUTES", default=30)
    refresh_token_days: int = _setting("REFRESH_TOKEN_DAYS", default=30)
    # the console: signed out when nobody has used it for so long, and in any case after so long
    console_idle_minutes: int = _setting("CONSOLE_IDLE_MINUTES", default=30)
    console_hours: int = _setting("CONSOLE_HOURS", default=12)
    # campaigns: from when to when they wait (Beijing time), how many a person gets in a week, and above
    # how many recipients a second person approves
    quiet_from: str = _setting("QUIET_FROM", default="22:00")
    quiet_until: str = _setting("QUIET_UNTIL", default="08:00")
    messages_per_week: int = _setting("MESSAGES_PER_WEEK", default=3)
    campaign_approval_above: int = _setting("CAMPAIGN_APPROVAL_ABOVE", default=200)
    # files that people upload: how large one may be; where they lie: below a directory, or in a bucket of an
    # S3-compatible store (all four or none); and the scanner ("host:port" of a clamd) that sees them first
    file_megabytes: int = _setting("FILE_MEGABYTES", default=20)
    files_path: str = _setting("FILES_DIR", default="")
    s3_endpoint: str = _setting("S3_ENDPOINT", default="")
    s3_bucket: str = _setting("S3_BUCKET", default="")
    s3_access_key: str = _setting("S3_ACCESS_KEY", default="")
    s3_secret_key: str = _setting("S3_SECRET_KEY", default="", secret=True)
    s3_region: str = _setting("S3_REGION", default="")
    clamd_address: str = _setting("CLAMD_ADDRESS", default="")
    # the division that runs the service: what belongs to none below it is its own
    home_division: str = _setting("HOME_DIVISION", default="js.xz")

    def __post_init__(self) -> None:
        if not self.embedded and self.wechat_api_base != WECHAT_API:
            raise ConfigurationError(f"WECHAT_API_BASE：正式运行只能是 {WECHAT_API}")
        if self.data_cipher not in ("aes-gcm", "sm4-gcm"):
            raise ConfigurationError("DATA_CIPHER：只能是 aes-gcm 或 sm4-gcm")
        if len(self.secret_key) < 32:
            raise ConfigurationError("SECRET_KEY：至少 32 个字符")
        self.quiet_hours()
        self.keyring()
        self._all_or_none("服务号", "wechat_oa_")
        self._all_or_none("文件库", "s3_", but="s3_region")

    def _all_or_none(self, what: str, prefix: str, but: str = "") -> None:
        some = [f for f in fields(self) if f.name.startswith(prefix) and f.name != but]
        missing = [f.metadata["env"] for f in some if not getattr(self, f.name)]
        if missing and len(missing) < len(some):
            raise ConfigurationError(f"{what}的配置不完整，缺少：{'、'.join(missing)}")

    def quiet_hours(self) -> tuple[time, time]:
        """Returns from when to when campaigns wait; the same time twice: never."""
        try:
            return time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
        except ValueError:
            raise ConfigurationError("QUIET_FROM、QUIET_UNTIL：应为 HH:MM") from None

    def keyring(self) -> dict[str, bytes]:
        """Returns the data keys by id, in order of age; the last one encrypts."""
        try:
            pairs = (item.strip().split(":", 1) for item in self.data_keys.split(","))
            keys = {key_id: base64.b64decode(value, validate=True) for key_id, value in pairs}
        except (ValueError, binascii.Error):
            raise ConfigurationError("DATA_KEYS：格式为 编号:base64，多个以逗号分隔") from None
        if any(len(key) != 32 or not (1 <= len(key_id) <= 8) for key_id, key in keys.items()):
            raise ConfigurationError("DATA_KEYS：每个密钥为 32 字节，编号 1–8 个字符")
        return keys

    @property
    def instance_dir(self) -> Path:
        return instance_dir(self.port)

    @property
    def files_dir(self) -> Path:
        """Where uploaded files lie when there is no S3 store; on several machines, a shared directory."""
        return Path(self.files_path) if self.files_path else self.instance_dir / "files"

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Returns the settings of this process.

        Raises ConfigurationError when the environment is half configured, or when nothing is
        configured and no embedded instance has been set up for this port.
        """
        required = [f.metadata["env"] for f in fields(cls) if f.metadata.get("required")]
        given = [name for name in required if environ.get(name)]
        if not given:
            path = instance_dir(int(environ.get("PORT", "8000"))) / "environment.json"
            if not path.exists():
                raise ConfigurationError(
                    f"未配置 {'、'.join(required)}，且本机没有内置环境（{path}）。试用请运行 make run。"
                )
            environ = {**json.loads(path.read_text()), **environ}
            return cls(embedded=True, **cls._read(environ))
        missing = [name for name in required if name not in given]
        if missing:
            raise ConfigurationError(f"配置不完整，缺少：{'、'.join(missing)}")
        return cls(**cls._read(environ))

    @classmethod
    def _read(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for f in fields(cls):
            text = environ.get(f.metadata.get("env", ""))
            if not text:
                continue
            try:
                values[f.name] = int(text) if f.type == "int" else text
            except ValueError:
                raise ConfigurationError(f"{f.metadata['env']}：应为整数") from None
        return values


def instance_dir(port: int) -> Path:
    """Returns where the embedded copy that serves `port` keeps its data."""
    return Path(os.environ.get("INSTANCE_DIR", ROOT / "instance")) / str(port)


_current: Settings | None = None


def use(chosen: Settings) -> None:
    """Makes `chosen` this process's settings: for tests and tools that build their own."""
    global _current
    _current = chosen


def settings() -> Settings:
    """Returns this process's settings, read once."""
    global _current
    if _current is None:
        _current = Settings.load()
    return _current
