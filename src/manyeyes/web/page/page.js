// The live page: one stream in an <img>, and one short poll of /status at a time. The poll decides whether
// the stream is alive, because browsers tell nobody when a multipart image ends.

const POLL_MS = 1000, ASK_MS = 5000, HIDE_MS = 1000, STALL_MS = 15000, BACKOFF_MS = 500, BACKOFF_MAX_MS = 5000, SNAPSHOT_MS = 20000;

const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const [view, last, stage, panel] = ['view', 'last', 'stage', 'panel'].map($);
const cameraPage = /\/cams\/[\w-]+\/[^/]*$/.test(location.pathname);

let link = 'connecting'; // connecting, live, retrying, paused
let problem = '';        // why it is retrying
let cameras = [];        // of the last /status
let camera = {};         // the first of them: the one that is shown
let reached = false;     // the last poll was answered
let viewer;              // our row in it
let token = '';          // names our stream; '' while none is open
let refused = false;     // the last stream ended in an error: ask why before opening the next
let misses = 0;          // polls in a row that did not list our stream
let progress = {};       // when our viewer last got a picture
let backoff = BACKOFF_MS;
let timer, turn = 0, polling, hidden, said, since;

// Resolves to what `read` makes of the reply, or throws an Error with words for people (and the server's `allowed`).
async function ask(url, options = {}, read = (reply) => reply.json(), abort = new AbortController()) {
  const late = setTimeout(() => abort.abort(), options.ms || ASK_MS);
  let told;
  try {
    const reply = await fetch(url, { cache: 'no-store', signal: abort.signal, ...options });
    if (reply.ok) return await read(reply);
    told = await reply.json().catch(() => ({}));
    told.error ||= `the server answered ${reply.status}`;
  } catch { /* refused, broken off, too late, or no JSON */ } finally {
    clearTimeout(late);
  }
  throw Object.assign(Error(told ? told.error : 'no answer from the server'), told);
}

// ---- the stream and the loop around it

function open() {
  token = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36)).join('');
  misses = 0;
  progress = {};
  view.src = `stream.jpg?viewer=${token}`;
}

// The src becomes '' first: an <img> that is removed, or given another stream, may go on loading the old one.
function close() {
  token = '';
  viewer = undefined;
  view.src = '';
  delete stage.dataset.picture;
}

// No event says that the first part is there (Firefox, WebKit), but its width does. A small copy of the
// picture is kept for the time when there is none.
function keep() {
  if (!token || !view.naturalWidth) return;
  stage.dataset.picture = '';
  last.width = 320;
  last.height = 320 * view.naturalHeight / view.naturalWidth;
  last.getContext('2d').drawImage(view, 0, 0, 320, last.height);
}

function retry(why) {
  link = 'retrying';
  problem = why;
  again(backoff);
  backoff = Math.min(backoff * 2, BACKOFF_MAX_MS);
  draw();
}

function again(ms) {
  clearTimeout(timer);
  timer = setTimeout(look, ms);
}

async function look() {
  const mine = ++turn;
  polling?.abort();
  const abort = polling = new AbortController();
  let status;
  try {
    status = await ask('status', {}, undefined, abort);
    if (mine === turn) see(status);
    if (refused && !token) await ask('stream.jpg?viewer=probe', {}, () => abort.abort(), abort);
    refused = false;
  } catch (error) {
    if (mine !== turn) return;
    reached = !!status;
    return retry(error.message);
  }
  if (mine !== turn) return; // paused, or asked anew, meanwhile
  reached = true;
  if (!token) {
    open();
    again(POLL_MS / 4);
  } else if (viewer && !stalled()) {
    misses = 0;
    backoff = BACKOFF_MS;
    if (link !== 'live') learn();
    link = 'live';
    keep();
    again(POLL_MS);
  } else if (viewer || ++misses > 1 || link === 'retrying') {
    close();
    retry(viewer ? 'the picture stood still' : 'the stream ended');
  } else {
    again(POLL_MS);
  }
  draw();
}

function see(status) {
  const row = status.cameras[0];
  if (!row) throw Error('the server has no camera');
  cameras = status.cameras;
  if (row.state !== camera.state || row.reason !== camera.reason) since = new Date(Date.now() - row.since_s * 1000);
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

view.onerror = () => {
  if (!token) return;
  close();
  refused = true;
  turn++;
  retry('the stream ended');
};

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
  if (document.hidden) return pause();
  clearTimeout(hidden?.timer);
  if (Date.now() - hidden?.at > HIDE_MS) pause(); // a phone may have slept before the timer could
  hidden = null;
  if (link === 'paused') link = 'connecting';
  if (!token) open();
  look();
}

