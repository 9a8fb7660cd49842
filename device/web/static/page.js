// The live view: the picture, new captions and the answers, without loading the page again.
// Everything else on these pages works without JavaScript. What changes is taken from a new copy of
// the page, so that its words are written in one place. The focus stays where the person has it.

const PICTURE_PERIOD_MS = 1000;
const RETRY_MS = 5000;
const REFRESH_MS = 300;
const SAME_TEXT_MS = 8000;
// Longer than the daemon waits for an answer.
const ANSWER_MS = 20000;

const $ = (id) => document.getElementById(id);

// ------------------------------------------------------------ what a screen reader reads

const isLive = $("is-live");
let lastRead = { text: "", at: 0 };

/** Have a screen reader read a text; the same text only once within some seconds. */
function read(text, region = "spoken-politely") {
  const now = Date.now();
  if (text === lastRead.text && now - lastRead.at < SAME_TEXT_MS) return;
  lastRead = { text, at: now };
  // A new element is read even if its text is the same as before.
  const line = document.createElement("p");
  line.textContent = text;
  $(region).replaceChildren(line);
}

function startSwitch() {
  $("live-switch").hidden = false;
  try {
    isLive.checked = localStorage.getItem("is-live") !== "false";
    isLive.addEventListener("change", () => localStorage.setItem("is-live", String(isLive.checked)));
  } catch {
    // The browser keeps nothing: then the switch holds for as long as the page is open.
  }
}

// ------------------------------------------------------------ the picture

let isPaused = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
let isInView = true;
let pictureTimer = 0;

function loadPicture() {
  clearTimeout(pictureTimer);
  const picture = $("picture");
  if (!picture || isPaused || !isInView || document.hidden) return;
  picture.src = `/api/picture?width=640&at=${Date.now()}`;
}

const inView = new IntersectionObserver(([entry]) => { isInView = entry.isIntersecting; loadPicture(); });

function loadPictureAfter(wait) {
  clearTimeout(pictureTimer);
  pictureTimer = setTimeout(loadPicture, wait);
}

/** Keep the picture fresh; again after a refresh that brought another one. */
function watchPicture() {
  const picture = $("picture");
  if (!picture) return;
  const state = $("picture-state");
  picture.addEventListener("load", () => { state.textContent = ""; loadPictureAfter(PICTURE_PERIOD_MS); });
  picture.addEventListener("error", () => {
    state.textContent = "There is no picture at the moment. This page tries again every 5 seconds.";
    loadPictureAfter(RETRY_MS);
  });
  inView.disconnect();
  inView.observe(picture);
  // Not hidden again, since it may have the focus.
  $("picture-buttons").hidden = false;
}

function startPause() {
  const pause = $("pause");
  const label = () => { pause.textContent = isPaused ? "Show the picture live" : "Pause the picture"; };
  pause.addEventListener("click", () => { isPaused = !isPaused; label(); loadPicture(); });
  document.addEventListener("visibilitychange", loadPicture);
  label();
}

// ------------------------------------------------------------ new captions

let refreshTimer = 0;

/** Take the parts of the page that change from a new copy of it, a moment after the last event. */
function refreshSoon() {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, REFRESH_MS);
}

async function refresh() {
  const page = await copyOf(await fetch("/").catch(() => null));
  if (page) takeFrom(page);
}

/** Return the page of a response; null where there is none, or where it is the login. */
async function copyOf(response) {
  if (!response || response.redirected) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.getElementById("captions") ? page : null;
}

function takeFrom(page) {
  for (const id of ["captions", "state", "wrong"]) {
    const [old, next] = [$(id), page.getElementById(id)];
    // Not under the hands of somebody who writes, or whose focus is there.
    const isUsed = old.contains(document.activeElement) || old.querySelector("details[open]");
    if (!isUsed && old.innerHTML !== next.innerHTML) old.replaceChildren(...next.childNodes);
  }
  const view = page.getElementById("view");
  if (($("picture") === null) !== (view.querySelector("img") === null)) {
    $("view").replaceChildren(...view.childNodes);
    watchPicture();
  }
}

let stream = null;

function openStream() {
  if (stream) return;
  stream = new EventSource("/api/events");
  stream.addEventListener("open", () => { $("stream-state").textContent = ""; refreshSoon(); });
  stream.addEventListener("error", () => {
    $("stream-state").textContent = "New captions do not appear at the moment. This page is trying to connect again.";
    if (stream.readyState === EventSource.CLOSED) { closeStream(); setTimeout(openStream, RETRY_MS); }
  });
  const heard = (kind, region) => stream.addEventListener(kind, (event) => {
    const { text, kind: what } = JSON.parse(event.data);
    // What narration saw and did not speak is only listed.
    if (text && what !== "unspoken" && isLive.checked) read(text, region);
    refreshSoon();
  });
  heard("caption", "spoken-politely");
  heard("alert", "spoken-at-once");
  heard("problem", "spoken-at-once");
  for (const kind of ["state", "place"]) stream.addEventListener(kind, refreshSoon);
}

function closeStream() {
  if (stream) stream.close();
  stream = null;
}

// ------------------------------------------------------------ describe

let isBusy = false;

/** Send the form as the browser would, and return the answer as text. */
async function ask(how) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const body = new URLSearchParams({ how });
  const page = await copyOf(await fetch("/describe", { method: "POST", body, signal }));
  if (!page) return "The device does not answer. Load the page again.";
  takeFrom(page);
  const shown = page.querySelector(".box.problem p") || page.getElementById("answer-text");
  return shown.textContent;
}

async function describe(event) {
  event.preventDefault();
  if (isBusy) return;
  const button = event.submitter || event.target.querySelector("button");
  isBusy = true;
  button.setAttribute("aria-disabled", "true");
  if (button.value === "aloud" || button.value === "here") read("Describing.");
  const text = await ask(button.value).catch(() => "The device does not answer. Try again.");
  $("answer-text").textContent = text;
  $("answer").hidden = false;
  read(text);
  button.removeAttribute("aria-disabled");
  isBusy = false;
}

startSwitch();
startPause();
watchPicture();
openStream();
$("describe").addEventListener("submit", describe);
// A page that was left keeps none of the few streams.
window.addEventListener("pagehide", closeStream);
window.addEventListener("pageshow", openStream);
