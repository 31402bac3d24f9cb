// Many cameras: tabs for a few, a wall of tiles for many, and what is shown while there is none. A cam's page is
// without this file. The list is asked for again and again, so cameras come and go on a page that is open.

import { ask, hold, make, own, sentence } from './page.js';

const LIST_MS = 3000, REFRESH_MS = 5000, AGAIN_MS = 60000, RECENT_MS = 60000, DAY_MS = 86400000;
const TABS = 6;       // more do not fit beside each other; `/` shows the wall then
const AT_ONCE = 3;    // pictures: a browser has six connections to one server
const SNAPSHOT_MS = 20000;

const root = document.documentElement;
const nav = document.getElementById('cameras');
const here = /\/cams\/([\w-]+)\/[^/]*$/.exec(location.pathname)?.[1];
const base = here ? '../../' : './';
const wanted = new URLSearchParams(location.search).has('all');
const wall = make('main', { id: 'wall' }); // the stage, which is the other one, is not shown then
wall.setAttribute('aria-label', 'Cameras');
document.body.append(wall);

let view = '';        // live, wall, or none (no camera); '' until the first list is there
let timer, busy = 0;
const tiles = new Map();

// ---- the list

function link(text, url, current, state = '') {
  const a = make('a', { href: own(url), textContent: text });
  if (current) a.setAttribute('aria-current', 'page');
  a.dataset.state = state;
  return a;
}

function show({ cameras, hint }) {
  const many = cameras.length > TABS;
  if (!here) {
    if (!cameras.length) view = 'none';
    else if (view === 'none' || !view) view = many || wanted ? 'wall' : 'live'; // what somebody looks at stays
    root.dataset.fleet = view;
    const count = `${cameras.length} camera${cameras.length === 1 ? '' : 's'}`;
    if (view === 'none') {
      hold('No camera', ['No camera yet', `One that comes is shown here by itself. ${hint}`, 'busy']);
    } else hold(view === 'wall' ? count : '');
    if (view !== 'live') {
      document.getElementById('name').textContent = 'manyeyes';
      document.title = 'manyeyes';
    }
  }
  const shown = here || (view === 'live' && cameras[0].name);
  const links = many ? [] : cameras.map(({ name, url, state, gone }) => link(name, base + url, name === shown, gone ? 'lost' : state));
  if (cameras.length > 1) links.unshift(link(many ? `All ${cameras.length}` : 'All', `${base}?all`, view === 'wall'));
  nav.hidden = view === 'wall' || (cameras.length < 2 && cameras[0]?.name === shown) || !cameras.length;
  // Only what has changed: focus stays, and nothing flickers.
  const key = links.map((a) => a.outerHTML).join('');
  if (nav.dataset.key !== key) nav.replaceChildren(...links);
  nav.dataset.key = key;
  if (view === 'wall') build(cameras);
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    show(await ask(`${base}cams`));
  } catch ({ status }) {
    if ([401, 403, 404].includes(status)) return hold(''); // the list is not for us: who came by a link sees one camera
    hold(view === 'wall' ? 'No answer' : ''); // the page itself tries again, and says so
  }
  timer = setTimeout(look, LIST_MS);
}

// ---- the wall: a picture of each camera that is in sight

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) target.tile.seen = isIntersecting;
  work();
});

function build(cameras) {
  const names = new Set(cameras.map(({ name }) => name));
  for (const [name, tile] of tiles) {
    if (names.has(name)) continue;
    sight.unobserve(tile.node);
    URL.revokeObjectURL(tile.image.src);
    tile.node.remove();
    tiles.delete(name);
  }
  for (const row of cameras) {
    const tile = tiles.get(row.name) || add(row);
    // Whoever watches it has it open: then its pictures cost nothing.
    if (row.state !== tile.row.state) tile.due = 0;
    tile.row = row;
    label(tile);
  }
  work();
}

function add(row) {
  const image = make('img', { alt: '' }), text = make('span', {});
  const node = make('a', { href: own(base + row.url), className: 'tile' },
    make('div', { className: 'frame' }, image), make('b', { textContent: row.name }), text);
  const tile = { node, image, text, row, due: 0, at: 0, seen: false, wrong: '' };
  node.tile = tile;
  node.onpointerenter = node.onfocus = () => {
    if (Date.now() - tile.at < REFRESH_MS) return;
    tile.due = tile.at = 0; // a fresh one
    work();
  };
  tiles.set(row.name, tile);
  wall.append(node);
  sight.observe(node);
  return tile;
}

function label({ node, text, row, at, wrong }) {
  const minutes = Math.floor((Date.now() - at) / 60000);
  const old = !at ? 'Idle' : minutes < 1 ? 'A moment ago' : minutes < 90 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
  const said = row.gone ? 'Gone' : row.state === 'lost' ? sentence(row.reason) : row.state === 'idle' ? wrong || old : sentence(row.state);
  if (text.textContent !== said) text.textContent = node.title = said;
  node.dataset.state = row.gone || (wrong && row.state === 'idle') ? 'lost' : row.state;
}

// A camera is opened for its first picture, then only its own viewers keep it open: of one that somebody watches there is
// a newer picture every few seconds, any other keeps the one it has.
async function work() {
  const now = Date.now();
  const next = [...tiles.values()].find((tile) => tile.seen && !tile.asked && tile.due <= now);
  if (!next || busy >= AT_ONCE || document.hidden) return;
  const { row, at } = next;
  next.asked = true;
  busy += 1;
  work();
  try {
    const max_age = at ? DAY_MS : RECENT_MS;
    const blob = await ask(`${base}${row.url}snapshot.jpg?max_age_ms=${max_age}`, { ms: SNAPSHOT_MS }, (reply) => reply.blob());
    URL.revokeObjectURL(next.image.src);
    next.image.src = URL.createObjectURL(blob);
    next.at = Date.now();
    next.wrong = '';
  } catch ({ message }) {
    next.wrong = sentence(message);
  }
  busy -= 1;
  next.asked = false;
  next.due = Date.now() + (next.wrong ? AGAIN_MS : next.row.state === 'live' ? REFRESH_MS : Infinity);
  label(next);
  work();
}

setInterval(() => view === 'wall' && work(), 1000);
document.addEventListener('visibilitychange', look);
hold(here ? '' : 'Connecting'); // until it is known what there is to show
look();
