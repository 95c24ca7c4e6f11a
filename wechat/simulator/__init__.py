"""A WeChat platform for one machine: the same limits, errors and pushes, and faults on demand."""

from __future__ import annotations

from flask import Flask, Response

from config.settings import ConfigurationError, Settings
from wechat.simulator import codes, control, faults, gateway, login, messages, phone, tokens
from wechat.simulator.platform import Platform


def create_simulator(config: Settings) -> Flask:
    """Builds the platform; its state lives in this process, so run it as one process.

    Raises ConfigurationError outside embedded mode: nobody's real data may meet it.
    """
    if not config.embedded:
        raise ConfigurationError("微信模拟平台只在内置环境中运行：已配置正式环境时不得启动")
    app = Flask(__name__)
    platform = Platform(config)
    app.extensions["wechat_platform"] = platform
    endpoints = tokens.ENDPOINTS + login.ENDPOINTS + messages.ENDPOINTS + codes.ENDPOINTS
    gateway.register(app, platform, endpoints)
    app.register_blueprint(control.blueprint)
    app.register_blueprint(phone.blueprint)

    @app.errorhandler(404)
    def not_found(error: object) -> Response:
        return faults.html_page(404, "404 Not Found")

    @app.after_request
    def only_own_files(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'; img-src 'self' blob:"
        return response

    return app
