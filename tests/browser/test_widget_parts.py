"""The widget's parts by themselves, in a browser: the view of a conversation, small Markdown, order and outbox."""

from __future__ import annotations

import random

import pytest
from browser_site import Site
from playwright.async_api import Page, expect

HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "<script>window.hacked=1</script>",
    '"><svg onload=window.hacked=1>',
    "javascript:window.hacked=1",
    "[press](javascript:window.hacked=1)",
    "<javascript:window.hacked=1>",
    "`<iframe srcdoc='<script>parent.hacked=1</script>'>`",
    "{{constructor.constructor('window.hacked=1')()}}",
)


@pytest.fixture
async def bench(site: Site, open_page) -> Page:
    """A page that holds nothing but a conversation's view, in ``window.thread``."""
    page = await open_page(site.page())
    await page.evaluate(
        """async (base) => {
          window.ui = (name) => import(base + '/ui/' + name);
          window.part = (name) => import(base + '/widget/' + name);
          await ui('thread.js');
          const { tokens } = await ui('tokens.js');
          document.adoptedStyleSheets = [await tokens()];
          const thread = document.createElement('tertulia-thread');
          thread.language = 'en';
          thread.style.setProperty('position', 'fixed');
          thread.style.setProperty('inset', '0 auto auto 0');
          thread.style.setProperty('width', '400px');
          thread.style.setProperty('height', '600px');
          document.body.replaceChildren(thread);
          window.thread = thread;
          window.at = (minutes) => new Date(Date.UTC(2026, 0, 1, 12, minutes)).toISOString();
          window.settled = () => new Promise((done) => setTimeout(done, 60));
          window.rows = () => [...thread.shadowRoot.querySelectorAll('.row[data-key]')];
          window.texts = () => rows().map((row) => row.querySelector('.bubble, .line').textContent);
          window.text = (seq, text, more = {}) =>
            thread.upsert({ seq, author: 'bot', at: at(seq), parts: [{ type: 'text', text }], ...more });
          window.scroll = () => thread.shadowRoot.querySelector('.scroll');
          while (!thread._hasWords) await settled();
        }""",
        site.gateway_url,
    )
    return page


# ---------------------------------------------------------------- order


async def test_messages_stand_in_the_order_of_their_seq_however_they_come(bench: Page) -> None:
    for seed in range(5):
        seqs = list(range(1, 31)) * 2
        random.Random(seed).shuffle(seqs)
        shown = await bench.evaluate(
            """async (seqs) => {
              thread.clear();
              for (const seq of seqs) text(seq, `m${seq}`);
              await settled();
              return texts();
            }""",
            seqs,
        )
        assert shown == [f"m{seq}" for seq in range(1, 31)]


async def test_what_is_under_way_stands_last_and_becomes_the_stored_message(bench: Page) -> None:
    shown = await bench.evaluate(
        """async () => {
          const parts = [{ type: 'text', text: 'mine' }];
          text(1, 'one');
          thread.upsert({ client_id: 'a', author: 'customer', at: at(2), parts, status: 'sending' });
          text(3, 'three');
          await settled();
          const before = texts();
          thread.upsert({ client_id: 'a', seq: 2, status: 'sent' });
          thread.upsert({ seq: 2, client_id: 'a', author: 'customer', at: at(2), parts, status: 'delivered' });
          thread.upsert({ seq: 2, status: 'sent' });
          await settled();
          return [before, texts(), rows()[1].className];
        }"""
    )
    assert shown[0] == ["one", "three", "mine"]
    assert shown[1] == ["one", "mine", "three"]
    assert "delivered" in shown[2], "a status never goes back"


async def test_a_note_stays_where_it_fell_and_an_empty_message_shows_nothing(bench: Page) -> None:
    shown = await bench.evaluate(
        """async () => {
          text(1, 'one');
          thread.note('first wording', 'k');
          text(2, '', { parts: [] });
          text(3, 'three');
          thread.note('Lucía is with you', 'k');
          await settled();
          return texts();
        }"""
    )
    assert shown == ["one", "Lucía is with you", "three"]


