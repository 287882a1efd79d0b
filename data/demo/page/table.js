// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A table of any length: only the rows in sight have elements, and those are used again while
// scrolling. A hundred thousand rows of real elements would take the page a gigabyte.

import { formatSize } from "./format.js";

const ROW_HEIGHT = 34;
const OVERSCAN = 6;

/* A name may hold line breaks and other control characters. */
function makeVisible(name) {
  return name.replaceAll("\n", "↵").replace(/[\u0000-\u001f\u007f]/g, "\ufffd");
}

function splitName(name) {
  const visible = makeVisible(name);
  const slash = visible.lastIndexOf("/") + 1;

  return [visible.slice(0, slash), visible.slice(slash)];
}

export class Table {
  #element;
  #scroller;
  #sizer;
  #all = [];
  #view = this.#all;
  #onlyFailed = false;
  #selected = null;
  #elements = new Map();
  #spare = [];
  #following = true;
  #renderedTop = 0;

  onselect = () => {};

  constructor(element, scroller, sizer) {
    this.#element = element;
    this.#scroller = scroller;
    this.#sizer = sizer;

    scroller.addEventListener("scroll", () => this.#scrolled());
    scroller.addEventListener("click", event => this.#clicked(event));
    element.addEventListener("keydown", event => this.#keyPressed(event));
    new ResizeObserver(() => this.render()).observe(scroller);
  }

  get isEmpty() {
    return this.#all.length === 0;
  }

  get selected() {
    return this.#selected;
  }

  clear() {
    this.#all = [];
    this.#view = this.#all;
    this.#onlyFailed = false;
    this.#following = true;
    this.select(null);
    this.update();
  }

  append(rows) {
    for (const row of rows)
      this.#all.push(row);

    if (this.#onlyFailed)
      for (const row of rows)
        if (row.error)
          this.#view.push(row);
  }

  /* Shows what was appended. */
  update() {
    this.#sizer.style.height = `${this.#view.length * ROW_HEIGHT}px`;
    this.#element.setAttribute("aria-rowcount", this.#view.length);
    if (this.#following)
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.render();
  }

  /* Work under way ends in no particular order; a list that stands is read by name. */
  sort() {
    this.#all.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
    this.showOnlyFailed(this.#onlyFailed);
    if (this.#following)
      this.#scroller.scrollTop = 0;
    this.#following = false;
    this.#redraw();
  }

  showOnlyFailed(onlyFailed) {
    this.#onlyFailed = onlyFailed;
    this.#view = onlyFailed ? this.#all.filter(row => row.error) : this.#all;
    this.update();
    this.#redraw();
  }

  select(row) {
    this.#selected = row;
    this.#redraw();
    this.onselect(row);
  }

  render() {
    const top = this.#scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(this.#view.length,
                          Math.ceil((top + this.#scroller.clientHeight) / ROW_HEIGHT) + OVERSCAN);

    for (const [index, element] of this.#elements)
      if (index < first || index >= last) {
        this.#elements.delete(index);
        this.#spare.push(element);
      }

    for (let index = first; index < last; index++)
      if (!this.#elements.has(index))
        this.#show(index);

    for (const element of this.#spare)
      element.remove();
    this.#spare.length = 0;
  }

  #show(index) {
    const row = this.#view[index];
    const element = this.#spare.pop() ?? this.#makeRow();
    const [name, size, sum] = element.children;
    const [folder, base] = splitName(row.name);

    element.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
    element.classList.toggle("failed", Boolean(row.error));
    element.setAttribute("aria-rowindex", index + 1);
    element.setAttribute("aria-selected", row === this.#selected);
    element.dataset.path = row.path;
    name.title = row.name;
    name.firstChild.textContent = folder;
    name.lastChild.data = base;
    size.textContent = row.size === undefined ? "" : formatSize(row.size);
    sum.textContent = sum.title = row.error ?? row.sum;

    this.#elements.set(index, element);
    if (!element.isConnected)
      this.#sizer.append(element);
  }

  #makeRow() {
    const element = document.createElement("div");
    const name = document.createElement("span");
    const folder = document.createElement("span");
    const size = document.createElement("span");
    const sum = document.createElement("span");

    element.className = "row";
    element.setAttribute("role", "row");
    for (const cell of [name, size, sum])
      cell.setAttribute("role", "gridcell");
    folder.className = "folder";
    size.className = "number";
    sum.className = "sum";
    name.append(folder, document.createTextNode(""));
    element.append(name, size, sum);

    return element;
  }

  #redraw() {
    this.#spare.push(...this.#elements.values());
    this.#elements.clear();
    this.render();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;

    if (scrollTop < this.#renderedTop)
      this.#following = false;
    else if (scrollTop + clientHeight >= scrollHeight - 1)
      this.#following = true;

    this.#renderedTop = scrollTop;
    this.render();
  }

  #clicked(event) {
    const element = event.target.closest(".row");

    if (!element)
      return;

    /* What was pointed at stays in sight. */
    this.#following = false;
    this.select(this.#view[element.getAttribute("aria-rowindex") - 1]);
  }

  #keyPressed(event) {
    const page = Math.floor(this.#scroller.clientHeight / ROW_HEIGHT);
    const steps = {
      ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity,
    };
    const step = steps[event.key];

    if (step === undefined || this.#view.length === 0)
      return;

    const from = this.#view.indexOf(this.#selected);
    const index = Math.min(Math.max(from + step, 0), this.#view.length - 1);
    const top = index * ROW_HEIGHT;

    event.preventDefault();
    this.#following = false;
    if (top < this.#scroller.scrollTop)
      this.#scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > this.#scroller.scrollTop + this.#scroller.clientHeight)
      this.#scroller.scrollTop = top + ROW_HEIGHT - this.#scroller.clientHeight;
    this.select(this.#view[index]);
  }
}
