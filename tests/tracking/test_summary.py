"""The report in MLflow: on the parent run, in the experiment's note, and in a view of the arms."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import OmegaConf

from kdpipe.errors import KdpipeError
from kdpipe.params.schema import PARAMS_FILE, Tracking
from kdpipe.report.read import load_content
from kdpipe.report.write import REPORTS_DIR
from kdpipe.tracking import Store, finished_cells, publish_report, view_page
from tests.browser import browser, needs_browser
from tests.commands.test_ui import served
from tests.conftest import forget_others
from tests.project import TINY
from tests.reported import SCORES, finish, report

TRACKING = Tracking(experiment="test")
PHONE = 390  # pixels
SHOWN = ["test/e2e/coco/AP", "test/nms/coco/AP"]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """With the report of ten trainings."""
    monkeypatch.chdir(tmp_path)
    forget_others(monkeypatch)
    for cell, score in SCORES.items():
        finish(cell, score)
    report(list(SCORES))
    (REPORTS_DIR / "index.html").write_text("<h1>the page</h1>")
    (REPORTS_DIR / "plots").mkdir()
    (REPORTS_DIR / "plots/boxes-n-s.jpg").write_bytes(b"a picture")
    publish()
    return Store(TRACKING)


def publish() -> None:
    publish_report(TRACKING, REPORTS_DIR, load_content().answers, SHOWN, finished_cells(SCORES))


def parent(store: Store) -> Run:
    (found,) = store.client.search_runs([store.experiment_id], "tags.stage = 'pipeline'")
    return found


def trainings(store: Store, query: str) -> list[str]:
    found = store.client.search_runs([store.experiment_id], f"tags.stage != 'pipeline' and {query}")
    return sorted(run.info.run_name for run in found)


def note(store: Store) -> str:
    return str(store.client.get_experiment(store.experiment_id).tags["mlflow.note.content"])


def test_sentence_metrics_and_mlflow_say_the_same(store: Store) -> None:
    found = parent(store).data
    said = json.loads((REPORTS_DIR / "metrics.json").read_text())["n-s"]
    for head in ("e2e", "nms"):
        shown = {name: found.metrics[f"n-s/{head}/{name}"] for name in said[head]}
        assert shown == said[head]
        assert list(shown) == ["baseline", "distilled", "gain", "low", "high", "P"]
    assert found.metrics["n-s/dis"] == 1.0
    (answer,) = load_content().answers
    gain, low, high = (found.metrics[f"n-s/e2e/{name}"] for name in ("gain", "low", "high"))
    assert f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]" in answer
    assert note(store) == found.tags["mlflow.note.content"] == answer


def test_its_files_are_those_of_the_report(store: Store, tmp_path: Path) -> None:
    run = parent(store).info.run_id
    files = {file.path for file in store.client.list_artifacts(run)}
    assert files == {"benchmark.md", "index.html", "metrics.json", "plots"}
    (picture,) = store.client.list_artifacts(run, "plots")
    assert picture.path == "plots/boxes-n-s.jpg"
    copy = store.client.download_artifacts(run, "benchmark.md", str(tmp_path))
    assert Path(copy).read_text() == (REPORTS_DIR / "benchmark.md").read_text()


def test_final_metrics_are_at_step_0_and_changed_ones_later(store: Store) -> None:
    """MLflow draws metrics of several runs as bars if their only step is 0."""
    run = parent(store).info.run_id
    (training,) = store.client.search_runs([store.experiment_id], "tags.cell = 'baseline/yolo26n/0'")
    for run_id, name in ((run, "n-s/e2e/gain"), (training.info.run_id, SHOWN[0])):
        assert [metric.step for metric in store.client.get_metric_history(run_id, name)] == [0]
    metrics = REPORTS_DIR / "metrics.json"
    said = json.loads(metrics.read_text())
    said["n-s"]["e2e"]["gain"] = 1.5
    metrics.write_text(json.dumps(said))
    publish()
    assert parent(store).data.metrics["n-s/e2e/gain"] == 1.5
    assert [metric.step for metric in store.client.get_metric_history(run, "n-s/e2e/gain")] == [0, 1]
    assert [metric.step for metric in store.client.get_metric_history(run, "n-s/e2e/low")] == [0]


def test_the_same_report_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("written again")

    names = ("log_batch", "log_artifact", "log_artifacts", "set_tag", "delete_tag", "set_experiment_tag")
    for name in names:
        monkeypatch.setattr(MlflowClient, name, refused)
    publish()
    (REPORTS_DIR / "benchmark.md").write_text("another one")
    with pytest.raises(KdpipeError, match="written again"):
        publish()


def test_a_note_that_somebody_wrote_stays(store: Store) -> None:
    store.client.set_experiment_tag(store.experiment_id, "mlflow.note.content", "mine")
    publish()
    assert note(store) == "mine"


def test_the_view_has_the_trainings_of_the_report_and_no_others(store: Store) -> None:
    names = sorted(cell.id for cell in SCORES)
    assert trainings(store, "tags.reported = 'yes'") == names
    fewer = [cell for cell in SCORES if cell.dis != 6]
    publish_report(TRACKING, REPORTS_DIR, load_content().answers, SHOWN, finished_cells(fewer))
    assert trainings(store, "tags.reported = 'yes'") == [name for name in names if "/6/" not in name]


def test_an_experiment_in_its_folder_leaves_the_answer_of_the_workspace(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued experiments of DVC run in a copy of the repository; DVC_ROOT says where that is."""
    before = store.client.get_experiment(store.experiment_id).tags
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("reports", "runs", "models", "params.yaml"):
        (folder / name).symlink_to(tmp_path / name)
    monkeypatch.chdir(folder)
    fewer = [cell for cell in SCORES if cell.dis != 6]
    publish_report(TRACKING, REPORTS_DIR, ["another answer"], SHOWN, finished_cells(fewer))
    assert store.client.get_experiment(store.experiment_id).tags == before
    assert len(trainings(store, "tags.reported = 'yes'")) == len(SCORES)


