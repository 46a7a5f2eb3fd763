// Where one is: the search, its filters and the open video, all in the address, so that a link brings it back.

const FILTERS = ["folder", "name", "from", "to", "shortest", "longest"];
const NUMBERS = new Set(["from", "to", "shortest", "longest"]);

/** The address as {q, like, folder, ..., group, any, video, time}. */
export function readPlace() {
  const given = new URLSearchParams(location.search);
  const place = { q: given.get("q") ?? "", like: readLike(given.get("like")), group: given.has("group"), any: given.has("any") };
  for (const name of FILTERS) {
    const text = given.get(name) ?? "";
    place[name] = NUMBERS.has(name) && !isNumber(text) ? "" : text;
  }
  place.video = given.get("video") ?? "";
  place.time = isNumber(given.get("t")) ? Number(given.get("t")) : null;
  return place;
}

/** The address of a place. */
export function addressOf(place) {
  const given = new URLSearchParams();
  if (place.q) given.set("q", place.q);
  if (place.like) given.set("like", `${place.like.video_id}@${place.like.time.toFixed(2)}`);
  for (const name of FILTERS) if (place[name]) given.set(name, place[name]);
  for (const name of ["group", "any"]) if (place[name]) given.set(name, "1");
  if (place.video) given.set("video", place.video);
  if (place.video && place.time !== null) given.set("t", place.time.toFixed(2));
  const text = given.toString();
  return text ? `?${text}` : location.pathname;
}

/** How many filters are set. */
export const filterCount = (place) => FILTERS.filter((name) => place[name]).length + (place.group ? 1 : 0) + (place.any ? 1 : 0);

/** What is looked for, as the routes take it: {image}, {like} or {query}; null if nothing is. */
export const wantedOf = (place, picture) => (picture ? { image: picture } : place.like ? { like: place.like } : place.q ? { query: place.q } : null);

/** The body of POST /v1/search for a place; null if there is nothing to search for. */
export function requestOf(place, { picture = null, count }) {
  const what = wantedOf(place, picture);
  if (!what) return null;
  const filter = {};
  if (place.folder) filter.folder = place.folder;
  if (place.name) filter.name = place.name;
  const numbers = { from: "start", to: "end", shortest: "min_duration", longest: "max_duration" };
  for (const [name, field] of Object.entries(numbers)) if (place[name]) filter[field] = Number(place[name]);
  return {
    ...what,
    top_k: count,
    filter,
    ...(place.group ? { group_by: "video" } : {}),
    ...(place.any || (place.like && !picture) ? { threshold: -1 } : {}), // "more like this" asks for the nearest
  };
}

function readLike(text) {
  const at = (text ?? "").lastIndexOf("@");
  if (at < 1 || !isNumber(text.slice(at + 1))) return null;
  return { video_id: text.slice(0, at), time: Number(text.slice(at + 1)) };
}

const isNumber = (text) => text !== null && text !== "" && Number.isFinite(Number(text));
