"""The script of docs/contract.md, which has nothing but the exported file, against vidnas predict.

    python -m benchmarks.file_alone STUDY...

Needs studies of `vidnas search` on frames, whose clips are where they were. The script runs in a
process of its own on test videos, spread evenly over the split; vidnas predicts the same files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.results import Line, Results, options, print_table

SCRIPT = Path(__file__).parents[1] / "docs" / "examples" / "classify_onnx.py"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--videos", type=int, default=100, help="most of each study")
    arguments = parser.parse_args()
    results = Results("file_alone", arguments)
    rows = []
    for folder in arguments.studies:
        found = results.measure(partial(compare, folder, arguments.videos), study=str(folder))
        right = [f"{found[way]['right']} of {found['videos']}" for way in ("script", "vidnas")]
        rows.append((folder, found["same"], *right, f"{found['largest_difference']:.4f}"))
    results.finish()
    print_table(("study", "same top-1", "right: script", "vidnas", "largest difference"), rows)


def compare(folder: Path, most: int) -> Line:
    """Return how the script and vidnas answer for test videos of a study."""
    import numpy as np

    import vidnas
    from vidnas.data.datasets import load_dataset
    from vidnas.deploy import predict_video
    from vidnas.deploy.shipping import ONNX_FILE
    from vidnas.workflows.page import BEST_FOLDER
    from vidnas.workflows.request import SearchRequest

    asked = SearchRequest.read(folder)
    dataset = load_dataset(
        asked.clips, seed=asked.seed, format=asked.format, video_folder=asked.video_folder
    )
    test = [one for one in dataset.videos if one.split == "test" and one.end_s is None]
    chosen = [
        test[index] for index in np.linspace(0, len(test) - 1, min(most, len(test)), dtype=int)
    ]
    command = [sys.executable, str(SCRIPT), str(folder / BEST_FOLDER / ONNX_FILE)]
    done = subprocess.run(
        [*command, *(str(video.path) for video in chosen)], stdout=subprocess.PIPE, check=True
    )
    alone = [scores for line in done.stdout.splitlines() for scores in json.loads(line).values()]
    model = vidnas.load(folder)
    ours = [dict(predict_video(model, video.path)) for video in chosen]
    pairs = list(zip(alone, ours, strict=True))
    true = [[dataset.classes[label] for label in video.labels] for video in chosen]
    found: Line = {"videos": len(chosen), "classes": len(dataset.classes)}
    found["same"] = sum(top(one) == top(other) for one, other in pairs)
    found["largest_difference"] = max(abs(one[k] - other[k]) for one, other in pairs for k in other)
    for way, answers in (("script", alone), ("vidnas", ours)):
        right = sum(top(scores) in names for scores, names in zip(answers, true, strict=True))
        found[way] = {"right": right}
    return found


def top(scores: dict[str, float]) -> str:
    """Return the class with the highest score."""
    return max(scores, key=lambda name: scores[name])


if __name__ == "__main__":
    main()
