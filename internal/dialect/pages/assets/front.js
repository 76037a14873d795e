// The front page is a client of the public API and nothing more: a table of
// calls, and one way to show, send and explain each of them.
import { solve } from './altcha.js'
import { watch } from './inbox.js'

const state = { number: '', challenge: null, reset: null, tokens: null, refreshed: [], device: '', hasPassword: false }
const at = (selector, from = document) => from.querySelector(selector)
const all = (selector, from = document) => [...from.querySelectorAll(selector)]

const request = (method, path, body, bearer) => ({ method, path, body, bearer: bearer && (state.tokens?.access_token ?? '') })
const post = (path, body, bearer) => request('POST', path, body, bearer)
const get = (path, bearer = true) => request('GET', path, undefined, bearer)
const device = () => (state.device ? { device: { token: state.device } } : {})

// Each call: what it asks, given the form's fields, and what its answer means.
// What `got` returns is told to the person.
const calls = {
  begin: {
    ask: (f) => post(f.path, { phone_number: f.phone_number }),
    got(challenge, f) {
      state.challenge = challenge
      follow(f.phone_number)
      expect('verify', challenge)
      resendable(challenge)
      const known = challenge.purpose === 'signup' ? 'Its' : 'If the number has an account, its'
      return `A challenge is open until ${clock(challenge.expires_at)}. ${known} code is on the way to the inbox.`
    },
  },
  verify: {
    ask: (f) => post(`/v1/challenges/${state.challenge?.challenge_id}/verify`, { code: f.code }),
    got(tokens) {
      state.challenge = null
      signedIn(tokens)
      return tokens.created ? 'The account exists now, and you are signed in to it.' : 'You had an account: you are signed in to it.'
    },
  },
  resend: {
    ask: () => post(`/v1/challenges/${state.challenge?.challenge_id}/resend`, {}),
    got(challenge) {
      state.challenge = challenge
      resendable(challenge)
      return 'The same code again, with the same expiry and the same guesses left.'
    },
  },
  inbox: { ask: () => get(inboxAddress(), false), got: (messages) => `${messages.length} sent to this number, newest first.` },
  jwks: { ask: () => get('/.well-known/jwks.json', false), got: () => 'With these, any service checks an access token without asking us.' },
  refresh: {
    ask: (f) => post('/v1/token/refresh', { refresh_token: chosenToken(f.which), ...(f.which === 'oldest' ? {} : device()) }),
    got(tokens, f) {
      const same = tokens.refresh_token === state.tokens.refresh_token
      if (!same) state.refreshed.unshift(state.tokens.refresh_token)
      signedIn(tokens)
      if (f.which === 'current') return 'A new pair; the refresh token before is used up.'
      return same ? 'The same successor again, with a fresh access token: a lost answer costs nobody their session.' : 'A new pair.'
    },
    refused: ({ code }) => code === 'invalid_token' && (signedOut(), 'The session has ended, for whoever holds any of its tokens. Sign in again.'),
  },
  me: { ask: () => get('/v1/me'), got: (user) => (account(user), `Account ${user.id}.`) },
  sessions: { ask: () => get('/v1/sessions'), got: ({ sessions }) => listSessions(sessions) },
  setPassword: {
    ask: (f) => post('/v1/me/password', { ...(state.hasPassword ? { current_password: f.current_password } : {}), new_password: f.new_password }, true),
    got(_, f) {
      account({ has_password: true })
      at('#login [name=password]').value = f.new_password
      return 'Set. Every other session of yours has ended. Try it below.'
    },
  },
  login: {
    ask: (f) => post('/v1/login/password', { phone_number: f.phone_number, password: f.password, ...device() }),
    got: (tokens) => (signedIn(tokens), 'Signed in by password: a session of its own.'),
  },
  reset: {
    ask: (f) => post('/v1/password/reset', { phone_number: f.phone_number }),
    got(challenge, f) {
      state.reset = challenge
      follow(f.phone_number)
      expect('verifyReset', challenge)
      return 'If the number has an account, its code is on the way. The answer is the same either way.'
    },
  },
  verifyReset: {
    ask: (f) => post(`/v1/challenges/${state.reset?.challenge_id}/verify`, { code: f.code, new_password: f.new_password }),
    got(tokens) {
      state.reset = null
      at('[data-call=verifyReset]').hidden = true
      signedIn(tokens)
      return 'The new password holds, and every earlier session has ended.'
    },
  },
  events: { ask: () => get('/v1/me/events?limit=20'), got: ({ events }) => listEvents(events) },
  logout: {
    ask: (f) => post('/v1/logout', { scope: f.scope }, true),
    got(_, f) {
      if (f.scope === 'others') return 'Only this session is left.'
      signedOut()
      return 'Signed out. Begin again above, or sign in by password.'
    },
  },
}

