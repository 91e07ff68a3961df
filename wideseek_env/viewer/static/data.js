// The data in the page: the list is read at once, the detail of an episode when it is opened.

const index = JSON.parse(byId("index").textContent);
const episodes = index.episodes.map((line, number) => ({ ...line, number, key: "" }));
const several = index.runs.length > 1;

{
  // A key that stays the same when the page is made again from a run that has grown.
  const seen = new Map();
  for (const episode of episodes) {
    const key = `${index.runs[episode.run].name}|${episode.task}|${episode.trial}`;
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    episode.key = times ? `${key}|${times}` : key;
    episode.search = `${episode.task} ${episode.question}`.toLowerCase();
  }
}

/** What the ids of all tasks begin with, up to a hyphen or slash: it is left out where there is little room. */
const common = (() => {
  const ids = [...new Set(episodes.map((episode) => episode.task))];
  if (ids.length < 2) return "";
  let length = 0;
  while (length < ids[0].length && ids.every((id) => id[length] === ids[0][length])) length += 1;
  const cut = ids[0].slice(0, length).search(/[-/_:][^-/_:]*$/);
  return cut > 3 ? ids[0].slice(0, cut + 1) : "";
})();

const KEPT = 8; // details kept unpacked
const unpacked = new Map();

/** The detail of an episode. */
async function detailOf(number) {
  let detail = unpacked.get(number);
  if (detail === undefined) {
    const packed = atob(byId(`episode-${number}`).textContent);
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    detail = JSON.parse(await new Response(stream).text());
  }
  unpacked.delete(number);
  unpacked.set(number, detail);
  if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
  return detail;
}

/** Other episodes of the same task: of other runs first, the same trial before others. */
function counterparts(episode) {
  return episodes
    .filter((other) => other !== episode && other.task === episode.task && other.digest === episode.digest)
    .sort(
      (a, b) =>
        (a.run === episode.run) - (b.run === episode.run) ||
        (a.trial !== episode.trial) - (b.trial !== episode.trial) ||
        a.number - b.number,
    );
}

{
  // Several runs: episodes of the same task and trial come together, in the order of the first that has them.
  const places = new Map();
  for (const episode of episodes) {
    const pair = `${episode.digest}|${episode.trial}`;
    if (!places.has(pair)) places.set(pair, episode.number);
    episode.place = several ? places.get(pair) : episode.number;
  }
}

if (several) {
  const first = new Map();
  for (const episode of episodes) {
    if (episode.run === 0) first.set(`${episode.digest}|${episode.trial}`, episode);
  }
  for (const episode of episodes) {
    const base = first.get(`${episode.digest}|${episode.trial}`);
    episode.delta = episode.run > 0 && base ? episode.f1 - base.f1 : null;
  }
}

/** What is kept in the browser from one visit to the next; pages from files may not be allowed to. */
const memory = {
  get(name) {
    try {
      return JSON.parse(sessionStorage.getItem(`wideseek.${name}`));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      sessionStorage.setItem(`wideseek.${name}`, JSON.stringify(value));
    } catch {
      // then it is forgotten
    }
  },
};
