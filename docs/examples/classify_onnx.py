"""Classify videos with an exported model and without vidnas: `classify_onnx.py MODEL.onnx VIDEO...`

What it needs to know is in the metadata of the file, which docs/contract.md explains. It reads RGB;
optical flow would need OpenCV.
"""

import json
import sys

import av
import numpy as np
import onnxruntime


def read(path, short_px, rate_fps):
    """Return the frame that is shown at each step of the rate, (T, H, W, 3)."""
    with av.open(path) as file:
        own_fps = float(file.streams.video[0].average_rate)
        shown = [(frame.time, picture(frame, short_px)) for frame in file.decode(video=0)]
    rate_fps = rate_fps if rate_fps and abs(rate_fps / own_fps - 1) > 0.05 else own_fps
    times = np.array([time for time, _ in shown] + [shown[-1][0] + 1 / own_fps]) - shown[0][0]
    steps = np.rint(times * rate_fps + 0.5 - 0.5 * min(1, rate_fps / own_fps))
    numbers = np.searchsorted(steps[:-1], np.arange(steps[-1]), "right") - 1
    return np.stack([shown[number][1] for number in numbers])


def picture(frame, short_px):
    """Return a whole frame, upright, scaled to the short side."""
    scale = short_px / min(frame.width, frame.height)
    size = round(frame.width * scale), round(frame.height * scale)
    image = frame.reformat(*size, "rgb24", interpolation="BILINEAR").to_ndarray()
    return np.rot90(image, round(frame.rotation / 90))


def cut(frames, clip, moment):
    """Return the clip (C, T, H, W) of a moment of the video, which lasts from 0 to 1."""
    count, step = clip["frames"], clip["frame_stride"]
    first = round(moment * max(0, len(frames) - (count - 1) * step - 1))
    if clip["sampling"] == "uniform":
        step = len(frames) / count
        first = moment * max(0, step - 1)
    numbers = np.minimum((first + step * np.arange(count)).astype(int), len(frames) - 1)
    side = min(frames.shape[1:3])
    top, left = (np.array(frames.shape[1:3]) - side) // 2
    square = frames[numbers, top : top + side, left : left + side]
    shrink = side / clip["size_px"]
    centres = (np.arange(clip["size_px"])[:, None] + 0.5) * shrink - 0.5
    weights = np.maximum(0, 1 - abs(np.arange(side) - centres) / max(1, shrink))
    weights /= weights.sum(1, keepdims=True)
    narrow = np.floor(np.einsum("tyxc,jx->tyjc", square, weights) + 0.5)
    return np.floor(np.einsum("tyjc,iy->ctij", narrow, weights) + 0.5) / 255


session = onnxruntime.InferenceSession(sys.argv[1])
names = [node.name for node in session.get_inputs()]
about = session.get_modelmeta().custom_metadata_map
inputs, classes, views = (json.loads(about[k]) for k in ("inputs", "classes", "clips_per_video"))
moments = np.linspace(0, 1, views) if views > 1 else [0.5]
for path in sys.argv[2:]:
    video = read(path, int(about["stored_px"]), json.loads(about["rate_fps"]))
    clips = [np.stack([cut(video, clip, at) for at in moments]) for clip in inputs]
    feed = {name: clip.astype(np.float32) for name, clip in zip(names, clips, strict=True)}
    odds = np.exp(session.run(None, feed)[0].astype(float))
    scores = odds / (odds.sum(1, keepdims=True) if about["activation"] == "softmax" else 1 + odds)
    scores = scores.max(0) if about["pooling"] == "max" else scores.mean(0)
    print(json.dumps({path: dict(zip(classes, scores.tolist(), strict=True))}))
