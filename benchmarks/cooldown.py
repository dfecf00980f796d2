"""Over how much of its training a network should cool down, in the networks that searches finished.

    python -m benchmarks.cooldown STUDY... --out cooldown

Networks that had most of the time to finish are finished again from where they stood on the ladder,
for as many epochs as then, so that the load of the machine does not matter: the learning rate falls
to zero over these shares of all their training, or in all that is left where that is more. Needs
studies of `vidnas search` that did not go on since, and their clips.

What is finished is recorded in OUT/runs.jsonl and found there again, also with more studies.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.results import Line, Log, Results, difference, options, print_table


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0, 0.3])
    arguments = parser.parse_args()

    from vidnas.evolution import LocalExecutor

    results = Results("cooldown", arguments)
    jobs = [
        ({"study": folder.name, "trial": number, "share": share}, finish, (folder, number, share))
        for folder in arguments.studies
        for number in rivals(folder)
        for share in arguments.shares
    ]
    with LocalExecutor() as executor:
        lines = Log(arguments.out / "runs.jsonl").measure_all(executor, jobs)
    report(lines, arguments.shares)
    results.finish(*lines)


def rivals(folder: Path) -> Iterator[int]:
    """Yield the trials of a study that were finished in more than half of the longest time."""
    from vidnas.deploy.finalists import finished_models
    from vidnas.deploy.model import load_card

    cards = [load_card(one) for one in finished_models(folder)]
    budgets = {card.trial: card.training_runs[0].settings.budget_s or 0.0 for card in cards}
    for number, budget_s in budgets.items():
        if number is not None and budget_s > max(budgets.values()) / 2:
            yield number


def finish(folder: Path, number: int, share: float) -> Line:
    """Finish a network again, and return how well it does."""
    import torch

    from vidnas.deploy.finalists import finished_folder, trained_s
    from vidnas.deploy.model import load_card
    from vidnas.evolution import Study
    from vidnas.evolution.states import StateFolder
    from vidnas.evolution.study import STATES_FOLDER
    from vidnas.families import create_network
    from vidnas.training import evaluate, task_of, train
    from vidnas.workflows.ensemble import open_cache
    from vidnas.workflows.listener import Listener
    from vidnas.workflows.request import SearchRequest

    study = Study.read(folder)
    cache = open_cache(study, SearchRequest.read(folder), Listener())
    trial, card = study.trials[number], load_card(finished_folder(folder, number))
    (run,) = card.training_runs
    budget_s = run.settings.budget_s or 0.0
    training_s = trained_s(trial) + budget_s
    asked = {"cooldown": min(share * training_s / budget_s, 1.0), "epochs": card.epochs}
    settings = run.settings.model_copy(update={**asked, "budget_s": None})
    torch.manual_seed(run.seed)
    network = create_network(trial.architecture, len(cache.classes))
    with tempfile.TemporaryDirectory() as place:
        state = StateFolder(folder / STATES_FOLDER).file(trial.architecture.digest)
        checkpoint = shutil.copy(state, place)
        train(network, cache, settings, seed=run.seed, checkpoint=checkpoint)
    task = task_of(cache, settings.class_weights)
    found: dict[str, Any] = {}
    for split in ("val", "test"):
        metrics = evaluate(network, cache, split, task=task, clips_per_video=3)
        found |= {split: metrics.headline_share, f"{split}_loss": metrics.judged_loss}
    return {**asked, **found}


def report(lines: list[Line], shares: list[float]) -> None:
    """Print how each share does, and how far from the first."""
    rows = []
    for share in shares:
        own, first = ([one for one in lines if one["share"] == s] for s in (share, shares[0]))
        mean, error = difference(*([one["test_loss"] for one in many] for many in (own, first)))
        top1, loss = (sum(one[key] for one in own) / len(own) for key in ("test", "test_loss"))
        rows.append(
            (share, len(own), f"{100 * top1:.1f}", f"{loss:.3f}", f"{mean:+.3f}", f"{error:.3f}")
        )
    print_table(
        ("share", "networks", "test top-1, %", "loss", "difference", "standard error"), rows
    )


if __name__ == "__main__":
    main()