async def test_frames_are_told_apart_into_next_old_and_gap(bench: Page) -> None:
    told = await bench.evaluate(
        """async () => {
          const { Order } = await part('order.js');
          const order = new Order(4);
          return [5, 5, 3, 6, 8, 7, 8].map((seq) => order.take(seq));
        }"""
    )
    assert told == ["next", "old", "old", "next", "gap", "next", "next"]


async def test_waiting_begins_short_stays_below_two_seconds_for_a_restart_and_has_an_end(bench: Page) -> None:
    waits = await bench.evaluate(
        """async () => {
          const { waitMs } = await part('order.js');
          return Array.from({ length: 60 }, (_, attempt) => [waitMs(attempt, 0), waitMs(attempt, 1)]);
        }"""
    )
    assert waits[0][1] <= 1000
    assert all(latest < 2_500 for _, latest in waits[:20])
    assert all(earliest < latest <= 15_000 * 1.3 for earliest, latest in waits)


async def test_the_outbox_keeps_its_order_over_a_reload_and_sends_what_may_be_sent(bench: Page) -> None:
    told = await bench.evaluate(
        """async () => {
          const { Outbox } = await part('order.js');
          const kept = new Map();
          const memory = {
            get: (key) => kept.get(key) ?? null,
            set: (key, value) => value === null ? kept.delete(key) : kept.set(key, value),
            keys: (prefix) => [...kept.keys()].filter((key) => key.startsWith(prefix)),
          };
          const first = new Outbox(memory);
          const say = (id) => first.add(id, 'c', [{ type: 'text', text: id }], '2026-01-01T00:00:00Z');
          say('a'); say('b');
          first.add('file', 'c', [], '2026-01-01T00:00:00Z', [{ type: 'media' }]);
          say('d');
          kept.set('out:broken', '{"id":');
          const second = new Outbox(memory);
          const sent = [];
          for (let next = second.next('c'); next; next = second.next('c')) {
            sent.push(next.id);
            if (next.id === 'b') second.failed('b', 'no', true);
            else second.done(next.id);
          }
          second.again('b');
          return [sent, second.of('c').map((entry) => entry.id), [...kept.keys()].length];
        }"""
    )
    assert told == [["a", "b", "d"], ["b", "file"], 3]


# ---------------------------------------------------------------- what is never executed


async def test_nothing_that_a_message_holds_is_ever_executed(bench: Page, watch) -> None:
    watch.expect("Content Security Policy")  # addresses that are not on the page's list are refused by the browser
    watch.expect("Failed to load resource")
    for hostile in HOSTILE:
        found = await bench.evaluate(_FILL_WITH, hostile)
        assert found["hacked"] is None, hostile
        assert found["shown"] > 100, "the messages are there, as text"
        assert (found["names"], found["handlers"], found["hrefs"]) == ([], 0, []), hostile


_FILL_WITH = """async (bad) => {
  thread.clear();
  const option = { label: bad, value: bad };
  const link = { label: bad, url: bad };
  const parts = [
    { type: 'text', text: bad }, { type: 'text', text: bad, markup: 'markdown' },
    { type: 'choice', text: bad, markup: 'markdown', options: [option, link], style: bad },
    { type: 'cards', cards: [{ title: bad, subtitle: bad, image_url: bad, options: [option, link] }] },
    ...['image', 'video', 'audio', 'document', 'sticker', bad].map((kind) => (
      { type: 'media', kind, url: bad, name: bad, caption: bad, mime: bad, size_bytes: bad })),
    { type: 'location', latitude: bad, longitude: bad, name: bad, address: bad },
    { type: 'location', latitude: 1, longitude: 1, name: bad, address: bad },
    { type: 'contact', name: bad, phone: bad }, { type: 'selection', choice: bad, label: bad },
    { type: 'reaction', emojis: [bad] }, { type: bad }, { type: 'constructor' }, { type: '__proto__' },
  ];
  ['customer', 'bot', 'agent', 'system', bad].forEach((author, at) => thread.upsert(
    { seq: at + 1, id: bad, author, name: bad, at: at ? bad : '2026-01-01T00:00:00Z', parts, status: bad }));
  thread.upsert({ client_id: bad, author: 'customer', parts, status: 'failed', problem: bad });
  thread.note(bad, bad);
  thread.typing('agent', bad, true);
  thread.delta('m_9', bad);
  await settled();
  await settled();
  const all = [...thread.shadowRoot.querySelectorAll('*')];
  return {
    hacked: window.hacked ?? null,
    shown: all.length,
    names: all.map((one) => one.localName).filter((name) => /^(script|iframe|object|embed)$/.test(name)),
    handlers: all.filter((one) => [...one.attributes].some(({ name }) => name.startsWith('on'))).length,
    hrefs: all.map((one) => one.getAttribute('href')).filter((href) => href && !/^(https?|mailto|tel):/.test(href)),
  };
}"""


