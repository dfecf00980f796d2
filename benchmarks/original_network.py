"""Run a Tiny Video Network of the original code: one CPU time in ms per line that comes in.

Run by a Python that has TensorFlow, with the folder of the code and the name of a network; see
`benchmarks/originals.py`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import types
from typing import Any


def main() -> None:
    code, name = sys.argv[1:]
    tf: Any = importlib.import_module("tensorflow.compat.v1")
    tf.disable_v2_behavior()
    _stand_in_for_contrib(tf)
    sys.path.insert(0, code)
    found = importlib.import_module("tiny_video_nets.found_tvns")
    run, clip = _prepare(tf, getattr(found, name.upper()))
    print("ready", flush=True)
    for _ in sys.stdin:
        run(clip)
        started = time.process_time()
        run(clip)
        print(1000 * (time.process_time() - started), flush=True)


def _stand_in_for_contrib(tf: Any) -> None:
    """Provide what the code takes from tf.contrib, which TensorFlow 2 has under other names."""

    def initializer(factor: float, mode: str, uniform: bool) -> Any:
        shape = "uniform" if uniform else "truncated_normal"
        return tf.variance_scaling_initializer(factor, mode.lower(), shape)

    contrib: Any = types.ModuleType("tensorflow.contrib")
    contrib.framework = types.SimpleNamespace(model_variable=tf.get_variable)
    contrib.layers = types.SimpleNamespace(variance_scaling_initializer=initializer)
    sys.modules["tensorflow.contrib"] = contrib


def _prepare(tf: Any, model: dict[str, Any]) -> tuple[Any, Any]:
    """Return what runs the network on one thread, and a random clip."""
    build = importlib.import_module("tiny_video_nets.tiny_video_net").tiny_video_net
    frames, size_px = model["num_frames"], model["image_size"]
    one_thread = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf.Session(config=one_thread)
    clip = tf.placeholder(tf.float32, [frames, size_px, size_px, 3])
    network = build(json.dumps(model), num_classes=10, num_frames=frames)
    logits = network(clip, is_training=False)["logits"]
    session.run(tf.global_variables_initializer())
    return session.make_callable(logits, [clip]), session.run(tf.random_uniform(clip.shape))


if __name__ == "__main__":
    main()
