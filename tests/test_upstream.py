"""Every private or undocumented name of other packages that kdpipe uses, so that an upgrade fails here first.

Each entry names the object, the parameters that kdpipe passes to it, and what breaks without it.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

import kdpipe.runner  # noqa: F401 - isolates Ultralytics before it is imported

NAMES = [
    # torch
    (
        "torch.serialization:get_unsafe_globals_in_checkpoint",
        ["f"],
        "a checkpoint cannot be checked before it is opened",
    ),
    (
        "torch.serialization:safe_globals",
        ["safe_globals"],
        "a checkpoint cannot be read with inert classes in place of a model's",
    ),
    ("torch._C._nn:mkldnn_reorder_conv2d_weight", None, "a teacher's weights are not laid out for oneDNN"),
    ("torch.ops:mkldnn._is_mkldnn_bf16_supported", None, "a teacher in bfloat16 fails on a CPU without it"),
    ("torch.ops:mkldnn._convolution_pointwise", None, "a teacher's convolution and activation are not fused"),
    (
        "torch._inductor.cpp_builder:get_cpp_compiler",
        [],
        "`compile: true` without a C++ compiler fails late and obscurely",
    ),
    ("torch._inductor:list_mode_options", [], "a wrong train.compile is found in the training"),
    ("torch.distributed.run:main", None, "a training on several GPUs cannot be started"),
    # ultralytics
    (
        "ultralytics.utils.torch_utils:prepare_qat",
        ["model", "dataloader", "preprocess"],
        "`quantize` simulates no INT8",
    ),
    (
        "ultralytics.utils.torch_utils:restore_qat",
        ["model", "state"],
        "a checkpoint with `quantize` is opened without its integers",
    ),
    (
        "ultralytics.utils.patches:override_configs",
        ["args", "overrides"],
        "images that measure ranges are cached for the training",
    ),
    ("ultralytics.cfg:check_cfg", ["cfg"], "values under `train` are not checked before training"),
    (
        "ultralytics.data.converter:merge_multi_segment",
        ["segments"],
        "objects in several parts cannot be imported as outlines",
    ),
    (
        "ultralytics.data.utils:check_det_dataset",
        ["dataset"],
        "data sets that Ultralytics ships cannot be downloaded",
    ),
    ("ultralytics.cfg:get_cfg", ["overrides"], "the prepared data is not read as a training reads it"),
    (
        "ultralytics.data.build:build_yolo_dataset",
        ["cfg", "img_path", "batch", "data", "mode"],
        "the prepared data is not read as a training reads it",
    ),
    (
        "ultralytics.data.base:BaseDataset.load_image",
        ["self", "i"],
        "images that only Ultralytics cannot decode are found in a training",
    ),
    (
        "ultralytics.nn.modules:Conv.default_act",
        None,
        "a yaml that cannot be built changes the activation of the models after it",
    ),
    ("ultralytics.nn.autobackend:check_class_names", ["names"], "class names are not compared"),
    ("ultralytics.utils:YAML.load", ["file"], "class names are not compared"),
    (
        "ultralytics.utils.patches:imread",
        ["filename", "flags"],
        "turned images have the wrong size, and BatchNorm statistics anew are of other pixels",
    ),
    (
        "ultralytics.data.augment:LetterBox.__call__",
        ["self", "image"],
        "BatchNorm statistics anew are of other pixels",
    ),
    ("ultralytics.data.utils:IMG_FORMATS", None, "no images for BatchNorm statistics anew"),
    (
        "ultralytics.utils.checks:check_imgsz",
        ["imgsz", "stride", "max_dim"],
        "BatchNorm statistics anew are of images of another size",
    ),
    (
        "ultralytics.utils.torch_utils:select_device",
        ["device"],
        "BatchNorm statistics anew are computed on another device",
    ),
    ("torch.nn.modules.batchnorm:_BatchNorm", None, "no BatchNorm layers are found"),
    (
        "ultralytics.utils.downloads:attempt_download_asset",
        ["file"],
        "`init: released` cannot download weights",
    ),
    ("ultralytics.utils.torch_utils:NUM_THREADS", None, "Ultralytics leaves a core idle"),
    ("ultralytics.utils.torch_utils:get_flops", ["model", "imgsz"], "records have no GFLOPs"),
    (
        "ultralytics.utils.torch_utils:init_seeds",
        ["seed", "deterministic"],
        "a resumed training takes another way",
    ),
    ("ultralytics.utils.torch_utils:strip_optimizer", ["f"], "best.pt keeps its optimizer"),
    ("ultralytics.utils.torch_utils:unwrap_model", ["m"], "a student under DDP is not found"),
    ("ultralytics.utils:RANK", None, "every process of a training on several GPUs writes"),
    ("ultralytics.utils:LOGGER", None, "Ultralytics' output is mixed with kdpipe's"),
    ("ultralytics:settings", None, "Ultralytics' MLflow and DVC callbacks cannot be switched off"),
    ("ultralytics.nn.tasks:load_checkpoint", ["weight"], "checkpoints cannot be inspected"),
    (
        "ultralytics.nn.distill_model:DistillationModel._register_feature_hooks",
        ["self"],
        "the loss reads no features of the lean teacher's head",
    ),
    (
        "ultralytics.engine.trainer:BaseTrainer.setup_model",
        ["self"],
        "weights are not channels-last before the optimizer is made",
    ),
    (
        "ultralytics.engine.trainer:BaseTrainer.build_optimizer",
        ["self", "model", "name", "lr", "momentum", "decay", "iterations"],
        "a frozen teacher is in the optimizer",
    ),
    ("ultralytics.engine.trainer:BaseTrainer.final_eval", ["self"], "best.pt is validated twice"),
    (
        "ultralytics.engine.trainer:BaseTrainer.label_loss_items",
        ["self", "loss_items"],
        "histories have no losses",
    ),
    (
        "ultralytics.engine.trainer:BaseTrainer.add_callback",
        ["self", "event", "callback"],
        "trainings are not recorded",
    ),
    ("ultralytics.data.build:InfiniteDataLoader.reset", ["self"], "a resumed training shuffles otherwise"),
    (
        "ultralytics.utils.loss:E2ELoss.update",
        ["self"],
        "the weights of the two heads' losses are not restored",
    ),
    ("ultralytics.nn.modules:Conv", None, "a teacher's activations are not fused into its convolutions"),
    # dvc
    ("dvc.repo.reproduce:collect_stages", ["repo", "targets"], "`kdpipe repro` cannot find its stages"),
    ("dvc.repo.reproduce:get_active_graph", ["graph"], "`kdpipe repro` runs frozen stages"),
    (
        "dvc.repo.reproduce:plan_repro",
        ["graph", "stages"],
        "`kdpipe repro` does not know the order of stages",
    ),
    (
        "dvc.rwlock:rwlock",
        ["tmp_dir", "fs", "cmd", "read", "write", "hardlink"],
        "two processes of DVC write the same outputs",
    ),
    ("dvc.rwlock:RWLOCK_FILE", None, "a lock file cut short by a kill is not mended"),
    ("dvc.stage.run:prepare_kwargs", ["stage"], "stages run without DVC_STAGE and DVC_ROOT"),
    ("dvc.stage.cache:RunCacheNotFoundError", None, "`kdpipe repro` cannot use the run cache"),
    ("dvc.parsing:DEFAULT_PARAMS_FILE", None, "`kdpipe tune` writes its trials into params.yaml"),
    ("dvc.utils.serialize:modify_yaml", ["path"], "comments of params.yaml are lost in `kdpipe tune`"),
    ("dvc.utils.serialize:load_yaml", ["path"], "dvc.lock cannot be read"),
    ("dvc.stage:Stage.changed", ["self", "upstream"], "`kdpipe repro` runs what is up to date"),
    ("dvc.stage:Stage.reproduce", ["self"], "`kdpipe repro` cannot handle frozen stages"),
    ("dvc.stage:Stage.remove_outs", ["self", "ignore_remove", "force"], "stages run on outputs of before"),
    ("dvc.stage:Stage.save", ["self", "run_cache"], "results are not in the lock file"),
    ("dvc.stage:Stage.commit", ["self"], "results are not in the cache"),
    ("dvc.stage:Stage.outs_cached", ["self"], "`kdpipe repro` does not notice that the cache is full"),
    ("dvc.config:Config", ["dvc_dir"], "finished trainings are kept although DVC has them"),
    ("dvc.stage:Stage.dump", ["self"], "frozen stages are not in the lock file"),
    (
        "dvc.dvcfile:ProjectFile.dump_stages",
        ["self", "stages", "update_pipeline"],
        "stages cannot be saved together",
    ),
    ("dvc.repo:Repo.switch", ["self", "rev"], "`kdpipe sync --rev` cannot read other revisions"),
    ("dvc.repo:Repo.dvcfs", None, "`kdpipe sync --rev` cannot read other revisions"),
    # mlflow
    (
        "mlflow.system_metrics.metrics.cpu_monitor:CPUMonitor.collect_metrics",
        ["self"],
        "runs have no system metrics",
    ),
    (
        "mlflow.system_metrics.metrics.cpu_monitor:CPUMonitor.aggregate_metrics",
        ["self"],
        "runs have no system metrics",
    ),
    (
        "mlflow.system_metrics.metrics.gpu_monitor:GPUMonitor.collect_metrics",
        ["self"],
        "runs have no GPU metrics",
    ),
    (
        "mlflow.system_metrics.metrics.rocm_monitor:ROCMMonitor.collect_metrics",
        ["self"],
        "runs have no metrics of AMD GPUs",
    ),
    (
        "mlflow.environment_variables:MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get",
        None,
        "the sampling interval cannot be set as in MLflow",
    ),
    (
        "mlflow.store.db.utils:_get_latest_schema_revision",
        [],
        "a database of another version of MLflow is changed without a word",
    ),
    (
        "mlflow.protos.databricks_pb2:RESOURCE_ALREADY_EXISTS",
        None,
        "two processes cannot create one experiment",
    ),
    # ray
    ("ray:init", ["address"], "`kdpipe repro --ray` cannot start"),
    ("ray:wait", ["ray_waitables", "num_returns", "timeout"], "`kdpipe repro --ray` does not see what ended"),
    ("ray:nodes", [], "trainings are not shared between machines"),
    ("ray.exceptions:RayError", None, "a lost machine ends `kdpipe repro --ray`"),
]


def _find(path: str) -> Any:
    module, _, attributes = path.partition(":")
    found: Any = import_module(module) if module != "torch.ops" else import_module("torch").ops
    if module == "torch._C._nn":
        found = import_module("torch")._C._nn
    for name in attributes.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("path", "parameters", "without"), NAMES, ids=[name[0] for name in NAMES])
def test_a_name_of_another_package_is_there(path: str, parameters: list[str] | None, without: str) -> None:
    try:
        found = _find(path)
        missing = set(parameters or ()) and set(parameters or ()) - set(inspect.signature(found).parameters)
    except (AttributeError, ImportError) as error:
        pytest.fail(f"{path} is gone ({error}): {without}")
    assert not missing, f"{path} has no parameter {', '.join(sorted(missing))}: {without}"


# Attributes that exist once a trainer is set up, by class and what reads or restores them.
ATTRIBUTES = [
    (
        "ultralytics.engine.trainer:BaseTrainer",
        (
            "amp args batch_size best best_fitness ema epoch epochs lr metrics model optimizer scaler "
            "scheduler start_epoch stop stopper test_loader tloss train_loader"
        ),
        "an interrupted training cannot be continued",
    ),
    (
        "ultralytics.utils.torch_utils:EarlyStopping",
        "best_fitness best_epoch possible_stop",
        "a resumed training stops early at another epoch",
    ),
    ("ultralytics.utils.torch_utils:ModelEMA", "ema updates", "the moving average begins again"),
    ("ultralytics.utils.loss:E2ELoss", "updates o2m o2o", "the heads' weights begin again"),
    ("ultralytics.nn.distill_model:DistillationModel", "teacher_model student_model", "nothing is distilled"),
    ("ultralytics.data.base:BaseDataset", "buffer", "mosaics of a resumed training differ"),
    ("ultralytics.data.base:BaseDataset", "channels fraction labels", "images are not counted or compared"),
    ("ultralytics.data.build:InfiniteDataLoader", "iterator", "a resumed training shuffles otherwise"),
    ("ultralytics.engine.validator:BaseValidator", "jdict", "validation returns no predictions"),
    (
        "ultralytics.engine.validator:BaseValidator",
        "dataloader",
        "the images of a validation are not counted",
    ),
    (
        "ultralytics.models.yolo.detect:DetectionValidator",
        "end2end metrics",
        "the two heads could silently be the same",
    ),
    ("ultralytics.nn.modules:Detect", "cv3 one2one_cv3", "the lean teacher has no class scores"),
]


@pytest.mark.parametrize(("path", "names", "without"), ATTRIBUTES, ids=[item[0] for item in ATTRIBUTES])
def test_an_attribute_is_set(path: str, names: str, without: str) -> None:
    source = inspect.getsource(_find(path))
    gone = [name for name in names.split() if f"self.{name}" not in source]
    assert not gone, f"{path} sets no {', '.join(gone)}: {without}"


def test_a_validation_that_has_ended_asks_again_whether_to_write_predictions() -> None:
    """kdpipe says no then: it keeps them itself, and computes COCO AP from them."""
    from ultralytics.engine.validator import BaseValidator

    _, ended, after = inspect.getsource(BaseValidator.__call__).partition('run_callbacks("on_val_end")')
    assert ended
    assert "if self.args.save_json and self.jdict:" in after


def test_the_same_image_files_are_read() -> None:
    from ultralytics.data.utils import IMG_FORMATS

    from kdpipe.data.images import FORMATS, SUFFIXES

    assert {suffix.removeprefix(".") for suffix in SUFFIXES} == IMG_FORMATS
    by_content = {name.lower() for name in FORMATS} - {"jpeg2000"}  # its suffix is .jp2
    assert by_content <= IMG_FORMATS