# ---------------------------------------------------------------- Markdown


MARKDOWN = {
    "**bold** and *it*": "<strong>bold</strong> and <em>it</em>",
    "__bold__ _it_ ~~gone~~": "<strong>bold</strong> <em>it</em> <s>gone</s>",
    "**a *b* c**": "<strong>a <em>b</em> c</strong>",
    "snake_case_name": "snake_case_name",
    "2 * 3 * 4": "2 * 3 * 4",
    "`*123#` \\*not\\*": "<code>*123#</code> *not*",
    "# no heading\n- no list": "# no heading\n- no list",
    "```\n*code*\n```\nafter": "<pre><code>*code*</code></pre>after",
    "a < b & c": "a &lt; b &amp; c",
    "**open": "**open",
    "[x](javascript:alert(1))": "<span>x</span>",
    "[x](data:text/html,hi)": "<span>x</span>",
}


async def test_small_markdown_becomes_nodes_and_the_rest_stays_text(bench: Page) -> None:
    made = await bench.evaluate(
        """async (sources) => {
          const { markdown } = await ui('markdown.js');
          return sources.map((source) => {
            const box = document.createElement('div');
            box.append(...markdown(source));
            return box.innerHTML;
          });
        }""",
        list(MARKDOWN),
    )
    assert dict(zip(MARKDOWN, made, strict=True)) == MARKDOWN


async def test_links_of_four_kinds_open_beside_the_page(bench: Page) -> None:
    links = await bench.evaluate(
        """async () => {
          const { markdown } = await ui('markdown.js');
          const box = document.createElement('div');
          box.append(...markdown('[a](https://a.example/x(1)) [b](mailto:b@b.example) [c](tel:+57300) '
            + 'see https://d.example/x, <http://e.example> (https://f.example/).'));
          return [...box.querySelectorAll('a')].map((a) => [a.textContent, a.getAttribute('href'), a.target, a.rel]);
        }"""
    )
    assert [(text, href) for text, href, _, _ in links] == [
        ("a", "https://a.example/x(1)"),
        ("b", "mailto:b@b.example"),
        ("c", "tel:+57300"),
        ("https://d.example/x", "https://d.example/x"),
        ("http://e.example", "http://e.example/"),
        ("https://f.example/", "https://f.example/"),
    ]
    assert {(target, rel) for *_, target, rel in links} == {("_blank", "noopener noreferrer nofollow")}


async def test_a_hostile_text_of_markup_is_read_in_no_time(bench: Page) -> None:
    took_ms = await bench.evaluate(
        """async () => {
          const { markdown } = await ui('markdown.js');
          const before = performance.now();
          for (const piece of ['*', '_a', '**a', '[', '`a', '~~', '[a](', '\\\\*', '<http://', '*a _b '])
            markdown(piece.repeat(Math.floor(19_000 / piece.length)));
          return performance.now() - before;
        }"""
    )
    assert took_ms < 4_000


# ---------------------------------------------------------------- the view


