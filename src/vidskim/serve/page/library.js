// Adding videos: uploads with their progress, indexing jobs as the server tells of them, folders to index.

import * as api from "./api.js";
import { byId, counted, el } from "./dom.js";

const dialog = byId("library"), list = byId("jobs");
const RETRIABLE = ["failed", "cancelled", "interrupted"];

export class Library {
  /** `onIndexed` is told when a job has put something into the store. */
  constructor({ onIndexed }) {
    this.onIndexed = onIndexed;
    this.rows = new Map(); // job id or upload -> row
    this.followed = new Set();
    this.busy = 0;
    byId("open-library").addEventListener("click", () => this.open());
    byId("files").addEventListener("change", (event) => { this.take(event.target.files); event.target.value = ""; });
    byId("index-folder").addEventListener("submit", (event) => { event.preventDefault(); this.#indexFolder(); });
    this.#listenToDrops();
  }

  async open() {
    if (!dialog.open) dialog.showModal();
    await this.refresh();
  }

  /** Jobs as they are now; follow those under way. */
  async refresh() {
    const [{ jobs }, { roots, folders }] = await Promise.all([api.jobs(), api.folders()]);
    const places = [...new Set([...roots.filter((root) => root !== "uploads"), ...folders.filter((folder) => folder !== "uploads")])].sort();
    byId("root").replaceChildren(...places.map((place) => el("option", { value: place, text: place })));
    byId("index-folder").hidden = !places.length;
    for (const job of jobs.slice(0, 20).reverse()) this.#show(job);
    if (!list.children.length) list.append(el("li", { class: "none", text: "Nothing is being indexed." }));
  }

  /** Upload files one after the other. */
  async take(files) {
    if (!dialog.open) dialog.showModal();
    for (const file of files) await this.#upload(file);
  }

  async #upload(file) {
    const row = this.#row(file), label = (text) => row.state.textContent = text;
    row.name.textContent = file.name;
    label("uploading");
    this.#count(1);
    try {
      const answer = await api.upload(file, (share) => { row.bar.value = share; label(share < 1 ? `uploading, ${Math.round(100 * share)} %` : "checking the file"); });
      row.item.remove();
      this.#show({ ...answer.job, about: file.name });
    } catch (error) {
      row.item.dataset.state = "failed";
      label(error.message);
      row.bar.remove();
    } finally {
      this.#count(-1);
    }
  }

  async #indexFolder() {
    await this.#try(async () => this.#show(await api.index(byId("root").value)));
  }

  #show(job) {
    const known = this.rows.get(job.job_id), row = known ?? this.#row(job.job_id);
    if (!known || job.about) row.name.textContent = row.name.textContent || job.about;
    row.item.dataset.state = job.state;
    row.item.dataset.job = job.job_id;
    row.state.textContent = said(job);
    const settled = job.done + job.failed + job.skipped;
    row.bar.hidden = api.hasEnded(job);
    if (job.state === "running" && job.listed > 1) { row.bar.max = job.listed; row.bar.value = settled; } else row.bar.removeAttribute("value");
    row.actions.replaceChildren(...this.#actionsOf(job));
    row.failures.replaceChildren(...job.failures.slice(0, 5).map((each) => el("li", { text: `${each.video}: ${each.message}` })));
    if (!api.hasEnded(job) && !this.followed.has(job.job_id)) this.#follow(job);
  }

  #follow(job) {
    this.followed.add(job.job_id);
    this.#count(1);
    api.follow(job, (news) => {
      this.#show(news);
      if (!api.hasEnded(news)) return;
      this.followed.delete(job.job_id);
      this.#count(-1);
      if (news.done) this.onIndexed();
    });
  }

  #actionsOf(job) {
    const button = (text, work) => el("button", { type: "button", class: "quiet", text, "aria-label": `${text} ${job.about}`, on: { click: () => this.#try(async () => this.#show(await work(job.job_id))) } });
    if (!api.hasEnded(job)) return [button("Cancel", api.cancel)];
    return RETRIABLE.includes(job.state) ? [button("Retry", api.retry)] : [];
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      list.prepend(el("li", { "data-state": "failed", text: error.message }));
    }
  }

  #row(key) {
    list.querySelector(".none")?.remove();
    const row = { name: el("strong"), state: el("span"), bar: el("progress", { max: 1, "aria-label": "Progress" }), actions: el("span", { class: "actions" }), failures: el("ul") };
    row.item = el("li", {}, row.name, row.actions, row.state, row.bar, row.failures);
    this.rows.set(key, row);
    list.prepend(row.item);
    return row;
  }

  #count(by) {
    this.busy += by;
    byId("busy").hidden = !this.busy;
    byId("busy").textContent = this.busy;
  }

  #listenToDrops() {
    const zone = byId("drop"), isFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => { if (isFiles(event)) { event.preventDefault(); zone.classList.add("over"); } });
    addEventListener("dragleave", () => zone.classList.remove("over"));
    addEventListener("drop", (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      zone.classList.remove("over");
      const files = [...event.dataTransfer.files], pictures = files.filter((file) => file.type.startsWith("image/"));
      if (pictures.length === files.length) dispatchEvent(new CustomEvent("picture", { detail: pictures[0] }));
      else this.take(files.filter((file) => !pictures.includes(file)));
    });
  }
}

function said(job) {
  const counts = [
    job.done && `${counted(job.done, "video")} indexed`, job.skipped && `${job.skipped} there already`, job.failed && `${job.failed} failed`,
    job.frames && counted(job.frames, "frame"),
  ].filter(Boolean).join(", ");
  if (job.state === "running") {
    const at = job.current ? ` — ${job.current}${job.current_time ? `, ${job.current_time.toFixed(0)} s` : ""}` : "";
    return `indexing ${job.done + job.failed + job.skipped} of ${job.listed}${at}`;
  }
  return [job.state === "queued" ? "waiting for its turn" : job.state, counts, job.message].filter(Boolean).join(": ");
}
