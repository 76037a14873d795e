// The list of messages, kept fresh by reading the server's own inbox page again
// and moving over what is new. What it says is escaped there, once.

const later = () => new Promise((done) => setTimeout(done, document.hidden ? 4000 : 1000))

// watch never returns. address() tells which inbox page to read at each turn.
export async function watch(list, address) {
  for (;;) {
    try {
      const answer = await fetch(address(), { headers: { Accept: 'text/html' } })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const fresh = page.getElementById('messages')
      if (answer.ok && fresh) merge(list, [...fresh.children])
    } catch {
      // The server is restarting: the next turn will tell.
    }
    await later()
  }
}

// merge inserts only what is new, so that a screen reader is told only that.
function merge(list, fresh) {
  fresh.forEach((item, i) => {
    if (list.children[i]?.id !== item.id) list.insertBefore(item, list.children[i] ?? null)
  })
  while (list.children.length > fresh.length) list.lastElementChild.remove()
}

const own = document.querySelector('[data-watch]')
if (own) {
  watch(own, () => location.href)
  own.addEventListener('click', async ({ target }) => {
    if (!target.dataset.code) return
    await navigator.clipboard?.writeText(target.dataset.code)
    target.classList.add('taken')
  })
}
