// Glue: the network of the page on a dropped video, or on what the camera sees.
(() => {
  const field = document.getElementById("try");
  const video = document.getElementById("try-video");
  const camera = document.getElementById("try-camera");
  const say = (text) => { document.getElementById("try-said").textContent = text; };
  const clips = once(async () => JSON.parse(await unpack("packed-clips")));

  const session = once(async () => {
    const script = await unpack("packed-ort");
    const place = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
    const ort = await import(place);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await unpackBytes("packed-wasm");
    const network = new Uint8Array(await unpackBytes("packed-network"));
    return {ort, run: await ort.InferenceSession.create(network, {executionProviders: ["wasm"]})};
  });

  // Which frames make up a clip: as vidnas chooses them (docs/contract.md).
  const spanOf = ({sampling, frames, frame_stride: stride}) =>
    sampling === "uniform" ? frames : (frames - 1) * stride + 1;
  const frameNumbers = (moment, input, count) => Array.from({length: input.frames}, (_, at) => {
    if (input.sampling === "uniform") {
      const part = count / input.frames;
      return Math.min(Math.floor(part * at + moment * Math.max(0, part - 1)), count - 1);
    }
    const start = Math.round(moment * Math.max(0, count - spanOf(input)));
    return Math.min(start + input.frame_stride * at, count - 1);
  });

  const canvas = document.createElement("canvas");
  const square = (size) => {
    const side = Math.min(video.videoWidth, video.videoHeight);
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.imageSmoothingQuality = "high";
    const left = (video.videoWidth - side) / 2, top = (video.videoHeight - side) / 2;
    context.drawImage(video, left, top, side, side, 0, 0, size, size);
    return context.getImageData(0, 0, size, size).data;
  };
  const fill = (clip, pixels, at, {frames, size_px: size}) => {
    for (let channel = 0; channel < 3; channel++) {
      const first = (channel * frames + at) * size * size;
      for (let one = 0; one < size * size; one++) clip[first + one] = pixels[4 * one + channel] / 255;
    }
  };

  const scoresOf = async (filled, {inputs, activation}) => {
    const {ort, run} = await session();
    const feed = {};
    inputs.forEach((input, at) => {
      const shape = [1, 3, input.frames, input.size_px, input.size_px];
      feed[run.inputNames[at]] = new ort.Tensor("float32", filled[at], shape);
    });
    const logits = [...(await run.run(feed))[run.outputNames[0]].data];
    if (activation === "sigmoid") return logits.map((one) => 1 / (1 + Math.exp(-one)));
    const most = Math.max(...logits), shares = logits.map((one) => Math.exp(one - most));
    const sum = shares.reduce((all, one) => all + one, 0);
    return shares.map((one) => one / sum);
  };
  const pooled = (rows, {activation}) => rows[0].map((_, at) => activation === "sigmoid"
    ? Math.max(...rows.map((row) => row[at]))
    : rows.reduce((sum, row) => sum + row[at], 0) / rows.length);
  const show = (scores, {classes}) => {
    const ranked = classes.map((name, at) => [name, scores[at]]).sort((a, b) => b[1] - a[1]);
    const rows = ranked.slice(0, 5).map(([name, score]) => {
      const row = document.createElement("tr"), bar = document.createElement("td");
      for (const text of [name, `${(100 * score).toFixed(1)}%`]) {
        row.append(Object.assign(document.createElement("td"), {textContent: text}));
      }
      bar.append(document.createElement("div"));
      bar.firstChild.style.setProperty("--share", score);
      row.append(bar);
      return row;
    });
    document.querySelector("#try-scores tbody").replaceChildren(...rows);
  };

  const happened = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, {once: true});
    video.addEventListener("error", () => reject(new Error("this browser cannot read it")), {once: true});
  });
  const seek = async (seconds) => {
    const arrived = happened("seeked");
    video.currentTime = seconds;
    await arrived;
  };
  const classify = async (file) => {
    say(`Reading ${file.name} ...`);
    const asked = await clips(), began = performance.now();
    const ready = happened("loadeddata");
    video.hidden = false;
    video.srcObject = null;
    video.src = URL.createObjectURL(file);
    await ready;
    const count = Math.max(1, Math.round(video.duration * asked.rate_fps));
    const moments = Array.from({length: asked.clips_per_video},
      (_, at) => asked.clips_per_video === 1 ? 0.5 : at / (asked.clips_per_video - 1));
    const rows = [];
    for (const moment of moments) {
      const filled = [];
      for (const input of asked.inputs) {
        const clip = new Float32Array(3 * input.frames * input.size_px ** 2);
        for (const [at, number] of frameNumbers(moment, input, count).entries()) {
          await seek(Math.min((number + 0.5) / asked.rate_fps, video.duration));
          fill(clip, square(input.size_px), at, input);
        }
        filled.push(clip);
      }
      rows.push(await scoresOf(filled, asked));
    }
    show(pooled(rows, asked), asked);
    say(`${file.name}: ${asked.clips_per_video} clip${asked.clips_per_video === 1 ? "" : "s"} in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  };
  const attempt = (job) => job.catch((error) => say(`That did not work: ${error.message}.`));
  const take = (files) => {
    if (!files.length) return;
    stopCamera();
    attempt(classify(files[0]));
  };
  document.getElementById("try-file").addEventListener("change", (event) => take(event.target.files));
  field.addEventListener("dragover", (event) => event.preventDefault());
  field.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });

  // The camera: the frames of the last seconds, classified again and again.
  const WINDOW_S = 3;  // of frames that are spread over whole videos
  let stream = null;
  const stopCamera = () => {
    if (!stream) return;
    stream.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
    video.hidden = true;
    camera.setAttribute("aria-pressed", "false");
  };
  const watchCamera = async () => {
    const asked = await clips(), step = 1000 / asked.rate_fps;
    const least = Math.max(...asked.inputs.map(spanOf));
    const spread = asked.inputs.some(({sampling}) => sampling === "uniform");
    const most = spread ? Math.max(least, Math.round(WINDOW_S * asked.rate_fps)) : least;
    const mine = stream = await navigator.mediaDevices.getUserMedia({video: true});
    camera.setAttribute("aria-pressed", "true");
    const ready = happened("loadeddata");
    video.hidden = false;
    video.srcObject = mine;
    await ready;
    if (stream !== mine) return;
    say("Watching ...");
    await video.play();
    const kept = [];
    let next = performance.now(), due = 0;
    while (stream === mine) {
      await new Promise((resolve) => setTimeout(resolve, next - performance.now()));
      const shot = asked.inputs.map((input) => square(input.size_px)), now = performance.now();
      // Time goes on while the network runs: the frame before is shown where none was taken.
      next = Math.max(next, now - most * step);
      for (; next + step <= now; next += step) kept.push(kept.at(-1) ?? shot);
      kept.push(shot);
      next += step;
      kept.splice(0, kept.length - most);
      if (kept.length < least || now < due) continue;
      const filled = asked.inputs.map((input, place) => {
        const clip = new Float32Array(3 * input.frames * input.size_px ** 2);
        frameNumbers(1, input, kept.length)
          .forEach((number, at) => fill(clip, kept[number][place], at, input));
        return clip;
      });
      const scores = await scoresOf(filled, asked);
      if (stream !== mine) return;
      show(scores, asked);
      say(`What the camera saw in the last ${(kept.length / asked.rate_fps).toFixed(1)} s.`);
      due = performance.now() + 500;
    }
  };
  camera.addEventListener("click", () => {
    if (!stream) { attempt(watchCamera()); return; }
    stopCamera();
    say("The camera is off.");
  });
})();
