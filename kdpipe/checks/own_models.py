"""Check that Ultralytics can build a model from a model yaml of the user."""

from __future__ import annotations

from kdpipe.checks.passed import passed_file, remember
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models.names import ModelName
from kdpipe.models.own_yaml import own_digest, yaml_of


def check_building(key: str, model: ModelName) -> None:
    """Build a model from its yaml, unless the same yaml has passed before.

    Args:
        key: Key of params.yaml that names the yaml.
        model: The model, of a yaml that is checked already.

    Raises:
        ParamsError: if it cannot be built.
    """
    passed = passed_file("model", model.stem, model.task, own_digest(model))
    if passed.exists():
        return
    from kdpipe.yolo.rebuild import build

    try:
        build(model.task, yaml_of(model))
    except KdpipeError as error:
        raise ParamsError(key, str(error)) from error
    remember(passed)