async def test_only_the_newest_question_can_be_answered_and_the_choice_stays_visible(bench: Page) -> None:
    buttons = """() => rows().map((row) => [...row.querySelectorAll('.option')]
      .map((one) => [one.localName, [...one.childNodes].find((node) => node.nodeType === 3).data]))"""
    ask = """(seq) => thread.upsert({ seq, author: 'bot', at: at(seq), parts: [{ type: 'choice', text: '?',
      options: [{ label: 'Yes', value: '/y' }, { label: 'No', value: '/n' },
        { label: 'Web', url: 'https://a.example' }] }] })"""
    await bench.evaluate(ask, 1)
    await bench.evaluate("settled()")
    assert await bench.evaluate(buttons) == [[["button", "Yes"], ["button", "No"], ["a", "Web"]]]
    chosen = await bench.evaluate(
        """async () => {
          const heard = [];
          thread.addEventListener('choose', ({ detail }) => heard.push(detail));
          rows()[0].querySelectorAll('button')[1].click();
          const parts = [{ type: 'selection', choice: '/n', label: 'No' }];
          thread.upsert({ seq: 2, author: 'customer', at: at(2), parts });
          await settled();
          return [heard, rows()[0].querySelector('.taken').textContent];
        }"""
    )
    assert chosen[0] == [{"value": "/n", "label": "No", "seq": 1, "asks_for": ""}]
    assert chosen[1] == "No (Chosen)"
    assert await bench.evaluate(buttons) == [[["span", "Yes"], ["span", "No"], ["a", "Web"]], []]
    await bench.evaluate(ask, 3)
    await bench.evaluate(ask, 4)
    await bench.evaluate("settled()")
    shown = await bench.evaluate(buttons)
    assert [kind for kind, _ in shown[2]] == ["span", "span", "a"]
    assert [kind for kind, _ in shown[3]] == ["button", "button", "a"]


async def test_a_reader_who_scrolled_up_stays_there_and_is_told_how_many_came(bench: Page) -> None:
    await bench.evaluate("() => { for (let seq = 1; seq <= 60; seq++) text(seq, `line ${seq}`) }")
    await bench.evaluate("settled()")
    assert await bench.evaluate("scroll().scrollHeight - scroll().scrollTop - scroll().clientHeight") < 2
    await bench.evaluate("async () => { scroll().scrollTop = 900; await settled() }")
    before = await bench.evaluate("scroll().scrollTop")
    await bench.evaluate("async () => { text(61, 'new'); text(62, 'newer'); await settled() }")
    assert await bench.evaluate("scroll().scrollTop") == before
    pill = bench.get_by_role("button", name="2 new messages")
    await pill.click()
    await expect(bench.get_by_text("newer", exact=True)).to_be_in_viewport()
    await expect(pill).to_be_hidden()


async def test_what_is_really_on_the_screen_is_told_as_seen(bench: Page) -> None:
    seen = await bench.evaluate(
        """async () => {
          const heard = [];
          thread.addEventListener('seen', ({ detail }) => heard.push(detail.seq));
          for (let seq = 1; seq <= 40; seq++) text(seq, `line ${seq}`);
          await settled();
          const atEnd = [...heard];
          scroll().scrollTop = 0;
          await settled();
          text(41, 'below the fold');
          await settled();
          const scrolledUp = [...heard];
          thread.style.setProperty('display', 'none');
          thread.scrollToEnd();
          text(42, 'hidden');
          await settled();
          const hidden = [...heard];
          thread.style.setProperty('display', 'block');
          await settled();
          return [atEnd, scrolledUp, hidden, heard.at(-1)];
        }"""
    )
    assert seen[0][-1] == 40
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]
    assert seen[3] == 42


async def test_three_thousand_messages_are_there_at_once_and_all_can_be_reached(bench: Page) -> None:
    took_ms, count, newest_took_ms = await bench.evaluate(
        """async () => {
          const before = performance.now();
          for (let seq = 1; seq <= 3000; seq++) text(seq, `line ${seq}`, { author: seq % 3 ? 'bot' : 'customer' });
          await new Promise(requestAnimationFrame);
          const took = performance.now() - before;
          const count = rows().length;
          const again = performance.now();
          text(3001, 'one more');
          await Promise.resolve();
          scroll().scrollHeight;
          return [took, count, performance.now() - again];
        }"""
    )
    assert took_ms < 2_000
    assert count < 500
    assert newest_took_ms < 250
    reached = await bench.evaluate(
        """async () => {
          for (let turn = 0; turn < 60 && texts()[0] !== 'line 1'; turn++) {
            scroll().scrollTop = 0;
            await settled();
          }
          return [texts()[0], rows().length];
        }"""
    )
    assert reached == ["line 1", 3001]


