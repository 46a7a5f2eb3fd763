// The page: the address says what is searched for and played; everything else follows from it.

import * as api from "./api.js";
import { byId, counted, download, el, scoreText } from "./dom.js";
import { exported, momentsOf } from "./exports.js";
import { Library } from "./library.js";
import { readPicture } from "./picture.js";
import { addressOf, filterCount, readPlace, requestOf, wantedOf } from "./place.js";
import { Player } from "./player.js";
import { showAnswer, showNothing, showVideos, showWaiting, walk } from "./results.js";

const PAGE = 24, MOST = 200; // results at first, and at most
const FIELDS = ["folder", "name", "from", "to", "shortest", "longest"], CHECKS = ["group", "any"];
let place = readPlace(), picture = null, answer = null, count = PAGE, asking = null, listed = 0, opener = null;

const player = new Player({
  onMove: (time) => { if (place.video) move({ time }, { replace: true }); },
  onClose: () => { if (place.video) move({ video: "", time: null }); opener?.focus(); },
  onAlike: (video_id, time) => { player.close(); forgetPicture(); go({ q: "", like: { video_id, time }, video: "", time: null }); },
});
const library = new Library({ onIndexed: () => { loadFolders(); if (!place.q && !place.like && !picture) browse(); } });

/** Change the address; what is shown stays. */
function move(changes, { replace = false } = {}) {
  place = { ...place, ...changes };
  history[replace ? "replaceState" : "pushState"](null, "", addressOf(place));
}

/** Change the address and show what it says. */
function go(changes) {
  move(changes);
  count = PAGE;
  return show();
}

async function show() {
  fillForms();
  const body = requestOf(place, { picture: picture?.data ?? null, count });
  document.body.classList.toggle("home", !body);
  await (body ? find(body) : browse());
  if (place.video && !player.isOpen) await openPlace();
}

