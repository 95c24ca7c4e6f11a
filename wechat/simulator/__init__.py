"""A WeChat platform for one machine: the same limits, errors and pushes, and faults on demand."""

from __future__ import annotations

from flask import Flask, Response

from config.settings import ConfigurationError, Settings
from wechat.simulator import codes, control, login, messages, official, phone, tokens
from wechat.simulator.gateway import Gate, error_page
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
    endpoints = [e for part in (tokens, login, messages, official, codes) for e in part.ENDPOINTS]
    gate = Gate(app.wsgi_app, platform, endpoints)
    app.extensions["wechat_interfaces"] = gate.paths
    app.wsgi_app = gate  # type: ignore[method-assign]
    app.register_blueprint(control.blueprint)
    app.register_blueprint(phone.blueprint)

    @app.errorhandler(404)
    def not_found(error: object) -> Response:
        page = error_page(404)
        return Response(page.content, page.status, content_type=page.content_type)

    @app.after_request
    def only_own_files(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'; img-src 'self' blob:"
        return response

    return app
