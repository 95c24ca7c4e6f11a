"""Settings: embedded or service, never half of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.settings import ConfigurationError, Settings
from wechat.simulator import create_simulator

SERVICE = {
    "DATABASE_URL": "postgresql://db/tizhitong",
    "REDIS_URL": "redis://cache/0",
    "WECHAT_MP_APPID": "wx0123456789abcdef",
    "WECHAT_MP_SECRET": "s" * 32,
    "WECHAT_MP_PUSH_TOKEN": "token",
    "WECHAT_MP_AES_KEY": "A" * 43,
    "SECRET_KEY": "k" * 40,
    "DATA_KEYS": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "PUBLIC_URL": "https://tizhitong.example.cn",
}


def test_service_mode_takes_everything_from_the_environment() -> None:
    settings = Settings.load({**SERVICE, "WEB_PROCESSES": "4"})
    assert (settings.embedded, settings.web_processes) == (False, 4)
    assert settings.wechat_api_base == "https://api.weixin.qq.com"
    assert "s" * 32 not in repr(settings) and "k" * 40 not in repr(settings)


@pytest.mark.parametrize("missing", sorted(SERVICE))
def test_half_configured_is_refused_by_name(missing: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.load({name: value for name, value in SERVICE.items() if name != missing})
    assert missing in str(refused.value)
    assert not any(name in str(refused.value) for name in SERVICE if name != missing)


def test_an_official_account_is_configured_wholly_or_not_at_all() -> None:
    assert Settings.load(SERVICE).wechat_oa_appid == ""
    with pytest.raises(ConfigurationError, match="WECHAT_OA_SECRET、WECHAT_OA_PUSH_TOKEN、WECHAT_OA_AES_KEY"):
        Settings.load({**SERVICE, "WECHAT_OA_APPID": "wx0123456789abcde0"})


def test_service_mode_speaks_to_wechat_and_to_nobody_else() -> None:
    with pytest.raises(ConfigurationError, match="WECHAT_API_BASE"):
        Settings.load({**SERVICE, "WECHAT_API_BASE": "http://127.0.0.1:8001"})


OFFICIAL_ACCOUNT = {
    "WECHAT_OA_APPID": "wxfedcba9876543210",
    "WECHAT_OA_SECRET": "o" * 32,
    "WECHAT_OA_PUSH_TOKEN": "token",
    "WECHAT_OA_AES_KEY": "B" * 42 + "A",
}


def test_the_official_account_is_there_whole_or_not_at_all() -> None:
    assert Settings.load({**SERVICE, **OFFICIAL_ACCOUNT}).wechat_oa_appid == "wxfedcba9876543210"
    assert Settings.load(SERVICE).wechat_oa_appid == ""
    for name in OFFICIAL_ACCOUNT:
        rest = {other: value for other, value in OFFICIAL_ACCOUNT.items() if other != name}
        with pytest.raises(ConfigurationError, match=f"服务号.*：{name}$"):
            Settings.load({**SERVICE, **rest})


def test_the_simulator_refuses_service_mode() -> None:
    with pytest.raises(ConfigurationError, match="模拟"):
        create_simulator(Settings.load(SERVICE))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "八千"),
        ("SECRET_KEY", "short"),
        ("DATA_KEYS", "k1"),
        ("DATA_KEYS", "k1:c2hvcnQ="),
        ("DATA_CIPHER", "rot13"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.load({**SERVICE, name: value})


def test_with_nothing_configured_the_ports_own_copy_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="make run"):
        Settings.load({"PORT": "9000"})
    own: dict[str, Any] = {**SERVICE, "WECHAT_API_BASE": "http://127.0.0.1:9001"}
    (tmp_path / "9000").mkdir()
    (tmp_path / "9000" / "environment.json").write_text(json.dumps(own))
    settings = Settings.load({"PORT": "9000"})
    assert (settings.embedded, settings.wechat_api_base) == (True, "http://127.0.0.1:9001")
    with pytest.raises(ConfigurationError, match="不完整"):
        Settings.load({"PORT": "9000", "DATABASE_URL": "postgresql://db/x"})


@pytest.mark.parametrize("name", ["QUIET_FROM", "QUIET_UNTIL"])
def test_quiet_hours_are_times(name: str) -> None:
    with pytest.raises(ConfigurationError, match="HH:MM"):
        Settings.load({**SERVICE, name: "十点"})
