// What only somebody sees whom the server knows: a link to share, the way out, and settings only who may change them.
// A cam's page is without this file.

import { ask, make } from './page.js';

const LONGEST = [['1 hour', 3600], ['1 day', 86400], ['1 week', 604800], ['1 month', 2592000]];

const here = /\/cams\/([\w-]+)\/[^/]*$/.exec(location.pathname)?.[1];
const base = here ? '../../' : '';

ask('status').then(({ you }) => {
  if (you?.by === 'session') leave(you.name);
  if (you?.may_share) share();
  if (you?.role === 'view') document.getElementById('settings').style.display = 'none'; // each change would be refused
}).catch(() => {}); // the page says what is wrong

function leave(name) {
  const button = make('button', { textContent: 'Sign out', title: `Signed in as ${name}` });
  const form = make('form', { method: 'post', action: `${base}logout`, id: 'out' }, button);
  document.querySelector('header').insertBefore(form, document.querySelector('nav'));
}

function share() {
  let camera;
  const title = make('h2', { id: 'share-title' });
  const time = make('select', { id: 'share-time' }, ...LONGEST.map(([text, seconds]) => new Option(text, seconds)));
  const field = make('input', { id: 'share-url', readOnly: true, hidden: true });
  const wrong = make('p', { className: 'wrong' });
  const create = make('button', { type: 'submit', className: 'first', textContent: 'Make a link' });
  const copy = make('button', { type: 'button', textContent: 'Copy', hidden: true });
  const done = make('button', { type: 'button', textContent: 'Close' });
  const form = make('form', { id: 'share-form' },
    title,
    make('p', { textContent: 'Whoever has the link sees this camera, and nothing else, until the time is over.' }),
    make('label', { htmlFor: 'share-time', textContent: 'For' }), time, field, wrong,
    make('div', { className: 'buttons' }, done, copy, create));
  const dialog = make('dialog', { id: 'share' }, form);
  dialog.setAttribute('aria-labelledby', 'share-title');
  field.setAttribute('aria-label', 'Link');
  wrong.setAttribute('role', 'alert');
  document.body.append(dialog);

  const made = (text) => {
    field.value = text;
    field.hidden = copy.hidden = !text;
    copy.textContent = 'Copy';
  };

  form.onsubmit = async (event) => {
    event.preventDefault();
    wrong.textContent = '';
    made('');
    try {
      const body = JSON.stringify({ camera, for_s: +time.value });
      const { url } = await ask(`${base}link`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
      made(new URL(base + url, location).href);
      copy.focus();
    } catch (error) {
      wrong.textContent = error.message;
    }
  };

  copy.onclick = async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value); // there only over HTTPS, and on this machine
    } catch {
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
  };

  done.onclick = () => dialog.close();
  // A key that is meant for a field, or for closing, is none of the page's.
  dialog.onkeydown = (event) => event.stopPropagation();

  const start = () => {
    camera = here || document.getElementById('name').textContent;
    title.textContent = `Share ${camera}`;
    wrong.textContent = '';
    made('');
    dialog.showModal();
  };

  const open = make('button', { id: 'sharing', title: 'Make a link to this camera', onclick: start });
  open.innerHTML = '<svg viewBox="0 0 24 24"><circle cx="6" cy="12" r="2.5"/><circle cx="17" cy="6" r="2.5"/><circle cx="17" cy="18" r="2.5"/><path d="M8.2 10.8l6.6-3.6M8.2 13.2l6.6 3.6"/></svg>Share';
  document.querySelector('.actions').append(open);
}
