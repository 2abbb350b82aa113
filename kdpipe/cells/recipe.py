"""Versions of the code that makes results.

Stages of dvc.yaml depend on these numbers, not on source files: an edit of a comment makes nothing stale.
A change of what comes out of a part raises its number, with a line that says what changed; the next
`dvc repro` then runs the stages of that part again. `tests/cells/test_recipe.py` fails when the code
behind a number changes and the number does not.
"""

from __future__ import annotations

DATA = 2  # 2: labels and names as Ultralytics reads them, compared with it; 1: as of kdpipe 0.1
START = 2  # 2: a folder per seed; 1: evenly spaced channels
TRAINING = 1  # 1: as of kdpipe 0.1
VALIDATION = 3  # 3: the same on the first split; 2: mAP50-95 with BatchNorm statistics anew; 1: kdpipe 0.1
# 3: half samples of AP50 and AP75; 2: all predictions count where images have many objects; 1: kdpipe 0.1
EVALUATION = 3
CHOICE = 2  # 2: a folder per seed; 1: as of kdpipe 0.1
# 7: ids of experiments; 6: wording; 5: answers, paired teachers; 4: verdicts, choices; 3: BatchNorm anew
REPORT = 7
# 7: links, boxes as files; 6: no statistics anew; 5: answers, paired teachers; 4: verdicts; 3: BatchNorm anew
PAGE = 7
