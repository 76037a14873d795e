// Proof of work as ALTCHA v2 has it: seek the counter whose key begins as asked.
// The deriving itself is the browser's own, beside the page, which stays alive.

const fromHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16))
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const slice = 32 // keys derived at once: enough to keep the browser's threads busy

// solve gives the token to send. tell is called with the number of keys tried
// so far, after each slice.
export async function solve({ parameters, signature }, tell) {
  const { algorithm, cost, keyLength, keyPrefix, nonce, salt } = parameters
  if (algorithm !== 'PBKDF2/SHA-256') throw new Error(`This page cannot work on ${algorithm}.`)
  if (!crypto.subtle) throw new Error('The browser derives keys for pages of this machine or over TLS only.')
  const begun = performance.now()
  const start = fromHex(nonce), how = { name: 'PBKDF2', hash: 'SHA-256', salt: fromHex(salt), iterations: cost }

  async function derive(counter) {
    const tried = new Uint8Array(start.length + 4)
    tried.set(start)
    new DataView(tried.buffer).setUint32(start.length, counter)
    const key = await crypto.subtle.importKey('raw', tried, 'PBKDF2', false, ['deriveBits'])
    return toHex(new Uint8Array(await crypto.subtle.deriveBits(how, key, keyLength * 8)))
  }

  for (let first = 0; first < 2 ** 32; first += slice) {
    const keys = await Promise.all(Array.from({ length: slice }, (_, i) => derive(first + i)))
    const found = keys.findIndex((key) => key.startsWith(keyPrefix))
    tell(first + slice)
    if (found < 0) continue
    const solution = { counter: first + found, derivedKey: keys[found], time: Math.round(performance.now() - begun) }
    return btoa(JSON.stringify({ challenge: { parameters, signature }, solution }))
  }
  throw new Error('There is no solution. Ask for another challenge.')
}