document.onvisibilitychange = () => {
  if (!document.hidden) return resume();
  hidden = { at: Date.now(), timer: setTimeout(pause, HIDE_MS) };
};
addEventListener('pagehide', pause);
addEventListener('pageshow', () => setTimeout(resume)); // after the load event, else the tab shows "loading" for ever
addEventListener('online', resume);
setInterval(() => stage.dataset.picture ?? keep(), 100);

// ---- what is shown

const WORDS = { idle: 'Idle', starting: 'Starting', live: 'Live', lost: 'Lost', connecting: 'Connecting', retrying: 'Reconnecting', paused: 'Paused' };
const fixed = (number, digits) => typeof number === 'number' ? number.toFixed(digits) : '–';
const sentence = (text) => text ? text[0].toUpperCase() + text.slice(1) : '';

function write(id, text, warn) {
  const node = $(id);
  if (node.textContent !== text) node.textContent = text;
  node.toggleAttribute('data-warn', !!warn);
}

function draw() {
  const { name, state, reason, capture_fps: fps, asked, viewers } = camera;
  const width = camera.width || asked?.width, height = camera.height || asked?.height;
  const age_s = link === 'live' && viewer?.age_ms != null ? viewer.age_ms / 1000 : undefined;
  root.dataset.connection = link;
  root.dataset.state = state || '';
  const lost = state === 'lost' && (link === 'live' || reached);
  write('state', WORDS[lost || link === 'live' ? state : link]);
  if (state) {
    const short = state === 'live' && fps < asked?.fps * 0.8;
    document.title = `${name} · manyeyes`;
    view.alt = `Live picture of ${name}`;
    write('name', name);
    write('resolution', width ? `${width} × ${height}` : '–');
    write('fps', fixed(fps, fps < 10 ? 1 : 0) + (short ? ` of ${asked.fps}` : ''), short);
    write('viewers', fixed(viewers.length));
    write('age', age_s > 90 ? `${fixed(age_s / 60)} min old` : `${fixed(age_s, age_s < 1 ? 2 : age_s < 10 ? 1 : 0)}${age_s == null ? '' : ' s old'}`, age_s > 1);
    if (width) root.style.setProperty('--ratio', `${width} / ${height}`);
  }
  let title = '', text = '';
  if (said) [title, text] = said;
  else if (lost) [title, text] = [`Camera lost since ${since.toLocaleTimeString()}`, reason];
  else if (link === 'retrying') [title, text] = ['Connection lost, retrying', problem];
  else if (state === 'starting') [title, text] = ['The camera is starting', reason];
  else if (stage.dataset.picture == null) title = 'Connecting';
  write('notice-title', title);
  write('reason', sentence(text));
  $('notice').className = title && (said || lost ? 'on' : 'on busy');
}

function say(title, text) {
  clearTimeout(say.timer);
  said = [title, text];
  say.timer = setTimeout(() => { said = null; draw(); }, 6000);
  draw();
}

// ---- once per connection: the other cameras, and the settings

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

async function learn() {
  const config = await ask('config').catch(() => ({}));
  const list = cameraPage ? (await ask('../../cams').catch(() => ({}))).cameras || [] : cameras;
  $('cameras').hidden = list.length < 2;
  $('cameras').replaceChildren(...list.map(({ name }) => {
    const a = make('a', { href: `${cameraPage ? '../' : 'cams/'}${name}/`, textContent: name });
    if (name === camera.name) a.setAttribute('aria-current', 'page');
    return a;
  }));
  build(config);
}

let fields = [], queue = Promise.resolve();

function build(config) {
  const own = { quality: { type: 'int', min: 1, max: 100 }, fps: { type: 'number', min: 0 }, size: { type: 'text' } };
  fields = [
    ...Object.entries(own).map(([key, spec]) => field(key, spec, (all) => all[key], (value) => ({ [key]: value }))),
    ...Object.entries(config.controls || {}).map(([key, spec]) =>
      field(key, spec, (all) => all.controls?.[key]?.value, (value) => ({ controls: { [key]: value } }))),
  ].filter((one) => one && (one.button || one.find(config) != null));
  for (const one of fields) one.set(one.find(config));
  panel.replaceChildren(...fields.map((one) => one.node));
  $('settings').hidden = !fields.length;
  if (!fields.length) toggle(true);
}

