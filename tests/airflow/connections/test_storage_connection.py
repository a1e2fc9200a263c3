"""From an Airflow connection to objects: a folder of the worker's own, and S3 through Airflow's ObjectStoragePath."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from setpoint.model import Completeness
from setpoint.policy.schema import Policy
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.object_storage import ObjectMetric, ObjectSource
from setpoint.testing.values import a_policy
from setpoint_airflow.connections.contract import ConnectionProblemError
from setpoint_airflow.connections.storage import StorageConnection
from setpoint_airflow.providers import sources_for

HEAD = "timestamp,target,value\n"


def now_and_lines(values: dict[str, float]) -> tuple[datetime, str]:
    """This moment, and a point of the last whole minute for each target."""
    now = datetime.now(UTC)
    at = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    return now, "".join(f"{at:%FT%TZ},{target},{value}\n" for target, value in values.items())


def metric(url: str, **keys: Any) -> ObjectMetric:
    common = {"source": "object", "url": url, "files": "**/*.csv*", "format": "csv", "period": "1m", "window": "10m"}
    return ObjectMetric.model_validate({**common, **keys})


def test_a_folder_of_the_worker_needs_no_connection(tmp_path: Path) -> None:
    """From the policy to the points, over Airflow's own path."""
    now, lines = now_and_lines({"web": 1.5})
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_text(HEAD + lines)
    policy: Policy = a_policy(metrics={"cpu": metric(f"file://{tmp_path}").model_dump(mode="json", by_alias=True)})
    (source,) = sources_for(policy).values()
    fetched = source.fetch(policy.metrics, ("web",), now)
    assert fetched.frame["value"].tolist() == [1.5]


def test_a_missing_connection_is_named() -> None:
    """Before anything is read."""
    with pytest.raises(ConnectionProblemError, match=r"'nowhere' does not exist.*AIRFLOW_CONN_NOWHERE"):
        StorageConnection.client(ObjectSource, "nowhere", None)


def test_a_storage_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads it has to be installed."""
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps({"conn_type": "wasb"}))
    storage = StorageConnection.client(ObjectSource, "elsewhere", None)
    with pytest.raises(SourceError, match="no installed Airflow provider reads abfs://") as raised:
        ObjectSource(storage).fetch(
            {"cpu": metric("abfs://box/m", connection="elsewhere")}, ("web",), datetime.now(UTC)
        )
    assert not raised.value.retryable


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, Any]]:
    """An S3, its URL and a client for putting objects there."""
    pytest.importorskip("s3fs", reason="Airflow reads s3:// with s3fs (apache-airflow-providers-amazon[s3fs])")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    key = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-west-1"}
    client = boto3.client("s3", endpoint_url=url, **key)
    yield url, client
    server.stop()


@pytest.fixture
def bucket(s3: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """A connection of its own, since Airflow keeps a filesystem for each; and the client."""
    name = f"s3_{uuid.uuid4().hex}"
    extra = {"endpoint_url": s3[0], "region_name": "eu-west-1"}
    fields = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")  # a page of a listing
    place = {"LocationConstraint": "eu-west-1"}
    s3[1].create_bucket(Bucket=name.replace("_", "-"), CreateBucketConfiguration=place)
    return name, s3[1]


def bucket_of(connection: str) -> str:
    """The bucket that goes with a connection."""
    return connection.replace("_", "-")


def fetch(connection: str, targets: tuple[str, ...], now: datetime, storage: Any = None, **keys: Any) -> Fetched:
    made = storage or StorageConnection.client(ObjectSource, connection, None)
    wanted = metric(f"s3://{bucket_of(connection)}/fleet", connection=connection, **keys)
    return ObjectSource(made).fetch({"cpu": wanted}, targets, now)


def test_objects_in_s3_are_read(bucket: tuple[str, Any]) -> None:
    """CSV, gzipped and not, by the hour; a listing of more than one page; and what came since is seen at once."""
    name, client = bucket
    now, lines = now_and_lines({"web": 1.0})
    for number in range(10):
        client.put_object(Bucket=bucket_of(name), Key=f"fleet/{now:%Y-%m-%d}/{number:04}.txt", Body=b"")
    client.put_object(
        Bucket=bucket_of(name), Key=f"fleet/{now:%Y-%m-%d}/zz.csv.gz", Body=gzip.compress((HEAD + lines).encode())
    )
    storage = StorageConnection.client(ObjectSource, name, None)
    wanted = {"files": "%Y-%m-%d/*.csv*"}
    assert fetch(name, ("web",), now, storage, **wanted).frame["value"].tolist() == [1.0]
    more = lines.replace("web,1.0", "api,2.0")
    client.put_object(Bucket=bucket_of(name), Key=f"fleet/{now:%Y-%m-%d}/zzz.csv", Body=(HEAD + more).encode())
    fetched = fetch(name, ("web", "api"), now, storage, **wanted)
    assert sorted(fetched.frame["value"]) == [1.0, 2.0]
    assert {one.status for one in fetched.series} == {Completeness.COMPLETE}


def test_an_object_that_is_replaced_while_it_is_read_is_not_used(bucket: tuple[str, Any]) -> None:
    """Its ETag is another one afterwards."""
    name, client = bucket
    now, lines = now_and_lines({"web": 1.0})
    client.put_object(Bucket=bucket_of(name), Key="fleet/a.csv", Body=(HEAD + lines).encode())
    path = StorageConnection.client(ObjectSource, name, None)(f"s3://{bucket_of(name)}/fleet")
    plain = path.fs.cat_file

    def cat_file(*arguments: Any, **keys: Any) -> Any:
        content = plain(*arguments, **keys)
        client.put_object(Bucket=bucket_of(name), Key="fleet/a.csv", Body=(HEAD + lines.replace("1.0", "7.0")).encode())
        return content

    path.fs.cat_file = cat_file
    fetched = fetch(name, ("web",), now, lambda url: path)
    assert (fetched.series[0].status, fetched.series[0].points) == (Completeness.PARTIAL, 0)
    assert "a.csv: it changed while it was being read" in fetched.series[0].messages[0]


def test_nothing_there_is_not_the_same_as_no_bucket(bucket: tuple[str, Any]) -> None:
    """An empty prefix is an empty answer; a bucket that is not there is a mistake."""
    name, _ = bucket
    now = datetime.now(UTC)
    assert fetch(name, ("web",), now).series[0].points == 0
    storage = StorageConnection.client(ObjectSource, name, None)
    with pytest.raises(SourceError, match="is not there; put right url"):
        ObjectSource(storage).fetch({"cpu": metric("s3://nowhere/m", connection=name)}, ("web",), now)


def test_a_storage_that_cannot_be_reached_may_be_later(monkeypatch: pytest.MonkeyPatch, s3: tuple[str, Any]) -> None:
    """Nobody listens there: an error that may pass, in bounded time."""
    extra = {"endpoint_url": "http://127.0.0.1:1", "region_name": "eu-west-1"}
    fields = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_GONE", json.dumps(fields))
    with pytest.raises(SourceError, match=r"listing s3://s3-gone/fleet.*tried again") as raised:
        fetch("s3_gone", ("web",), datetime.now(UTC))
    assert raised.value.retryable
