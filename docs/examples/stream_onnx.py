"""Ask an exported step of one input about frames as they come, without vidnas."""

import json

import numpy as np
import onnxruntime


def answers(file, frames):
    """Yield the logits (1, classes) after each step, given frames (3, size, size) in [0, 1]."""
    session = onnxruntime.InferenceSession(file)
    frame, *places = session.get_inputs()
    how = json.loads(session.get_modelmeta().custom_metadata_map["stream"])
    state = {place.name: np.zeros(place.shape, np.float32) for place in places}
    for number, newest in enumerate(frames):
        if number % how["hop_frames"] == 0:
            feed = {frame.name: newest[None, :, None].astype(np.float32), **state}
            logits, *kept = session.run(None, feed)
            state = dict(zip(state, kept, strict=True))
            if number // how["hop_frames"] >= how["warmup_steps"]:
                yield logits
