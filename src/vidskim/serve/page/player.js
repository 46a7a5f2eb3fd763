// The player: a video from its hit on, the curve under it, its moments, and what one does from there.

import * as api from "./api.js";
import { Curve } from "./curve.js";
import { byId, clock, el, scoreText } from "./dom.js";

const dialog = byId("player"), video = byId("video"), problem = byId("video-problem");
const LONE_S = 10; // length of a clip where there is no moment

export class Player {
  /** Listeners: onMove(time) when it plays on elsewhere, onClose(), onAlike(video_id, time, name). */
  constructor({ onMove, onClose, onAlike }) {
    this.onMove = onMove;
    this.curve = new Curve(byId("curve"), { onSeek: (time) => this.seek(time) });
    this.moments = [];
    this.shown = null;
    video.addEventListener("timeupdate", () => this.#follow());
    video.addEventListener("seeked", () => this.#follow());
    video.addEventListener("loadedmetadata", () => this.#loaded());
    video.addEventListener("error", () => this.#broken());
    dialog.addEventListener("close", () => { this.#stop(); onClose(); });
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("next").addEventListener("click", () => this.step(1));
    byId("alike").addEventListener("click", () => onAlike(this.shown.video_id, video.currentTime || this.start, this.shown.name));
    byId("copy-link").addEventListener("click", (event) => this.#copyLink(event.currentTarget));
  }

  get isOpen() {
    return dialog.open;
  }

  /**
   * Play. `shown` is {video_id, name, folder, duration}, `time` where to start, `moments` those that the search found in
   * this video; `asked` is what its curve is of: {query}, {image} or {like}, null for none.
   */
  async open(shown, { time, moments, asked }) {
    this.shown = shown;
    this.start = Math.max(0, time);
    this.#name(shown);
    this.#showMoments(moments);
    this.signal = null;
    this.#draw();
    problem.hidden = true;
    if (!dialog.open) dialog.showModal();
    if (video.dataset.id !== shown.video_id) {
      video.dataset.id = shown.video_id;
      video.poster = api.thumbnailUrl(shown.video_id, this.start, 640);
      video.src = api.streamUrl(shown.video_id);
    } else this.seek(this.start);
    video.play().catch(() => {}); // a browser may want a click first
    this.#follow();
    if (asked) await this.#loadSignal(shown.video_id, asked);
  }

  close() {
    if (dialog.open) dialog.close();
  }

  seek(time) {
    this.start = time;
    if (video.readyState >= 1) video.currentTime = time;
    this.curve.follow(time);
    this.onMove(time);
  }

  /** To the next moment in time, or the one before. */
  step(by) {
    const starts = this.moments.map((moment) => moment.start).sort((one, other) => one - other);
    const now = video.currentTime;
    const goal = by > 0 ? starts.find((start) => start > now + 0.2) : starts.findLast((start) => start < now - 1);
    if (goal !== undefined) this.seek(Math.max(0, goal));
  }

  /** A key while the player is open; true if it was for it. */
  key(event) {
    const actions = {
      n: () => this.step(1), p: () => this.step(-1), m: () => byId("alike").click(),
      " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
      ArrowLeft: () => this.seek(Math.max(0, video.currentTime - 5)),
      ArrowRight: () => this.seek(Math.min(video.duration || 0, video.currentTime + 5)),
    };
    const onControl = event.target.closest?.("button, a, video");
    if (!(event.key in actions) || (onControl && event.key === " ") || (event.target === video && event.key.startsWith("Arrow"))) return false;
    actions[event.key]();
    return true;
  }

  #name(shown) {
    byId("player-name").textContent = shown.name;
    byId("player-place").textContent = [shown.folder, clock(shown.duration, { tenths: false })].filter(Boolean).join(" · ");
  }

  #showMoments(moments) {
    this.moments = moments;
    byId("moments").replaceChildren(...moments.map((moment) => el("button", {
      type: "button", class: "chip", "data-start": moment.start,
      "aria-label": `Play from ${clock(moment.start)} to ${clock(moment.end)}, score ${scoreText(moment.score)}`,
      on: { click: () => { this.seek(Math.max(0, moment.start)); video.play().catch(() => {}); } },
    }, el("span", { text: `${clock(moment.start)} – ${clock(moment.end)}` }), el("small", { text: scoreText(moment.score) }))));
    for (const id of ["previous", "next"]) byId(id).hidden = moments.length < 2;
  }

  async #loadSignal(id, asked) {
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      this.signal = await api.signal(id, asked, this.abort.signal);
    } catch {
      return; // the moments of the search are there without it
    }
    if (this.shown?.video_id !== id || !dialog.open) return;
    if (!this.moments.length) this.#showMoments(this.signal.moments.slice(0, 5));
    this.#draw();
  }

  #draw() {
    this.curve.draw({ duration: video.dataset.id === this.shown.video_id && video.duration || this.shown.duration, signal: this.signal, moments: this.moments });
  }

  #loaded() {
    video.currentTime = this.start;
    if (Number.isFinite(video.duration)) this.#draw();
  }

  #follow() {
    if (!this.shown) return;
    const time = video.readyState >= 1 ? video.currentTime : this.start;
    this.curve.follow(time);
    const inside = this.moments.find((moment) => time >= moment.start - 0.05 && time < moment.end);
    for (const chip of byId("moments").children) chip.classList.toggle("now", inside !== undefined && Number(chip.dataset.start) === inside.start);
    const { start, end } = inside ?? { start: time, end: Math.min(time + LONE_S, this.shown.duration) };
    byId("clip").href = api.clipUrl(this.shown.video_id, Math.max(0, start), Math.max(end, start + 0.1));
  }

  async #broken() {
    if (!this.shown) return;
    let reason = "This browser cannot play the file. The clip can still be saved.";
    try {
      const known = await api.show(this.shown.video_id);
      if (known.available === false) reason = "The file is no longer where it was when it was indexed.";
    } catch (error) {
      reason = error.message;
    }
    problem.textContent = reason;
    problem.hidden = false;
  }

  #stop() {
    this.shown = null;
    this.abort?.abort();
    video.pause();
    video.removeAttribute("src");
    video.removeAttribute("poster");
    delete video.dataset.id;
    video.load();
    this.curve.clear();
  }

  async #copyLink(button) {
    this.onMove(video.currentTime);
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "It is in the address bar"; // plain HTTP has no clipboard
    }
    setTimeout(() => (button.textContent = before), 2000);
  }
}
