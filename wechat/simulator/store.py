"""Where the platform keeps what must survive its restart: people, settings, and what was really sent."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sent (
  n INTEGER PRIMARY KEY, at INTEGER NOT NULL, person TEXT NOT NULL, appid TEXT NOT NULL, openid TEXT NOT NULL,
  template_id TEXT NOT NULL, msgid TEXT NOT NULL, client_msg_id TEXT NOT NULL, result TEXT NOT NULL,
  content TEXT NOT NULL, digest BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS sent_to ON sent (person, n);
CREATE INDEX IF NOT EXISTS sent_twice ON sent (openid, template_id, digest);
"""


class Store:
    """One SQLite file, readable by its owner only; whoever uses it holds the platform's lock.

    It does not wait for the disk: a simulated platform may forget its last second in a power cut.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=OFF")
        self._database.executescript(_TABLES)

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Runs one statement, which stands at once."""
        return self._database.execute(statement, values)

    def fact(self, name: str) -> Any:
        """Returns what was kept under this name, or None."""
        row = self.execute("SELECT value FROM facts WHERE name = ?", name).fetchone()
        return json.loads(row["value"]) if row else None

    def keep(self, name: str, value: Any) -> None:
        """Keeps a value, of JSON, under this name."""
        self.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, json.dumps(value))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