async def test_an_answer_that_is_being_written_becomes_its_message(bench: Page) -> None:
    shown = await bench.evaluate(
        """async () => {
          const tail = () => thread.shadowRoot.querySelector('.tail').textContent;
          thread.typing('bot', 'Faro', true);
          for (let tries = 0; !tail() && tries < 100; tries++) await settled();
          const typing = tail();
          thread.delta('m_1', 'Hello **wor');
          thread.delta('m_1', 'ld**');
          await settled();
          const written = tail();
          text(1, 'Hello world', { id: 'm_1' });
          await settled();
          return [typing, written, tail(), texts()];
        }"""
    )
    assert shown[0] == "Faro is typing"
    assert shown[1].endswith("Hello world")
    assert shown[2:] == ["", ["Hello world"]]


async def test_days_and_gaps_have_their_time_and_a_run_its_speaker_once(bench: Page) -> None:
    shown = await bench.evaluate(
        """async () => {
          const parts = [{ type: 'text', text: 'x' }];
          const say = (seq, at, author, name) => thread.upsert({ seq, at, author, name, parts });
          say(1, '2026-01-01T12:00:00Z', 'bot', 'Faro');
          say(2, '2026-01-01T12:01:00Z', 'bot', 'Faro');
          say(3, '2026-01-01T13:01:00Z', 'bot', 'Faro');
          say(4, '2026-01-02T13:01:00Z', 'agent', 'Lucía');
          await settled();
          const of = (row, part) => row.querySelector(part)?.textContent ?? '';
          return rows().map((row) => [of(row, '.gap'), of(row, '.name')]);
        }"""
    )
    assert shown == [
        ["Thursday, January 1 7:00 AM", "Faro"],
        ["", ""],
        ["8:01 AM", "Faro"],
        ["Friday, January 2 8:01 AM", "Lucía"],
    ]


async def test_an_agents_picture_stands_before_their_name_and_a_missing_one_is_left_out(bench: Page) -> None:
    dot = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>"
    await bench.route("**/faces/berta.svg", lambda route: route.fulfill(body=dot, content_type="image/svg+xml"))
    await bench.route("**/faces/gone.png", lambda route: route.fulfill(body="no picture", content_type="image/png"))
    shown = await bench.evaluate(
        """async () => {
          const parts = [{ type: 'text', text: 'x' }];
          const say = (seq, name, avatar) => thread.upsert({ seq, at: at(seq), author: 'agent', name, avatar, parts });
          say(1, 'Berta', location.origin + '/faces/berta.svg');
          say(2, 'Carla', location.origin + '/faces/gone.png');
          say(3, 'Dora', 'javascript:alert(1)');
          await settled();
          const faces = () => rows().map((row) => row.querySelector('.name img.face')?.src.split('/').at(-1) ?? '');
          for (let n = 0; n < 100 && faces()[1]; n++) await new Promise((done) => setTimeout(done, 20));
          return [faces(), rows().map((row) => row.querySelector('.name').textContent)];
        }"""
    )
    assert shown == [["berta.svg", "", ""], ["Berta", "Carla", "Dora"]]


async def test_a_picture_opens_large_and_escape_gives_the_place_back(bench: Page) -> None:
    await bench.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(40, 30);
          canvas.getContext('2d').fillRect(0, 0, 40, 30);
          const url = URL.createObjectURL(await canvas.convertToBlob());
          const parts = [{ type: 'media', kind: 'image', name: 'modem.png', url }];
          thread.upsert({ seq: 1, author: 'agent', at: at(1), parts });
        }"""
    )
    opener = bench.get_by_role("button", name="Enlarge the picture: modem.png")
    await opener.click()
    large = bench.get_by_role("dialog", name="modem.png")
    await expect(large.get_by_role("img", name="modem.png")).to_be_visible()
    await bench.keyboard.press("Escape")
    await expect(large).to_have_count(0)
    await expect(opener).to_be_focused()
