// The live page: one stream in an <img>, one short poll of /status at a time. The poll decides whether the
// stream is alive, because browsers tell nobody when a multipart image ends.

const POLL_MS = 1000, ASK_MS = 5000, SNAPSHOT_MS = 20000, HIDE_MS = 1000, STALL_MS = 15000, BACKOFF_MS = 500, BACKOFF_MAX_MS = 5000;

const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const [view, last, stage, panel] = ['view', 'last', 'stage', 'panel'].map($);
// What each request has to carry on: a cam's `token`, or the `key` of a link.
const access = ['token', 'key'].map((name) => [name, new URLSearchParams(location.search).get(name)]).find((one) => one[1] !== null);

// connecting, live, busy (it has no room for another viewer), gone (the camera), retrying, out (signed out), paused
let link = 'connecting';
let problem = '';        // why it is retrying
let camera = {};         // its row in the last /status
let since;               // when it came into its state
let viewer;              // our row in it
let token = '';          // names our stream; '' while none is open
let reached = false;     // the last poll was answered
let refused = false;     // the last stream ended in an error: ask why before opening the next
let unknown = false;     // the camera has come to life since its settings were learnt
let misses = 0;          // polls in a row that did not list our stream
let progress = {};       // when our viewer last got a picture
let backoff = BACKOFF_MS;
let turn = 0, timer, polling, hidden, said, held = '';

const own = (url) => access ? `${url}${url.includes('?') ? '&' : '?'}${access[0]}=${encodeURIComponent(access[1])}` : url;

// Resolves to what `read` makes of the reply; throws an Error with words for people, the reply's `status`, the server's
// `allowed`, and `later_s` where it is a 429 or 503 that says when to come again.
async function ask(url, options = {}, read = (reply) => reply.json(), abort = new AbortController()) {
  const late = setTimeout(() => abort.abort(), options.ms || ASK_MS);
  let told;
  try {
    const reply = await fetch(own(url), { cache: 'no-store', signal: abort.signal, ...options });
    if (reply.ok) return await read(reply);
    told = { error: `the server answered ${reply.status}`, status: reply.status };
    if ([429, 503].includes(reply.status)) told.later_s = +reply.headers.get('Retry-After');
    Object.assign(told, await reply.json());
  } catch { /* unreachable, too late, broken off or no JSON */ } finally {
    clearTimeout(late);
  }
  throw Object.assign(Error(told ? told.error : 'no answer from the server'), told);
}

// ---- the stream, and the loop that watches it

function open() {
  token = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36)).join('');
  misses = -3; // the first looks come early
  progress = {};
  view.src = own(`stream.jpg?viewer=${token}`);
}

// The src becomes '' first: an <img> that is removed, or given another stream, may go on loading the old one.
function close() {
  token = '';
  viewer = null;
  view.src = '';
}

// No event says that the first part is there (Firefox, WebKit), but its width does. A small copy is kept
// for the time when there is no picture.
function keep() {
  const shown = token && view.naturalWidth;
  stage.toggleAttribute('data-picture', shown);
  if (!shown) return;
  last.width = 320;
  last.height = 320 * view.naturalHeight / shown;
  last.getContext('2d').drawImage(view, 0, 0, 320, last.height);
}

function again(ms) {
  clearTimeout(timer);
  timer = setTimeout(look, ms);
}

function retry(why, later_s = 0, state = 'retrying') {
  link = state;
  problem = why;
  again(Math.max(backoff, later_s * 1000));
  backoff = Math.min(backoff * 2, BACKOFF_MAX_MS);
  draw();
}

