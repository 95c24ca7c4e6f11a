"""Kept connections: used again, given up in time, and never a doubt whether a call went out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from wechat.connections import Connections, Lost, NeverSent, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Host:
    """Gives its connections, one after another, the answers it was told; `heard` is what each was asked."""

    def __init__(self, *connections: tuple[bytes, ...]) -> None:
        self.heard: list[list[bytes]] = []
        self.hung_up = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(connections,))
        self._thread.start()

    def _serve(self, connections: tuple[tuple[bytes, ...], ...]) -> None:
        for answers in connections:
            client, _ = self._socket.accept()
            self.heard.append([])
            with client:
                client.settimeout(10)
                for answer in answers:
                    self.heard[-1].append(client.recv(65536))
                    client.sendall(answer)
            self.hung_up.set()

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()
        assert not self._thread.is_alive()


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(*connections: tuple[bytes, ...]) -> Host:
        made.append(Host(*connections))
        return made[-1]

    yield make
    for host in made:
        host.close()


def pool(host: Host, scheme: str = "http", size: int = 2) -> Connections:
    return Connections(f"{scheme}://127.0.0.1:{host.port}", size=size, timeout=(5, 5))


def call(connections: Connections) -> Reply:
    return connections.exchange("POST", "/p?q=1", b"{}", {"Content-Type": "application/json"})


def test_a_connection_is_used_again(host: Callable[..., Host]) -> None:
    played = host((OK, OK, OK))
    connections = pool(played)
    assert [call(connections).content for _ in range(3)] == [b"ok"] * 3
    [heard] = played.heard
    assert heard[0].startswith(b"POST /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:") and heard[0].endswith(
        b"\r\n\r\n{}"
    )
    connections.close()


def test_a_connection_the_host_closed_is_not_used(host: Callable[..., Host]) -> None:
    played = host((OK,), (OK,))
    connections = pool(played)
    call(connections)
    assert played.hung_up.wait(10)
    assert call(connections).content == b"ok"
    assert len(played.heard) == 2
    connections.close()


def test_a_host_that_says_more_than_it_was_asked_is_not_believed(host: Callable[..., Host]) -> None:
    played = host((OK + OK,), (OK,))
    connections = pool(played)
    call(connections)
    assert played.hung_up.wait(10)
    call(connections)
    assert len(played.heard) == 2
    connections.close()


@pytest.mark.parametrize("kept", [0, 1])
def test_so_many_are_kept(host: Callable[..., Host], kept: int) -> None:
    played = host((OK, OK)) if kept else host((OK,), (OK,))
    connections = pool(played, size=kept)
    call(connections)
    call(connections)
    assert len(played.heard) == 2 - kept
    connections.close()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf", b"nonsense\r\n\r\n", b"HTTP/1.1 2"]
)
def test_an_answer_that_is_not_whole_is_lost(host: Callable[..., Host], answer: bytes) -> None:
    with pytest.raises(Lost):
        call(pool(host((answer,))))


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(NeverSent):
        call(Connections(f"http://127.0.0.1:{port}", size=1, timeout=(1, 1)))


def test_a_host_without_a_certificate_hears_nothing_of_the_call(host: Callable[..., Host]) -> None:
    played = host((b"HTTP/1.1 400 Bad Request\r\n\r\n",))
    with pytest.raises(NeverSent):
        call(pool(played, "https"))
    assert b"POST" not in played.heard[0][0]


def test_a_proxy_is_asked_for_the_way_and_told_nothing_else(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = host((b"HTTP/1.1 403 Forbidden\r\n\r\n",))
    monkeypatch.setenv("https_proxy", f"http://user:p%40ss@127.0.0.1:{played.port}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(NeverSent):
        call(Connections("https://api.weixin.qq.com", size=1, timeout=(5, 5)))
    [[heard]] = played.heard
    assert heard.startswith(b"CONNECT api.weixin.qq.com:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in heard and b"POST" not in heard
