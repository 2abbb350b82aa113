"""Say which resources the stages of the pipeline need."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from kdpipe.cells.cell import Cell, all_cells
from kdpipe.cells.record import load_record
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models.formats import FORMATS
from kdpipe.models.start_weights import source_of
from kdpipe.parallel.cluster import Need, RayCluster
from kdpipe.params.arguments import AUTO, device_names
from kdpipe.params.schema import Params

MIB = 2**20


class Needs:
    """The needs of a stage by its name: GPUs of trainings and validations, known memory of trainings."""

    def __init__(self, params: Params, cluster: RayCluster) -> None:
        """Prepare for the trainings of params.yaml on a cluster."""
        self._params, self._cluster = params, cluster
        self._cells = {cell.stage: cell for cell in all_cells(params)}

    def __call__(self, stage: str) -> Need:
        """Return what a stage needs.

        Raises:
            ParamsError: if it asks for GPUs that it cannot have.
        """
        trained = stage.removeprefix("validate_")
        cell = self._cells.get(trained)
        if cell is None:
            return Need(gpus=self._share if _exports_on_gpu(stage) else 0.0)
        gpus = self._gpus(cell)
        if trained != stage:
            return Need(gpus=min(gpus, self._share))
        return Need(gpus, _known_memory(self._cells.values(), cell))

    @property
    def _share(self) -> float:
        """The share of a GPU for a training on one GPU."""
        return min(1.0, self._cluster.machines.gpus / self._cluster.jobs)

    def _gpus(self, cell: Cell) -> float:
        names = device_names(source_of(self._params, cell).arguments.get("device"))
        there = self._cluster.machines.gpus
        if names == ["cpu"] or not there:
            return 0.0
        seen = list(range(len(names)))
        if names != [AUTO] and names != list(map(str, seen)):
            raise ParamsError(
                "train.device",
                f"{', '.join(names)}: in parallel, each training counts its own GPUs from 0; "
                f"write auto, or {seen} for {len(names)} GPUs",
            )
        if len(names) > there:
            raise ParamsError("train.device", f"{len(names)} GPUs are needed, but a machine has {there:g}")
        return self._share if len(names) == 1 else float(len(names))


def _exports_on_gpu(stage: str) -> bool:
    kind, _, name = stage.partition("@")
    return kind in ("export", "validate_export") and name in FORMATS and FORMATS[name].gpu


def _known_memory(cells: Iterable[Cell], like: Cell) -> int:
    """Return the peak memory (bytes) of finished trainings of the same kind; it is known on CPUs only."""
    alike = (cell for cell in cells if (cell.kind, cell.name) == (like.kind, like.name))
    records = []
    for cell in alike:
        with suppress(FileNotFoundError, KdpipeError):  # not trained yet, or a damaged record
            records.append(load_record(cell.train_dir))
    on_cpu = (record for record in records if record.environment.get("device") == "CPU")
    return max((record.peak_memory_mib * MIB for record in on_cpu), default=0)
