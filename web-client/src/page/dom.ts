type Child = Node | string | undefined;
type Attributes = Record<string, string | number | boolean | undefined>;

function fill<Target extends Element>(element: Target, attributes: Attributes, children: readonly Child[]): Target {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export const html = <Tag extends keyof HTMLElementTagNameMap>(tag: Tag, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[Tag] =>
  fill(document.createElement(tag), attributes, children);

export const svg = <Tag extends keyof SVGElementTagNameMap>(tag: Tag, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[Tag] =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

/** Sets text only when it changed: what assistive technology hears is what changed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A part of the page: its element, and how it follows what it shows. */
export interface View<Data> {
  element: HTMLElement;
  update(data: Data): void;
}
