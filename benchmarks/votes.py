"""What a vote of the finished networks of a search is worth, against the best of them alone.

    python -m benchmarks.votes STUDY...

Needs studies of `vidnas search` with a limit, whose clips are where they were. Nothing is trained:
the networks lie in the studies. The vote is chosen on the validation split as a search chooses it,
by the latencies that were measured; both answers are then looked at on the test split.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from pathlib import Path

from benchmarks.results import Line, Results, options, print_table


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("studies", nargs="+", type=Path)
    arguments = parser.parse_args()
    results = Results("votes", arguments)
    rows = []
    for folder in arguments.studies:
        found = results.measure(partial(compare, folder), study=str(folder))
        shares = [f"{100 * found[way]['share']:.1f}" if way in found else "-" for way in WAYS]
        rows.append((folder, found["headline"], found["videos"], *shares, len(found["trials"])))
    results.finish()
    print_table(("study", "metric", "test videos", "alone, %", "vote, %", "voters"), rows)


WAYS = ("alone", "vote")


def compare(folder: Path) -> Line:
    """Return what the best network of a study and the vote that would answer have on the test."""
    from vidnas.deploy.ensemble import Candidate, Predictions
    from vidnas.deploy.finalists import finished_models
    from vidnas.deploy.model import load_model
    from vidnas.deploy.voting import choose_votes
    from vidnas.evolution import Study
    from vidnas.workflows.ensemble import open_cache
    from vidnas.workflows.listener import Listener
    from vidnas.workflows.request import SearchRequest

    study = Study.read(folder)
    cache = open_cache(study, SearchRequest.read(folder), Listener())
    models = [load_model(one) for one in finished_models(folder)]
    models.sort(key=attrgetter("card.validation.rank"), reverse=True)
    candidates = [Candidate(folder, model, cache) for model in models]
    validation, test = (Predictions.of(candidates, split) for split in ("val", "test"))
    costs = [model.card.cost for model in models if model.card.cost]
    votes = choose_votes(validation, costs, study.config.limits)
    voters = votes[0] if votes else (0,)
    found: Line = {"videos": len(test.labels), "headline": test.score([0]).headline}
    found["trials"] = [models[index].card.trial for index in voters]
    for way, answer in zip(WAYS, [(0,), *votes[:1]], strict=False):
        judged = test.score(answer)
        found[way] = {"share": judged.headline_share, "loss": judged.loss}
    return found


if __name__ == "__main__":
    main()
