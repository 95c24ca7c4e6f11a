"""What a browser says of itself, in the words by which people know their devices."""

from __future__ import annotations

BROWSERS = (
    ("MicroMessenger/", "微信"),
    ("Edg/", "Edge"),
    ("QQBrowser/", "QQ 浏览器"),
    ("360", "360 浏览器"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("HarmonyOS", "鸿蒙"),
    ("Android", "Android"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str) -> str:
    """Returns “Chrome · Windows” of a User-Agent."""
    browser = next((name for sign, name in BROWSERS if sign in user_agent), "其他浏览器")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "其他系统")
    return f"{browser} · {system}"
