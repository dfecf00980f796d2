"""`vidnas data cache`, and what a search says of clips that changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from commands import SEARCH, Vidnas

from vidnas.evolution.study import Study


def test_caches_are_listed(vidnas: Vidnas, clips: Path, study: Path) -> None:
    listed = json.loads(vidnas("data", "cache", "--json").stdout)
    mine = [one for one in listed if one["source"] == str(clips.resolve())]
    # other tests read some of the same clips, into caches of their own
    own = max(mine, key=lambda one: one["size_bytes"])
    assert "-32px" in own["folder"]
    assert own["state"] == "ready"
    assert own["size_bytes"] > 30 * 16 * 32 * 32 * 3
    assert Path(own["folder"]).name in vidnas("data", "cache").stdout
    refused = vidnas("data", "cache", "--clear", "other", check=False)
    assert refused.returncode == 2
    assert "There is no cache 'other'" in refused.stderr


def test_clips_that_changed_are_named_and_the_trials_go_on(
    vidnas: Vidnas, clips: Path, study: Path, tmp_path: Path
) -> None:
    more, old, new = (tmp_path / name for name in ("more", "study", "new"))
    shutil.copytree(clips, more)
    shutil.copytree(study, old)
    first = sorted(more.glob("*/*.mp4"))[0]
    shutil.copyfile(sorted(more.glob("*/*.mp4"))[1], first.with_name("added.mp4"))
    search = ("search", more, "--evaluations", 4, *SEARCH)
    refused = vidnas(*search, "--out", old, check=False)
    assert refused.returncode == 2
    assert f"1 was added ({first.parent.name}/added.mp4)" in refused.stderr
    assert f"`vidnas study fork {old} NEW --clips {more}`" in refused.stderr
    said = vidnas("study", "fork", old, new, "--clips", more).stderr
    assert f"Continue with: vidnas search {more} --out {new} --limit " in " ".join(said.split())
    before = Study.read(old).trials
    assert [one.evaluation for one in Study.read(new).trials] == [one.evaluation for one in before]
    assert any((old / "states").iterdir()) and not (new / "states").exists()
    vidnas(*search, "--out", new)
    after = Study.read(new).trials
    assert len(after) > len(before)
    assert [one.proposal for one in after[: len(before)]] == [one.proposal for one in before]
