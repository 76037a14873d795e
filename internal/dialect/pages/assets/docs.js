// The docs page: /openapi.json, laid out to be read and searched. It knows
// OpenAPI 3.1, and of this API only that a refusal's description names its codes.

const at = (id) => document.getElementById(id)
const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props)
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''))
  return element
}
const name = (ref) => decodeURIComponent(ref.split('/').pop()).replace(/~1/g, '/').replace(/~0/g, '~')

// prose sets what stands in backticks as code.
const prose = (text) => make('span', {}, ...text.split('`').map((part, i) => i % 2 ? make('code', {}, part) : part))

let api
const deref = (thing) => (thing?.$ref ? thing.$ref.slice(2).split('/').reduce((inside, key) => inside?.[key.replace(/~1/g, '/').replace(/~0/g, '~')], api) : thing)

// link names an object and leads to it.
const link = (ref) => make('a', { href: '#schema-' + name(ref) }, name(ref))

// kind tells the type of a schema in a word or a few, with links to objects.
function kind(schema = {}) {
  if (schema.$ref) return link(schema.$ref)
  const many = schema.oneOf ?? schema.anyOf ?? schema.allOf
  if (many) return make('span', {}, ...many.flatMap((s, i) => [i ? (schema.allOf ? ' and ' : ' or ') : '', kind(s)]))
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.type === 'array' || schema.type?.includes?.('array')) return make('span', {}, 'list of ', kind(schema.items))
  return [[schema.type ?? 'any'].flat().join(' or '), schema.format && `(${schema.format})`].filter(Boolean).join(' ')
}

// bounds tells what else a value must keep to.
function bounds(s) {
  const words = { minLength: 'at least %s characters', maxLength: 'at most %s characters', minimum: 'at least %s', maximum: 'at most %s', maxItems: 'at most %s items', pattern: 'matches %s', default: 'default %s' }
  const told = Object.entries(words).filter(([key]) => s[key] !== undefined).map(([key, text]) => text.replace('%s', () => s[key]))
  if (s.enum) told.push('one of ' + s.enum.join(', '))
  return told.join('; ')
}

const table = (heads, rows) =>
  make('div', { className: 'scroll', tabIndex: 0 }, make('table', {},
    make('thead', {}, make('tr', {}, ...heads.map((h) => make('th', { scope: 'col' }, h)))),
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...row.map((cell) => make('td', {}, cell)))))))

const says = (s, extra) => prose([s?.description ?? deref(s)?.description, s && bounds(s), extra].filter(Boolean).join(' · '))

// members lists what an object holds; one object in another is listed after a dot.
function members(schema, prefix = '') {
  const s = deref(schema) ?? {}
  const merged = [s, ...(s.allOf ?? []).map(deref)]
  return merged.flatMap((part) => Object.entries(part.properties ?? {}).flatMap(([key, value]) => [
    [make('code', {}, prefix + key), kind(value), says(value, part.required?.includes(key) ? 'required' : '')],
    ...(value.properties ? members(value, `${prefix}${key}.`) : []),
  ]))
}

function shape(title, schema) {
  const rows = schema ? members(schema) : []
  return [make('h3', {}, title, schema?.$ref ? ': ' : '', schema?.$ref ? link(schema.$ref) : ''),
    rows.length ? table(['Member', 'Type', ''], rows) : schema && !schema.$ref ? make('p', {}, kind(schema)) : '']
}

const media = (content) => Object.entries(content ?? {})

function operation(path, verb, op, shared) {
  const parameters = [...shared, ...(op.parameters ?? [])].map(deref)
  const body = media(deref(op.requestBody)?.content)
  const answers = Object.entries(op.responses ?? {}).map(([status, r]) => {
    const answer = deref(r), [[type, of] = []] = media(answer.content)
    return [make('code', {}, status), of ? make('span', {}, kind(of.schema), type.endsWith('json') ? '' : ` (${type})`) : '', prose(answer.description ?? '')]
  })
  return make('details', { className: 'op', id: `${verb}-${path}` },
    make('summary', {}, make('b', { className: 'verb ' + verb.toUpperCase() }, verb.toUpperCase()), make('code', {}, path), make('span', {}, op.summary ?? '')),
    op.description ? make('p', { className: 'doc' }, prose(op.description)) : '',
    (op.security ?? api.security ?? []).some((s) => Object.keys(s).length) ? make('p', {}, 'Needs: ', prose([...new Set((op.security ?? api.security).flatMap(Object.keys))].map((s) => '`' + s + '`').join(' or '))) : '',
    ...(parameters.length ? [make('h3', {}, 'Parameters'), table(['Name', 'In', 'Type', ''],
      parameters.map((p) => [make('code', {}, p.name), p.in, kind(p.schema), prose([p.description, p.schema && bounds(p.schema), p.required && 'required'].filter(Boolean).join(' · '))]))] : []),
    ...body.flatMap(([type, of]) => shape('Body, ' + type, of.schema)),
    make('h3', {}, 'Answers'), table(['Status', 'Body', ''], answers))
}

