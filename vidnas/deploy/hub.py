"""Models on the Hugging Face hub, by the mixin that its own client offers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typing_extensions import Self

from vidnas.core import UserError
from vidnas.deploy.export import export_model
from vidnas.deploy.model import MODEL_FILE, SEEN_FILE, WEIGHTS_FILE, Model, load_model
from vidnas.deploy.readme import README_FILE
from vidnas.deploy.shipping import ONNX_FILE

try:
    from huggingface_hub import ModelCard, ModelHubMixin, constants, snapshot_download
except ImportError as error:
    raise UserError(
        "The Hugging Face hub needs its client, which is not installed; run "
        "pip install 'vidnas[hub]'."
    ) from error


class HubModel(
    ModelHubMixin,
    library_name="vidnas",
    pipeline_tag="video-classification",
    tags=["vidnas", "video-classification"],
):
    """A model that goes to the hub with `push_to_hub` and comes from there with `from_pretrained`.

    What comes is read like any model folder: nothing in it is executed. Only this class connects to
    the hub; `vidnas.load` never does.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the model, and the same network as ONNX for those who do without vidnas."""
        export_model(self.model, save_directory / ONNX_FILE)  # first: the card names it if it ships
        self.model.save(save_directory)
        # The hub counts downloads by this file, and the client looks for it before any other.
        config = {"model_type": "vidnas", "family": self.model.architecture.family}
        text = json.dumps(config, indent=2) + "\n"
        (save_directory / constants.CONFIG_NAME).write_text(text, encoding="utf-8")

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **_: Any,
    ) -> Self:
        """Read a folder of that name, or what the hub has under it.

        Raises:
            UserError: it is no model of vidnas, or damaged.
        """
        if Path(model_id).is_dir():
            return cls(load_model(model_id))
        folder = snapshot_download(
            model_id,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            allow_patterns=[MODEL_FILE, WEIGHTS_FILE, SEEN_FILE, README_FILE],
        )
        return cls(load_model(folder))

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
        """Return the card that every saved model has."""
        return ModelCard(self.model.readme, ignore_metadata_errors=False)
