"""What is wrong with built pages: read as files, and opened in a browser without network."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe

PAGE_LIMIT = 3_000_000  # bytes of one page; a reader on a phone waits for all of it
BOOK_LIMIT = 60_000_000  # bytes of all pages and files together
SCREENS = [{"width": 390, "height": 900}, {"width": 1280, "height": 900}]
# Of the rules, those that see the difference between light and dark. They take seconds for every
# thousand words, so they look at three of each kind in sight; the spans of the others, most of them
# words of code, become plain text.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
MARK = """() => {
  const seen = {}, grounds = new Map([[null, '']]);
  const ground = e => {
    if (!grounds.has(e)) {
      const s = getComputedStyle(e), own = s.backgroundColor + s.backgroundImage + s.opacity;
      grounds.set(e, ground(e.parentElement) + (own === 'rgba(0, 0, 0, 0)none1' ? '' : own));
    }
    return grounds.get(e);
  };
  const marked = e => {
    if (!e.checkVisibility({visibilityProperty: true})) return false;
    const s = getComputedStyle(e), around = e.parentElement, span = e.tagName === 'SPAN';
    const kind = [e.tagName === 'A', s.color, s.fontSize, s.fontWeight, s.textDecorationLine,
      getComputedStyle(around).color, ground(e), span && e.className + around.className].join();
    return (seen[kind] = (seen[kind] ?? 0) + 1) <= 3;
  };
  document.querySelectorAll('[data-word]').forEach(e => e.removeAttribute('data-word'));
  const words = [...document.querySelectorAll('body *')].filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const few = new Set(words.filter(marked));
  for (const e of words) {
    if (few.has(e)) e.setAttribute('data-word', '');
    else if (e.matches('span') && !e.children.length && !e.closest('.ske, [data-explorer]') &&
             e.getAttributeNames().join() === 'class') e.replaceWith(e.textContent);
  }
}"""
KEYS = {"range": "ArrowRight", "number": "ArrowUp", "radio": "ArrowRight", "checkbox": "Space"}
KIND = "e => e.matches('select') ? 'select' : e.type"
ACTIVE = "a[href], button, input, select, textarea, [tabindex='0']"
STATE = """e => e.innerText + [...e.querySelectorAll('*')].map(
  x => [...x.attributes].map(a => a.name + a.value).join() + (x.value ?? '') + x.checked).join()"""
BROKEN = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


class Page(HTMLParser):
    """Names, links and pictures without words of one page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.silent = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {name: value for name, value in attributes if value}
        self.ids |= {given.get("id"), given.get("name") if tag == "a" else None}
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        unnamed = "aria-label" not in given if tag == "svg" else "alt" not in dict(attributes)
        if (tag == "img" or (tag == "svg" and given.get("role") == "img")) and unnamed:
            self.silent.append(given.get("src", "a drawing"))


def unsound(html: Path) -> list[str]:
    """What is wrong with the files of a book."""
    read = cache(lambda path: Page(path.read_text(encoding="utf-8")))

    def leads(path, link):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return True
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not anchor or target.suffix != ".html" or anchor in ("main-content", "top"):
            return target.exists()
        return target.exists() and anchor in read(target).ids

    found = []
    for path in sorted(html.resolve().rglob("*.html")):
        if "_static" in path.parts:
            continue
        links = [link for link in dict.fromkeys(read(path).links) if not leads(path, link)]
        found += [f"{path.name}: broken link {link}" for link in links]
        found += [f"{path.name}: no alternative text on {name}" for name in read(path).silent]
        found += [f"{path.name}: too large"] if path.stat().st_size > PAGE_LIMIT else []
    size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
    return found + (["the book is too large"] if size > BOOK_LIMIT else [])


def faults(browser, path: Path) -> list[str]:
    """What is wrong with one page: loaded on a phone, then wider, then in the dark; accessibility
    and keyboard on the wide screen.
    """
    context = browser.new_context(viewport=SCREENS[0], color_scheme="light", offline=True)
    page, said = context.new_page(), []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"script failed: {error}"))
    page.on("request", lambda asked: said.append(asked.url) if asked.url[:4] == "http" else None)
    page.goto(path.resolve().as_uri(), wait_until="load")
    for screen in SCREENS:
        page.set_viewport_size(screen)
        page.wait_for_timeout(150)  # formulas and widgets draw themselves after loading
        said += [f"wider than {screen['width']}"] if page.evaluate(WIDE) else []
    said += [f"picture {source} does not load" for source in page.evaluate(BROKEN)]
    said += dim(page) + barriers(page, rules={"color-contrast": {"enabled": False}})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.wait_for_timeout(400)  # colours fade
    said += dim(page) + deaf(page)
    context.close()
    return said


def dim(page) -> list[str]:
    """Words that cannot be told from their ground."""
    page.evaluate(MARK)
    return barriers(page, {"include": [["[data-word]"]]}, runOnly=COLOURS)


def barriers(page, within=None, **options) -> list[str]:
    """What axe's rules find serious."""
    # Without "preload" the rules fetch every style sheet again, which a file may not do
    options |= {"resultTypes": ["violations"], "preload": False}
    return [
        f"axe: {one['id']}: {one['nodes'][0]['target']}"
        for one in Axe().run(page, within, options).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def barred(page) -> list[str]:
    """What is serious of a page alone, in the light and in the dark."""
    found = barriers(page)
    page.emulate_media(color_scheme="dark")
    return found + barriers(page, runOnly=COLOURS)


def deaf(page) -> list[str]:
    """Explorables that the keyboard cannot reach, or that do not answer to it."""
    found = []
    for explorer in page.query_selector_all("[data-explorer], .ske"):
        controls = [one for one in explorer.query_selector_all(ACTIVE) if one.is_visible()]
        before = explorer.evaluate(STATE)
        for control in controls[:8]:
            # An earlier key may have drawn it anew
            if control.evaluate("e => e.isConnected && !e.disabled"):
                control.focus()
                assert control.evaluate("e => e === document.activeElement")
                kind = control.evaluate(KIND)
                page.keyboard.press("ArrowDown" if kind == "select" else KEYS.get(kind, "Enter"))
        if explorer.evaluate(STATE) == before:
            found.append("an explorable does not answer to the keyboard")
    return found
