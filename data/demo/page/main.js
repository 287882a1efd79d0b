// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page of Checksums. It asks for a folder, starts one command that reports through a
// channel, and shows what arrives. Its state is the data-state attribute of the root element:
// start, running, done, failed or cancelled.

import { formatCount, formatDuration, formatSize } from "./format.js";
import { Table } from "./table.js";

const PULSE_INTERVAL = 250;
/* Drawing costs more than all the rest: what arrives in between is drawn together. */
const DRAW_INTERVAL = 200;

const element = id => document.getElementById(id);
const table = new Table(element("table"), element("scroller"), element("sizer"));

/* How many milliseconds each call of the second command took; see pulse (). */
export const pulses = [];

let folder = null;
let controller = null;
let startTime = 0;
let progress = null;
let rate = null;
let drawTimer = null;

function setState(state) {
  document.documentElement.dataset.state = state;
  element("start").hidden = state !== "start";
  element("work").hidden = state === "start";
  element("cancel").hidden = state !== "running";
  element("choose-other").hidden = state === "running";
}

function showStartError(message) {
  document.title = "";
  setState("start");
  element("start-error").textContent = message;
  element("start-error").hidden = false;
}

function isCancellation(error) {
  return error.name === "AbortError" ||
         (error.domain === "g-io-error-quark" && error.code === 19);
}

/* Progress */

function measureRate(bytes) {
  const now = performance.now();

  if (rate === null) {
    rate = { time: now, bytes, value: null };
    return;
  }

  const seconds = (now - rate.time) / 1000;
  if (seconds < 0.5)
    return;

  const current = (bytes - rate.bytes) / seconds;
  const value = rate.value === null ? current : rate.value * 0.7 + current * 0.3;

  rate = { time: now, bytes, value };
}

function fraction({ bytes, files, totalBytes, totalFiles }) {
  if (totalBytes > 0)
    return Math.min(bytes / totalBytes, 1);

  return totalFiles > 0 ? Math.min(files / totalFiles, 1) : 1;
}

function showProgress() {
  const { files, bytes, totalFiles, totalBytes, counted } = progress;

  element("files").textContent = counted
    ? `${formatCount(files)} of ${formatCount(Math.max(files, totalFiles))}`
    : formatCount(files);
  element("bytes").textContent = counted
    ? `${formatSize(bytes)} of ${formatSize(Math.max(bytes, totalBytes))}`
    : formatSize(bytes);

  element("progress").classList.toggle("unknown", !counted);
  if (counted) {
    const done = fraction(progress);

    element("progress-bar").style.width = `${done * 100}%`;
    element("progress").setAttribute("aria-valuenow", Math.floor(done * 100));
  }

  measureRate(bytes);
  element("rate").textContent = rate.value === null ? "–" : `${formatSize(rate.value)}/s`;
  element("time").textContent = counted && rate.value > 0
    ? formatDuration(Math.max(totalBytes - bytes, 0) / rate.value)
    : "–";

  if (progress.failed > 0) {
    document.documentElement.dataset.problems = "";
    element("banner").hidden = false;
    element("banner-text").textContent = progress.failed === 1
      ? "One file or folder could not be read."
      : `${formatCount(progress.failed)} files or folders could not be read.`;
  }
}

function receive(message) {
  progress = message.progress;
  table.append(message.rows);
  drawTimer ??= setTimeout(draw, DRAW_INTERVAL);
}

function draw() {
  clearTimeout(drawTimer);
  drawTimer = null;
  table.update();
  if (progress)
    showProgress();
  if (pulses.length > 0)
    showPulse(pulses.at(-1));
}

function showPulse(took) {
  element("pulse").textContent = `Answers in ${took.toFixed(took < 10 ? 1 : 0)} ms`;
}

/* The end of the work, whichever */

function showEnd(state, headline) {
  const seconds = (performance.now() - startTime) / 1000;

  element("headline").textContent = headline;
  element("time-label").textContent = "Time";
  element("time").textContent = formatDuration(seconds);
  element("progress").classList.remove("unknown");
  if (progress)
    element("rate").textContent = `${formatSize(progress.bytes / seconds)}/s`;
  table.sort();
  setState(state);
}

