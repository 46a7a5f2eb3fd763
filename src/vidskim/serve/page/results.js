// What was found, or what there is, as pictures that can be clicked and walked through with the arrow keys.

import { thumbnailUrl } from "./api.js";
import { byId, clock, counted, el, scoreText } from "./dom.js";

const shelf = byId("results");

/** Results of a search; `onOpen(hit, moment)` plays one. */
export function showAnswer(answer, { grouped, onOpen }) {
  if (!grouped) {
    shelf.replaceChildren(grid(answer.results.map((hit) => momentCard(hit, hit, { onOpen }))));
    return;
  }
  shelf.replaceChildren(...answer.results.map((hit) => el("section", { class: "group" },
    el("h2", {}, el("span", { text: hit.name }),
      el("small", { text: `${hit.folder ? `${hit.folder} · ` : ""}${counted(hit.moments.length, "moment")}, best ${scoreText(hit.score)}` })),
    grid(hit.moments.map((moment) => momentCard(hit, moment, { onOpen, named: false }))))));
}

/** Videos of the library; `onOpen(video)` plays one. */
export function showVideos(videos, { onOpen, append = false }) {
  const cards = videos.map((video) => card({
    picture: video.thumbnail_url, label: `Play ${video.name}, ${clock(video.duration)} long`,
    badge: clock(video.duration, { tenths: false }), name: video.name, place: video.folder, onClick: () => onOpen(video),
  }));
  const there = append ? shelf.querySelector("ul.grid") : null;
  if (there) there.append(...cards);
  else shelf.replaceChildren(grid(cards));
}

/** Words instead of results: a heading, lines, and buttons as [text, action]. */
export function showNothing(title, lines, buttons = []) {
  shelf.replaceChildren(el("div", { class: "empty" },
    el("h2", { text: title }), ...lines.map((text) => el("p", { text })),
    el("p", { class: "actions" }, ...buttons.map(([text, click]) => el("button", { type: "button", text, on: { click } })))));
}

/** Grey pictures while the server thinks. */
export function showWaiting() {
  if (shelf.querySelector(".card")) shelf.classList.add("waiting");
  else shelf.replaceChildren(el("div", { class: "grid", "aria-hidden": "true" }, ...Array.from({ length: 8 }, () => el("div", { class: "bone" }))));
}

const grid = (cards) => el("ul", { class: "grid" }, ...cards);

function momentCard(hit, moment, { onOpen, named = true }) {
  const span = `${clock(moment.start)} to ${clock(moment.end)}`;
  return card({
    picture: moment.thumbnail_url,
    label: `Play ${hit.name} from ${span}, score ${scoreText(moment.score)}`,
    badge: clock(moment.start),
    score: moment.score,
    name: named ? hit.name : `${clock(moment.start)} – ${clock(moment.end)}`,
    place: named ? hit.folder : "",
    preview: { video: hit.video_id, start: moment.start, end: moment.end },
    onClick: () => onOpen(hit, moment),
  });
}

function card({ picture, label, badge, score, name, place, preview, onClick }) {
  const image = el("img", { src: picture, alt: "", loading: "lazy", decoding: "async", width: 320, height: 180 });
  image.addEventListener("error", () => image.classList.add("missing"));
  if (preview) previewFrames(image, picture, preview);
  return el("li", {}, el("button", { type: "button", class: "card", "aria-label": label, title: label, on: { click: onClick } },
    el("span", { class: "frame" }, image,
      score === undefined ? null : el("span", { class: "score", text: scoreText(score) }),
      el("span", { class: "time", text: badge })),
    el("span", { class: "name", text: name }),
    place ? el("span", { class: "place", text: place }) : null));
}

/** A resting pointer sees the moment go by in a few frames. */
function previewFrames(image, picture, { video, start, end }) {
  let timer = 0;
  image.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "mouse" || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    let step = 0;
    timer = setInterval(() => {
      image.src = thumbnailUrl(video, start + ((end - start) * (step++ % 4)) / 4);
    }, 600);
  });
  image.addEventListener("pointerleave", () => {
    clearInterval(timer);
    if (image.getAttribute("src") !== picture) image.src = picture;
  });
}

/** Arrow keys among the cards, by where they are on the screen; true if the focus moved. */
export function walk(key) {
  const cards = [...shelf.querySelectorAll(".card")];
  const at = cards.indexOf(document.activeElement);
  if (!cards.length) return false;
  if (at < 0) {
    if (key !== "ArrowDown") return false;
    cards[0].focus();
    return true;
  }
  const next = key === "ArrowLeft" ? cards[at - 1] : key === "ArrowRight" ? cards[at + 1] : inNextRow(cards, at, key === "ArrowDown");
  if (next) next.focus();
  else if (key === "ArrowUp") byId("query").focus();
  return true;
}

function inNextRow(cards, at, down) {
  const here = cards[at].getBoundingClientRect();
  const rows = cards.map((card) => ({ card, box: card.getBoundingClientRect() }))
    .filter(({ box }) => (down ? box.top > here.top + 4 : box.top < here.top - 4));
  if (!rows.length) return null;
  const top = down ? Math.min(...rows.map(({ box }) => box.top)) : Math.max(...rows.map(({ box }) => box.top));
  const row = rows.filter(({ box }) => Math.abs(box.top - top) < 4);
  row.sort((one, other) => Math.abs(one.box.left - here.left) - Math.abs(other.box.left - here.left));
  return row[0].card;
}
