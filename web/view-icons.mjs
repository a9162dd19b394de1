/** The toolbar's icons: 20 x 20, strokes in the current colour. */

/** @param {string} paths */
const icon = (paths) =>
  `<svg viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" ` +
  `stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;

export const ICONS = {
  reset: icon('<path d="M4.2 8.2a6.2 6.2 0 1 1-.3 3.6"/><path d="M3.6 4.4v4h4"/>'),
  overlay: icon('<path d="M3.5 16.5h13"/><path d="M5.5 13.5v-3M10 13.5v-9M14.5 13.5v-6"/>'),
  help: icon(
    '<path d="M7.4 7.5a2.7 2.7 0 1 1 3.9 2.5c-.9.5-1.3 1-1.3 2"/>' +
      '<path d="M10 15.2v.1" stroke-width="2"/>',
  ),
  fullscreen: icon(
    '<path d="M3.8 7.5V3.8h3.7M12.5 3.8h3.7v3.7M16.2 12.5v3.7h-3.7M7.5 16.2H3.8v-3.7"/>',
  ),
  inputs: icon(
    '<path d="M3.5 6h6M13.5 6h3M3.5 14h3M10.5 14h6"/><circle cx="11.5" cy="6" r="2"/><circle cx="8.5" cy="14" r="2"/>',
  ),
  play: icon('<path d="M6.5 4.5v11l9-5.5z" fill="currentColor"/>'),
  pause: icon('<path d="M6.8 4.8v10.4M13.2 4.8v10.4" stroke-width="2.6"/>'),
  restart: icon('<path d="M5 4.8v10.4"/><path d="M15.5 4.8v10.4L7.8 10z" fill="currentColor"/>'),
  loop: icon(
    '<path d="M3.8 9.2V8.6c0-1.7 1.3-3 3-3h8.4"/><path d="M12.6 3l2.8 2.6-2.8 2.6"/>' +
      '<path d="M16.2 10.8v.6c0 1.7-1.3 3-3 3H4.8"/><path d="M7.4 17l-2.8-2.6 2.8-2.6"/>',
  ),
  view: icon(
    '<path d="M2.5 10s2.7-5 7.5-5 7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5z"/><circle cx="10" cy="10" r="2.3"/>',
  ),
  hidden: icon(
    '<path d="M4.6 13.2C3.2 11.7 2.5 10 2.5 10s2.7-5 7.5-5c1.3 0 2.4.4 3.4.9M15.7 7.2c1.2 1.4 1.8 2.800 1.8 2.800s-2.7 5-7.5 5c-1 0-1.900-.2-2.7-.6"/>' +
      '<path d="M3.5 16.5l13-13"/>',
  ),
  rename: icon('<path d="M4 16l.7-3.2 8.4-8.4a1.5 1.5 0 0 1 2.1 0l.4.4a1.5 1.5 0 0 1 0 2.1l-8.4 8.4z"/>'),
  close: icon('<path d="M5.5 5.5l9 9M14.5 5.5l-9 9"/>'),
  file: icon(
    '<path d="M10 12.8V4.5M6.8 7.5 10 4.3l3.2 3.2"/><path d="M4 12.5v2.2c0 .8.6 1.4 1.4 1.4h9.2c.8 0 1.4-.6 1.4-1.4v-2.2"/>',
  ),
};
