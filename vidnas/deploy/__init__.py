"""A trained model as an artefact: saved, loaded, exported, used on files."""

from vidnas.deploy.card import ModelCard
from vidnas.deploy.export import ExportCheck, export_model
from vidnas.deploy.model import Model, load_card, load_model, save_model
from vidnas.deploy.prediction import predict_video
from vidnas.deploy.resolving import (
    resolve_architecture,
    resolve_connection_weights,
    resolve_network,
)
from vidnas.deploy.video_clips import video_clips

__all__ = [
    "ExportCheck",
    "Model",
    "ModelCard",
    "export_model",
    "load_card",
    "load_model",
    "predict_video",
    "resolve_architecture",
    "resolve_connection_weights",
    "resolve_network",
    "save_model",
    "video_clips",
]