async function look() {
  const mine = ++turn;
  polling?.abort();
  const abort = polling = new AbortController();
  let status;
  try {
    status = await ask('status', {}, undefined, abort);
    if (mine === turn) see(status);
    if (refused && !token) {
      await ask('stream.jpg?viewer=probe', {}, () => abort.abort(), abort);
      refused = false;
      if (mine === turn) again(POLL_MS / 4); // the probe may have had the last place: it is free by then
      return;
    }
    refused = false;
  } catch (error) {
    if (mine !== turn) return;
    reached = !!status;
    misses = 1; // perhaps another server comes back: then one look settles it
    if (error.status === 401) {
      close();
      last.width = last.height = 1; // nobody who is not let in sees what was there
      return retry(error.message, BACKOFF_MAX_MS / 1000, 'out');
    }
    return retry(error.message, error.later_s, status && error.later_s ? 'busy' : !status && error.status === 404 ? 'gone' : 'retrying');
  }
  if (mine !== turn) return; // paused, or asked anew, meanwhile
  if (!reached) backoff = BACKOFF_MS;
  reached = true;
  if (token && !viewer && ++misses < 2) again(misses > 0 ? POLL_MS : POLL_MS / 4);
  else if (!token) {
    open();
    again(POLL_MS / 4);
  } else if (viewer && !stalled()) {
    misses = 0;
    backoff = BACKOFF_MS;
    if (link !== 'live' || unknown) learn();
    link = 'live';
    again(POLL_MS);
  } else {
    const why = viewer ? 'the picture stood still' : 'the stream ended';
    close();
    return retry(why);
  }
  draw();
}

function see(status) {
  const [row] = status.cameras;
  if (!row) throw Error('the server has no camera');
  if (row.state !== camera.state || row.reason !== camera.reason) since = new Date(Date.now() - row.since_s * 1000);
  // A camera that was closed, or gone, may have shown no controls, or may be another one now.
  unknown = row.state === 'live' && (unknown || camera.state !== 'live');
  camera = row;
  viewer = row.viewers.find((one) => one.id === token);
}

// The camera gives frames and our viewer has had none for long. A camera that is lost or slow is no stall.
function stalled() {
  const now = Date.now();
  if (viewer.sent_bytes !== progress.bytes || camera.state !== 'live') {
    progress = { bytes: viewer.sent_bytes, frames: camera.frames, at: now };
  }
  return now - progress.at > STALL_MS && camera.frames - progress.frames > 2;
}

function pause() {
  if (link === 'paused') return;
  keep();
  close();
  turn++;
  polling?.abort();
  clearTimeout(timer);
  link = 'paused';
  draw();
}

function resume() {
  if (document.hidden || held) return pause();
  clearTimeout(hidden?.timer);
  if (Date.now() - hidden?.at > HIDE_MS) pause(); // a phone may have slept before the timer could
  hidden = null;
  if (link === 'paused') link = 'connecting';
  if (!token) open();
  look();
}

// Shows no camera while there are words for why not; they stand where its state does. '' ends that.
function hold(words, notice = null) {
  if (held === words) return;
  held = words;
  said = notice;
  if (words) {
    camera = {};
    pause();
    draw();
  } else if (document.readyState === 'complete') setTimeout(resume); // else when the page is shown
}

view.onerror = () => {
  if (!token) return;
  close();
  turn++;
  refused = true;
  retry('the stream ended');
};
document.onvisibilitychange = () => {
  if (document.hidden) hidden = { at: Date.now(), timer: setTimeout(pause, HIDE_MS) };
  else resume();
};
addEventListener('pagehide', pause);
addEventListener('pageshow', () => setTimeout(resume)); // after the load event, else the tab shows "loading" for ever
addEventListener('online', resume);
setInterval(() => stage.hasAttribute('data-picture') || (token && view.naturalWidth && draw()), 100);

// ---- what is shown

const sentence = (text) => text ? text[0].toUpperCase() + text.slice(1) : '';

function write(id, text, warn = false) {
  const node = $(id);
  if (node.textContent !== text) node.textContent = text;
  node.toggleAttribute('data-warn', warn);
}