// One row of the panel. `find` takes its value out of a /config, `wrap` makes the body of a POST from a value.
function field(key, { type, min, max, step = 1, menu }, find, wrap) {
  const name = sentence(key.replace(/_/g, ' ')), id = `set-${key}`;
  const wrong = make('p', { className: 'wrong' });
  wrong.setAttribute('role', 'alert');
  let old, changed, slider;
  const input = make(type === 'menu' ? 'select' : type === 'button' ? 'button' : 'input', { id });
  if (type === 'int' || type === 'number') {
    const limits = { min: min ?? '', max: max ?? '', step: type === 'int' ? step : 'any' };
    Object.assign(input, { type: 'number', inputMode: min < 0 ? 'text' : 'decimal', ...limits });
    if (max != null) {
      slider = make('input', { type: 'range', ...limits, oninput: () => { input.value = slider.value; }, onchange: () => send() });
      slider.setAttribute('aria-label', name);
    }
  } else if (type === 'bool') input.type = 'checkbox';
  else if (type === 'button') input.textContent = name;
  else if (type !== 'menu' && type !== 'text') return null;

  const set = (value) => {
    if (changed) return;
    old = value;
    if (type === 'bool') input.checked = value;
    else if (type === 'menu') {
      const plain = Array.isArray(menu) && menu.includes(value);
      input.replaceChildren(...Object.entries(menu).map(([i, text]) => new Option(text, plain ? text : i)));
      input.value = value;
    } else if (type !== 'button') input.value = value;
    if (slider) slider.value = value;
  };
  const get = () => type === 'bool' ? input.checked : type === 'button' || (typeof old === 'number' ? Number(input.value) : input.value.trim());
  // One POST at a time; of several changes to one control only the last is sent.
  const send = () => {
    changed = true;
    queue = queue.then(async () => {
      if (!changed) return;
      changed = false;
      try {
        if (input.value === '' && type !== 'button') throw Error('a value is needed');
        const body = JSON.stringify(wrap(get()));
        const config = await ask('config', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
        wrong.textContent = '';
        for (const one of fields) one.set(one.find(config));
      } catch ({ message, allowed }) {
        set(old);
        wrong.textContent = sentence(message) + (allowed == null ? '' : `. Allowed: ${list(allowed)}`);
      }
    });
  };
  if (type === 'button') input.onclick = send;
  else input.onchange = () => { if (slider) slider.value = input.value; send(); };
  const row = make('div', { className: 'row' }, ...(slider ? [slider, input] : [input]));
  const node = make('div', { className: `field ${type}` }, ...(type === 'button' ? [] : [make('label', { htmlFor: id, textContent: name })]), row, wrong);
  return { node, set, find, button: type === 'button' };
}

const list = (allowed) => Array.isArray(allowed) ? allowed.join(', ')
  : allowed.min != null ? `${allowed.min} to ${allowed.max}` : typeof allowed === 'object' ? JSON.stringify(allowed) : allowed;

function toggle(shut = !panel.hidden) {
  panel.hidden = shut;
  $('settings').setAttribute('aria-expanded', !shut);
}

$('settings').onclick = () => toggle();

// ---- snapshot, full screen, keys

let saving = false;

$('snapshot').onclick = async () => {
  if (saving) return;
  saving = true;
  try {
    const blob = await ask('snapshot.jpg', { ms: SNAPSHOT_MS }, (reply) => reply.blob());
    const now = new Date();
    const time = new Date(now - now.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace('T', '_').replace(/:/g, '-');
    const href = URL.createObjectURL(blob);
    make('a', { href, download: `${camera.name || 'camera'}_${time}.jpg` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60000);
  } catch (error) {
    say('No snapshot', error.message);
  }
  saving = false;
};

// iPhones have no full screen for elements: there the stage covers the window.
async function full() {
  if (root.dataset.full === 'window') delete root.dataset.full;
  else if (root.dataset.full) (document.exitFullscreen || document.webkitExitFullscreen).call(document);
  else {
    try {
      await (stage.requestFullscreen || stage.webkitRequestFullscreen).call(stage);
    } catch {
      root.dataset.full = 'window';
    }
  }
}

document.onfullscreenchange = document.onwebkitfullscreenchange = () => {
  if (document.fullscreenElement || document.webkitFullscreenElement) root.dataset.full = 'screen';
  else delete root.dataset.full;
};
$('fullscreen').onclick = $('leave').onclick = stage.ondblclick = full;

document.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches('input, select')) return;
  if (event.key === 'f') full();
  else if (event.key === 's') $('snapshot').click();
  else if (event.key === 'Escape' && root.dataset.full === 'window') full();
};