function showDone(result) {
  const left = result.skipped === 1 ? "one link or special file left out"
    : `${formatCount(result.skipped)} links and special files left out`;

  element("files").textContent = formatCount(result.files);
  element("bytes").textContent = formatSize(result.bytes);
  element("progress-bar").style.width = "100%";
  element("details").textContent = result.skipped > 0
    ? `Every file was read, ${left}.` : "Every file was read.";
  if (result.failed > 0)
    element("details").textContent = "Not every file could be read.";
  else if (result.files === 0)
    element("details").textContent = "There are no files in this folder.";
  showEnd("done", result.failed > 0 ? "Finished, With Problems" : "Finished");
}

function showFailed(error) {
  if (table.isEmpty) {
    showStartError(`This folder cannot be read: ${error.message}`);
    return;
  }

  element("banner").hidden = false;
  element("banner-text").textContent = error.message;
  element("banner-button").hidden = true;
  showEnd("failed", "Stopped by a Problem");
}

/* The work */

async function run(chosen) {
  folder = chosen;
  document.title = folder.name;
  controller = new AbortController();
  startTime = performance.now();
  progress = null;
  rate = null;

  table.clear();
  element("headline").textContent = "Reading Files…";
  element("folder").textContent = folder.name;
  element("folder").title = folder.name;
  element("banner").hidden = true;
  element("banner-button").hidden = false;
  element("banner-button").ariaPressed = "false";
  element("start-error").hidden = true;
  element("time-label").textContent = "Remaining";
  for (const id of ["files", "bytes", "rate", "time"])
    element(id).textContent = "–";
  element("progress-bar").style.width = "0";
  element("progress").classList.add("unknown");
  delete document.documentElement.dataset.problems;
  setState("running");
  pulse();

  try {
    const channel = new at.Channel(receive);
    const result = await at.invoke("checksums", { folder: folder.uri, progress: channel },
                                   { signal: controller.signal });

    draw();
    showDone(result);
  } catch (error) {
    draw();
    if (isCancellation(error))
      showEnd("cancelled", "Cancelled");
    else
      showFailed(error);
  } finally {
    controller = null;
  }
}

async function choose() {
  if (controller)
    return;

  try {
    const chosen = await at.invoke("choose-folder", {});

    if (chosen)
      await run(chosen);
  } catch (error) {
    showStartError(error.message);
  }
}

function cancel() {
  controller?.abort();
}

/* The second command: it answers at once, whatever the first is doing. */

function describe(path) {
  return at.invoke("describe", { folder: folder.uri, path });
}

async function pulse() {
  const ownController = controller;

  while (controller === ownController) {
    const before = performance.now();

    try {
      await describe("");
    } catch {
      break;
    }

    pulses.push(performance.now() - before);
    await new Promise(resolve => setTimeout(resolve, pulse.interval));
  }

  if (controller === null)
    element("pulse").textContent = "";
}

async function showDetails(row) {
  element("copy").hidden = !row?.sum;
  if (!row)
    return;

  if (row.error) {
    element("details").textContent = row.error;
    return;
  }

  try {
    const { modified, owner, mode } = await describe(row.path);
    const date = new Date(modified * 1000)
      .toLocaleString("en", { dateStyle: "long", timeStyle: "short" });

    if (row === table.selected)
      element("details").textContent = `Modified ${date} · ${owner} · ${mode}`;
  } catch (error) {
    if (row === table.selected)
      element("details").textContent = error.message;
  }
}

async function copySum() {
  await navigator.clipboard.writeText(table.selected.sum);
  element("copy").textContent = "Copied";
  setTimeout(() => { element("copy").textContent = "Copy Checksum"; }, 1500);
}

function toggleFailed() {
  const pressed = element("banner-button").ariaPressed !== "true";

  element("banner-button").ariaPressed = String(pressed);
  table.showOnlyFailed(pressed);
}

table.onselect = showDetails;
element("choose").addEventListener("click", choose);
element("choose-other").addEventListener("click", choose);
element("cancel").addEventListener("click", cancel);
element("copy").addEventListener("click", copySum);
element("banner-button").addEventListener("click", toggleFailed);

/* The menu of the window does what the buttons do. */
document.addEventListener("choose-folder", choose);
document.addEventListener("cancel", cancel);

const startup = await at.invoke("startup", {});

pulse.interval = startup.pulseInterval ?? PULSE_INTERVAL;
if (startup.folder)
  run(startup.folder);
document.documentElement.dataset.ready = "";
