"""Addresses of a store from the environment and from a folder's own name; good ones pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.checks.preflight import preflight
from kdpipe.checks.tracking import tracking_problems
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import tracking_uri

Write = Callable[..., Path]


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlflow.db",
        "sqlite:////store/mlflow.db",
        "sqlite:///some where/größe.db",
        "http://127.0.0.1:5000",
        "https://user:pass@mlflow.example.org/prefix/",
        "http://[::1]:5000",
        "postgresql://me@host/mlflow",
        "postgresql+psycopg://me@host/mlflow",
        "mysql+pymysql://me@host/mlflow",
    ],
)
def test_a_good_address(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(tracking_problems(Tracking(uri=uri))) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert list(tracking_problems(Tracking(uri="ftp://not.used"))) == []


@pytest.mark.parametrize("uri", ["ftp://x", "mlruns", "databricks", "localhost:5000", "http://[bad"])
def test_a_bad_address_in_the_environment(
    uri: str, write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(KdpipeError, match=r"^MLFLOW_TRACKING_URI: '"):
        preflight()


@pytest.mark.parametrize("name", ["what?", "50%41"])
def test_a_folder_that_a_database_cannot_be_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    (problem,) = tracking_problems(Tracking())
    sign = next(sign for sign in "?%" if sign in name)
    assert f"{folder}/mlflow.db holds a '{sign}', which means something else in" in str(problem)
    assert list(tracking_problems(Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db"))) == []


def test_a_folder_with_both_kinds_of_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'it\'s "mine"'
    folder.mkdir()
    monkeypatch.chdir(folder)
    (problem,) = tracking_problems(Tracking())
    assert f"{folder} holds both ' and \", with which MLflow makes no database; rename" in str(problem)
    assert list(tracking_problems(Tracking(uri="http://127.0.0.1:5000"))) == []


def test_a_path_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tracking_uri(Tracking(uri="sqlite:///~/mlflow.db")) == f"sqlite:///{tmp_path}/mlflow.db"
