// Scanning at a desk, by USB scanner or camera. A scan is never lost: what the network does not take now
// is kept in the browser, with the time by its clock, and uploaded when the network is back.
import { keepAwake } from "./wake-lock.js";

const page = document.querySelector(".scanning");
const token = document.querySelector("meta[name=csrf-token]").content;
const part = (name) => document.querySelector(`[data-${name}]`);
const all = (name) => document.querySelectorAll(`[data-${name}]`);
const KEPT = `scans:${page.dataset.session}`;
const SAME = 4000; // the same ticket within these milliseconds is the same showing of it
const BATCH = 500;

// --- what was scanned

let lastTicket = "";
let lastAt = 0;
let scanned = 0;

function take(typed) {
  // A scanner types through whatever input method is on: full-width letters, small letters.
  const content = typed.normalize("NFKC").replace(/[\p{C}\s]/gu, "").slice(0, 64);
  if (!content) return;
  const ticket = content.toUpperCase().slice(0, 11);
  if (ticket === lastTicket && Date.now() - lastAt < SAME) {
    lastAt = Date.now();
    return;
  }
  [lastTicket, lastAt] = [ticket, Date.now()];
  scanned += 1;
  part("scanned").textContent = scanned;
  send({ nonce: nonce(), content, scanned_at: new Date().toISOString() });
}

function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(scan) {
  const answer = await post(page.dataset.scansUrl, { nonce: scan.nonce, content: scan.content });
  if (answer) return tell(answer);
  keep(scan);
  tell({ outcome: "kept", message: "已存在本机，待上传", scanned_at: scan.scanned_at });
}

// Returns the answer, null when there was none: no network, no server, or nobody signed in (also when
// somebody signed in anew elsewhere, so that this page's token is old: a page is the answer then).
async function post(url, body) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(6000),
    });
  } catch {
    outage(true);
    return null;
  }
  const later = answer.status >= 500 || answer.status === 429;
  outage(later);
  if (later) return null;
  const understood = answer.headers.get("Content-Type")?.includes("json") ?? false;
  part("signed-out").hidden = understood;
  if (!understood) return null;
  const said = await answer.json();
  return answer.ok ? said : { outcome: "refused", message: said.title };
}

// --- what is kept while the network is away

const kept = () => JSON.parse(localStorage.getItem(KEPT) ?? "[]");

function keep(scan) {
  localStorage.setItem(KEPT, JSON.stringify([...kept(), scan]));
  count();
}

function count() {
  for (const place of all("kept")) place.textContent = kept().length;
}

function outage(is) {
  part("outage").hidden = !is;
}

let uploading = false;

async function upload() {
  const scans = kept().slice(0, BATCH);
  if (uploading || !scans.length) return;
  uploading = true;
  const answer = await post(page.dataset.uploadUrl, { device_time: new Date().toISOString(), scans });
  if (answer?.items) {
    const done = new Set(answer.items.map((item) => item.nonce));
    localStorage.setItem(KEPT, JSON.stringify(kept().filter((scan) => !done.has(scan.nonce))));
    count();
    tally(answer);
    for (const item of answer.items) log({ ...item, message: `${item.message}（离线扫码已上传）` });
  } else if (answer) {
    tell({ ...answer, message: `离线扫码未能上传：${answer.message}` });
    return; // the same would be refused again; they stay until the page is opened anew
  }
  uploading = false;
}

// --- what people see and hear

const ICONS = { accepted: "accepted", duplicate: "mind", kept: "kept" };
const TONES = { accepted: [880, 0.12], duplicate: [520, 0.25], kept: [520, 0.12] };

function tell(said) {
  const look = ICONS[said.outcome] ?? "wrong";
  part("verdict").dataset.verdict = look;
  part("sign").replaceChildren(icon(look));
  part("said").textContent = said.message;
  part("person").textContent = said.attendee_name ?? "";
  part("firm").textContent = said.enterprise_name ?? "";
  tally(said);
  log(said);
  sound(...(TONES[said.outcome] ?? [220, 0.5]));
}

function tally(said) {
  if (said.checked_in === undefined) return;
  part("checked-in").textContent = said.checked_in;
  part("expected").textContent = said.expected;
}