def test_other_params_have_their_own_numbers(store: Store) -> None:
    Path(PARAMS_FILE).write_text("sweep: {dis: [1.0, 6], seeds: [0, 1, 2]}\nevaluate: {smallest: 2.0}\n")
    publish()
    found = store.client.search_runs([store.experiment_id], "tags.stage = 'pipeline'")
    assert [run.data.metrics.get("n-s/dis") for run in found] == [1.0, 1.0]


def test_a_note_has_as_many_answers_as_fit(store: Store) -> None:
    publish_report(TRACKING, REPORTS_DIR, ["x" * 1000] * 9, SHOWN, finished_cells(SCORES))
    assert note(store).endswith("\n\n5 more are in the table.")
    assert 4000 < len(note(store)) < 5000


def test_arms_are_named_by_what_differs(store: Store) -> None:
    arms = {"yolo26s teacher": 1, "yolo26n baseline": 3, "n-s dis 1.0": 3, "n-s dis 6": 3}
    assert {arm: len(trainings(store, f"params.arm = '{arm}'")) for arm in arms} == arms


def test_settings_are_params_once_not_tags_as_well(store: Store) -> None:
    (run,) = store.client.search_runs([store.experiment_id], "tags.cell = 'distill/n-s/1.0/0'")
    settings = {"pair", "student", "teacher", "dis", "seed"}
    assert settings <= run.data.params.keys()
    assert settings.isdisjoint(run.data.tags)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (PHONE, True)])
def test_a_browser_shows_the_answer_and_the_means_of_the_arms(
    store: Store, tmp_path: Path, *, width: int, dark: bool
) -> None:
    OmegaConf.save(OmegaConf.create(TINY), PARAMS_FILE)
    with served(tmp_path) as (port, _), browser(width, dark=dark) as (page, asked, _):
        page.goto(f"http://127.0.0.1:{port}/{view_page(store.experiment_id)}")
        seen = "n-s dis 1.0" if width > PHONE else "points of"  # a phone has no room for MLflow's table
        page.wait_for_function(f"document.body.innerText.includes('{seen}')", timeout=120_000)
        text = page.locator("body").inner_text()
        assert {address.split("/")[2] for address in asked if address.startswith("http")} == {
            f"127.0.0.1:{port}"
        }
    (answer,) = load_content().answers
    assert re.sub("`", "", answer) in re.sub("`", "", text.replace("\n", " "))
    if width == PHONE:
        return
    groups = re.findall(r"Group: (.+)\n\s*(\d+)\n", text)
    counts = {"yolo26s teacher": "1", "n-s dis 1.0": "3", "yolo26n baseline": "3", "n-s dis 6": "3"}
    assert groups == list(counts.items())
    assert "distill/n-s/1.0/0" not in text
    assert "0.41 (average)" in text
