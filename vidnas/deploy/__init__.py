"""A trained model as an artefact: saved, loaded, exported, used on files."""
