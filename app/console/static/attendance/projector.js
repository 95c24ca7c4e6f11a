// The hall's screen: the code changes by itself, the count grows, and a short outage changes nothing.
import { keepAwake } from "./wake-lock.js";

const EVERY = 3000;
const { codeUrl, imageUrl } = document.body.dataset;
const part = (name) => document.querySelector(`[data-${name}]`);
const image = part("image");
const waiting = part("waiting");
let shown = "";
let until = 0;

async function refresh() {
  try {
    const answer = await fetch(codeUrl, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(8000) });
    if (answer.status === 401) return signedOut();
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    part("checked-in").textContent = now.checked_in;
    part("expected").textContent = now.expected;
    until = performance.now() + now.seconds_left * 1000;
    if (now.code !== shown) await show(now.code);
    part("outage").hidden = true;
  } catch {
    part("outage").hidden = false;
  }
}

// The old code stays until the new one is here: it is good for some minutes more.
async function show(code) {
  const answer = await fetch(`${imageUrl}?code=${code}`, { signal: AbortSignal.timeout(20000) });
  if (!answer.ok || !answer.headers.get("Content-Type").startsWith("image/")) {
    waiting.textContent = "签到码暂时取不到，正在重试……";
    throw new Error(answer.status);
  }
  const reader = new FileReader();
  reader.onload = () => {
    image.src = reader.result;
    image.hidden = false;
    waiting.hidden = true;
  };
  reader.readAsDataURL(await answer.blob());
  shown = code;
  image.dataset.shown = code;
}

function signedOut() {
  waiting.textContent = "登录已过期，请重新登录后打开此页";
  waiting.hidden = false;
  image.hidden = true;
}

async function run() {
  await refresh();
  setTimeout(run, EVERY);
}

setInterval(() => {
  const left = Math.max(0, Math.round((until - performance.now()) / 1000));
  part("left").value = left;
  part("clock").textContent = new Date().toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
}, 1000);

const fullscreen = part("fullscreen");
fullscreen.addEventListener("click", () => document.documentElement.requestFullscreen());
document.addEventListener("fullscreenchange", () => {
  fullscreen.hidden = Boolean(document.fullscreenElement);
});

keepAwake();
run();
