"""The base of every stored value: frozen, comparable, strict about unknown keys."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable record that reads from and writes to JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
