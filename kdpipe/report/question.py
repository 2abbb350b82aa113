"""What a comparison is to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kdpipe.params.schema import METRICS, Evaluate

LABELS = dict(zip(METRICS, ("mAP50-95", "mAP50", "mAP75"), strict=True))


@dataclass(frozen=True)
class Question:
    """What the comparison is to answer, from params.yaml.

    Attributes:
        head: The head that decides; None for e2e where there is one.
        metric: `AP`, `AP50` or `AP75`.
        smallest: The smallest gain worth having, as a fraction of 1.
        tried: How many settings were tried to find the best one of a pair, where it is more than the results
            have.
    """

    head: str | None = None
    metric: str = METRICS[0]
    smallest: float = 0.005
    tried: Mapping[str, int] = field(default_factory=dict)

    @property
    def column(self) -> str:
        """The metric that everything is compared by, as MLflow and the table of results call it."""
        return f"coco/{self.metric}"

    @property
    def label(self) -> str:
        """Its name in the report, such as mAP50-95."""
        return LABELS[self.metric]


def question_of(evaluate: Evaluate, tried: Mapping[str, int]) -> Question:
    """Return the question that params.yaml asks, with the numbers of settings that were tried, by pair."""
    return Question(evaluate.primary.head, evaluate.primary.metric, evaluate.smallest / 100, tried)
