"""What was really sent to whom: the platform's own log, against which an application can be checked."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from wechat.simulator.store import Store

MOST = 1000


class SentLog:
    """Every message the platform accepted, in order; `result` is success or why it did not arrive."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        *,
        at: int,
        person: str,
        appid: str,
        openid: str,
        template_id: str,
        msgid: int,
        result: str,
        content: dict[str, Any],
        client_msg_id: str = "",
    ) -> None:
        """Logs one message; `content` is its title, lines and where it leads."""
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        row = (at, person, appid, openid, template_id, str(msgid), client_msg_id, result, text, digest)
        self._store.execute("INSERT INTO sent VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)

    def list(self, person: str | None = None, after: int = 0, limit: int = MOST) -> list[dict[str, Any]]:
        """Returns the messages numbered above `after`, newest first, of everybody or of one person."""
        whose, values = ("AND person = ?", [person]) if person is not None else ("", [])
        rows = self._store.execute(
            f"SELECT * FROM sent WHERE n > ? {whose} ORDER BY n DESC LIMIT ?", after, *values, limit
        )
        return [_described(row) for row in rows]

    def recognise(self, appid: str, person: str, client_msg_id: str, since: float) -> int | None:
        """Returns the msgid of a message that had this client_msg_id since then, or None."""
        if not client_msg_id:
            return None
        row = self._store.execute(
            "SELECT msgid FROM sent WHERE person = ? AND appid = ? AND client_msg_id = ? AND at > ?",
            person,
            appid,
            client_msg_id,
            since,
        ).fetchone()
        return int(row["msgid"]) if row else None

    def last(self) -> int:
        """Returns the number of the last message."""
        return int(self._store.execute("SELECT coalesce(max(n), 0) FROM sent").fetchone()[0])

    def check(self, after: int = 0, template_id: str | None = None, same: str = "content") -> dict[str, Any]:
        """Counts the messages numbered above `after` and names those that somebody got twice.

        What is one message is told by its content or, with `same` = "template", by its template alone.
        """
        chosen, values = ("AND template_id = ?", [template_id]) if template_id else ("", [])
        content = ", digest" if same == "content" else ""
        twice = self._store.execute(
            f"SELECT openid, template_id, count(*) AS times, group_concat(n) AS numbers FROM sent "
            f"WHERE n > ? {chosen} GROUP BY openid, template_id{content} HAVING count(*) > 1",
            after,
            *values,
        ).fetchall()
        sent, addressees = self._store.execute(
            f"SELECT count(*), count(DISTINCT openid) FROM sent WHERE n > ? {chosen}", after, *values
        ).fetchone()
        duplicates = [{**dict(row), "numbers": [int(n) for n in row["numbers"].split(",")]} for row in twice]
        return {"sent": sent, "addressees": addressees, "duplicates": duplicates}


def _described(row: sqlite3.Row) -> dict[str, Any]:
    described = dict(row)
    del described["digest"]
    return {**described, **json.loads(described.pop("content"))}
