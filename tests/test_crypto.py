"""Personal data at rest: encrypted, bound to its column, rotated by a command."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from flask import Flask
from sqlalchemy import LargeBinary, select, text, type_coerce

from models import crypto
from models.base import Base
from models.crypto import EncryptedBytes, Keyring
from models.people import User
from tests.builders import World
from tests.conftest import test_settings

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@pytest.mark.parametrize("suite", ["aes-gcm", "sm4-gcm"])
def test_a_value_opens_in_its_own_column_only(suite: str) -> None:
    ring = Keyring({"k1": OLD}, "secret", suite)
    stored = ring.encrypt(b"13800138000", "users.phone")
    assert b"13800138000" not in stored and stored != ring.encrypt(b"13800138000", "users.phone")
    assert ring.decrypt(stored, "users.phone") == b"13800138000"
    with pytest.raises(InvalidTag):
        ring.decrypt(stored, "users.name")
    with pytest.raises(InvalidTag):
        ring.decrypt(stored[:-1] + bytes([stored[-1] ^ 1]), "users.phone")
    assert ring.blind_index("13800138000") == ring.blind_index("13800138000")
    assert ring.blind_index("13800138000") != Keyring({"k1": OLD}, "other", suite).blind_index("13800138000")


def test_every_encrypted_column_names_itself() -> None:
    every = [column for mapper in Base.registry.mappers for column in mapper.columns]
    columns = [column for column in every if isinstance(column.type, EncryptedBytes)]
    assert len(columns) >= 8
    for column in columns:
        assert isinstance(column.type, EncryptedBytes)
        assert column.type.column == f"{column.table.name}.{column.name}"
        assert column.info["personal"] is True


def test_nothing_personal_is_readable_in_the_database(world: World) -> None:
    person = world.person(name="欧阳观察")
    assert person.phone
    with world.session() as session:
        row = session.execute(text("SELECT name, phone FROM users WHERE id = :id"), {"id": person.id}).one()
    assert all(bytes(value).startswith(b"k1:") for value in row)
    assert person.phone.encode() not in bytes(row.phone) and "欧阳".encode() not in bytes(row.name)


def test_rotation(app: Flask, world: World, database_url: str, redis_url: str) -> None:
    person = world.person()
    settings = test_settings(database_url, redis_url)
    crypto.configure(Keyring({**settings.keyring(), "k2": NEW}, settings.secret_key, settings.data_cipher))
    try:
        told = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert told.exit_code == 0 and "users：" in told.output
        assert app.test_cli_runner().invoke(args=["keys", "rotate"]).output == ""
        with world.session() as session:
            raw = select(type_coerce(User.phone, LargeBinary)).where(User.id == person.id)
            assert bytes(session.execute(raw).scalar_one()).startswith(b"k2:")
            assert session.get(User, person.id).phone == person.phone
    finally:
        # Back again, for the tests that follow know nothing of the new key.
        both = {"k2": NEW, **settings.keyring()}
        crypto.configure(Keyring(both, settings.secret_key, settings.data_cipher))
        assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
        crypto.configure(Keyring(settings.keyring(), settings.secret_key, settings.data_cipher))
