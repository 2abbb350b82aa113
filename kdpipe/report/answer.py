"""The answer in a sentence per pair: the verdict of its primary comparison, and what to do next."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from math import isinf
from typing import Any

import pandas as pd

from kdpipe.cells.cell import CONFIRM_SEEDS
from kdpipe.errors import about, counted
from kdpipe.report.comparisons import LEAST_AP
from kdpipe.report.formatting import HEAD_NAMES, gain_of, percent
from kdpipe.report.gains import UNDECIDED
from kdpipe.report.question import Question
from kdpipe.report.results import NO_DIS
from kdpipe.report.sequential import LOOKS, look_of

Line = Mapping[Hashable, Any]


def answers(gains: pd.DataFrame, confirmed: pd.DataFrame, question: Question, images: str) -> list[str]:
    """Return a sentence per pair, of its new seeds if it has some at its best `dis`.

    Args:
        gains: A line per pair, `dis` and head.
        confirmed: The same of seeds that played no part in a choice; empty if there are none.
        question: What the comparison is to answer.
        images: What it was measured on, such as "384 test images".
    """
    new = by_choice(confirmed)
    chosen = by_choice(gains)
    return [_answer(line, new.get(choice), question, images) for choice, line in chosen.items()]


def by_choice(gains: pd.DataFrame) -> dict[tuple[str, str], Line]:
    """Return the primary line of each pair, by pair and `dis`."""
    lines = gains.to_dict("records")
    return {(line["pair"], line["dis"]): line for line in lines if line["primary"]}


def superseded(gains: pd.DataFrame, confirmed: pd.DataFrame) -> list[str]:
    """Return a warning for each pair whose new seeds are not of its best `dis` any more.

    Args:
        gains: A line per pair, `dis` and head.
        confirmed: The same of seeds that played no part in a choice; empty if there are none.
    """
    best = dict(by_choice(gains).keys())
    return [
        f"the new seeds of {pair} are of dis {dis}, and dis {now} is the best one now, of which they say "
        f"nothing; `kdpipe confirm {pair}` trains them at dis {now}"
        for pair, dis in by_choice(confirmed)
        if (now := best.get(pair, dis)) != dis
    ]


def _answer(line: Line, new: Line | None, question: Question, images: str) -> str:
    dis = "" if line["dis"] == NO_DIS else f", dis {line['dis']}"
    what = f"{line['student']} from {line['teacher']} ({line['pair']}){dis}, {HEAD_NAMES[line['head']]} head"
    last = line if new is None else new
    if pd.isna(last["gain"]):
        return f"{what}: {'' if new is None else 'new seeds '}{last['verdict']}."
    if nothing_learned(last):
        return outcome(last, question.label, "", what)
    seeds = counted(int(last["seeds"]), "seed" if new is None else "new seed")
    chosen_by = "" if new is None else _gain(line)
    before = f"; the seeds that it was chosen by had {chosen_by}" if chosen_by else ""
    said = outcome(last, question.label, f"{seeds}, {images}{before}", what)
    return f"{said} {_next(last, question.smallest, confirmed=new is not None)}".strip()


def nothing_learned(line: Line) -> bool:
    """Whether neither model finds anything, so that their difference says nothing about distillation."""
    return bool(max(line["baseline"], line["distilled"]) < LEAST_AP)


def outcome(line: Line, label: str, measured_on: str, what: str = "") -> str:
    """Return the verdict of a comparison and its numbers as a sentence.

    Args:
        line: The comparison, with the columns of the gains (`kdpipe.report.figure_data`).
        label: The metric, such as mAP50-95.
        measured_on: The end of the sentence, such as "5 seeds, 384 test images".
        what: What is compared, if that must be said.
    """
    if nothing_learned(line):
        shares = f"{percent(line['baseline'])} % alone and {percent(line['distilled'])} % distilled"
        verdict = "Nothing learned"
        found = f"{label} {shares} say nothing about distillation; train longer"
    else:
        verdict = f"{line['verdict'][:1].upper()}{line['verdict'][1:]}"
        found = f"{_gain(line)} points of {label}, {measured_on}"
    return f"{': '.join(filter(None, (verdict, what, found)))}."


def enough_seeds(needed: Iterable[tuple[float, float]], have: int) -> tuple[int, float] | None:
    """Return how many more seeds would detect a gain, and which one; None if none or too many would.

    Args:
        needed: Gains, as fractions of 1, and the seeds in all that detect them, the preferred one first.
        have: How many seeds there are.
    """
    for effect, seeds in needed:
        more = seeds - have
        if 0 < more <= LOOKS[-1]:
            return int(more), effect
    return None


def _gain(line: Line) -> str:
    return gain_of(line["gain"], line["low"], line["high"])


def _next(line: Line, smallest: float, *, confirmed: bool) -> str:
    """Say what to do next; nothing after a verdict on new seeds, or on a finished student."""
    if line["dis"] == NO_DIS or (confirmed and not str(line["verdict"]).startswith(UNDECIDED)):
        return ""
    command = f"`kdpipe confirm {line['pair']}`"
    if not str(line["verdict"]).startswith(UNDECIDED):
        return f"{command} measures it on new seeds."
    if pd.isna(line["detectable"]):
        return "One seed does not show the noise: write more into `sweep.seeds`."
    seeds = {smallest: line["new seeds for smallest"], abs(line["gain"]): line["new seeds for gain"]}
    have = int(line["seeds"]) if confirmed else 0  # only new seeds count
    if enough := enough_seeds(((effect, look_of(count)) for effect, count in seeds.items()), have):
        more, effect = enough
        points, time = f"{100 * effect:.1f} points", about(60 * more * line["minutes"])
        if have + more > CONFIRM_SEEDS:
            command = f"`kdpipe confirm {line['pair']} --max-seeds {have + more}`"
        what = counted(more, "more seed" if confirmed else "new seed")
        return f"{what} ({time} of training) would detect {points}: {command}."
    images = all(isinf(count) for count in seeds.values())
    return "More seeds do not help: the test images are too few." if images else f"{command} adds seeds."