function draw() {
  const { name, state, reason, capture_fps: fps, asked, viewers } = camera;
  const lost = state === 'lost' && (link === 'live' || reached), off = ['retrying', 'gone', 'out'].includes(link);
  root.dataset.connection = link;
  root.dataset.state = state || '';
  keep();
  write('state', held || (link === 'out' ? 'No access' : sentence(lost || link === 'live' ? state : link)));
  if (state) {
    const width = camera.width || asked?.width, height = camera.height || asked?.height;
    const age_s = link === 'live' && viewer?.age_ms != null ? viewer.age_ms / 1000 : NaN;
    const slow = state === 'live' && camera.since_s > 3 && fps < asked?.fps * 0.8; // a rate needs frames to be told from
    document.title = `${name} · manyeyes`;
    view.alt = `Live picture of ${name}`;
    write('name', name);
    write('resolution', width ? `${width} × ${height}` : '–');
    write('fps', fps == null || off || (state === 'live' && !fps) ? '–' : `${fps.toFixed(1)} ${slow ? `of ${asked.fps} ` : ''}fps`, slow && !off);
    write('viewers', off ? '–' : `${viewers.length}`);
    write('age', age_s >= 0 ? age_s > 90 ? `${Math.round(age_s / 60)} min old` : `${age_s.toFixed(age_s < 0.01 ? 3 : age_s < 1 ? 2 : 1)} s old` : '–', age_s > 1);
    if (width) root.style.setProperty('--ratio', `${width} / ${height}`);
  }
  const [title, text, mood = ''] = said
    || (lost ? [`Camera lost since ${since.toLocaleTimeString()}`, reason]
      : link === 'busy' ? [`The camera is busy${['', ': 1 viewer'][viewers.length] ?? `: ${viewers.length} viewers`}`, problem, 'warn busy']
      : link === 'out' ? [access ? 'This link has expired' : 'Signed out', access ? 'ask for a new one' : 'sign in to see the camera', 'warn']
      : link === 'retrying' ? ['Connection lost, retrying', problem, 'warn busy']
      : link === 'gone' ? ['This camera is gone', 'It shows here again by itself when it comes back', 'warn']
      : state === 'starting' ? ['The camera is starting', reason, 'warn busy']
      : stage.hasAttribute('data-picture') ? [] : ['Connecting', '', 'busy']);
  write('notice-title', title || '');
  write('reason', sentence(text));
  $('enter').hidden = link !== 'out';
  $('notice').className = title ? `on ${mood}` : '';
}

// ---- learnt once per connection, and when the camera comes: its settings

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

async function learn() {
  unknown = false;
  build(await ask('config').catch(() => ({})));
}

let fields = [], queue = Promise.resolve();

function build(config) {
  const { quality, fps, size, controls = {} } = config;
  const own = {
    quality: { type: 'int', value: quality, min: 1, max: 100, label: 'JPEG quality' },
    fps: { type: 'number', value: fps, min: 0, label: 'Frames per second' }, // null: as fast as it comes
    size: { type: 'text', value: size },
  };
  fields = [
    ...Object.keys(own).filter((key) => key in config).map((key) => field(key, own[key])),
    ...Object.keys(controls).map((key) => field(key, controls[key], true)),
  ];
  panel.replaceChildren(...fields.map((one) => one.node));
  $('settings').hidden = !fields.length;
  if (!fields.length) toggle(true);
}