function icon(look) {
  return part("icons").content.querySelector(`[data-icon=${look}]`).firstElementChild.cloneNode(true);
}

const element = (name, text, ...children) => {
  const made = document.createElement(name);
  made.append(text, ...children);
  return made;
};

function log(said) {
  const look = ICONS[said.outcome] ?? "wrong";
  const who = element("span", said.attendee_name ?? "—", element("small", said.enterprise_name ?? ""));
  who.className = "who-came";
  const what = element("span", element("strong", said.message));
  what.className = "what";
  const at = new Date(said.scanned_at ?? Date.now());
  const line = element("li", icon(look), who, what);
  line.append(element("time", at.toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" })));
  line.className = { accepted: "green", mind: "orange", kept: "azure", wrong: "red" }[look];
  part("log").prepend(line);
  while (part("log").children.length > 20) part("log").lastElementChild.remove();
  part("log-empty").hidden = true;
}

let audio;

function sound(frequency, seconds) {
  if (!part("sound").checked) return;
  audio ??= new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0.2, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + seconds);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + seconds);
}

// --- the USB scanner types, wherever the cursor is, and ends with Enter

const gun = document.getElementById("gun");
const aim = () => gun.focus({ preventScroll: true }); // what came of the last scan stays in sight
part("gun").addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  take(gun.value);
  gun.value = "";
  aim();
});
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, select, textarea, button, a");
  if (!elsewhere && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) aim();
});

// --- the camera

const video = part("video");
const cameras = part("cameras");
const says = part("camera-says");
const canvas = document.createElement("canvas");
const drawing = canvas.getContext("2d", { willReadFrequently: true });
const REFUSED = {
  NotAllowedError: "浏览器没有获准使用摄像头。请在地址栏左侧的网站设置中允许“摄像头”，然后再试；也可使用扫码枪。",
  NotFoundError: "没有找到摄像头。请插好摄像头后再试，或使用扫码枪。",
  NotReadableError: "摄像头正被其他程序占用。请关闭后再试，或使用扫码枪。",
  OverconstrainedError: "没有找到所选的摄像头，请另选一个。",
};

async function open(deviceId) {
  close();
  if (!navigator.mediaDevices) {
    says.textContent = "当前浏览器或网址不支持摄像头（须通过 https 访问），请使用扫码枪。";
    return;
  }
  try {
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 1280 } } });
  } catch (error) {
    says.textContent = REFUSED[error.name] ?? "摄像头打不开，请换一个或使用扫码枪。";
    return;
  }
  video.hidden = false;
  await video.play();
  part("camera").textContent = "关闭摄像头";
  says.textContent = "把签到码放在画面中间，距离约 20 厘米。";
  await list();
  requestAnimationFrame(look);
}

function close() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.hidden = true;
  cameras.hidden = true;
  part("camera").textContent = "打开摄像头";
}

async function list() {
  const found = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  const current = video.srcObject.getVideoTracks()[0].getSettings().deviceId;
  cameras.replaceChildren(
    ...found.map((one, place) => new Option(one.label || `摄像头 ${place + 1}`, one.deviceId, false, one.deviceId === current)),
  );
  cameras.hidden = found.length < 2;
}

let looked = 0;

function look(at) {
  if (!video.srcObject) return;
  if (at - looked > 120 && video.readyState === video.HAVE_ENOUGH_DATA) {
    looked = at;
    canvas.width = Math.min(video.videoWidth, 800);
    canvas.height = Math.round((video.videoHeight * canvas.width) / video.videoWidth);
    drawing.drawImage(video, 0, 0, canvas.width, canvas.height);
    const pixels = drawing.getImageData(0, 0, canvas.width, canvas.height);
    const found = jsQR(pixels.data, pixels.width, pixels.height, { inversionAttempts: "dontInvert" });
    if (found?.data) take(found.data);
  }
  requestAnimationFrame(look);
}

part("camera").addEventListener("click", () => (video.srcObject ? close() : open()));
cameras.addEventListener("change", () => open(cameras.value));

aim();
count();
upload();
setInterval(upload, 5000);
window.addEventListener("online", upload);
keepAwake();
