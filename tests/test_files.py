"""The file store on local disk and in a bucket: the same contents go in and come out, sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from flask import Flask

from app import files
from app.access import SYSTEM
from app.files import FileMissing, FileStore, StoreUnavailable
from app.transactions import begin
from config.settings import ConfigurationError, settings
from models.base import new_id
from tests.s3_server import Bucket, bucket

S3 = {"s3_bucket": "evidence", "s3_access_key": "key-of-a-test", "s3_secret_key": "secret-of-a-test"}


@pytest.fixture
def s3() -> Iterator[Bucket]:
    with bucket() as store:
        yield store


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, app: Flask, s3: Bucket, tmp_path: Path) -> Iterator[FileStore]:
    chosen = {"s3_endpoint": s3.endpoint, "s3_region": "cn-test-1", **S3}
    changes = {"files_path": str(tmp_path)} if request.param == "disk" else chosen
    with app.app_context():
        yield files.of(replace(settings(), **changes))


def test_a_content_goes_in_and_comes_out(store: FileStore) -> None:
    content, name = "签到表".encode() * 1000, new_id().hex
    store.write(name, content)
    assert store.read(name) == content
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert list(store.older_than(soon)) == [name]
    assert list(store.older_than(soon - timedelta(days=1))) == []
    store.remove(name)
    store.remove(name)
    with pytest.raises(FileMissing):
        store.read(name)
    assert list(store.older_than(soon)) == []


def test_nothing_is_stored_or_read_inside_a_transaction(store: FileStore) -> None:
    with begin(SYSTEM) as session:
        session.connection()
        for act in (lambda: store.write("a", b"1"), lambda: store.read("a"), lambda: store.remove("a")):
            with pytest.raises(RuntimeError, match="inside a transaction"):
                act()


def test_a_bucket_holds_sealed_objects_and_each_is_bound_to_its_name(app: Flask, s3: Bucket) -> None:
    with app.app_context():
        store = files.of(replace(settings(), s3_endpoint=s3.endpoint, s3_region="cn-test-1", **S3))
        store.write("one", b"%PDF of one")
        assert b"%PDF" not in s3.objects["one"] and "key-of-a-test" in s3.signed[0]
        s3.objects["two"] = s3.objects["one"]  # whoever can write to the bucket puts one in another's place
        with pytest.raises(InvalidTag):
            store.read("two")


def test_a_bucket_that_does_not_answer_is_unavailable(app: Flask, s3: Bucket) -> None:
    with app.app_context():
        store = files.of(replace(settings(), s3_endpoint=s3.endpoint, s3_region="cn-test-1", **S3))
        s3.down = True
        for act in (lambda: store.write("a", b"1"), lambda: store.read("a")):
            with pytest.raises(StoreUnavailable):
                act()


def test_a_store_is_configured_whole_or_not_at_all() -> None:
    with pytest.raises(ConfigurationError, match="文件库的配置不完整，缺少：S3_BUCKET"):
        replace(settings(), s3_endpoint="https://s3.example.cn", s3_access_key="a", s3_secret_key="b")
