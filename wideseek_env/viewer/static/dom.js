// Making elements. Text of agents and pages comes in as text nodes only; nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties: `class`, `on` (listeners), `data`, `style` (an object), else attributes; then children. */
function el(tag, properties = {}, ...children) {
  return dress(document.createElement(tag), properties, children);
}

function svg(tag, properties = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), properties, children);
}

function dress(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.setAttribute("class", value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

const ADDRESS = /https?:\/\/[^\s<>"'`|\\\]{}]+/gi;

/** Append `text` to `parent`: http and https addresses as links, `wanted` (if any) marked wherever it occurs. */
function addText(parent, text, wanted = "") {
  let position = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    addMarked(parent, text.slice(position, match.index), wanted);
    parent.append(link(address, wanted));
    position = match.index + address.length;
  }
  addMarked(parent, text.slice(position), wanted);
  return parent;
}

/** A link that tells the other side nothing; plain text for anything but http and https. */
function link(address, wanted = "") {
  let safe = false;
  try {
    safe = ["http:", "https:"].includes(new URL(address).protocol);
  } catch {
    // not an address
  }
  if (!safe) return document.createTextNode(address);
  const anchor = el("a", { href: address, target: "_blank", rel: "noopener noreferrer" });
  addMarked(anchor, address, wanted);
  return anchor;
}

/** An address without the punctuation of the sentence around it; closing brackets stay where they have a partner. */
function trimmed(address) {
  for (;;) {
    const last = address.at(-1);
    const unpaired = last === ")" && address.split(")").length > address.split("(").length;
    if (!unpaired && !".,;:!?*_".includes(last)) return address;
    address = address.slice(0, -1);
  }
}

function addMarked(parent, text, wanted) {
  const needle = wanted.toLowerCase();
  const hay = text.toLowerCase();
  // Lower case can change a text's length (İ); then nothing is marked rather than the wrong place.
  let position = 0;
  if (needle && hay.length === text.length) {
    for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, position)) {
      parent.append(text.slice(position, at), el("mark", {}, text.slice(at, at + needle.length)));
      position = at + needle.length;
    }
  }
  parent.append(text.slice(position));
}

/** A block of text as it is: line breaks kept, addresses as links. */
function plain(text, { code = false, wanted = "" } = {}) {
  return addText(el("pre", { class: code ? "plain code" : "plain" }), text, wanted);
}

/** A `<details>` whose content is made when it is first opened. */
function folded(summary, make, { open = false, ...properties } = {}) {
  const details = el("details", properties, el("summary", {}, summary));
  let made = false;
  const fill = () => {
    if (details.open && !made) {
      made = true;
      details.append(make());
    }
  };
  details.addEventListener("toggle", fill);
  details.open = open;
  fill();
  return details;
}

function option(value, text, chosen) {
  const item = el("option", { value }, text);
  item.selected = chosen;
  return item;
}

function percent(value) {
  return typeof value === "number" ? (100 * value).toFixed(1) : "–";
}

function seconds(value) {
  if (typeof value !== "number") return "–";
  if (value === 0) return "0";
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${+(value * 1000).toPrecision(3)} ms`;
  if (value < 120) return `${+value.toPrecision(3)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

function words(name) {
  return name.replaceAll("_", " ");
}