const schema = ([key, s]) => make('details', { className: 'op', id: 'schema-' + key },
  make('summary', {}, make('code', {}, key), make('span', {}, s.title ?? '')),
  s.description ? make('p', { className: 'doc' }, prose(s.description)) : '',
  s.properties || s.allOf ? table(['Member', 'Type', ''], members(s)) : make('p', {}, kind(s), ' ', bounds(s)))

// errors turns the calls' refusals round: which code comes with which status, and where.
function errors() {
  const codes = new Map()
  for (const [path, item] of Object.entries(api.paths))
    for (const [verb, op] of Object.entries(item))
      for (const [status, answer] of Object.entries(op.responses ?? {}).filter(([s]) => s >= '400'))
        for (const [, code] of (deref(answer).description ?? '').matchAll(/`([a-z_]+)`/g)) {
          const where = codes.get(code) ?? codes.set(code, { status: new Set(), calls: [] }).get(code)
          where.status.add(status)
          where.calls.push(make('li', {}, make('a', { href: `#${verb}-${path}` }, `${verb.toUpperCase()} ${path}`)))
        }
  return [...codes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, { status, calls }]) =>
    make('details', { className: 'op', id: 'error-' + code },
      make('summary', {}, make('b', { className: 'verb DELETE' }, [...status].join(' ')), make('code', {}, code), make('span', {}, `${calls.length} call${calls.length === 1 ? '' : 's'}`)),
      make('ul', {}, ...calls)))
}

function lay() {
  at('title').textContent = api.info.title
  at('about').replaceChildren(...(api.info.description ?? '').split('\n\n').map((text) => make('p', {}, prose(text))))
  const groups = new Map()
  for (const [path, item] of Object.entries(api.paths))
    for (const verb of ['get', 'post', 'put', 'patch', 'delete'].filter((v) => item[v])) {
      const group = item[verb].tags?.[0] ?? 'Calls'
      groups.set(group, [...(groups.get(group) ?? []), operation(path, verb, item[verb], item.parameters ?? [])])
    }
  at('docs').replaceChildren(
    ...[...groups].map(([group, ops]) => make('section', { className: 'docs' }, make('h2', {}, group), ...ops)),
    make('section', { className: 'docs' }, make('h2', {}, 'Objects'), ...Object.entries(api.components?.schemas ?? {}).map(schema)),
    make('section', { className: 'docs' }, make('h2', {}, 'Errors'), ...errors()))
}

function find() {
  const words = at('find').value.toLowerCase().split(/\s+/).filter(Boolean)
  let hits = 0
  for (const op of document.querySelectorAll('.op')) {
    const hit = words.every((word) => op.textContent.toLowerCase().includes(word))
    op.hidden = !hit
    hits += hit
  }
  for (const section of document.querySelectorAll('section.docs')) section.hidden = !section.querySelector('.op:not([hidden])')
  at('found').textContent = words.length ? `${hits} found` : ''
}

function follow() {
  const target = at(decodeURIComponent(location.hash.slice(1)))
  if (target?.tagName !== 'DETAILS') return
  if (target.hidden) {
    at('find').value = ''
    find()
  }
  target.open = true
  target.scrollIntoView()
}

try {
  const answer = await fetch('/openapi.json')
  if (!answer.ok) throw new Error(`status ${answer.status}`)
  api = await answer.json()
  lay()
  follow()
  addEventListener('hashchange', follow)
  at('find').addEventListener('input', find)
  at('find').form.addEventListener('submit', (event) => event.preventDefault())
} catch (failure) {
  at('docs').append(make('p', { className: 'problem', role: 'alert' }, `/openapi.json could not be read: ${failure.message}`))
}
