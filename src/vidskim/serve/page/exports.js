// Results as files: JSON as the server gave them, CSV for tables, EDL (CMX 3600) for editing programs.

const RATE = 25; // frames per second of an EDL's time codes

/** Every moment of an answer, those of groups too. */
export function momentsOf(answer) {
  return answer.results.flatMap((hit) => (hit.moments ?? [hit]).map((moment) => ({ ...moment, hit })));
}

/** {name, text, type} of a file. */
export function exported(format, answer, about) {
  if (format === "csv") return { name: "vidskim.csv", text: asCsv(answer), type: "text/csv" };
  if (format === "edl") return { name: "vidskim.edl", text: asEdl(answer, about), type: "text/plain" };
  const document = { query: about, exported_at: new Date().toISOString(), ...answer };
  return { name: "vidskim.json", text: JSON.stringify(document, null, 2), type: "application/json" };
}

export function asCsv(answer) {
  const rows = momentsOf(answer).map((moment) => [
    moment.hit.rank, moment.hit.video_id, moment.hit.folder, moment.hit.name,
    moment.start, moment.end, moment.best_time, moment.score,
  ]);
  const head = ["rank", "video_id", "folder", "name", "start_s", "end_s", "best_s", "score"];
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value; // a table program would run it as a formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function asEdl(answer, about) {
  const lines = [`TITLE: ${oneLine(about)}`, "FCM: NON-DROP FRAME", ""];
  let record = 3600 * RATE; // programmes begin at one hour
  momentsOf(answer).slice(0, 999).forEach((moment, number) => {
    const start = Math.round(Math.max(0, moment.start) * RATE);
    const length = Math.max(1, Math.round(moment.end * RATE) - start);
    const times = [start, start + length, record, record + length].map(timeCode).join(" ");
    lines.push(`${String(number + 1).padStart(3, "0")}  AX       V     C        ${times}`);
    lines.push(`* FROM CLIP NAME: ${oneLine(moment.hit.name)}`, `* COMMENT: SCORE ${moment.score.toFixed(4)}`, "");
    record += length;
  });
  return lines.join("\r\n");
}

function timeCode(frames) {
  const seconds = Math.floor(frames / RATE);
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60, frames % RATE]
    .map((part) => String(part).padStart(2, "0")).join(":");
}

const oneLine = (text) => text.replace(/[\u0000-\u001f\u007f]+/g, " ").slice(0, 200);