// --- what the answers change ---

function signedIn(tokens) {
  const other = tokens.session_id !== state.tokens?.session_id
  if (other) state.refreshed = []
  state.device = tokens.device_token ?? state.device
  state.tokens = tokens
  account(tokens.user)
  follow(tokens.user.phone_number)
  decode(tokens)
  done('tokens')
  at('[value=previous]').disabled = state.refreshed.length < 1
  at('[value=oldest]').disabled = state.refreshed.length < 2
  at('[value=current]').checked = true
}

function signedOut() {
  Object.assign(state, { tokens: null, refreshed: [] })
  for (const id of ['decoded', 'session-list', 'event-list']) at('#' + id).replaceChildren()
}

function account(user) {
  state.hasPassword = user.has_password
  at('#current-password').hidden = !user.has_password
  at('#current-password input').required = user.has_password
}

// follow shows the inbox of this number, and offers it wherever one is asked for.
function follow(number) {
  state.number = number
  for (const field of all('#login [name=phone_number], #reset [name=phone_number], [name=username]')) field.value = number
  at('#inbox-link').href = inboxAddress()
}

const inboxAddress = () => '/dev/inbox' + (state.number ? '?to=' + encodeURIComponent(state.number) : '')
const chosenToken = (which) => ({ previous: state.refreshed[0], oldest: state.refreshed[1] })[which] ?? state.tokens?.refresh_token ?? ''

// expect readies the form that takes a challenge's code.
function expect(call, challenge) {
  const form = at(`[data-call=${call}]`)
  form.hidden = false
  form.dataset.challenge = challenge.challenge_id
  const field = at('[name=code]', form)
  field.value = ''
  queueMicrotask(() => field.focus({ preventScroll: true }))
}

function resendable({ resend_at }) {
  const form = at('[data-call=resend]')
  if (resend_at) wait(form, (Date.parse(resend_at) - Date.now()) / 1000, 'Send again in')
  else at('button', form).disabled = true
}

// wait closes a form's button for some seconds, and counts them down on it.
function wait(form, seconds, words) {
  const button = at('button:not([type])', form)
  button.dataset.label ??= button.textContent
  clearInterval(form.timer)
  const until = Date.now() + seconds * 1000
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000)
    button.disabled = left > 0
    button.textContent = left > 0 ? `${words} ${left} s` : button.dataset.label
    if (left <= 0) clearInterval(form.timer)
  }
  form.timer = setInterval(tick, 500)
  tick()
}

// --- what is shown ---

const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props)
  element.append(...children)
  return element
}
const clock = (time) => new Date(time).toLocaleTimeString()

// table makes rows of cells; each cell is text or an element.
const table = (heads, rows) =>
  make('div', { className: 'scroll', tabIndex: 0 }, make('table', {},
    make('thead', {}, make('tr', {}, ...heads.map((h) => make('th', { scope: 'col' }, h)))),
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((cell) => make('td', {}, cell ?? '')))))))

const meanings = {
  alg: 'how it is signed', typ: 'an access token, RFC 9068', kid: 'which of our keys signed it',
  iss: 'who issued it: this server', aud: 'who it is for', sub: 'the user; never changes',
  client_id: 'which application', sid: 'the session', jti: 'this one token', iat: 'issued', exp: 'good until; short on purpose',
  auth_time: 'when the person last proved who they are', acr: 'how strong that proof was', amr: 'by which means',
}