// One row of the panel; `deep` says that its value lives in the config's `controls`.
function field(key, { type, value, min, max, step = type === 'int' ? 1 : 'any', menu, active, label = sentence(key.replace(/_/g, ' ')) }, deep) {
  const wrong = make('p', { className: 'wrong' }), number = type === 'number' || typeof value === 'number';
  let input, slider, changed;

  const set = (now) => {
    if (changed) return;
    value = now;
    if (type === 'bool') input.checked = now;
    else if (type !== 'button') input.value = now;
    if (slider) slider.value = now;
  };
  // Another control rules this one: an automatic, as a rule.
  const enable = (now) => { for (const one of [input, slider]) if (one) one.disabled = now === false; };
  const get = () => type === 'button' || (type === 'bool' ? input.checked : number && input.value ? +input.value : input.value);

  // One POST at a time; of several changes to one control only the last is sent.
  const send = () => {
    changed = true;
    queue = queue.then(async () => {
      if (!changed) return;
      changed = false;
      try {
        const change = { [key]: get() };
        const body = JSON.stringify(deep ? { controls: change } : change);
        const config = await ask('config', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
        wrong.textContent = '';
        for (const one of fields) one.take(config);
      } catch ({ message, allowed: may }) {
        set(value);
        const range = may?.min != null ? `${may.min} to ${may.max}` : Array.isArray(may) ? may.join(', ') : may;
        wrong.textContent = sentence(message) + (range && !/expected/.test(message) ? `. Allowed: ${range}` : '');
      }
    });
  };

  if (type === 'button') input = make('button', { textContent: label, onclick: send });
  else if (type === 'menu') {
    const named = Array.isArray(menu) && menu.includes(value);
    input = make('select', {}, ...Object.entries(menu).map(([i, text]) => new Option(text, named ? text : i)));
  } else input = make('input', { type: type === 'bool' ? 'checkbox' : number ? 'number' : 'text', min: min ?? '', max: max ?? '', step, placeholder: value == null ? 'as it comes' : '' });
  if (input.type === 'number' && max != null) {
    slider = make('input', { type: 'range', min, max, step, oninput: () => { input.value = slider.value; }, onchange: send });
    slider.setAttribute('aria-label', label);
  }
  input.id = `set-${key}`;
  input.onchange = send;
  wrong.setAttribute('role', 'alert');
  set(value);
  enable(active);
  return {
    node: make('div', { className: `field ${type}` },
      type === 'button' ? '' : make('label', { htmlFor: input.id, textContent: label }),
      make('div', { className: 'row' }, slider || '', input), wrong),
    take: (config) => {
      const now = deep ? config.controls?.[key]?.value : config[key];
      if (now !== undefined) set(now);
      if (deep) enable(config.controls?.[key]?.active);
    },
  };
}

function toggle(shut) {
  panel.hidden = shut;
  $('settings').setAttribute('aria-expanded', !shut);
}

$('enter').href = location.pathname; // without the link's key; it shows where to sign in

$('settings').onclick = () => toggle(!panel.hidden);

// ---- snapshot, full screen, keys

let saving = false;

$('snapshot').onclick = async () => {
  if (saving) return;
  saving = true;
  try {
    const blob = await ask('snapshot.jpg', { ms: SNAPSHOT_MS }, (reply) => reply.blob());
    const local = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString();
    const href = URL.createObjectURL(blob);
    make('a', { href, download: `${camera.name || 'camera'}_${local.slice(0, 19).replace('T', '_').replace(/:/g, '-')}.jpg` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60000);
  } catch (error) {
    said = ['No snapshot', error.message, 'warn'];
    draw();
    setTimeout(() => { said = null; draw(); }, 6000);
  }
  saving = false;
};

// Where an element can't have the full screen (iPhones), the stage covers the window.
async function full() {
  if (root.dataset.full === 'window') delete root.dataset.full;
  else if (document.fullscreenElement) document.exitFullscreen();
  else {
    try {
      await stage.requestFullscreen();
    } catch {
      root.dataset.full = 'window';
    }
  }
}

document.onfullscreenchange = () => {
  if (document.fullscreenElement) root.dataset.full = 'screen';
  else delete root.dataset.full;
};
$('fullscreen').onclick = $('leave').onclick = stage.ondblclick = full;

document.onkeydown = (event) => {
  if (held && !root.dataset.full) return; // there is no picture to save, or to fill the screen
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches('input, select')) return;
  if (event.key === 'f' || (event.key === 'Escape' && root.dataset.full === 'window')) full();
  if (event.key === 's') $('snapshot').click();
};

export { ask, hold, make, own, sentence };
