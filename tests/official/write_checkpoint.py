"""Write a checkpoint with TensorFlow's own Saver; run by a Python that has TensorFlow.

Usage: write_checkpoint.py ARRAYS.npz PREFIX VERSION PARTS
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


def variable(name: str, value: np.ndarray, parts: int) -> Any:
    """A variable, in as many parts along its first axis as it has room for."""

    def initial(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        offsets = partition_info.var_offset if partition_info else [0] * value.ndim
        region = tuple(slice(o, o + n) for o, n in zip(offsets, shape, strict=True))
        return tf.constant(value[region])

    cut = parts > 1 and value.ndim > 0 and value.shape[0] >= parts
    partitioner = tf1.fixed_size_partitioner(parts) if cut else None
    return tf1.get_variable(
        name, value.shape, value.dtype, initializer=initial, partitioner=partitioner
    )


def main(arrays: str, prefix: str, version: str, parts: str) -> None:
    with np.load(arrays) as found, tf.Graph().as_default(), tf1.Session() as session:
        variables = {name: variable(name, found[name], int(parts)) for name in found}
        # As run_evanet.py names them.
        saved = {name.replace("Conv/", "Conv3d/"): one for name, one in variables.items()}
        saved["global_step"] = tf1.get_variable("global_step", (), tf.int64)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(saved, write_version=int(version), sharded=int(parts) > 1).save(
            session, prefix, write_meta_graph=False
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