function decode({ access_token, refresh_token, device_token, refresh_expires_at }) {
  const parts = access_token.split('.')
  const [header, claims] = parts.slice(0, 2).map((part) =>
    JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)))))
  const value = (name, v) => ['iat', 'exp', 'auth_time'].includes(name) ? `${v} (${clock(v * 1000)})` : [v].flat().join(', ')
  const rows = (part, kind) => Object.entries(part).map(([name, v]) =>
    [make('code', { className: kind }, name), make('span', { className: 'value' }, value(name, v)), meanings[name] ?? ''])
  at('#decoded').replaceChildren(
    make('p', { className: 'jwt' }, ...['head', 'claims', 'seal'].flatMap((kind, i) => [i ? '.' : '', make('span', { className: kind }, parts[i])])),
    table(['Part', 'Value', 'Meaning'], [...rows(header, 'head'), ...rows(claims, 'claims'),
      [make('code', { className: 'seal' }, 'signature'), `${parts[2].length} characters`, 'proves the rest unchanged'],
      [make('code', {}, 'refresh token'), make('span', { className: 'value' }, refresh_token), `opaque; good until ${new Date(refresh_expires_at).toLocaleDateString()}`],
      ...(device_token ? [[make('code', {}, 'device token'), make('span', { className: 'value' }, device_token), 'this device was here before']] : [])]))
}

function listSessions(sessions) {
  const end = (s) => s.current ? 'this one' : make('button', { type: 'button', className: 'small', onclick: () => endSession(s.id) }, 'End')
  at('#session-list').replaceChildren(table(['Signed in', 'By', 'From', 'Ends if idle', ''],
    sessions.map((s) => [clock(s.created_at), s.methods.join(', '), s.ip_address, new Date(s.idle_expires_at).toLocaleDateString(), end(s)])))
  return `${sessions.length} session${sessions.length === 1 ? '' : 's'}.`
}

async function endSession(id) {
  const form = at('[data-call=sessions]')
  if (await send(form, request('DELETE', `/v1/sessions/${id}`, undefined, true), () => 'Ended.', {})) form.requestSubmit()
}

function listEvents(events) {
  at('#event-list').replaceChildren(table(['Time', 'Event', 'Outcome', 'How', 'From'],
    events.map((e) => [clock(e.timestamp), make('code', {}, e.event), e.reason ?? e.outcome, e.method, e.ip_address])))
  return 'Newest first.'
}

// --- how a call is shown and sent ---

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`
function curl({ method, path, body, bearer }) {
  return [`curl -s ${method === 'GET' || body ? '' : `-X ${method} `}${quoted(location.origin + path)}`,
    ...(bearer === undefined ? [] : [`-H ${quoted('Authorization: Bearer ' + bearer)}`]),
    ...(body ? ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`] : [])].join(' \\\n  ')
}

// fill shows text; what is long is only cut by the style, so that it copies whole.
const fill = (element, text) => element.replaceChildren(...text.split(/([\w.-]{44,})/).map((part, i) => i % 2 ? make('span', { className: 'long' }, part) : part))

const fields = (form) => Object.fromEntries(new FormData(form))
const wire = (form) => form.nextElementSibling

function preview(form) {
  const asked = calls[form.dataset.call].ask(fields(form))
  at('.line', wire(form)).textContent = `${asked.method} ${asked.path}`
  fill(at('.curl', wire(form)), curl(asked))
}

// send sends a request and tells of it in a call's block. What came of an earlier
// one there goes.
async function send(form, asked, got, given, call = wire(form)) {
  if (call.nextElementSibling?.matches('.again')) call.nextElementSibling.remove()
  at('.line', call).textContent = `${asked.method} ${asked.path}`
  fill(at('.curl', call), curl(asked))
  call.classList.add('used')
  at('.problem', call).hidden = true
  at('.say', call).textContent = ''
  const begun = performance.now()
  let answer, text
  try {
    answer = await fetch(asked.path, {
      method: asked.method, credentials: 'omit', cache: 'no-store',
      headers: { ...(asked.body && { 'Content-Type': 'application/json' }), ...(asked.bearer !== undefined && { Authorization: 'Bearer ' + asked.bearer }) },
      body: asked.body && JSON.stringify(asked.body),
    })
    text = await answer.text()
  } catch {
    complain(call, { title: 'No answer', detail: 'The server could not be reached. Is it still running?' })
    return false
  }
  at('.result', call).replaceChildren(make('span', { className: answer.ok ? 'good' : 'bad' }, String(answer.status)), ` ${Math.round(performance.now() - begun)} ms`)
  let body = null
  try { body = JSON.parse(text) } catch { /* nothing, or not JSON: shown as it came */ }
  fill(at('.answer', call), body ? JSON.stringify(body, null, 2) : text || `${answer.status}, no body`)
  at('.answer', call).parentElement.hidden = false
  if (answer.ok) {
    at('.say', call).textContent = got(body, given)
    done(form.closest('.step').id)
  } else {
    const problem = body ?? { title: `Status ${answer.status}` }
    complain(call, problem, calls[form.dataset.call].refused?.(problem) || hint(asked, problem))
    const seconds = Number(answer.headers.get('Retry-After'))
    if (seconds) wait(form, seconds, 'Try again in')
  }
  refresh()
  if (body?.captcha?.type === 'altcha' && !asked.body?.captcha) return prove(form, asked, got, given, call, body.captcha.challenge)
  return answer.ok
}

