// The score of every frame under the player: a slider along the video, with the found moments marked.

import { clock, el, scoreText, svg } from "./dom.js";

const WIDTH = 1000, HEIGHT = 120;

export class Curve {
  /** `onSeek(seconds)` is told where somebody clicked or went by key. */
  constructor(holder, { onSeek }) {
    this.holder = holder;
    this.onSeek = onSeek;
    this.duration = 1;
    this.time = 0;
  }

  /** Draw. `signal` is {times, scores, smoothed, threshold} or null; `moments` are {start, end, score}. */
  draw({ duration, signal, moments }) {
    this.duration = Math.max(duration, 0.1);
    this.signal = signal;
    this.head = svg("line", { class: "head", y1: 0, y2: HEIGHT });
    this.picture = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "slider", tabindex: 0,
      "aria-label": "Place in the video, above it the score of each frame", "aria-valuemin": 0, "aria-valuemax": this.duration.toFixed(1),
      on: {
        pointerdown: (event) => this.#drag(event), pointermove: (event) => this.#hover(event),
        pointerleave: () => (this.note.hidden = true), keydown: (event) => this.#key(event),
      },
    }, ...moments.flatMap((moment) => this.#bands(moment)), ...(signal ? this.#lines(signal) : []), this.head);
    this.note = el("output", { class: "note", hidden: true });
    this.holder.replaceChildren(this.picture, this.note,
      el("div", { class: "ends", "aria-hidden": "true" }, el("span", { text: "0:00" }), el("span", { text: clock(this.duration) })));
    this.follow(this.time);
  }

  /** The player is at `time`. */
  follow(time) {
    this.time = time;
    if (!this.picture) return;
    const x = this.#x(time);
    this.head.setAttribute("x1", x);
    this.head.setAttribute("x2", x);
    this.picture.setAttribute("aria-valuenow", time.toFixed(1));
    this.picture.setAttribute("aria-valuetext", clock(time));
  }

  clear() {
    this.picture = null;
    this.holder.replaceChildren();
  }

  #x(time) {
    return (Math.min(Math.max(time / this.duration, 0), 1) * WIDTH).toFixed(2);
  }

  #bands({ start, end }) {
    const x = this.#x(start), width = Math.max(this.#x(end) - x, 4).toFixed(2);
    return [svg("rect", { class: "band", x, y: 0, width, height: HEIGHT }), svg("rect", { class: "foot", x, y: HEIGHT - 6, width, height: 6 })];
  }

  #lines({ times, scores, smoothed, threshold }) {
    const all = [...scores, ...smoothed], low = Math.min(...all), span = Math.max(Math.max(...all) - low, 1e-6);
    const y = (score) => (HEIGHT - 8 - ((score - low) / span) * (HEIGHT - 16)).toFixed(2);
    const path = (values) => values.map((value, at) => `${at ? "L" : "M"}${this.#x(times[at])} ${y(value)}`).join("");
    if (!times.length) return [];
    const area = `${path(smoothed)}L${this.#x(times.at(-1))} ${HEIGHT}L${this.#x(times[0])} ${HEIGHT}Z`;
    return [
      svg("path", { class: "area", d: area }), svg("path", { class: "raw", d: path(scores) }), svg("path", { class: "smooth", d: path(smoothed) }),
      svg("line", { class: "least", x1: 0, x2: WIDTH, y1: y(threshold), y2: y(threshold) }),
    ];
  }

  #timeAt(event) {
    const box = this.picture.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.duration;
  }

  #drag(event) {
    this.picture.setPointerCapture(event.pointerId);
    this.onSeek(this.#timeAt(event));
  }

  #hover(event) {
    const time = this.#timeAt(event), times = this.signal?.times ?? [];
    if (event.buttons & 1) this.onSeek(time);
    let at = times.findIndex((each) => each > time) - 1;
    if (at < 0) at = time < (times[0] ?? 0) ? 0 : times.length - 1;
    this.note.textContent = times.length ? `${clock(time)} · ${scoreText(this.signal.scores[at])}` : clock(time);
    this.note.style.left = `${Math.min(Math.max((time / this.duration) * 100, 6), 94)}%`;
    this.note.hidden = false;
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    const time = event.key === "Home" ? 0 : event.key === "End" ? this.duration : step === undefined ? null : this.time + step;
    if (time === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.onSeek(Math.min(Math.max(time, 0), this.duration));
  }
}
