/** The element's style, shared by all elements of a page; constructed, so that a strict CSP allows it. */

const CSS = `
:host {
  display: block; position: relative; overflow: hidden; contain: content;
  touch-action: none; background: #000; color: #f2f3f5; color-scheme: dark;
  --accent: var(--vitrine-accent, #9cc4ff);
  --panel: var(--vitrine-panel, rgb(17 19 23 / 0.72));
  --line: rgb(255 255 255 / 0.1);
  --quiet: rgb(242 243 245 / 0.64);
  --gap: 12px;
  font: 400 13px/1.45 system-ui, sans-serif;
}
:host([hidden]) { display: none; }
:host(:fullscreen) { width: 100%; height: 100%; border-radius: 0; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }

.root { position: relative; width: 100%; height: 100%; aspect-ratio: 16 / 9;
  container-type: size; overflow: hidden; user-select: none; -webkit-user-select: none; }
.stage, .poster, .ring { position: absolute; inset: 0; }
.stage { outline: none; cursor: grab; -webkit-tap-highlight-color: transparent; }
.stage.dragging { cursor: grabbing; }
.root:not([data-state="ready"]) .stage { cursor: default;
  background: radial-gradient(120% 120% at 50% 40%, #20242c, #0c0e12 75%); }
canvas { display: block; width: 100%; height: 100%; }
.ring { pointer-events: none; border-radius: inherit; }
.stage:focus-visible ~ .ring { box-shadow: inset 0 0 0 2px var(--accent), inset 0 0 0 3px rgb(0 0 0 / 0.5); }

/* The poster's height spans the box's shorter side, as the camera's field of view does; the rest is its blur. */
.poster { pointer-events: none; overflow: hidden; opacity: 1; }
.poster img { position: absolute; top: 50%; left: 50%; height: min(100cqw, 100cqh); width: auto; max-width: none;
  transform: translate(-50%, -50%); }
.poster img.blur { inset: -6%; width: 112%; height: 112%; object-fit: cover; transform: none;
  filter: blur(28px) brightness(0.7); }
.poster.gone { opacity: 0; visibility: hidden; transition: opacity 450ms ease, visibility 0s 450ms; }

.panel { position: absolute; border: 1px solid var(--line); border-radius: 12px; background: var(--panel);
  -webkit-backdrop-filter: blur(18px) saturate(1.3); backdrop-filter: blur(18px) saturate(1.3);
  box-shadow: 0 6px 28px rgb(0 0 0 / 0.32); }
h2, h3, p, dl, dd { margin: 0; font-weight: 400; font-size: inherit; }
button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; border-radius: 8px;
  transition: background 120ms; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
button.icon { display: grid; place-items: center; width: 34px; height: 34px; padding: 0; color: var(--quiet); }
button.icon:hover, button.icon[aria-pressed="true"] { color: #fff; background: rgb(255 255 255 / 0.1); }
button.text { padding: 6px 14px; background: rgb(255 255 255 / 0.12); font-weight: 500; }
button.text:hover { background: rgb(255 255 255 / 0.2); }
button.text.first { background: var(--accent); color: #0d1420; }
button.text.first:hover { background: color-mix(in srgb, var(--accent), #fff 25%); }

.toolbar { right: var(--gap); bottom: var(--gap); display: flex; gap: 2px; padding: 3px;
  transition: opacity 260ms ease; }
.root:not([data-state="ready"]) .toolbar { display: none; }
.root.idle .toolbar:not(:hover, :focus-within) { opacity: 0; }

.player { left: var(--gap); right: calc(var(--gap) + 232px); bottom: var(--gap); display: flex; align-items: center;
  gap: 2px; padding: 3px 8px 3px 3px; transition: opacity 260ms ease; }
.player.short { right: auto; padding-right: 12px; }
.root.idle .player.playing:not(:hover, :focus-within) { opacity: 0; }
.root:not([data-state="ready"]) :is(.player, .dials, .viewing, .divider), .root.bare :is(.player, .dials, .viewing, .divider) { display: none; }
.player .time { font-variant-numeric: tabular-nums; color: var(--quiet); white-space: nowrap; padding: 0 8px; }
.player .scrub { flex: 1; min-width: 40px; margin: 0 4px; }
select { -webkit-appearance: none; appearance: none; font: inherit; color: var(--quiet); height: 34px; min-width: 42px;
  padding: 0 6px; border: 0; border-radius: 8px; cursor: pointer; background: none; text-align: center;
  text-align-last: center; font-variant-numeric: tabular-nums; }
select:hover { color: #fff; background: rgb(255 255 255 / 0.1); }
select option { color: #f2f3f5; background: #17191d; }
select:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }

.dials, .viewing { right: var(--gap); top: var(--gap); width: 236px; max-height: calc(100% - 2 * var(--gap) - 54px);
  padding: 12px 14px; overflow: auto; touch-action: pan-y; }
.dials .body { display: grid; gap: 10px; }
.dial { display: grid; grid-template-columns: 1fr auto; gap: 1px 10px; min-width: 0; }
.dial output { color: var(--quiet); font-variant-numeric: tabular-nums; }
.dial input { grid-column: 1 / -1; width: 100%; }
.dials .above:not([hidden]) + .body:not([hidden]) { border-top: 1px solid var(--line); margin-top: 12px; padding-top: 12px; }
.filter { display: grid; grid-template-columns: auto 1fr; align-items: center; gap: 10px; }
.filter select { text-align: left; text-align-last: left; background: rgb(255 255 255 / 0.1); color: inherit; min-width: 0; }
.divider { position: absolute; top: 0; bottom: 0; left: 50%; width: 24px; margin-left: -12px; cursor: ew-resize;
  touch-action: none; outline: none; }
.divider::after { content: ""; position: absolute; top: 50%; left: 50%; width: 8px; height: 34px; border-radius: 99px;
  transform: translate(-50%, -50%); background: #f2f3f5; box-shadow: 0 1px 6px rgb(0 0 0 / 0.5); }
.divider:focus-visible::after { outline: 2px solid var(--accent); outline-offset: 2px; }
.viewing { width: 268px; display: grid; gap: 16px; align-content: start; }
.part { display: grid; gap: 8px; min-width: 0; }
.part h3, .legend { color: var(--quiet); font-size: 12px; }
.row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.row > button.text { flex: 1 1 auto; white-space: nowrap; }
.field { display: flex; align-items: center; gap: 8px; min-height: 30px; }
.field > span:first-child { flex: 1; }
.field select, .row select { height: 30px; padding: 0 10px; background: rgb(255 255 255 / 0.1); color: inherit; text-align: left;
  text-align-last: left; }
/* An arrow down, of two triangles: a picture would need the leave of a page's policy. */
:is(.field, .row, .filter) select { padding: 0 18px 0 8px; background-repeat: no-repeat; background-size: 4px 4px;
  background-image: linear-gradient(45deg, transparent 50%, var(--quiet) 50%), linear-gradient(-45deg, transparent 50%, var(--quiet) 50%);
  background-position: right 10px center, right 6px center; }
.check { display: inline-flex; gap: 6px; align-items: center; cursor: pointer; }
input[type="checkbox"] { accent-color: var(--accent); width: 15px; height: 15px; margin: 0; }
.segments { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 2px; padding: 2px; border-radius: 9px;
  background: rgb(255 255 255 / 0.08); }
.segments label { position: relative; text-align: center; padding: 4px 4px; border-radius: 7px; cursor: pointer;
  color: var(--quiet); }
.segments input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; }
.segments label:hover { color: #fff; }
.segments label:has(:checked) { background: rgb(255 255 255 / 0.16); color: #fff; }
.segments label:has(:focus-visible) { outline: 2px solid var(--accent); }
.marks { list-style: none; margin: 0; padding: 0; display: grid; gap: 2px; max-height: 148px; overflow: auto; touch-action: pan-y; }
.marks li { display: flex; align-items: center; border-radius: 8px; min-width: 0; }
.marks li:hover { background: rgb(255 255 255 / 0.06); }
.marks button.text { flex: 1; min-width: 0; text-align: left; background: none; padding: 5px 6px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.marks kbd { margin-right: 8px; }
.marks .hid button.text { color: var(--quiet); }
.marks button.text[aria-pressed="true"] { background: rgb(255 255 255 / 0.16); color: #fff; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button.icon.small { width: 28px; height: 28px; flex: none; }
button.icon.small svg { width: 16px; height: 16px; }
input.number, input.name { font: inherit; color: inherit; height: 30px; min-width: 0; padding: 0 8px; border: 0; border-radius: 8px;
  background: rgb(255 255 255 / 0.1); font-variant-numeric: tabular-nums; }
input.number { width: 52px; -moz-appearance: textfield; appearance: textfield; }
input.number::-webkit-inner-spin-button { display: none; }
input.number:invalid { outline: 2px solid #ff8a80; }
input.name { flex: 1; }
input:is(.number, .name, .colour, [type="checkbox"]):focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
input.colour { width: 42px; height: 26px; padding: 0; border: 1px solid var(--line); border-radius: 8px; background: none; cursor: pointer; }
input.colour::-webkit-color-swatch-wrapper { padding: 0; }
input.colour::-webkit-color-swatch { border: 0; border-radius: 7px; }
.row > select { flex: 1 1 auto; }
.row > .check { margin-left: auto; }
.going { flex: 1; min-height: 31px; }
.going > button.text { flex: none; }
.going progress { flex: 1; min-width: 60px; height: 6px; accent-color: var(--accent); }
button.text:disabled { opacity: 0.5; cursor: default; }
.unit { color: var(--quiet); margin-left: -2px; }
.feed { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.feed span { width: 100%; }
.feed button { flex: 1; white-space: nowrap; }
button.text[aria-pressed="true"] { background: var(--accent); color: #0d1420; }

input[type="range"] { -webkit-appearance: none; appearance: none; height: 22px; margin: 0; background: none;
  cursor: pointer; touch-action: none; border-radius: 8px;
  --rail: linear-gradient(to right, var(--accent) var(--at, 0%), rgb(255 255 255 / 0.18) var(--at, 0%)); }
input[type="range"]::-webkit-slider-runnable-track { height: 4px; border-radius: 4px; background: var(--rail); }
input[type="range"]::-moz-range-track { height: 4px; border-radius: 4px; background: var(--rail); }
input[type="range"]::-webkit-slider-thumb { -webkit-appearance: none; width: 14px; height: 14px; margin-top: -5px;
  border: 0; border-radius: 50%; background: #f2f3f5; box-shadow: 0 1px 4px rgb(0 0 0 / 0.5); }
input[type="range"]::-moz-range-thumb { width: 14px; height: 14px; border: 0; border-radius: 50%; background: #f2f3f5; }
input[type="range"]:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }

.progress { position: absolute; inset: auto 0 0 0; pointer-events: none; transition: opacity 300ms ease; }
.progress.gone { opacity: 0; }
.progress .words { position: absolute; left: var(--gap); bottom: 15px; padding: 4px 11px; border-radius: 99px;
  font-variant-numeric: tabular-nums; max-width: calc(100% - 2 * var(--gap)); white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.track { height: 3px; background: rgb(255 255 255 / 0.14); overflow: hidden; }
.bar { height: 100%; background: var(--accent); transform-origin: left; transition: transform 200ms ease-out; }
.track.unknown .bar { animation: slide 1.5s ease-in-out infinite; }
@keyframes slide { from { transform: translateX(-100%) scaleX(0.4); } to { transform: translateX(100%) scaleX(0.4); } }

.message { left: 50%; top: 50%; transform: translate(-50%, -50%); width: max-content;
  max-width: min(420px, calc(100% - 2 * var(--gap))); max-height: calc(100% - 2 * var(--gap)); overflow: auto;
  padding: 20px 22px; text-align: center; user-select: text; -webkit-user-select: text; }
.message h2 { font-size: 16px; font-weight: 600; line-height: 1.3; text-wrap: balance; }
.message p { color: var(--quiet); margin-top: 6px; overflow-wrap: anywhere; text-wrap: pretty; }
.message .actions { display: flex; gap: 8px; justify-content: center; margin-top: 14px; }
.message.brief { top: var(--gap); transform: translateX(-50%); padding: 7px 16px; border-radius: 99px; }
.message.brief h2 { font-size: 13px; font-weight: 500; }
.message.invite { border-style: dashed; border-color: rgb(255 255 255 / 0.22); box-shadow: none; }
.message.invite svg { width: 28px; height: 28px; color: var(--accent); margin-bottom: 4px; }

.hint { left: 50%; bottom: 58px; transform: translateX(-50%); padding: 6px 14px; border-radius: 99px;
  width: max-content; max-width: calc(100% - 2 * var(--gap)); text-align: center; pointer-events: none; opacity: 0;
  transition: opacity 200ms; }
.hint.on { opacity: 1; }

.stats { left: var(--gap); top: var(--gap); display: grid; grid-template-columns: auto minmax(0, auto);
  gap: 1px 18px; padding: 10px 14px; font-size: 12px; font-variant-numeric: tabular-nums;
  max-width: min(320px, calc(100% - 2 * var(--gap))); max-height: calc(100% - 2 * var(--gap)); overflow: hidden;
  pointer-events: none; }
.stats dt { color: var(--quiet); white-space: nowrap; }
.stats dt.indented { padding-left: 12px; }
.stats dd { text-align: right; overflow-wrap: anywhere; }
.stats dd[data-row="fps"] { font-weight: 600; color: var(--accent); }
.stats :is([data-row="cpu"], [data-row="drawn"], [data-row="adapter"]) { margin-top: 6px; }

.help { right: var(--gap); bottom: calc(var(--gap) + 50px); padding: 14px 18px 18px;
  max-width: calc(100% - 2 * var(--gap)); max-height: calc(100% - 2 * var(--gap) - 50px); overflow: auto; }
.help h2 { font-size: 15px; font-weight: 600; line-height: 28px; }
.help button { position: absolute; right: 8px; top: 10px; }
.help .groups { display: grid; grid-template: auto auto 1fr / auto auto; gap: 12px 36px; margin-top: 4px; }
.help .keys { grid-column: 2; grid-row: 1 / span 3; }
.help .objects { grid-column: 2; grid-row: 3; align-self: end; }
.help h3 { color: var(--quiet); margin-bottom: 3px; }
.help dl { display: grid; grid-template-columns: minmax(148px, auto) 1fr; gap: 0 18px; align-items: center;
  line-height: 25px; }
.help dt { display: flex; gap: 4px; align-items: center; white-space: nowrap; }
.help dd { color: var(--quiet); white-space: nowrap; }
kbd { font: 500 11px/18px system-ui, sans-serif; min-width: 20px; padding: 0 5px; text-align: center;
  border: 1px solid rgb(255 255 255 / 0.16); border-bottom-width: 2px; border-radius: 5px;
  background: rgb(255 255 255 / 0.06); }

.drop { inset: 10px; display: grid; place-items: center; pointer-events: none; font-size: 17px; font-weight: 600;
  border: 2px dashed var(--accent); background: rgb(13 20 32 / 0.62); box-shadow: none; text-align: center; }
.drop small { display: block; font-weight: 400; font-size: 13px; color: var(--quiet); }

@container (max-width: 639px) {
  .player { bottom: calc(var(--gap) + 48px); }
  .player:not(.short) { right: var(--gap); }
  .plays .hint { bottom: 112px; }
  .dials, .viewing { left: var(--gap); width: auto; max-height: 46%; }
  .viewing { max-height: calc(100% - 2 * var(--gap) - 54px); }
  .plays .viewing { max-height: calc(100% - 2 * var(--gap) - 102px); }
  .root .viewing:has(.own:not([hidden])) { max-height: 40%; } /* the handles of an object are to be seen */
}
@container (min-width: 360px) and (max-width: 639px) { /* in pairs: half as high over the scene */
  .dials > .body { grid-template-columns: 1fr 1fr; gap: 10px 20px; align-items: center; }
  .dials > .body > :is(.filter, .feed, .dial:last-child:nth-child(odd)) { grid-column: 1 / -1; }
}
@container (max-width: 560px) {
  .help { left: var(--gap); }
  .help .groups { grid-template: auto / auto; gap: 10px; }
  .help :is(.keys, .objects) { grid-column: auto; grid-row: auto; }
}
@container (max-width: 420px) or (max-height: 300px) {
  .player .all { display: none; }
  .stats { padding: 7px 10px; font-size: 11px; gap: 0 12px; }
  .message { padding: 14px 16px; }
}
@container (max-height: 220px) {
  .stats { display: flex; flex-wrap: wrap; gap: 0 6px; }
  .stats dd { margin-right: 10px; }
  .stats :is(dt, dd)[data-row] { margin-top: 0; padding: 0; }
}
@media (pointer: coarse) {
  button.icon { width: 42px; height: 42px; }
  input[type="range"] { height: 34px; }
  input[type="range"]::-webkit-slider-thumb { width: 20px; height: 20px; margin-top: -8px; }
  input[type="range"]::-moz-range-thumb { width: 20px; height: 20px; }
  select, .field select, .row select { height: 42px; }
  button.icon.small { width: 40px; height: 40px; }
  .segments label, .marks button.text { padding-top: 10px; padding-bottom: 10px; }
  input.number, input.name, input.colour { height: 40px; }
  input[type="checkbox"] { width: 20px; height: 20px; }
  .player { right: calc(var(--gap) + 280px); }
  button.text { padding: 10px 18px; }
  .help .touch { order: -1; }
  .help { bottom: calc(var(--gap) + 58px); max-height: calc(100% - 2 * var(--gap) - 58px); }
}
@media (pointer: coarse) {
  @container (max-width: 639px) {
    .player { bottom: calc(var(--gap) + 56px); }
    .player:not(.short) { right: var(--gap); }
    .plays .hint { bottom: 128px; }
    .viewing { max-height: calc(100% - 2 * var(--gap) - 62px); }
    .plays .viewing { max-height: calc(100% - 2 * var(--gap) - 118px); }
  }
}
@media (prefers-reduced-motion: reduce) {
  *, .poster.gone { transition: none !important; animation: none !important; }
}
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

/** @param {ShadowRoot} root */
export function dress(root) {
  try {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [sheet];
  } catch {
    // Browsers too old for this have no WebGPU; the message that says so deserves its style too.
    const style = document.createElement("style");
    style.textContent = CSS;
    root.append(style);
  }
}