async function find(body) {
  asking?.abort();
  const mine = (asking = new AbortController());
  showWaiting();
  say("Searching…");
  try {
    answer = await api.search(body, mine.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    answer = null;
    offer(false);
    say("");
    showNothing("That did not work", [error.message], [["Try again", () => show()]]);
    return;
  } finally {
    byId("results").classList.remove("waiting");
  }
  showFound();
}

function showFound() {
  const moments = momentsOf(answer);
  offer(moments.length > 0);
  byId("more").hidden = answer.results.length < count || count >= MOST;
  if (!moments.length) return showNoMatch();
  const videos = new Set(answer.results.map((hit) => hit.video_id)).size;
  say(`${counted(moments.length, "moment")} in ${counted(videos, "video")} · best ${scoreText(answer.best_score)} · ${Math.round(answer.took_ms)} ms`);
  showAnswer(answer, { grouped: place.group, onOpen: openHit });
}

function showNoMatch() {
  const { best_score: best, threshold } = answer;
  say("No good match");
  if (best === null) {
    return showNothing("No good match", ["No video passes the filters."], [["Clear the filters", clearFilters]]);
  }
  showNothing("No good match",
    ["Nothing in the library looks enough like this. Other words may help, or the moment is not there.",
      `The nearest frame scores ${scoreText(best)}; a match begins at ${scoreText(threshold ?? best)} in this library.`],
    [["Show the nearest anyway", () => go({ any: true })]]);
}

async function browse({ append = false } = {}) {
  asking?.abort();
  answer = null;
  offer(false);
  try {
    const page = await api.videos({ folder: place.folder, name: place.name, offset: append ? listed : 0 });
    listed = page.offset + page.videos.length;
    byId("more").hidden = listed >= page.total;
    if (!page.total && !filterCount(place)) {
      say("");
      return showNothing("No videos yet", ["Add some, and search them by what is seen in them."], [["Add videos", () => library.open()]]);
    }
    say(`${counted(page.total, "video")} in the library`);
    showVideos(page.videos, { append, onOpen: (video) => openVideo(video, 0) });
  } catch (error) {
    showNothing("That did not work", [error.message], [["Try again", () => show()]]);
  }
}

function openHit(hit, moment) {
  openVideo(hit, moment.start);
}

function openVideo(video, time) {
  opener = document.activeElement;
  move({ video: video.video_id, time: Math.max(0, time) });
  const moments = answer ? momentsOf(answer).filter((each) => each.hit.video_id === video.video_id) : [];
  moments.sort((one, other) => one.start - other.start);
  return player.open(video, { time, moments, asked: wantedOf(place, picture?.data) });
}

async function openPlace() {
  try {
    await openVideo(await api.show(place.video), place.time ?? 0);
  } catch (error) {
    say(error.message);
    move({ video: "", time: null }, { replace: true });
  }
}

function say(text) {
  byId("status").textContent = text;
}

function offer(isFound) {
  byId("export").hidden = !isFound;
}

// ---- forms

function fillForms() {
  byId("query").value = place.q;
  for (const name of FIELDS) byId(name).value = place[name];
  for (const name of CHECKS) byId(name).checked = place[name];
  const set = filterCount(place);
  byId("filter-count").hidden = !set;
  byId("filter-count").textContent = set;
  document.title = place.q ? `${place.q} – vidskim` : "vidskim";
  const chip = byId("picture"), source = picture?.url ?? (place.like ? api.thumbnailUrl(place.like.video_id, place.like.time, 160) : null);
  chip.hidden = !source;
  byId("query").placeholder = source ? "Like this frame – or type to search by words" : "Describe a moment: a red star moves left";
  chip.replaceChildren(...(source ? [el("img", { src: source, alt: "The picture that is searched with" }),
    el("button", { type: "button", "aria-label": "Remove the picture", text: "✕", on: { click: () => { forgetPicture(); go({ like: null }); } } })] : []));
}

function forgetPicture() {
  if (picture) URL.revokeObjectURL(picture.url);
  picture = null;
}

async function takePicture(file) {
  try {
    forgetPicture();
    picture = await readPicture(file);
    await go({ q: "", like: null, video: "", time: null });
  } catch {
    showNothing("That is no picture", [`${file.name} cannot be read as a picture.`]);
  }
}

async function loadFolders() {
  const { folders } = await api.folders().catch(() => ({ folders: [] }));
  byId("folder").replaceChildren(el("option", { value: "", text: "all" }), ...folders.map((folder) => el("option", { value: folder, text: folder })));
  byId("folder").value = place.folder;
}

function clearFilters() {
  return go({ ...Object.fromEntries(FIELDS.map((name) => [name, ""])), ...Object.fromEntries(CHECKS.map((name) => [name, false])) });
}

function toggleFilters(isOpen) {
  byId("filters").hidden = !isOpen;
  byId("open-filters").setAttribute("aria-expanded", isOpen);
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function turnTheme() {
  const isDark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(isDark ? "light" : "dark");
  try { localStorage.setItem("theme", isDark ? "light" : "dark"); } catch { /* private windows may refuse */ }
}

function onKey(event) {
  const isTyping = event.target.matches?.("input:not([type=checkbox]), select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (player.isOpen) {
    if (player.key(event)) event.preventDefault();
  } else if (!document.querySelector("dialog[open]")) {
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      byId("query").focus();
      byId("query").select();
    } else if (event.key === "?" && !isTyping) byId("help").showModal();
    else if (event.key.startsWith("Arrow") && (!isTyping || (event.target.id === "query" && event.key === "ArrowDown")) && walk(event.key)) event.preventDefault();
  }
}

function listen() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const q = byId("query").value.trim();
    if (q) forgetPicture();
    go({ q, ...(q ? { like: null } : {}), video: "", time: null });
  });
  byId("home").addEventListener("click", (event) => { event.preventDefault(); forgetPicture(); go({ q: "", like: null, video: "", time: null }); });
  byId("filters").addEventListener("change", () => go({ ...Object.fromEntries(FIELDS.map((name) => [name, byId(name).value])), ...Object.fromEntries(CHECKS.map((name) => [name, byId(name).checked])) }));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear-filters").addEventListener("click", clearFilters);
  byId("open-filters").addEventListener("click", () => toggleFilters(byId("filters").hidden));
  byId("more").addEventListener("click", () => { if (answer) { count = Math.min(2 * count, MOST); show(); } else browse({ append: true }); });
  byId("export").addEventListener("click", (event) => {
    const format = event.target.dataset.format;
    if (!format || !answer) return;
    const file = exported(format, answer, place.q || (place.like ? `like ${place.like.video_id} at ${place.like.time} s` : "a picture"));
    download(file.name, file.text, file.type);
  });
  byId("pick-picture").addEventListener("click", () => byId("picture-file").click());
  byId("picture-file").addEventListener("change", (event) => { if (event.target.files[0]) takePicture(event.target.files[0]); event.target.value = ""; });
  addEventListener("picture", (event) => takePicture(event.detail));
  byId("theme").addEventListener("click", turnTheme);
  byId("open-help").addEventListener("click", () => byId("help").showModal());
  byId("sign-out").addEventListener("click", async () => { await api.signOut().catch(() => {}); location.reload(); });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  addEventListener("keydown", onKey);
  addEventListener("popstate", () => { place = readPlace(); if (!place.video) player.close(); forgetPicture(); show(); });
}

try { setTheme(localStorage.getItem("theme")); } catch { /* none was kept */ }
listen();
toggleFilters(filterCount(place) > 0);
loadFolders();
show(); // at once: it fills the search box, which a person may be typing into later
api.ready().then(({ needs_token: needed }) => { byId("sign-out").hidden = !needed; }).catch(() => {});