// hint says what a person can do about some refusals.
function hint(asked, { code, captcha }) {
  if (code === 'invalid_token' && asked.bearer !== undefined) return 'An access token lives only minutes: if it ran out, refresh and try again.'
  if (captcha && captcha.type !== 'altcha') return `The widget of ${captcha.type} would stand here; this page loads nothing from other hosts.`
}

// prove does the work that a refusal asks for, and sends the request once more
// with the proof, in a block of its own.
async function prove(form, asked, got, given, call, challenge) {
  const button = at('button:not([type])', form), count = make('span', { ariaHidden: 'true' })
  const line = make('p', { className: 'proof', role: 'status' }, 'Proving that this is no robot … ', count)
  const again = at('#wire').content.firstElementChild.cloneNode(true)
  again.classList.add('again')
  again.prepend(line)
  call.after(again)
  button.disabled = true
  let token
  try {
    token = await solve(challenge, (tried) => (count.textContent = `${tried.toLocaleString()} keys tried. `))
  } catch (failure) {
    complain(again, { title: 'No proof', detail: failure.message })
    return false
  } finally {
    button.disabled = false
  }
  line.append('Done: the same request again, with the proof as its captcha.')
  return send(form, { ...asked, body: { ...asked.body, captcha: { type: 'altcha', token } } }, got, given, again)
}

// complain shows a refusal as the API words it.
function complain(call, { title, detail, code, attempts_left, errors = [] }, hint) {
  const box = at('.problem', call)
  box.replaceChildren(make('strong', {}, title), ' ', detail ?? '', ' ', code ? make('code', {}, code) : '',
    attempts_left === undefined ? '' : ` ${attempts_left} guesses left.`,
    make('ul', {}, ...errors.map((e) => make('li', {}, make('code', {}, e.location), ' ', e.message))))
  if (hint) box.append(make('p', {}, hint))
  box.hidden = false
}

// refresh opens the steps that can be taken now, and rewrites what they would send.
function refresh() {
  for (const step of all('.step')) {
    const { needs } = step.dataset
    step.classList.toggle('closed', Boolean(needs) && !state[needs])
  }
  for (const form of all('form:not(.closed form, [hidden])')) preview(form)
  at('.phone').classList.toggle('idle', !state.challenge && !state.reset)
}

const done = (id) => at(`#rail a[href="#${id}"]`).classList.add('done')

for (const step of all('.step')) {
  at('#rail').append(make('li', {}, make('a', { href: '#' + step.id }, at('h2', step).textContent)))
}
for (const form of all('form')) {
  form.after(at('#wire').content.cloneNode(true))
  if (form.classList.contains('quiet') || form.closest('[data-needs=tokens], [data-needs=number]')) at('.wire', wire(form)).open = false
  form.addEventListener('input', () => preview(form))
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const call = calls[form.dataset.call], given = fields(form)
    at('.wire', wire(form)).open = true
    await send(form, call.ask(given), call.got, given)
  })
}
document.addEventListener('click', ({ target }) => {
  if (target.matches('.copy')) copy(target)
  if (target.matches('.show')) reveal(target)
  if (target.dataset.code) take(target.dataset.code, target.closest('li').dataset.challenge)
})

async function copy(button) {
  const source = at('pre', button.parentElement)
  try {
    await navigator.clipboard.writeText(source.textContent)
    button.textContent = 'Copied'
    setTimeout(() => (button.textContent = 'Copy'), 1500)
  } catch {
    getSelection().selectAllChildren(source) // no clipboard off loopback without TLS: leave it selected
  }
}

function reveal(button) {
  const field = at('input', button.parentElement)
  field.type = field.type === 'password' ? 'text' : 'password'
  button.setAttribute('aria-pressed', String(field.type === 'text'))
}

function take(code, challenge) {
  const form = at(`form[data-challenge="${challenge}"]`)
  if (!form) return
  at('[name=code]', form).value = code
  preview(form)
  at('button:not([type])', form).focus()
}

refresh()
watch(at('#messages'), inboxAddress)
