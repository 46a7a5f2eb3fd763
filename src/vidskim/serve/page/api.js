// The server's routes. Every refusal becomes a Refused with the server's own words.

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(path, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "offline", "The server does not answer. Is it still running?");
  }
  if (answer.status === 401) location.reload(); // the server shows where to sign in
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? null : answer.json();
}

async function refusal(answer) {
  try {
    const { error } = await answer.json();
    return new Refused(answer.status, error.code, error.message);
  } catch {
    return new Refused(answer.status, "unknown", `The server answered ${answer.status}.`);
  }
}

const video = (id) => `/v1/videos/${encodeURIComponent(id)}`;

export const search = (body, signal) => ask("/v1/search", { method: "POST", body, signal });
export const ready = () => ask("/ready");
export const folders = () => ask("/v1/folders");
export const videos = ({ folder = "", name = "", offset = 0, limit = 48 }) =>
  ask(`/v1/videos?${new URLSearchParams({ folder, name, offset, limit })}`);
export const show = (id) => ask(video(id));
export const signal = (id, wanted, abort) => ask(`${video(id)}/signal`, { method: "POST", body: { ...wanted, window: 2 }, signal: abort });
export const jobs = () => ask("/v1/jobs");
export const cancel = (id) => ask(`/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
export const retry = (id) => ask(`/v1/jobs/${encodeURIComponent(id)}/retry`, { method: "POST" });
export const index = (folder) => ask("/v1/jobs", { method: "POST", body: { folder } });
export const signOut = () => ask("/v1/session", { method: "DELETE" });

export const streamUrl = (id) => `${video(id)}/stream`;
export const thumbnailUrl = (id, time, side = 320) => `${video(id)}/thumbnail?${new URLSearchParams({ t: time.toFixed(3), side })}`;
export const clipUrl = (id, start, end) =>
  `${video(id)}/clip?${new URLSearchParams({ start: start.toFixed(3), end: end.toFixed(3) })}`;

/** Send a file; `onProgress` is told the share that has gone, 0 to 1. Resolves to the server's answer. */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing about how far an upload is
    request.open("POST", `/v1/videos?${new URLSearchParams({ name: file.name.slice(-500) })}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Refused(0, "offline", "The connection broke."));
    request.onload = () => {
      if (request.status === 201) return resolve(request.response);
      const error = request.response?.error ?? { code: "unknown", message: `The server answered ${request.status}.` };
      return reject(new Refused(request.status, error.code, error.message));
    };
    request.send(file);
  });
}

/** Follow a job until it has ended; returns what stops following. */
export function follow(job, onJob) {
  const events = new EventSource(job.events_url);
  events.addEventListener("job", (event) => {
    const news = JSON.parse(event.data);
    if (hasEnded(news)) events.close();
    onJob(news);
  });
  return () => events.close();
}

export const hasEnded = (job) => !["queued", "running"].includes(job.state);
